"""Which relations a formula or rollup is computed over, directly or through other formulas and rollups.

In the answer of a query Notion computes over the first 25 pages of a relation only (notion-api.md section 7). So these
are the values that are wrong where a relation is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from notion_pipeline.rows.properties import COMPUTED, Property, decode_id

#: How expressions refer to a property: by name, or in the internal form by encoded id (notion-api.md section 5).
_BY_NAME = re.compile(r"""\bprop\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*\)""")
_BY_ID = re.compile(r"\{\{notion:block_property:([^:}]*)")
_ESCAPED = re.compile(r"\\(.)")


class Inputs:
    """The relations that the formulas and rollups of one data source are computed over.

    Args:
        properties: As far as they are read.
        others: Type and name by id of properties that are not read, as a page shows them; what they are computed over
            is not known.
    """

    def __init__(self, properties: Iterable[Property], others: Mapping[str, tuple[str, str]] | None = None) -> None:
        known = {prop.id: prop for prop in properties}
        self._types = {key: kind for key, (kind, _) in (others or {}).items()}
        self._types.update({key: prop.type for key, prop in known.items()})
        self._ids = {name: key for key, (_, name) in (others or {}).items()}
        self._ids.update({prop.name: key for key, prop in known.items()})
        self._known = known

    def relations(self, property_id: str) -> frozenset[str] | None:
        """Ids of the relations behind a property, by way of others too; None where it may be any of them."""
        behind = self.behind(property_id)
        return None if behind is None else frozenset(key for key in behind if self._types.get(key) == "relation")

    def behind(self, property_id: str) -> frozenset[str] | None:
        """Ids of all properties behind one, itself among them; None where that cannot be told."""
        seen: set[str] = set()
        stack = [property_id]
        while stack:
            key = stack.pop()
            if key in seen:
                continue
            seen.add(key)
            if self._types.get(key) in COMPUTED:
                direct = self._direct(self._known[key]) if key in self._known else None
                if direct is None:
                    return None
                stack += direct
        return frozenset(seen)

    def _direct(self, prop: Property) -> set[str] | None:
        """Ids of the properties that one refers to; None where that cannot be told."""
        if prop.type == "rollup":
            relation = prop.config.get("relation_property_id")
            return {decode_id(relation)} if isinstance(relation, str) and relation else None
        expression = prop.config.get("expression")
        if not isinstance(expression, str):
            return None
        names = [_ESCAPED.sub(r"\1", double or single) for double, single in _BY_NAME.findall(expression)]
        referred = [self._ids.get(name) for name in names] + [decode_id(key) for key in _BY_ID.findall(expression)]
        own = {key for key in referred if key in self._types}
        # A reference to a property of a related page is none of these; without the relation that leads to it, or
        # where nothing is referred to in a way known here, the formula may be over anything.
        leads_away = any(self._types[key] in ("relation", *COMPUTED) for key in own)
        return own if own and (leads_away or len(own) == len(set(referred))) else None


def excluded_inputs(values: Any, properties: Iterable[Property]) -> dict[str, tuple[str, str]]:
    """Type and name by id of what a page's `properties` show beside these properties."""
    known = {prop.id for prop in properties}
    found = {}
    for name, value in values.items() if isinstance(values, dict) else ():
        raw_id = value.get("id") if isinstance(value, dict) else None
        if isinstance(raw_id, str) and (key := decode_id(raw_id)) not in known:
            found[key] = (str(value.get("type")), str(name))
    return found
