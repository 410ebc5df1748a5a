"""Commits a group of databases: those without changes in one transaction, each of the others in its own.

In a lake the others share a transaction too, unless it fails.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Optional, Union

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.load.commit import Committed, commit_database, commit_together
from notion_pipeline.catalog.load.unchanged import commit_unchanged
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import (
    CatalogBusyError,
    CatalogConflictError,
    CatalogError,
    CatalogUnreachableError,
    NotionPipelineError,
    located,
)
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
    waited_out: Optional[CatalogError] = None  # noqa: UP045
    if catalog.commits_in_groups and len(changed) > 1:
        try:
            committed |= commit_together(catalog, source, changed, run_id)
        except (CatalogBusyError, CatalogConflictError, CatalogUnreachableError) as error:
            waited_out = error  # each alone would wait as long again
        except CatalogError:
            pass  # one of them does not fit
    # What is committed comes first: its events are not to wait for a long commit, during which the run may be killed.
    for database in sorted(group, key=lambda database: database.database_id not in committed):
        refused = waited_out if database.extracts else None
        yield database, _commit(catalog, source, database, run_id, committed.get(database.database_id) or refused)


def _commit(
    catalog: Catalog,
    source: Source,
    database: DatabaseExtract,
    run_id: str,
    outcome: Union[Committed, CatalogError, None],  # noqa: UP007
) -> Committed:
    """Commits a database unless it has its outcome already; what was loaded, and its stage goes."""
    results: Committed = []
    try:
        if isinstance(outcome, CatalogError):
            raise outcome
        results = outcome or []
        if database.extracts and outcome is None:
            results = commit_database(catalog, source, database, run_id)
        for extract, _ in results:
            extract.stage.remove()
    except NotionPipelineError as error:  # one database's failure is its own; it is reported with its reason
        label = f'"{shown_line(database.title) or "Untitled"}" ({database.database_id})'
        database.failures.append(located(error, source=source.name, database=label))
    except Exception as error:  # the same
        database.failures.append(error)
    finally:
        database.release()
    return results
