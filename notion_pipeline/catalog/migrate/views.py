"""Makes the views of the source in the target, in an order in which they can be made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import duckdb

from notion_pipeline.catalog.additions.views import VIEW
from notion_pipeline.catalog.dialect import dialect_of
from notion_pipeline.catalog.duckdb_errors import reason
from notion_pipeline.catalog.migrate.contents import View
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.errors import CatalogError


def make_views(
    commit: Callable[[Callable[[duckdb.DuckDBPyConnection], None]], None], views: Sequence[View]
) -> dict[str, str]:
    """Makes the views with their comments, in place of those of the same names; each in a transaction of its own.

    Args:
        commit: Makes a change in one transaction. A view that cannot be made ends the transaction that it is in.

    Returns:
        Why a view cannot be made, by `schema.view`; the others are there.
    """
    left, failed = list(views), dict[str, str]()
    while left:
        failed = {}
        for view in left:
            try:
                commit(partial(make_view, view=view))
            except CatalogError as error:
                if not isinstance(
                    error.__cause__, (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
                ):
                    raise
                failed[str(view)] = reason(error.__cause__)  # perhaps it reads one that is not made yet
        if len(failed) == len(left):
            return failed
        left = [view for view in left if str(view) in failed]
    return failed


def make_view(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    """Makes one view with its comments, in the caller's transaction."""
    connection.execute(_statement(view))
    _comment(connection, view)


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
