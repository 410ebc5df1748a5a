"""Names tables and columns: pure functions of what Notion shows and of the names that are already given.

A name is given once and kept: a data source keeps its table, and a property its column, whatever else is renamed.
DuckDB compares identifiers without case, and so does this module. The catalog stores the names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

from slugify import slugify

from notion_pipeline.rows.batch import DELETED_AT, PAGE_COLUMNS, SYNCED_AT
from notion_pipeline.rows.properties import Property

RESERVED_TABLES = frozenset({"database", "databases", "sync"})
#: Kept for tables of content: no title gives a table this name, but sources.yaml may.
CONTENT_TABLES = frozenset({"page_content", "page_chunks", "users", "pages", "comments", "files"})
PAGE_COLUMN_NAMES = frozenset({*(name for name, _ in PAGE_COLUMNS), SYNCED_AT, DELETED_AT})
_ID_DIGITS = 8


def slug(text: str) -> str:
    """A lower-case identifier for any text: `untitled` if nothing is left, with `_` before a leading digit."""
    found = slugify(text, separator="_") or "untitled"
    return f"_{found}" if found[0].isdigit() else found


def numbered(wanted: str) -> Iterator[str]:
    """The name wanted, then `name_2`, `name_3` and so on."""
    yield wanted
    yield from (f"{wanted}_{number}" for number in count(2))


def with_id(wanted: str, owner_id: str) -> Iterator[str]:
    """The name wanted, then with more and more hex digits of its owner's id, then with a number."""
    digits = owner_id.replace("-", "")
    yield wanted
    yield from (f"{wanted}_{digits[:length]}" for length in range(_ID_DIGITS, len(digits)))
    yield from numbered(f"{wanted}_{digits}")


def first_free(names: Iterable[str], taken: Collection[str]) -> str:
    """The first of the names that is not taken, in any case."""
    lowered = {name.lower() for name in taken}
    return next(name for name in names if name.lower() not in lowered)


@dataclass(frozen=True, slots=True)
class NamedDatabase:
    """A database whose tables are to be named.

    Attributes:
        database_id: Dashed.
        title: Plain text.
        data_sources: (id, name) of each, in Notion's order.
        table: The table name that sources.yaml gives it, if any.
    """

    database_id: str
    title: str
    data_sources: tuple[tuple[str, str], ...]
    table: str | None = None


@dataclass(frozen=True, slots=True)
class TableRename:
    """A table that gets a new name from sources.yaml. Tables may swap names, so rename them by way of free names."""

    data_source_id: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class TableNames:
    """The table name of each data source, and the existing tables that must be renamed."""

    tables: dict[str, str]
    renames: tuple[TableRename, ...]


def table_names(
    databases: Sequence[NamedDatabase], *, held: Mapping[str, str], foreign: Collection[str] = (), prefix: str = ""
) -> TableNames:
    """The tables of these databases.

    A data source keeps its name. Only another name in sources.yaml changes it, and with it the further tables of its
    database that begin with the old name. A changed prefix is for new tables only: names do not show which part was the
    prefix, and new names from titles would follow renames in Notion.

    Args:
        databases: Ordered by created_time, then id: the older one gets the plain name.
        held: Table name by data source id, for all data sources ever named, even if no longer listed.
        foreign: Tables and views of the schema that are not ours.
        prefix: `table_prefix` of sources.yaml; not put before names that sources.yaml gives.
    """
    moving = {key: table for database in databases for key, table in _moving(database, held).items()}
    names = _Names([*RESERVED_TABLES, *foreign, *(name for key, name in held.items() if key not in moving)])
    tables = {key: held[key] for database in databases for key, _ in database.data_sources if key in held}
    for database in databases:
        tables.update(_moved(database, held, moving, names))
    for database in databases:
        tables.update(_newcomers(database, tables, prefix, names))
    renames = tuple(TableRename(key, held[key], new) for key, new in tables.items() if held.get(key, new) != new)
    return TableNames(tables, renames)


def first_table(tables: Iterable[str]) -> str | None:
    """The table of a database's first data source, after which the further ones are named; None where it has none.

    Args:
        tables: In Notion's order, which may be another one by now. One that came from another database is last there.
    """
    found = {name.lower(): name for name in tables}
    firsts = (name for low, name in found.items() if not any(low.startswith(f"{other}__") for other in found))
    return next(firsts, None)


