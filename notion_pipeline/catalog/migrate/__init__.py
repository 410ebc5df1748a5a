"""A whole catalog copied into another one: DuckDB file or lake, in every direction.

In: two catalogs. Out: the target with the tables, comments and views of the source, each table compared with its
original. May import `catalog` and its `additions`.
"""
