"""The DuckDB catalog: the only rooms that know SQL."""
