"""Commits a group of databases, each in a transaction of its own."""

from collections.abc import Iterator, Sequence

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.load.commit import Committed, commit_database
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.extraction.extract import DatabaseExtract
from notion_pipeline.outside import shown_line


def commit_group(
    catalog: Catalog, source: Source, group: Sequence[DatabaseExtract], run_id: str
) -> Iterator[tuple[DatabaseExtract, Committed]]:
    """Each database, once it is committed, with what loading did. An error joins the failures of the database."""
    for database in group:
        yield database, _commit(catalog, source, database, run_id)


def _commit(catalog: Catalog, source: Source, database: DatabaseExtract, run_id: str) -> Committed:
    results: Committed = []
    try:
        if database.extracts:
            results = commit_database(catalog, source, database, run_id)
        for extract, _ in results:
            extract.stage.remove()
    except Exception as error:  # one database's failure is its own; it is reported with its reason
        if isinstance(error, NotionPipelineError):
            error.source = error.source or source.name
            error.database = error.database or f'"{shown_line(database.title) or "Untitled"}" ({database.database_id})'
        database.failures.append(error)
    finally:
        database.release()
    return results
