"""What users add to our tables: columns, defaults, indexes, constraints, foreign keys, views and macros.

In: an open connection and a table. Out: SQL that keeps the additions when the table is made again or renamed, or an
error that names the one that cannot be kept. May import `catalog`.
"""
