"""Flat companion views: for each table of source S a view of the same name in the schema `S_views`.

A schema of their own, so that no view can stand where the table of another stream wants to be. A view bears a mark in
its comment; what has none is somebody else's, and is never replaced or dropped. DuckDB lets the tables change under
their views: one whose column or table is gone fails when it is queried, until it is made anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.sql import columns_by_table, names_in, quote, text
from notion_pipeline.catalog.state import StreamState, users_table
from notion_pipeline.catalog.views.flat_columns import SEPARATOR, Neighbours, Part, Titles, parts
from notion_pipeline.errors import CatalogError
from notion_pipeline.rows.batch import DELETED_AT, PAGE_COLUMNS, SYNCED_AT
from notion_pipeline.rows.naming import first_free, numbered, with_id

Action = Literal["created", "replaced", "unchanged", "removed"]

#: Page columns that a view ends with; the others are JSON, complete in the table.
_LAST = [name for name, kind in PAGE_COLUMNS if kind != "JSON" and name != "id"] + [SYNCED_AT, DELETED_AT]
_MARK = re.compile(r"; made by notion-pipeline views, definition (?P<digest>[0-9a-f]{16})$")


@dataclass(frozen=True)
class FlatView:
    """A view as it is to be.

    Attributes:
        columns: Name, SQL and comment of each.
        joins: SQL that follows the table, for the titles of related pages.
    """

    schema: str
    name: str
    table: tuple[str, str]
    columns: tuple[tuple[str, str, str], ...]
    joins: tuple[str, ...]
    about: str

    def statements(self) -> Iterator[str]:
        """What makes it, over one that stands."""
        here = quote(self.schema, self.name)
        yield f"CREATE OR REPLACE VIEW {here} AS\n{self._select()}"
        yield f"COMMENT ON VIEW {here} IS {text(self.comment)}"
        for name, _, comment in self.columns:
            yield f"COMMENT ON COLUMN {quote(self.schema, self.name, name)} IS {text(comment)}"

    @property
    def comment(self) -> str:
        table = ".".join(self.table)
        return f"{self.about}; flat view of {table}; made by notion-pipeline views, definition {self.digest}"

    @property
    def digest(self) -> str:
        """Of all that makes it what it is."""
        content = json.dumps([self._select(), self.about, [comment for *_, comment in self.columns]])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _select(self) -> str:
        columns = ",\n".join(f"  {expression} AS {quote(name)}" for name, expression, _ in self.columns)
        return "\n".join([f"SELECT\n{columns}", f"FROM {quote(*self.table)} t", *self.joins])


@dataclass(frozen=True)
class ViewChange:
    """What happens to one view.

    Attributes:
        table: What it is a view of; empty for one that goes.
        columns: How many it has.
    """

    action: Action
    schema: str
    view: str
    table: str
    columns: int
    statements: tuple[str, ...]


def views_schema(source: str, sources: Iterable[str], catalog: Catalog) -> str:
    """The schema of a source's views: `S_views`, numbered where a source or the catalog itself is called that."""
    taken = {*sources, catalog.file.name.split(".", maxsplit=1)[0].lower()}
    wish = f"{source}_views"
    return first_free(numbered(wish), taken)


def view_changes(
    connection: duckdb.DuckDBPyConnection, source: str, schema: str, *, drop: bool = False
) -> list[ViewChange]:
    """What makes the views of a source right, by view; the same for the same catalog.

    Args:
        drop: Every view that this pipeline made is removed.
    """
    current = _ours(connection, schema)
    foreign = {name.lower() for name in names_in(connection, schema)} - {name.lower() for name in current}
    wanted = [] if drop else _flat_views(connection, source, schema, foreign)
    changes = [
        ViewChange(
            action := "created" if view.name not in current else _compared(view, current[view.name]),
            schema,
            view.name,
            ".".join(view.table),
            len(view.columns),
            () if action == "unchanged" else tuple(view.statements()),
        )
        for view in wanted
    ]
    names = {view.name for view in wanted}
    gone = [name for name in sorted(current) if name not in names]
    removed = [ViewChange("removed", schema, name, "", 0, (f"DROP VIEW {quote(schema, name)}",)) for name in gone]
    # What goes goes first: it may bear, in other case, the name of one that comes.
    return [*removed, *changes]