class _Names:
    """The names of one schema that are taken."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.lower() for name in taken}

    def take(self, wanted: str, owner_id: str, *, kept: Collection[str] = ()) -> str:
        """The name wanted; if it is taken or kept, with as many hex digits of its owner's id as make it unique."""
        taken = self._taken.union(kept)
        found = first_free(with_id(wanted, owner_id), taken)
        self._taken.add(found.lower())
        return found


def _moving(database: NamedDatabase, held: Mapping[str, str]) -> dict[str, str]:
    """The tables that sources.yaml renames, by data source id: the first one, then those named after it."""
    first = _first_held(database, held)
    if database.table is None or first is None:
        return {}
    table, wanted = held[first].lower(), database.table.lower()
    # The table of that name may belong to a removed data source of this database, after which this one is named.
    forms = {wanted, next(islice(with_id(wanted, database.database_id), 1, None))}
    heads = forms & {name.lower() for name in held.values()}
    if table == wanted or any(table.startswith(f"{head}__") for head in heads):
        return {}
    after = [key for key, _ in database.data_sources if key in held and held[key].lower().startswith(f"{table}__")]
    return {key: held[key] for key in (first, *after)}


def _first_held(database: NamedDatabase, held: Mapping[str, str]) -> str | None:
    """The data source that was first when the database was named."""
    listed = {held[key]: key for key, _ in database.data_sources if key in held}
    first = first_table(listed)
    return None if first is None else listed[first]


def _moved(
    database: NamedDatabase, held: Mapping[str, str], moving: Mapping[str, str], names: _Names
) -> dict[str, str]:
    first = _first_held(database, held)
    if database.table is None or first is None or first not in moving:
        return {}
    table = names.take(database.table, database.database_id)
    after = [key for key, _ in database.data_sources if key in moving and key != first]
    return {first: table, **{key: names.take(table + held[key][len(held[first]) :], key) for key in after}}


def _newcomers(database: NamedDatabase, tables: Mapping[str, str], prefix: str, names: _Names) -> dict[str, str]:
    first = _first_held(database, tables)
    table = None if first is None else tables[first]
    given: dict[str, str] = {}
    for key, name in database.data_sources:
        if key in tables or key in given:
            continue
        if table is None:
            wanted = database.table or prefix + slug(database.title)
            kept = () if database.table else CONTENT_TABLES
            table = given[key] = names.take(wanted, database.database_id, kept=kept)
        else:
            given[key] = names.take(f"{table}__{slug(name)}", key)
    return given


def column_names(
    properties: Sequence[Property], existing: Mapping[str, tuple[str, str]], taken: Collection[str] = ()
) -> dict[str, str]:
    """Column name by property id: for every property in its order, then for removed properties.

    A property keeps its column until its name gives another slug. Then it gets a new one, after the columns that stay
    and before new properties, so that two properties that swap names swap columns. A removed property keeps its column,
    as `<column>__removed` if another property needs the name.

    Args:
        properties: The present properties of the data source.
        existing: (property name, column) by property id, as in the table; without removed properties to drop them.
        taken: Names of other columns of the table.
    """
    present = {prop.id for prop in properties}
    kept = {prop.id: existing[prop.id][1] for prop in properties if _keeps_column(prop, existing)}
    used = {name.lower() for name in (*PAGE_COLUMN_NAMES, *taken, *kept.values())}
    columns = dict(kept)
    for prop in sorted(properties, key=lambda prop: (prop.id not in existing, prop.type != "title")):
        if prop.id not in kept:
            columns[prop.id] = _free_column(slug(prop.name), prop.id, used)
    gone = {
        key: _free_column(column if column.lower() not in used else f"{column}__removed", key, used)
        for key, (_, column) in existing.items()
        if key not in present
    }
    return {**{prop.id: columns[prop.id] for prop in properties}, **gone}


def _keeps_column(prop: Property, existing: Mapping[str, tuple[str, str]]) -> bool:
    return prop.id in existing and slug(existing[prop.id][0]) == slug(prop.name)


def _free_column(wanted: str, property_id: str, used: set[str]) -> str:
    """The name wanted, or with the hex of the property's id if it is used; marks it as used."""
    column, suffix = wanted, f"_{property_id.encode().hex()}"
    while column.lower() in used:
        column += suffix
    used.add(column.lower())
    return column
