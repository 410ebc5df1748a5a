"""Matches the names in `exclude_properties` with the properties of a database, and finds those that match nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from notion_pipeline.config.selection import DatabaseName, same_name
from notion_pipeline.config.sources import Source
from notion_pipeline.messages import nearest, quoted
from notion_pipeline.notion_ids import notion_id
from notion_pipeline.rows.properties import fitting_properties, name_mark, parse_properties


def unresolved_exclusions(source: Source, database_id: str, title: str) -> list[str]:
    """The excluded names of a database that have never matched a property."""
    return [
        name
        for name in source.settings_for(database_id, title).exclude_properties
        if type(name) is str and not source.property_ids(database_id, name)
    ]


def unmatched_exclusions(entries: Iterable[str], data_sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names that match no property of any data source of a database, each with the nearest name."""
    names = [prop.name for data_source in data_sources for prop in parse_properties(dict(data_source))]
    lost = [entry for entry in entries if not fitting_properties(entry, data_sources)]
    return [quoted(entry) + (f' (nearest is "{near}")' if (near := nearest(entry, names)) else "") for entry in lost]


def loose_exclusions(
    source: Source, database_id: str, title: str, data_sources: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Why a database must not be read: it has a property that a key of `streams` excludes, and may be the one meant."""
    return [
        f"streams {quoted(key)} of sources.yaml excludes {quoted(name)} and does not fit this database, which has a "
        "property of that name; it is not read while it may be the one that is meant."
        for key, own in source.loose_exclusions(database_id, title)
        for name in own.exclude_properties
        if any(same_name(found, name) for found in fitting_properties(name, data_sources).values())
    ]


def resolve_properties(
    source: Source,
    database: DatabaseName,
    data_sources: Sequence[Mapping[str, Any]],
    properties: dict[tuple[str, str], frozenset[str]],
) -> list[str]:
    """Adds the ids of the properties that the excluded names match; returns a sentence for each renamed property."""
    renamed = []
    for name in source.settings_for(database.id, database.title).exclude_properties:
        if type(name) is not str:  # an id that was found before
            continue
        fitting = fitting_properties(name, data_sources)
        key = (database.id, name_mark(name))
        before = properties.get(key, frozenset())
        if fitting:
            properties[key] = before | fitting.keys()
        for data_source in data_sources:
            if fitting_here := fitting_properties(name, [data_source]):
                own = (notion_id(data_source.get("id"), "a data source"), key[1])
                properties[own] = properties.get(own, frozenset()) | fitting_here.keys()
        renamed += [
            f"{named(database)}: the excluded property {quoted(name)} is called {quoted(prop.name)} in Notion now; "
            "it stays excluded."
            for data_source in data_sources
            for prop in parse_properties(dict(data_source))
            if prop.id in before and prop.id not in fitting
        ]
    return renamed


def named(database: DatabaseName) -> str:
    return f"{quoted(database.title or 'Untitled')} ({database.id})"