def apply_changes(connection: duckdb.DuckDBPyConnection, schema: str, changes: Collection[ViewChange]) -> None:
    """Carries them out; the schema comes with the first view and goes with the last thing in it."""
    if any(change.action == "created" for change in changes):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    for statement in (statement for change in changes for statement in change.statements):
        connection.execute(statement)
    if any(change.action == "removed" for change in changes) and not names_in(connection, schema):
        connection.execute(f"DROP SCHEMA IF EXISTS {quote(schema)}")


def keep_views(catalog: Catalog, source: str) -> str:
    """Makes the views of a source right after a sync, where it has any: who never asked for views gets none.

    Returns:
        Why it could not; empty where they are right. A sync that landed is no failure for its views.
    """
    try:
        with catalog.reading() as connection:
            schema = _standing_schema(connection, source) if connection is not None else None
            if connection is None or schema is None:
                return ""
            if not any(change.statements for change in view_changes(connection, source, schema)):
                return ""
        with catalog.writing() as connection:
            apply_changes(connection, schema, view_changes(connection, source, schema))
    except CatalogError as error:
        return (
            f"The flat views of source {source} are not up to date: {error.message} `notion-pipeline views` mends them."
        )
    return ""


def _standing_schema(connection: duckdb.DuckDBPyConnection, source: str) -> str | None:
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


def _flat_views(
    connection: duckdb.DuckDBPyConnection, source: str, schema: str, foreign: Collection[str]
) -> list[FlatView]:
    """A view of each table of a source that a sync has filled, by table."""
    here = {table.lower(): columns for table, columns in columns_by_table(connection, source).items()}
    states = bookkeeping.stream_states(connection, source)
    kinds = {
        key: {name: (kind, comment or "") for name, kind, comment in here[state.table_name.lower()]}
        for key, state in states.items()
        if state.has_table and state.columns
    }
    # A table that somebody took the ids from is none to make a view of.
    states = {key: states[key] for key, columns in kinds.items() if "id" in columns}
    neighbours = Neighbours(
        {key: state.snapshot or {} for key, state in states.items()},
        {key: titles for key, state in states.items() if (titles := _titles(state, kinds[key]))},
        users_table(connection, source),
    )
    comments = _table_comments(connection, source)
    names = set(foreign) | {state.table_name.lower() for state in states.values()}
    views = []
    for key, state in sorted(states.items(), key=lambda item: item[1].table_name):
        name = state.table_name
        if name.lower() in foreign:
            # Somebody's own view stands there: it stays, and this one goes beside it.
            name = first_free(with_id(name, key), names)
            names.add(name.lower())
        columns, joins = _columns(key, state, kinds[key], neighbours)
        about = comments.get(state.table_name, "")
        views.append(FlatView(schema, name, (source, state.table_name), columns, joins, about))
    return views


def _titles(state: StreamState, kinds: Mapping[str, tuple[str, str]]) -> Titles | None:
    found = [column.column for column in state.columns if column.property_type == "title" and column.column in kinds]
    return Titles((state.source, state.table_name), found[0]) if found else None


