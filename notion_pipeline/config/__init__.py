"""sources.yaml, read and checked.

In: the project's files and environment. Out: `Sources`, one `Source` for each entry, and the rule of how a database is
named. May import `rows`, for what
a property's id is.
"""
