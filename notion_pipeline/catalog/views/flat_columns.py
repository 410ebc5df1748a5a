"""The columns of a flat view: one plain value each, as people and BI tools read them.

Dates are taken apart, lists joined as text, people shown by name and relations by the titles of their pages. The
column's DuckDB type and its property's type decide how; plain values pass unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notion_pipeline.catalog.sql import json_pointer, quote, text
from notion_pipeline.catalog.state import Column
from notion_pipeline.rows.properties import USER_TYPES

SEPARATOR = ", "
#: Parts of a date struct.
_DATE_PARTS = ("start", "end", "is_datetime", "time_zone")
#: Columns of days: the suffix of the name, and the part of the date.
_DAYS = (("_date", "start"), ("_end_date", "end"))
#: Names of the time zones that DuckDB knows, read once a query.
_ZONES = "(SELECT list(name) FROM pg_timezone_names())"
#: Parts of a place, with their types in a view.
_PLACE_PARTS = (("name", "VARCHAR"), ("address", "VARCHAR"), ("lat", "DOUBLE"), ("lon", "DOUBLE"))
#: Name of an item in a list expression. No column may have it, since DuckDB would take the column.
_ITEM = '"one of them"'


@dataclass(frozen=True)
class Titles:
    """Where to find the titles of related pages: a table of this catalog and its title column."""

    table: tuple[str, str]
    column: str


@dataclass(frozen=True)
class Part:
    """A column of a view before it is named.

    Attributes:
        suffix: What follows the name of the table's column; empty if this column alone replaces it.
        expression: SQL over the table, alias t.
        titles: If set, `expression` is a list of page ids, which are shown by their titles.
        people: If set, a list of people (structs of id, name and email, or ids), who are shown by their present names;
            `expression` is shown if those are not known.
    """

    suffix: str
    expression: str
    titles: Titles | None = None
    people: str = ""
    people_are_ids: bool = False


class Neighbours:
    """The data sources to which relations and rollups of one source lead.

    Args:
        snapshots: By data source id: its schema, as `properties.schema_snapshot` gives it.
        titles: By data source id: where to find the titles of its pages.
        users: The table of users; None if there is none.
        knows_members: Whether it has the workspace's members, beside those whom rows show.
    """

    def __init__(
        self,
        snapshots: Mapping[str, Mapping[str, Any]],
        titles: Mapping[str, Titles],
        users: tuple[str, str] | None = None,
        *,
        knows_members: bool = False,
    ) -> None:
        self._snapshots = snapshots
        self._titles = titles
        self.users = users
        self.knows_members = knows_members

    def titles(self, data_source_id: str, property_id: str) -> Titles | None:
        """Where to find the titles for a relation, or a rollup of a relation; None if they are not in the catalog."""
        return self._titles.get(str(self._end(data_source_id, property_id).get("target")))

    def shows_people(self, data_source_id: str, property_id: str) -> bool:
        """Whether a rollup's values are people."""
        return self._end(data_source_id, property_id).get("type") in ("people", *USER_TYPES)

    def _end(self, data_source_id: str, property_id: str) -> Mapping[str, Any]:
        """The property itself, or the property of the related data source that a rollup shows."""
        own = self._snapshots.get(data_source_id, {})
        found: Mapping[str, Any] = own.get(property_id, {})
        if found.get("type") != "rollup":
            return found
        rollup = found.get("rollup", {})
        target = own.get(str(rollup.get("relation_property_id")), {}).get("target")
        there = self._snapshots.get(str(target), {})
        end: Mapping[str, Any] = there.get(str(rollup.get("rollup_property_id")), {})
        return end


def parts(data_source_id: str, column: Column, kind: str, neighbours: Neighbours) -> Sequence[Part]:
    """The columns of the view for one column of its table; none for a button, which has no value."""
    value = f"t.{quote(column.column)}"
    if kind.startswith("STRUCT("):
        people_or_files = kind.endswith("[]")
        return list(_of_structs(value, column) if people_or_files else _of_date(value))
    if kind == "VARCHAR[]":
        titles = neighbours.titles(data_source_id, column.property_id)
        return [Part("", value, titles) if titles else Part("", joined(value))]
    if kind == "JSON":
        return list(_of_json(value, data_source_id, column, neighbours))
    if column.property_type in USER_TYPES:
        names = [f"nullif({_raw(column, column.property_type)} ->> 'name', '')", value]
        if neighbours.users:
            names.insert(0, user_name(neighbours.users, value))
        return [Part("", f"coalesce({', '.join(names)})")]
    return [Part("", value)]


