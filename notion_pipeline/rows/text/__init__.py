"""Text in and out: JSON, ISO times, and what DuckDB can store.

In: the text of an answer, of a file, or a value for the catalog. Out: Python values, instants in microseconds, text
that can be stored. May import the root modules.
"""
