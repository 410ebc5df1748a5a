"""The catalog: DuckDB, and the only rooms that write SQL.

In: listings and extracts. Out: tables, views, comments and what is known of each stream. The modules here open, lock
and copy the file, and may import `rows`; the inner rooms may also import `config`, `listing` and `extraction`.
"""
