"""What the catalog holds, for commands, checks and other tools.

In: an open connection. Out: overviews, quality figures, tables as Arrow. May import `catalog`, its `state` and
`listing`, `listing`, `extraction` and `rows`.
"""
