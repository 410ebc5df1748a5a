"""The tables of the catalog as sources of a dbt project: a YAML file for its `models/` folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from notion_pipeline.catalog.read.table_docs import DocumentedTable
from notion_pipeline.outside import shown
from notion_pipeline.rows.batch import SYNCED_AT

_HEADER = (
    "# Written by `notion-pipeline dbt` from the catalog; written again with -o and --force after a change in Notion.\n"
    "# For dbt 1.10 and later.\n"
)
#: When a sync last wrote a row, in tables that belong to no data source.
SEEN_AT = "last_seen_at"
_OPENINGS = ("{{", "{%", "{#")


@dataclass(frozen=True)
class DbtSource:
    """A schema of the catalog.

    Attributes:
        synced_every: The longest time between two scheduled syncs; None without a schedule.
    """

    name: str
    description: str
    tables: Sequence[DocumentedTable]
    synced_every: timedelta | None = None


def dbt_yaml(sources: Sequence[DbtSource], *, database: str = "") -> str:
    """The file's text; the same for the same catalog.

    Args:
        database: The name under which the dbt project attaches the catalog; empty where it is dbt's own database.
    """
    content = {"version": 2, "sources": [_source(source, database) for source in sources]}
    return _HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _source(source: DbtSource, database: str) -> dict[str, Any]:
    return {
        "name": source.name,
        **_described(source.description),
        **({"database": database} if database else {}),
        "schema": source.name,
        # When a row's content last changed here. A table that nobody edits grows old and is still right, so only the
        # list of databases, which each sync writes, is tested for freshness.
        "config": {"loaded_at_field": SYNCED_AT},
        "tables": [_table(table, source.synced_every) for table in source.tables],
    }


def _table(table: DocumentedTable, synced_every: timedelta | None) -> dict[str, Any]:
    return {
        "name": table.name,
        **_described(table.comment),
        **({"config": config} if (config := _config(table, synced_every)) else {}),
        "columns": [_column(*column) for column in table.columns],
    }


def _config(table: DocumentedTable, synced_every: timedelta | None) -> dict[str, Any]:
    if table.name == "databases" and not table.data_source_id:
        freshness = _freshness(synced_every) if synced_every else None
        return {"loaded_at_field": SEEN_AT, **({"freshness": freshness} if freshness else {})}
    columns = {column[0] for column in table.columns}
    if SYNCED_AT not in columns and SEEN_AT in columns:
        return {"loaded_at_field": SEEN_AT}
    ids = {"notion_database_id": table.database_id, "notion_data_source_id": table.data_source_id}
    return {"meta": ids} if table.database_id else {}


def _freshness(synced_every: timedelta) -> dict[str, Any]:
    """A warning for an hour's delay, an error for a sync that never came."""
    hours = max(1, -(-synced_every // timedelta(hours=1)))
    return {
        "warn_after": {"count": hours + 1, "period": "hour"},
        "error_after": {"count": 2 * hours + 1, "period": "hour"},
    }


def _column(name: str, kind: str, comment: str) -> dict[str, Any]:
    tests = {"data_tests": ["unique", "not_null"]} if name == "id" else {}
    return {"name": name, **_described(comment), "data_type": kind, **tests}


def _described(text: str) -> dict[str, str]:
    """A description. dbt renders descriptions, so signs of a template in it are written as text."""
    parts = []
    rest = shown(text)
    while rest:
        found = [(rest.find(opening), opening) for opening in _OPENINGS if opening in rest]
        if not found:
            break
        place, opening = min(found)
        parts += [rest[:place], "{{ '" + opening + "' }}"]
        rest = rest[place + len(opening) :]
    return {"description": "".join([*parts, rest])} if text else {}