def _table_comments(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    rows = connection.execute(
        "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ?",
        [source],
    ).fetchall()
    return {name: comment or "" for name, comment in rows}


def _columns(
    data_source_id: str, state: StreamState, kinds: Mapping[str, tuple[str, str]], neighbours: Neighbours
) -> tuple[tuple[tuple[str, str, str], ...], tuple[str, ...]]:
    """The columns of a view in order, and the joins that give titles: id, the title, properties, the page's own."""
    own = [column for column in state.columns if column.column in kinds]
    own.sort(key=lambda column: column.property_type != "title")
    found = [
        (column, part) for column in own for part in parts(data_source_id, column, kinds[column.column][0], neighbours)
    ]
    names = _part_names([(column.column, column.property_id, part) for column, part in found])
    columns = [("id", "t.id", kinds["id"][1])]
    joins: list[str] = []
    for (column, part), name in zip(found, names, strict=True):
        expression = part.expression
        if part.people and neighbours.users:
            alias = f"r{len(joins) + 1}"
            joins.append(_people_join(part, (state.source, state.table_name), neighbours.users, alias))
            expression = f"coalesce({alias}.people, {expression})"
        if part.titles:
            alias = f"r{len(joins) + 1}"
            joins.append(_titles_join(part, (state.source, state.table_name), part.titles, alias))
            expression = f"{alias}.titles"
        columns.append((name, expression, kinds[column.column][1]))
    columns += [(name, f"t.{quote(name)}", kinds[name][1]) for name in _LAST if name in kinds]
    return tuple(columns), tuple(joins)


def _part_names(found: list[tuple[str, str, Part]]) -> list[str]:
    """Names of the view's columns: those of the table stay, and what is unfolded is named beside them."""
    used = {"id", *(name.lower() for name in _LAST), *(column.lower() for column, _, part in found if not part.suffix)}
    names = []
    for column, property_id, part in found:
        name = f"{column}{part.suffix}"
        while part.suffix and name.lower() in used:
            name += f"_{property_id.encode().hex()}"
        used.add(name.lower())
        names.append(name)
    return names


def _titles_join(part: Part, table: tuple[str, str], titles: Titles, alias: str) -> str:
    """The titles of related pages, in Notion's order; the id of a page that the catalog does not hold."""
    shown = f"coalesce(nullif(p.{quote(titles.column)}, ''), l.page)"
    return (
        f"LEFT JOIN (\n"
        f"  SELECT l.id, string_agg({shown}, {text(SEPARATOR)} ORDER BY l.place) AS titles\n"
        f"  FROM (SELECT t.id, unnest({part.expression}) AS page, generate_subscripts({part.expression}, 1) AS place\n"
        f"        FROM {quote(*table)} t) l\n"
        f"  LEFT JOIN {quote(*titles.table)} p ON p.id = l.page\n"
        f"  GROUP BY l.id\n"
        f") {alias} ON {alias}.id = t.id"
    )


def _people_join(part: Part, table: tuple[str, str], users: tuple[str, str], alias: str) -> str:
    """The people of each row as they are called today; of ids NULL where nothing is known of one of them."""
    person, own, known = "l.person.id", "nullif(l.person.name, ''), l.person.email", "true"
    if part.people_are_ids:
        person, own, known = "l.person", "NULL", "bool_and(u.id IS NOT NULL)"
    shown = f"coalesce(nullif(u.name, ''), {own}, u.email, {person})"
    return (
        f"LEFT JOIN (\n"
        f"  SELECT l.id, CASE WHEN {known} THEN string_agg({shown}, {text(SEPARATOR)} ORDER BY l.place) END AS people\n"
        f"  FROM (SELECT t.id, unnest({part.people}) AS person, generate_subscripts({part.people}, 1) AS place\n"
        f"        FROM {quote(*table)} t) l\n"
        f"  LEFT JOIN {quote(*users)} u ON u.id = {person}\n"
        f"  WHERE l.person IS NOT NULL\n"
        f"  GROUP BY l.id\n"
        f") {alias} ON {alias}.id = t.id"
    )


def standing_views(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    """The views that this pipeline made of a source's tables, `schema.view`."""
    schema = _standing_schema(connection, source)
    return [f"{schema}.{name}" for name in sorted(_ours(connection, schema))] if schema is not None else []


def drop_views(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Removes them, and their schema with the last thing in it."""
    if (schema := _standing_schema(connection, source)) is not None:
        apply_changes(connection, schema, view_changes(connection, source, schema, drop=True))
