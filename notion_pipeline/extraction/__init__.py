"""One data source, read whole.

In: a client, a schema and what to read. Out: an `Extract` whose rows are staged on disk, so that a later run can go on
with it. Its queries are in `windows`, the completing of values in `references`. May import these, `notion` and `rows`.
"""
