"""Keeps the ids that the names in sources.yaml were found to mean, so that a rename in Notion changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from notion_pipeline.catalog.dialect import dialect_of
from notion_pipeline.catalog.listing.known_databases import known_databases
from notion_pipeline.catalog.sql import is_table
from notion_pipeline.catalog.state.versions import rows_query
from notion_pipeline.config.sources import KnownNames, Source
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.listing.resolution import Resolution, known_database_name, resolve

#: `kind` is a key of sources.yaml and `name` its entry; or `kind` is `property`, `scope` the database's id and `name` a
#: digest, since the catalog does not spell the names of excluded properties.
_COLUMNS = dict.fromkeys(("source", "kind", "scope", "name", "id"), "VARCHAR")
_PROPERTY = "property"


def known_names(connection: duckdb.DuckDBPyConnection | None, source: str) -> KnownNames:
    """The ids found so far; none before the first listing, or in a catalog of an earlier version."""
    if connection is None or not is_table(connection, ("_notion_pipeline", "resolved")):
        return KnownNames()
    databases: dict[tuple[str, str], set[str]] = {}
    properties: dict[tuple[str, str], set[str]] = {}
    for kind, scope, name, found in _rows(connection, source):
        if kind == _PROPERTY:
            properties.setdefault((scope, name), set()).add(found)
        else:
            databases.setdefault((kind, name), set()).add(found)
    return KnownNames(_frozen(databases), _frozen(properties))


def resolution_of_catalog(
    connection: duckdb.DuckDBPyConnection | None, source: Source
) -> tuple[Resolution, dict[str, KnownDatabase]]:
    """What the names of a source mean by the last listing, and the databases that it wrote."""
    known = known_databases(connection, source.name)
    visible = [known_database_name(source, database) for database in known.values() if database.accessible]
    return resolve(source, visible, known_names(connection, source.name)), known


def keep_names(connection: duckdb.DuckDBPyConnection, source: str, names: KnownNames) -> None:
    """Adds ids. None is ever removed, since an excluded property must stay excluded."""
    _create(connection)
    rows = {(kind, "", name, found) for (kind, name), ids in names.databases.items() for found in ids}
    rows |= {(_PROPERTY, scope, mark, found) for (scope, mark), ids in names.properties.items() for found in ids}
    if new := sorted(rows - _rows(connection, source)):
        query, parameters = rows_query(_COLUMNS, [(source, *row) for row in new])
        connection.execute(f"INSERT INTO _notion_pipeline.resolved BY NAME {query}", parameters)


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    if is_table(connection, ("_notion_pipeline", "resolved")):
        return
    described = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    connection.execute("CREATE SCHEMA IF NOT EXISTS _notion_pipeline")
    connection.execute(f"CREATE TABLE _notion_pipeline.resolved ({described})")
    if not dialect_of(connection).removes_superseded:
        # A row of no source; see `state.versions.create`.
        connection.execute("INSERT INTO _notion_pipeline.resolved (source) VALUES ('')")


def _rows(connection: duckdb.DuckDBPyConnection, source: str) -> set[tuple[str, str, str, str]]:
    found = connection.execute(
        "SELECT kind, scope, name, id FROM _notion_pipeline.resolved WHERE source = ?", [source]
    ).fetchall()
    return {(row[0], row[1], row[2], row[3]) for row in found}


def _frozen(found: Mapping[tuple[str, str], set[str]]) -> dict[tuple[str, str], frozenset[str]]:
    return {key: frozenset(ids) for key, ids in found.items()}
