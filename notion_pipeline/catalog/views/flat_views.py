"""Flat views: for each table of source S a view of the same name in the schema `S_views`; those of content beside them.

They have a schema of their own, so that no view takes the name of another stream's table. Our views have a mark in
their comments; views without it are never replaced or dropped. DuckDB lets tables change under their views: a view
whose column or table is gone fails when it is queried, until it is made again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

import duckdb

from notion_pipeline.catalog.comments import VIEW_MARK
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.dialect import dialect_of
from notion_pipeline.catalog.sql import names_in, quote
from notion_pipeline.catalog.views.content_views import content_views
from notion_pipeline.catalog.views.definitions import FlatView, flat_views
from notion_pipeline.errors import CatalogError
from notion_pipeline.rows.naming import first_free, numbered

Action = Literal["created", "replaced", "unchanged", "removed"]

_MARK = re.compile(rf"{VIEW_MARK}(?P<digest>[0-9a-f]{{16}})$")


@dataclass(frozen=True)
class ViewChange:
    """What happens to one view.

    Attributes:
        table: Its table; empty for a view that is removed.
        columns: How many columns it has.
    """

    action: Action
    schema: str
    view: str
    table: str
    columns: int
    statements: tuple[str, ...]


def views_schema(source: str, sources: Iterable[str], catalog: Catalog) -> str:
    """The schema of a source's views: `S_views`, with a number where a source or the catalog has that name."""
    taken = {*sources, catalog.database}
    wanted = f"{source}_views"
    return first_free(numbered(wanted), taken)


def view_changes(
    connection: duckdb.DuckDBPyConnection, source: str, schema: str, *, drop: bool = False
) -> list[ViewChange]:
    """The changes that bring the views of a source up to date; the same for the same catalog.

    Args:
        drop: Remove every view that this pipeline made.
    """
    current = _ours(connection, schema)
    foreign = {name.lower() for name in names_in(connection, schema)} - {name.lower() for name in current}
    wanted = [] if drop else flat_views(connection, source, schema, foreign)
    wanted += content_views(connection, source, schema, foreign, wanted) if wanted else []
    dialect = dialect_of(connection)
    changes = [
        ViewChange(
            action := "created" if view.name not in current else _compared(view, current[view.name]),
            schema,
            view.name,
            ".".join(view.table),
            len(view.columns),
            () if action == "unchanged" else tuple(view.statements(dialect)),
        )
        for view in wanted
    ]
    names = {view.name for view in wanted}
    gone = [name for name in sorted(current) if name not in names]
    removed = [ViewChange("removed", schema, name, "", 0, (f"DROP VIEW {quote(schema, name)}",)) for name in gone]
    # Removals come first: a new view may have the same name in other letter case.
    return [*removed, *changes]


def apply_changes(connection: duckdb.DuckDBPyConnection, schema: str, changes: Collection[ViewChange]) -> None:
    """Makes the changes. The schema is made with the first view and dropped when it is empty."""
    if any(change.action == "created" for change in changes):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    for statement in (statement for change in changes for statement in change.statements):
        connection.execute(statement)
    if any(change.action == "removed" for change in changes) and not names_in(connection, schema):
        connection.execute(f"DROP SCHEMA IF EXISTS {quote(schema)}")


def keep_views(catalog: Catalog, source: str) -> str:
    """Brings the views of a source up to date after a sync, if it has any.

    Returns:
        Why it could not; empty where all is well. A sync does not fail because of its views.
    """
    try:
        schema = catalog.read(lambda connection: _schema_to_change(connection, source))
        if schema is None:
            return ""
        catalog.commit(lambda writer: apply_changes(writer, schema, view_changes(writer, source, schema)))
    except CatalogError as error:
        return f"The flat views of source {source} are not up to date: {error.message} Run `notion-pipeline views`."
    return ""


def _schema_to_change(connection: duckdb.DuckDBPyConnection | None, source: str) -> str | None:
    """The schema with the views of a source; None where there is none, or all are up to date."""
    schema = _schema_of_views(connection, source) if connection is not None else None
    if connection is None or schema is None:
        return None
    has_changes = any(change.statements for change in view_changes(connection, source, schema))
    return schema if has_changes else None


def _schema_of_views(connection: duckdb.DuckDBPyConnection, source: str) -> str | None:
    """The schema that holds the views of a source; None where it has none."""
    rows = connection.execute(
        "SELECT DISTINCT schema_name FROM duckdb_views() WHERE database_name = current_database() "
        "AND starts_with(schema_name, ?) AND contains(comment, ?) ORDER BY 1",
        [f"{source}_views", f"; flat view of {source}."],
    ).fetchall()
    return rows[0][0] if rows else None


def _ours(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, str]:
    """The digest of each view that this pipeline made in a schema, by name."""
    rows = connection.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ?",
        [schema],
    ).fetchall()
    marks = {name: _MARK.search(comment or "") for name, comment in rows}
    return {name: mark["digest"] for name, mark in marks.items() if mark}


def _compared(view: FlatView, digest: str) -> Action:
    return "unchanged" if view.digest == digest else "replaced"


def standing_views(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    """The views that this pipeline made of a source's tables, `schema.view`."""
    schema = _schema_of_views(connection, source)
    return [f"{schema}.{name}" for name in sorted(_ours(connection, schema))] if schema is not None else []


def drop_views(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Removes the views that this pipeline made, and their schema if it is empty then."""
    if (schema := _schema_of_views(connection, source)) is not None:
        apply_changes(connection, schema, view_changes(connection, source, schema, drop=True))
