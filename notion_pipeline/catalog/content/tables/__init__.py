"""The tables of content and their rows: made, counted, and changed only where they differ.

In: an open connection, a table, rows as they should be. Out: what changed, in rows. May import `catalog` and its
`state`.
"""
