"""The flat view of each table: its name, its columns and the SQL that makes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.comments import VIEW_MARK
from notion_pipeline.catalog.dialect import Dialect
from notion_pipeline.catalog.sql import column_types, columns_by_table, quote, text
from notion_pipeline.catalog.state import StreamState, users_table
from notion_pipeline.catalog.views.flat_columns import SEPARATOR, Neighbours, Part, Titles, parts, user_name
from notion_pipeline.rows.batch import DELETED_AT, PAGE_COLUMNS, SYNCED_AT
from notion_pipeline.rows.naming import first_free, with_id
from notion_pipeline.rows.properties import USER_TYPES

#: Page columns that a view ends with; the others are JSON, complete in the table.
_LAST = [name for name, kind in PAGE_COLUMNS if kind != "JSON" and name != "id"] + [SYNCED_AT, DELETED_AT]


@dataclass(frozen=True)
class FlatView:
    """The definition of a view.

    Attributes:
        columns: Name, SQL and comment of each.
        joins: SQL after the table, for titles of related pages and names of people.
        about: The comment of its table.
        data_source_id: Whose rows the table holds; empty where it holds others.
        plain: Names of the columns that show a property and need no join.
    """

    schema: str
    name: str
    table: tuple[str, str]
    columns: tuple[tuple[str, str, str], ...]
    joins: tuple[str, ...]
    about: str
    data_source_id: str = ""
    plain: tuple[str, ...] = ()

    def statements(self, dialect: Dialect) -> Iterator[str]:
        """SQL that makes the view, or replaces it."""
        here = quote(self.schema, self.name)
        yield f"CREATE OR REPLACE VIEW {here} AS\n{self._select()}"
        yield f"COMMENT ON VIEW {here} IS {text(self.comment)}"
        for name, _, comment in self.columns if dialect.comments_on_view_columns else ():
            yield f"COMMENT ON COLUMN {quote(self.schema, self.name, name)} IS {text(comment)}"

    @property
    def comment(self) -> str:
        table = ".".join(self.table)
        return f"{self.about}; flat view of {table}{VIEW_MARK}{self.digest}"

    @property
    def digest(self) -> str:
        """Digest of the definition; another one means that the view must be made again."""
        content = json.dumps([self._select(), self.about, [comment for *_, comment in self.columns]])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _select(self) -> str:
        columns = ",\n".join(f"  {expression} AS {quote(name)}" for name, expression, _ in self.columns)
        return "\n".join([f"SELECT\n{columns}", f"FROM {quote(*self.table)} t", *self.joins])


def flat_views(
    connection: duckdb.DuckDBPyConnection, source: str, schema: str, foreign: Collection[str]
) -> list[FlatView]:
    """The view of each synced table of a source, by table name."""
    here = {table.lower(): columns for table, columns in columns_by_table(connection, source).items()}
    states = bookkeeping.stream_states(connection, source)
    kinds = {
        key: {name: (kind, comment or "") for name, kind, comment in here[state.table_name.lower()]}
        for key, state in states.items()
        if state.has_table and state.columns
    }
    # Somebody may have dropped the column of ids; such a table gets no view.
    states = {key: states[key] for key, columns in kinds.items() if "id" in columns}
    users = users_table(connection, source)
    neighbours = Neighbours(
        {key: state.snapshot or {} for key, state in states.items()},
        {key: titles for key, state in states.items() if (titles := _titles(state, kinds[key]))},
        users,
        knows_members=users is not None and _knows_members(connection, users),
    )
    comments = _table_comments(connection, source)
    names = set(foreign) | {state.table_name.lower() for state in states.values()}
    views = []
    for key, state in sorted(states.items(), key=lambda item: item[1].table_name):
        name = state.table_name
        if name.lower() in foreign:
            # The user has a view of this name: it stays, and ours gets another name.
            name = first_free(with_id(name, key), names)
            names.add(name.lower())
        columns, joins, plain = _columns(key, state, kinds[key], neighbours)
        about = comments.get(state.table_name, "")
        views.append(FlatView(schema, name, (source, state.table_name), columns, joins, about, key, plain))
    return views


def _knows_members(connection: duckdb.DuckDBPyConnection, users: tuple[str, str]) -> bool:
    """Whether Notion was ever asked for users: those that rows show are seldom the ones who made the rows."""
    if "membership" not in column_types(connection, users):
        return False
    found = connection.execute(f"SELECT 1 FROM {quote(*users)} WHERE membership IS NOT NULL LIMIT 1").fetchall()
    return bool(found)


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
) -> tuple[tuple[tuple[str, str, str], ...], tuple[str, ...], tuple[str, ...]]:
    """The columns of a view (id, title, properties, columns of the page), their joins, and the properties without."""
    own = [column for column in state.columns if column.column in kinds]
    own.sort(key=lambda column: column.property_type != "title")
    found = [
        (column, part) for column in own for part in parts(data_source_id, column, kinds[column.column][0], neighbours)
    ]
    names = _part_names([(column.column, column.property_id, part) for column, part in found])
    columns = [("id", "t.id", kinds["id"][1])]
    joins: list[str] = []
    plain: list[str] = []
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
        if expression == part.expression:
            plain.append(name)
        columns.append((name, expression, kinds[column.column][1]))
    for name in (name for name in _LAST if name in kinds):
        columns.append((name, f"t.{quote(name)}", kinds[name][1]))
        if name in USER_TYPES and neighbours.users and neighbours.knows_members:
            taken = {other.lower() for other, *_ in columns}
            shown = user_name(neighbours.users, f"t.{quote(name)}")
            columns.append(
                (first_free(_underlined(f"{name}_name"), taken), shown, f"Name of the user in `{name}` today")
            )
    return tuple(columns), tuple(joins), tuple(plain)


def _underlined(name: str) -> Iterator[str]:
    while True:
        yield name
        name += "_"


def _part_names(found: list[tuple[str, str, Part]]) -> list[str]:
    """Names of the view's columns: the table's own names stay, and parts of a value get free names beside them."""
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
    """The titles of related pages, in Notion's order; the id where the catalog does not have the page."""
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
    """The present names of the people in each row; for a list of ids NULL where one of them is unknown."""
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
