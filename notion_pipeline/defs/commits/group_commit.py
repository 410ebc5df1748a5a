"""Commits a group of databases: those without changes in one transaction, each of the others in its own.

In a lake the others share a transaction too, unless it fails.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Optional

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.load.commit import Committed, commit_database, commit_together
from notion_pipeline.catalog.load.unchanged import commit_unchanged
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import CatalogError, NotionPipelineError
from notion_pipeline.extraction.extract import DatabaseExtract
from notion_pipeline.outside import shown_line


def commit_group(
    catalog: Catalog, source: Source, group: Sequence[DatabaseExtract], run_id: str
) -> Iterator[tuple[DatabaseExtract, Committed]]:
    """Each database, once it is committed, with what loading did. An error joins the failures of the database."""
    committed: dict[str, Committed] = {}
    # After an error nothing of these is committed: each is tried alone, and tells its own error.
    with suppress(CatalogError):
        committed |= commit_unchanged(catalog, source, group, run_id)
    changed = [database for database in group if database.extracts and database.database_id not in committed]
    if catalog.commits_in_groups and len(changed) > 1:
        with suppress(CatalogError):
            committed |= commit_together(catalog, source, changed, run_id)
    # What is committed comes first: its events are not to wait for a long commit, during which the run may be killed.
    for database in sorted(group, key=lambda database: database.database_id not in committed):
        yield database, _commit(catalog, source, database, run_id, committed.get(database.database_id))


def _commit(
    catalog: Catalog,
    source: Source,
    database: DatabaseExtract,
    run_id: str,
    committed: Optional[Committed],  # noqa: UP045
) -> Committed:
    results = committed or []
    try:
        if database.extracts and committed is None:
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
