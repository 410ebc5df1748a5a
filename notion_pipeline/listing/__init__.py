"""Lists the databases of an account, and finds those that changed.

In: a client, and the databases of earlier listings. Out: a `Listing`, the targets of a run, the databases that the
sensor asks a run for. May import `config`, `notion` and `rows`.
"""
