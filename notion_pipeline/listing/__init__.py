"""Lists the databases of an account, and resolves the names of sources.yaml to them; `changes` finds what changed.

In: a client, and the databases of earlier listings. Out: a `Listing`, and the targets of a run. May import `config`,
`notion` and `rows` with its `text`.
"""
