"""The catalog: DuckDB, and the only rooms that write SQL.

In: listings and extracts. Out: tables, views, comments and what is known of each stream. The modules here are what all
its rooms use: SQL's names and types, what a lake lacks, comments. They may import `rows`; the inner rooms may also
import `config`, `listing` and `extraction`.
"""