def user_name(users: tuple[str, str], user_id: str) -> str:
    """SQL of the present name of a user; NULL where the table of users has none."""
    return f"(SELECT any_value(nullif(u.name, '')) FROM {quote(*users)} u WHERE u.id = {user_id})"


def joined(values: str) -> str:
    """SQL that joins a list as text; NULL if nothing in it can be shown."""
    return f"nullif(array_to_string({values}, {text(SEPARATOR)}), '')"


def _of_date(value: str) -> Iterator[Part]:
    yield from (Part(f"_{part}", f"{value}.{quote(part)}") for part in _DATE_PARTS)
    zone = f"CASE WHEN {value}.is_datetime THEN {value}.time_zone END"
    for suffix, part in _DAYS:
        yield Part(suffix, _day(f"{value}.{quote(part)}", zone))


def _day(moment: str, zone: str) -> str:
    """SQL of the day of an instant in the zone given, else in UTC, whatever the session's time zone."""
    return f"CAST({_local(moment, zone)} AS DATE)"


def _local(moment: str, zone: str) -> str:
    # DuckDB raises an error for an unknown zone, even within TRY.
    return f"({moment} AT TIME ZONE CASE WHEN list_contains({_ZONES}, {zone}) THEN {zone} ELSE 'UTC' END)"


def _of_structs(value: str, column: Column) -> Iterator[Part]:
    if column.property_type == "files":
        yield Part("", joined(f"[{_ITEM}.name for {_ITEM} in {value}]"))
        yield Part("_url", joined(f"[{_ITEM}.url for {_ITEM} in {value}]"))
    else:
        shown = f"coalesce(nullif({_ITEM}.name, ''), {_ITEM}.email, {_ITEM}.id)"
        yield Part("", joined(f"[{shown} for {_ITEM} in {value}]"), people=value)


def _of_json(value: str, data_source_id: str, column: Column, neighbours: Neighbours) -> Iterator[Part]:
    if column.property_type == "button":
        return
    if column.property_type == "rollup":
        yield _of_rollup(value, data_source_id, column, neighbours)
    elif column.property_type == "place":
        for part, kind in _PLACE_PARTS:
            yield Part(f"_{part}", f"TRY_CAST({value} ->> {text(part)} AS {kind})")
    elif column.property_type == "verification":
        yield Part("_state", f"{value} ->> 'state'")
        zone = f"({value} -> 'date' ->> 'time_zone')"
        found = {part: f"({value} -> 'date' ->> {text(part)})" for part in ("start", "end")}
        for part, written in found.items():
            yield Part(f"_{part}", _instant(written, zone))
        for suffix, part in _DAYS:
            in_zone = f"CASE WHEN {found[part]} LIKE '%:%' THEN {zone} END"
            yield Part(suffix, _day(_instant(found[part], zone), in_zone))
    else:
        yield Part("", f"{value}::VARCHAR")


def _instant(written: str, zone: str) -> str:
    """SQL of the instant of an ISO text. A text without offset is local to the zone given, not to the session's."""
    local = _local(f"TRY_CAST({written} AS TIMESTAMP)", zone)
    has_offset = f"regexp_matches({written}, '(Z|z|[+-][0-9]{{2}}:?[0-9]{{2}})$') AND {written} LIKE '%:%'"
    return f"CASE WHEN {has_offset} THEN TRY_CAST({written} AS TIMESTAMPTZ) ELSE {local} END"


def _of_rollup(value: str, data_source_id: str, column: Column, neighbours: Neighbours) -> Part:
    items = f"TRY_CAST({value} AS VARCHAR[])"
    titles = neighbours.titles(data_source_id, column.property_id)
    if titles:
        return Part("", items, titles)
    if neighbours.shows_people(data_source_id, column.property_id):
        # The column holds ids; the raw value holds the names, those of people one level deeper.
        found = _raw(column, "rollup/array")
        names = [f"json_extract_string({found}, '$[*].{path}.name')" for path in ("people[*]", *USER_TYPES)]
        everybody = f"flatten([{', '.join(names)}])"
        return Part("", f"coalesce({joined(everybody)}, {joined(items)})", people=items, people_are_ids=True)
    return Part("", joined(f"[{_ITEM} for {_ITEM} in {items} if {_ITEM} <> '']"))


def _raw(column: Column, path: str) -> str:
    """SQL of a part of the property's raw value."""
    return f"json_extract(t.properties, {json_pointer(column.property_name, path)})"
