"""One data source, read whole.

In: a client, a schema and what to read. Out: an `Extract` whose rows are staged on disk, so that a later run can go on
with it. May import `notion`, `rows` and the root modules.
"""
