"""Makes the views of the source in the target, in an order in which they can be made."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from notion_pipeline.catalog.additions.views import VIEW, asked_for
from notion_pipeline.catalog.connection.duckdb_errors import reason
from notion_pipeline.catalog.dialect import dialect_of
from notion_pipeline.catalog.migrate.contents import Name, View, lowered
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.errors import CatalogError


def in_order(views: Sequence[View]) -> list[View]:
    """The views, each after those that it reads."""
    # An empty DuckDB: one that has the views may name what they read instead.
    with duckdb.connect() as empty:
        reads = {view.name: _read_by(empty, view) for view in views}
    left, ordered = list(views), list[View]()
    while left:
        waiting = {lowered(view.name) for view in left}
        free = [view for view in left if not (reads[view.name] & waiting) - {lowered(view.name)}] or left
        ordered += free
        left = [view for view in left if view not in free]
    return ordered


def make_view(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    """Makes a view with its comments, in the caller's transaction, in place of one of the same name.

    Raises:
        CatalogError: It cannot be made.
    """
    try:
        connection.execute(_statement(view))
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as error:
        raise CatalogError(reason(error)) from error
    _comment(connection, view)


def _read_by(connection: duckdb.DuckDBPyConnection, view: View) -> set[Name]:
    found = VIEW.fullmatch(view.sql.strip().rstrip(";"))
    asked = asked_for(connection, found["query"]) if found is not None else ()
    return {(schema or view.name[0].lower(), name) for schema, name in asked}


def _statement(view: View) -> str:
    found = VIEW.fullmatch(view.sql.strip().rstrip(";"))
    if found is None:
        raise duckdb.ParserException(f"it is written in a way that is not understood: {view.sql}")
    # DuckDB shows the name without its schema in a lake, and with it in a file.
    return f"CREATE OR REPLACE VIEW {quote(*view.name)} {found['columns'] or ''}AS {found['query']}"


def _comment(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    if view.comment is not None:
        connection.execute(f"COMMENT ON VIEW {quote(*view.name)} IS {text(view.comment)}")
    for column, said in view.on_columns if dialect_of(connection).comments_on_view_columns else ():
        connection.execute(f"COMMENT ON COLUMN {quote(*view.name, column)} IS {text(said)}")
