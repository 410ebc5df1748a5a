"""Which values of a page show a part only (notion-api.md section 7).

A relation says so by `has_more`; people and mentions show it only by their number, a rollup by its length or by the
relation it runs over, a formula only by the relations in its expression. A value that is `unsupported` is final.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notion_pipeline.errors import NotionRequestError
from notion_pipeline.extraction.references.formula_inputs import Inputs, excluded_inputs
from notion_pipeline.rows.properties import COMPUTED, Property, decode_id, property_value

SHOWN_REFERENCES = 25


def may_be_cut(page: dict[str, Any]) -> bool:
    """Whether any value could be cut, told quickly: nearly all pages hold none."""
    values = page.get("properties")
    for value in values.values() if isinstance(values, dict) and isinstance(page.get("id"), str) else ():
        kind = value.get("type") if type(value) is dict else None
        if type(kind) is not str:
            continue
        content = value.get(kind)
        if type(content) is dict:
            if content.get("type") == "incomplete":
                return True
            content = content.get("array")
        if value.get("has_more") is True or (type(content) is list and len(content) >= SHOWN_REFERENCES):
            return True
    return False


class CutPage:
    """A page of an answer, and which of its values show a part only.

    Attributes:
        doubtful: Relations that may be cut and do not say.
        cut_relations: Ids of those that are, of excluded ones too: rollups and formulas run over them.
        lengths: How many pages each cut relation has, by its id, once all of it was read.
        refused: Property and reason of each value that Notion refused to give whole.
    """

    def __init__(self, page: dict[str, Any], properties: Sequence[Property]) -> None:
        self.id = page["id"]
        self.lengths: dict[str, int] = {}
        self.refused: list[tuple[Property, NotionRequestError]] = []
        self._all = properties
        values = page.get("properties")
        self._properties: dict[str, Any] = values if isinstance(values, dict) else {}
        relations = {
            decode_id(str(value.get("id"))): value
            for value in self._properties.values()
            if isinstance(value, dict) and value.get("type") == "relation"
        }
        doubtful = {key for key, value in relations.items() if _relation_may_be_cut(value)}
        self.cut_relations = {key for key, value in relations.items() if value.get("has_more") is True}
        self.doubtful = [prop for prop in properties if prop.id in doubtful and prop.type == "relation"]
        self.cut_relations |= doubtful - {prop.id for prop in self.doubtful}
        self._shows_relations = relations.keys()

    @property
    def is_cut(self) -> bool:
        """Whether anything is to be asked for."""
        return bool(self.lists() or self.computed())

    def value(self, prop: Property) -> dict[str, Any]:
        """The whole value; empty where there is none."""
        value = property_value(self._properties, prop)
        return value if isinstance(value, dict) else {}

    def lists(self) -> list[Property]:
        """Relations, people and texts to ask for."""
        return [
            prop for prop in self._all if prop.type not in COMPUTED and (prop in self.doubtful or self._is_cut(prop))
        ]

    def computed(self) -> list[Property]:
        """Rollups and formulas to ask for, as far as is known of the relations: ask for these first."""
        found = [prop for prop in self._all if prop.type in COMPUTED and self._computed_is_cut(prop)]
        if not self.cut_relations:
            return found
        inputs: Inputs | None = None
        for prop in self._all:
            if prop.type == "formula" and prop not in found and self._is_computed(prop):
                inputs = inputs or Inputs(self._all, excluded_inputs(self._properties, self._all))
                behind = inputs.relations(prop.id)
                if behind is None or behind & self.cut_relations:
                    found.append(prop)
        return found

    def relation_is_cut(self, rollup: Property) -> bool:
        """Whether a rollup runs over a relation that is cut, or that the page does not show."""
        relation = _relation_of(rollup)
        return relation in self.cut_relations or relation not in self._shows_relations

    def _is_cut(self, prop: Property) -> bool:
        value = self.value(prop)
        if value.get("has_more") is True:
            return True
        content = value.get(prop.type)
        if not isinstance(content, list):
            return False
        if prop.type == "people":
            return len(content) >= SHOWN_REFERENCES
        mentions = sum(1 for item in content if isinstance(item, dict) and item.get("type") == "mention")
        return prop.type in ("title", "rich_text") and mentions >= SHOWN_REFERENCES

    def _is_computed(self, prop: Property) -> bool:
        content = self.value(prop).get(prop.type)
        return isinstance(content, dict) and content.get("type") not in ("unsupported", None)

    def _computed_is_cut(self, prop: Property) -> bool:
        content = self.value(prop).get(prop.type)
        if not isinstance(content, dict) or content.get("type") in ("unsupported", None):
            return False
        if content["type"] == "incomplete" or prop.type == "formula":
            return bool(content["type"] == "incomplete")
        items = content.get("array")
        many = isinstance(items, list) and len(items) >= SHOWN_REFERENCES
        relation = _relation_of(prop)
        return (many or relation in self.cut_relations) and not _is_whole(content, self.lengths.get(relation))


def _is_whole(rollup: dict[str, Any], length: int | None) -> bool:
    """Whether a rollup was evidently computed over all of its relation, which has so many pages."""
    if length is None or length <= SHOWN_REFERENCES:
        return False
    if rollup.get("function") == "count":
        return bool(rollup.get("number") == length)
    items = rollup.get("array")
    return (
        rollup.get("function") == "show_original"
        and isinstance(items, list)
        and len(items) == length
        and not any(_holds_many(item) for item in items)
    )


def _holds_many(item: Any) -> bool:
    """Whether an entry of a rollup is itself a list that may be cut."""
    content = item.get(item.get("type")) if isinstance(item, dict) else None
    return isinstance(content, list) and len(content) >= SHOWN_REFERENCES


def _relation_of(rollup: Property) -> str:
    return decode_id(str(rollup.config.get("relation_property_id", "")))


def _relation_may_be_cut(value: dict[str, Any]) -> bool:
    related = value.get("relation")
    has_flag = isinstance(value.get("has_more"), bool)
    return not has_flag and isinstance(related, list) and len(related) >= SHOWN_REFERENCES
