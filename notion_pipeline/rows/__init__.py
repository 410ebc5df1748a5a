"""Typed rows: what each property type becomes.

In: Notion's schemas and pages as JSON. Out: Arrow batches, DuckDB types, names of tables and columns, and the changes
between two schemas. May import `rows.text` and the root modules.
"""
