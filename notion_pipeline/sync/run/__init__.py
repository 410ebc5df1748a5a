"""What the reads of one run have in common: what the run is asked to do, its pace, and how far it has come.

In: a client, options, and each database as it begins and ends. Out: the context that reads take, lines of the log or
progress bars. May import `config`, `notion`, `extraction`, `catalog` and `state`.
"""
