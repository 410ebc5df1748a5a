"""Makes the views of the source in the target, in an order in which they can be made."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from notion_pipeline.catalog.additions.views import VIEW
from notion_pipeline.catalog.dialect import dialect_of
from notion_pipeline.catalog.duckdb_errors import reason
from notion_pipeline.catalog.migrate.contents import View
from notion_pipeline.catalog.sql import quote, text


def make_views(connection: duckdb.DuckDBPyConnection, views: Sequence[View]) -> dict[str, str]:
    """Makes the views with their comments, in the caller's transaction, in place of those of the same names.

    Returns:
        Why a view cannot be made, by `schema.view`; the others are there.
    """
    left, failed = list(views), dict[str, str]()
    while left:
        failed = {}
        for view in left:
            try:
                connection.execute(_statement(view))
            except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as error:
                failed[str(view)] = reason(error)  # perhaps it reads one that is not made yet
            else:
                _comment(connection, view)
        if len(failed) == len(left):
            return failed
        left = [view for view in left if str(view) in failed]
    return failed


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
