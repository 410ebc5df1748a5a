"""The catalog, opened for one transaction: a DuckDB file under our lock, or a DuckLake.

In: where the catalog is. Out: an open connection that commits as a whole or not at all, and errors that say who holds
the file or what is missing. May import `catalog` and `config` for the location.
"""

from notion_pipeline.catalog.connection.catalog import MEMORY_LIMIT, WAIT_SECONDS, Catalog

__all__ = ["MEMORY_LIMIT", "WAIT_SECONDS", "Catalog"]
