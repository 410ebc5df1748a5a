"""The catalog: DuckDB, and the only rooms that write SQL.

In: listings and extracts. Out: tables, views, comments and what is known of each stream. May import `config`,
`listing`, `rows` and `extraction`.
"""
