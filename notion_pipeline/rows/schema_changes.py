"""Compares two snapshots of a schema: the changes, in words, and whether a sync must read in full because of them.

Notion does not change `last_edited_time` when a schema changes (notion-api.md section 2), so an incremental read would
miss what the change did to the rows. A new option does nothing to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HARMLESS = frozenset({"option_added"})
_WORDS = {
    "added": 'property "{name}" was added ({after})',
    "removed": 'property "{name}" was removed ({before})',
    "renamed": 'property "{before}" was renamed to "{after}"',
    "retyped": 'property "{name}" became {after}, was {before}',
    "formula_changed": 'the formula of "{name}" changed',
    "rollup_changed": 'the rollup "{name}" changed: {after}, was {before}',
    "relation_changed": 'the relation "{name}" points to data source {after}, pointed to {before}',
    "prefix_changed": 'the prefix of "{name}" is "{after}", was "{before}"',
    "option_added": 'option "{after}" was added to "{name}"',
    "option_renamed": 'option "{before}" of "{name}" was renamed to "{after}"',
    "option_removed": 'option "{before}" of "{name}" was removed',
}


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change of one property.

    Attributes:
        kind: added, removed, renamed, retyped, formula_changed, rollup_changed, relation_changed,
            prefix_changed, option_added, option_renamed or option_removed.
        property_id: Decoded.
        name: The property's present name, or its last one if it is gone.
        before: The former name, type, formula, target or option; None if there was none.
        after: The present one.
    """

    kind: str
    property_id: str
    name: str
    before: str | None = None
    after: str | None = None

    @property
    def forces_full_read(self) -> bool:
        """Whether rows may have changed without an edit."""
        return self.kind not in _HARMLESS

    def describe(self) -> str:
        """One line for the log."""
        return _WORDS[self.kind].format(name=self.name, before=self.before, after=self.after)

    def as_json(self) -> dict[str, str | None]:
        """For metadata and the history of syncs."""
        return {
            "kind": self.kind,
            "property_id": self.property_id,
            "property": self.name,
            "before": self.before,
            "after": self.after,
        }


def schema_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SchemaChange]:
    """The changes between two snapshots (`properties.schema_snapshot`): in the new one's order, removals last.

    A detail that the older snapshot lacks (a formula, options) is not compared.
    """
    changes: list[SchemaChange] = []
    for property_id, new in after.items():
        old = before.get(property_id)
        if old is None:
            changes.append(SchemaChange("added", property_id, new["name"], after=new["type"]))
        else:
            changes.extend(_changes_of(property_id, old, new))
    changes += [
        SchemaChange("removed", property_id, old["name"], before=old["type"])
        for property_id, old in before.items()
        if property_id not in after
    ]
    return changes


def _changes_of(property_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[SchemaChange]:
    name = new["name"]
    if old["name"] != name:
        yield SchemaChange("renamed", property_id, name, old["name"], name)
    if old["type"] != new["type"]:
        # Formulas, targets and options of two types have nothing in common.
        yield SchemaChange("retyped", property_id, name, old["type"], new["type"])
        return
    for detail, kind in _DETAIL_KINDS.items():
        if detail in old and detail in new and old[detail] != new[detail]:
            yield SchemaChange(kind, property_id, name, _in_words(old[detail]), _in_words(new[detail]))
    if "options" in old and "options" in new:
        yield from _option_changes(property_id, name, old["options"], new["options"])


_DETAIL_KINDS = {
    "expression": "formula_changed",
    "rollup": "rollup_changed",
    "target": "relation_changed",
    "prefix": "prefix_changed",
}


def _in_words(detail: str | Mapping[str, str]) -> str:
    if isinstance(detail, str):
        return detail
    return f"{detail['function']} of {detail['rollup_property_id']} over {detail['relation_property_id']}"


def _option_changes(
    property_id: str, name: str, old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[SchemaChange]:
    for option_id, option in new.items():
        if option_id not in old:
            yield SchemaChange("option_added", property_id, name, after=option)
        elif old[option_id] != option:
            yield SchemaChange("option_renamed", property_id, name, old[option_id], option)
    for option_id, option in old.items():
        if option_id not in new:
            yield SchemaChange("option_removed", property_id, name, before=option)
