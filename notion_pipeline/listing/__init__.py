"""Which databases there are, and which of them changed.

In: a client, and what earlier listings knew. Out: a `Listing`, the targets of a run, the databases that a sensor asks
for. May import `config`, `notion` and `rows`.
"""
