"""Views that show the content of pages beside the values of their rows.

For each table whose pages have content: `<table>_content`, one row a page, and `<table>_chunks`, one row a chunk. Over
all tables of a source: `page_chunks`, with the row's values as JSON.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import duckdb

from notion_pipeline.catalog.sql import columns_of, quote, text
from notion_pipeline.catalog.state import content_tables
from notion_pipeline.catalog.views.definitions import FlatView

#: Name, SQL and comment of a column.
_Column = tuple[str, str, str]

_CONTENT = ("markdown", "path", "truncated")
_CHUNK = ("ordinal", "heading_path", "text", "content_hash")
#: Without one of these columns, which somebody may have dropped, there are no views.
_PAGE = {"page_id", "data_source_id", "title", "url", *_CONTENT}


@dataclass(frozen=True)
class _Tables:
    """The tables of content: their names, and the comment of each column.

    Attributes:
        chunks: None where there is none.
    """

    content: tuple[str, str]
    of_content: dict[str, str]
    chunks: tuple[str, str] | None
    of_chunks: dict[str, str]


def content_views(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    schema: str,
    foreign: Collection[str],
    flat: Sequence[FlatView],
) -> list[FlatView]:
    """The views of a source's content, where there is content.

    Args:
        foreign: Names in the schema that are not ours, in lower case.
        flat: The views of all tables, which keep their names.
    """
    tables = _tables(connection, source)
    if tables is None:
        return []
    taken = {*foreign, *(view.name.lower() for view in flat)}
    with_content = [view for view in flat if view.data_source_id in _filled(connection, tables, chunked=False)]
    chunked = _filled(connection, tables, chunked=True) if tables.chunks is not None else set()
    views = []
    if tables.chunks is not None and chunked:
        views.append(_all_chunks(schema, _free(tables.chunks[1], taken), tables, tables.chunks, with_content))
    for view in with_content:
        name = _free(f"{view.name}_content", taken)
        views.append(_beside(view, name, "with the content of its pages", _of_content(tables), (_join(tables),)))
        if tables.chunks is not None and view.data_source_id in chunked:
            own = replace(view, columns=tuple(column for column in view.columns if column[0] != "id"))
            name, joins = _free(f"{view.name}_chunks", taken), (_join(tables), _chunk_join(tables.chunks))
            views.append(_beside(own, name, "with the chunks of its pages", _of_chunks(tables), joins))
    return views


def _tables(connection: duckdb.DuckDBPyConnection, source: str) -> _Tables | None:
    names = content_tables(connection, source)
    if "page_content" not in names:
        return None
    content = (source, names["page_content"])
    of_content = {name: comment or "" for name, _, comment in columns_of(connection, content)}
    if not of_content.keys() >= _PAGE:
        return None
    chunks = (source, names["page_chunks"]) if "page_chunks" in names else None
    of_chunks = {name: comment or "" for name, _, comment in columns_of(connection, chunks)} if chunks else {}
    if not of_chunks.keys() >= {"page_id", *_CHUNK}:
        chunks = None
    return _Tables(content, of_content, chunks, of_chunks)


def _filled(connection: duckdb.DuckDBPyConnection, tables: _Tables, *, chunked: bool) -> set[str | None]:
    """Data sources that have content, or chunks of it; None among them means pages that are in no database."""
    where = ""
    if chunked and tables.chunks is not None:
        where = f" WHERE page_id IN (SELECT page_id FROM {quote(*tables.chunks)})"
    rows = connection.execute(f"SELECT DISTINCT data_source_id FROM {quote(*tables.content)}{where}").fetchall()
    return {row[0] for row in rows}


def _of_content(tables: _Tables) -> list[_Column]:
    return [(name, f"content.{quote(name)}", tables.of_content[name]) for name in _CONTENT]


def _of_chunks(tables: _Tables) -> list[_Column]:
    return [(name, f"chunk.{quote(name)}", tables.of_chunks[name]) for name in ("page_id", *_CHUNK)]


def _beside(view: FlatView, name: str, about: str, columns: Sequence[_Column], joins: tuple[str, ...]) -> FlatView:
    """The view with further columns; those get other names where a property has theirs."""
    used = {column.lower() for column, _, _ in view.columns}
    added = tuple((_free(column, used), expression, comment) for column, expression, comment in columns)
    about = f"{view.about}; {about}" if view.about else about
    return replace(view, name=name, columns=(*view.columns, *added), joins=(*view.joins, *joins), about=about)


def _all_chunks(
    schema: str, name: str, tables: _Tables, chunks: tuple[str, str], views: Sequence[FlatView]
) -> FlatView:
    """The chunks of all pages, each with its page and the plain values of its row."""
    comments = {
        "table_name": "Table of the row",
        "properties": "Properties of the row that need no other table, as JSON",
    }
    columns = [
        ("page_id", "t.page_id", tables.of_chunks["page_id"]),
        ("table_name", "page.table_name" if views else "NULL::VARCHAR", comments["table_name"]),
        *((name, f"content.{quote(name)}", tables.of_content[name]) for name in ("title", "url", "path")),
        ("properties", "page.properties" if views else "NULL::JSON", comments["properties"]),
        *((name, f"t.{quote(name)}", tables.of_chunks[name]) for name in _CHUNK),
    ]
    joins = [_join(tables, "t.page_id")]
    if views:
        rows = "\n  UNION ALL\n".join(f"  {_plain_rows(view)}" for view in views)
        # The table of a database that is not read any more may hold the page as well.
        own = "page.id = t.page_id AND page.data_source_id = content.data_source_id"
        joins.append(f"LEFT JOIN (\n{rows}\n) page ON {own}")
    return FlatView(schema, name, chunks, tuple(columns), tuple(joins), "Chunks of all pages, with their rows")


def _plain_rows(view: FlatView) -> str:
    shown = ", ".join(f"{text(name)}, {sql}" for name, sql, _ in view.columns if name in view.plain)
    return (
        f"SELECT t.id, {text(view.data_source_id)} AS data_source_id, {text(view.table[1])} AS table_name, "
        f"json_object({shown}) AS properties FROM {quote(*view.table)} t"
    )


def _join(tables: _Tables, page_id: str = "t.id") -> str:
    return f"JOIN {quote(*tables.content)} content ON content.page_id = {page_id}"


def _chunk_join(chunks: tuple[str, str]) -> str:
    return f"JOIN {quote(*chunks)} chunk ON chunk.page_id = t.id"


def _free(name: str, taken: set[str]) -> str:
    """The name, with as many `_` behind it as make it free; takes it."""
    while name.lower() in taken:
        name += "_"
    taken.add(name.lower())
    return name
