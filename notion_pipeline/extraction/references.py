"""Completes values that an answer shows in part, through the property item endpoint: once a value and read.

How a cut shows (notion-api.md section 7): a relation has `has_more`; people and mentions show it only by their number,
a rollup by its length or by the relation it runs over, a formula only by the relations in its expression. A value that
is `unsupported` is final: asking again does not help.

Where Notion refuses one value for good, the page keeps the part that it showed. The raw value then says
`"has_more": true`: the catalog counts the rows by it, and the next read of the page asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from notion_pipeline.errors import (
    InvalidCursorError,
    NotionNotFoundError,
    NotionRequestError,
    RetryableNotionError,
)
from notion_pipeline.extraction.formula_inputs import Inputs, excluded_inputs
from notion_pipeline.extraction.reference_merge import merged_list, merged_rollup
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.failures import BLOCKED
from notion_pipeline.notion.gather import all_or_first_error
from notion_pipeline.notion.pagination import Listing, pages
from notion_pipeline.notion.responses import no_object, objects_of
from notion_pipeline.rows.properties import COMPUTED, Property, decode_id, property_value

SHOWN_REFERENCES = 25
_CURSOR_RESTARTS = 3
#: 100 items each. Notion holds 10,000 references at most (section 5); nothing is said of texts.
MOST_ITEM_PAGES = 2_000
#: Statuses under which Notion refuses one value of a page, and not the connection; 200 with an answer of no use.
_REFUSES_ONE_VALUE = (200, 400, 403, 404)


class Completed(NamedTuple):
    """Pages without those that vanished meanwhile: they are in the trash or not shared any more.

    Attributes:
        requests_made: Whether anything had to be asked for.
        disagreements: Values of which the items lacked something that the page showed.
        refused: Property and reason of each value that Notion refuses to give whole.
    """

    pages: list[dict[str, Any]]
    requests_made: bool
    disagreements: int
    refused: list[tuple[Property, NotionRequestError]]


class _PageGone(Exception):  # noqa: N818  (no error: such a page is left out)
    """The page whose value was asked for is not there any more."""


async def complete_references(
    client: NotionClient, pages: Sequence[dict[str, Any]], properties: Sequence[Property]
) -> Completed:
    """Fills in, in place, every value of the pages that was cut; a request each for 100 references."""
    looked_at = {place: _Page(page, properties) for place, page in enumerate(pages) if _may_need_a_look(page)}
    cut = {place: page for place, page in looked_at.items() if page.is_cut}
    done = await all_or_first_error(_complete_page(client, page) for page in cut.values())
    gone = {place for place, disagreements in zip(cut, done, strict=True) if disagreements is None}
    return Completed(
        [page for place, page in enumerate(pages) if place not in gone],
        bool(cut),
        sum(number or 0 for number in done),
        [refusal for place, page in cut.items() if place not in gone for refusal in page.refused],
    )


async def _complete_page(client: NotionClient, page: _Page) -> int | None:
    """How many values disagreed; None where the page is gone."""
    try:
        # Only their items tell whether relations without the flag are cut, and what is computed over them with them.
        first = await all_or_first_error(_complete(client, page, prop) for prop in page.doubtful)
        then = await all_or_first_error(_complete(client, page, prop) for prop in page.cut())
    except _PageGone:
        return None
    return sum(first) + sum(then)


async def _is_there(client: NotionClient, page_id: str) -> bool:
    try:
        await client.page(page_id)
    except NotionNotFoundError:
        return False
    return True


def _may_need_a_look(page: dict[str, Any]) -> bool:
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


class _Page:
    """A page of an answer, and which of its values show a part only.

    Attributes:
        doubtful: Relations that may be cut and do not say.
        cut_relations: Ids of those that are, of excluded ones too: rollups and formulas run over them.
        refused: Property and reason of each value that Notion refused to give whole.
    """

    def __init__(self, page: dict[str, Any], properties: Sequence[Property]) -> None:
        self.id = page["id"]
        self.refused: list[tuple[Property, NotionRequestError]] = []
        self._all = properties
        values = page.get("properties")
        self._properties: dict[str, Any] = values if isinstance(values, dict) else {}
        relations = {
            decode_id(str(value.get("id"))): value
            for value in self._properties.values()
            if isinstance(value, dict) and value.get("type") == "relation"
        }
        doubtful = {key for key, value in relations.items() if _may_be_cut(value)}
        self.cut_relations = {key for key, value in relations.items() if value.get("has_more") is True}
        self.doubtful = [prop for prop in properties if prop.id in doubtful and prop.type == "relation"]
        self.cut_relations |= doubtful - {prop.id for prop in self.doubtful}
        self._shows_relations = relations.keys()

    @property
    def is_cut(self) -> bool:
        """Whether anything is to be asked for."""
        return bool(self.doubtful or self.cut())

    def cut(self) -> list[Property]:
        """The properties to ask for beside the doubtful relations, as far as is known of these."""
        found = [prop for prop in self._all if prop not in self.doubtful and self._is_cut(prop)]
        if not self.cut_relations:
            return found
        inputs: Inputs | None = None
        for prop in self._all:
            if prop.type == "formula" and prop not in found and _is_computed(self.value(prop), "formula"):
                inputs = inputs or Inputs(self._all, excluded_inputs(self._properties, self._all))
                behind = inputs.relations(prop.id)
                if behind is None or behind & self.cut_relations:
                    found.append(prop)
        return found

    def value(self, prop: Property) -> dict[str, Any]:
        """The whole value; empty where there is none."""
        value = property_value(self._properties, prop)
        return value if isinstance(value, dict) else {}

    def relation_is_cut(self, rollup: Property) -> bool:
        """Whether a rollup runs over a relation that is cut, or that the page does not show."""
        relation = decode_id(str(rollup.config.get("relation_property_id", "")))
        return relation in self.cut_relations or relation not in self._shows_relations

    def _is_cut(self, prop: Property) -> bool:
        value = self.value(prop)
        content = value.get(prop.type)
        if prop.type in COMPUTED:
            return self._computed_is_cut(prop, content)
        if value.get("has_more") is True:
            return True
        if not isinstance(content, list):
            return False
        if prop.type == "people":
            return len(content) >= SHOWN_REFERENCES
        mentions = sum(1 for item in content if isinstance(item, dict) and item.get("type") == "mention")
        return prop.type in ("title", "rich_text") and mentions >= SHOWN_REFERENCES

    def _computed_is_cut(self, prop: Property, content: Any) -> bool:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind is None or kind == "unsupported":
            return False
        if kind == "incomplete" or prop.type == "formula":
            return bool(kind == "incomplete")
        items = content.get("array")
        many = isinstance(items, list) and len(items) >= SHOWN_REFERENCES
        relation = decode_id(str(prop.config.get("relation_property_id", "")))
        return many or relation in self.cut_relations


def _may_be_cut(value: dict[str, Any]) -> bool:
    related = value.get("relation")
    has_flag = isinstance(value.get("has_more"), bool)
    return not has_flag and isinstance(related, list) and len(related) >= SHOWN_REFERENCES


def _is_computed(value: dict[str, Any], kind: str) -> bool:
    content = value.get(kind)
    return isinstance(content, dict) and content.get("type") not in ("unsupported", None)


async def _complete(client: NotionClient, page: _Page, prop: Property) -> bool:
    """Puts the whole value in place of the one shown; whether the items lacked something of that."""
    value = page.value(prop)
    try:
        items, last = await _read_items(client, page.id, prop)
    except NotionRequestError as error:
        if error.status not in _REFUSES_ONE_VALUE or error.code == BLOCKED:
            raise
        if isinstance(error, NotionNotFoundError) and not await _is_there(client, page.id):
            raise _PageGone from None
        # Where the property itself is gone, the schema at the end of the read tells so, and the read starts over.
        page.refused.append((prop, error))
        value["has_more"] = True
        if prop.type == "relation":
            page.cut_relations.add(prop.id)
        return False
    shown = value.get(prop.type)
    if prop.type == "formula":
        result = last.get("formula")
        if not isinstance(result, dict):
            return True
        value["formula"] = result
        return False
    if prop.type == "rollup":
        value["rollup"], disagrees = merged_rollup(
            shown, items, last.get("rollup"), prop.config, relation_is_cut=page.relation_is_cut(prop)
        )
        return disagrees
    value[prop.type], disagrees = merged_list(prop.type, shown, items)
    if prop.type == "relation" and prop in page.doubtful and len(value["relation"]) > len(shown or ()):
        page.cut_relations.add(prop.id)
    if "has_more" in value:
        value["has_more"] = False
    return disagrees


async def _read_items(
    client: NotionClient, page_id: str, prop: Property
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every item of a property, and the last answer's own `property_item`."""
    subject = f'property "{prop.name}" of page {page_id}'
    for _ in range(_CURSOR_RESTARTS + 1):
        listing = Listing(subject, most_pages=MOST_ITEM_PAGES, source=client.source)
        items: list[dict[str, Any]] = []
        last: dict[str, Any] = {}
        try:
            async for body in pages(
                lambda cursor: client.property_item(page_id, prop.id, start_cursor=cursor), listing, have_ids=False
            ):
                if body.get("object") != "list":
                    items, last = [body], body
                    continue
                found = objects_of(body, subject)
                if prop.type not in COMPUTED:  # their items are of other types
                    _require_values(found, prop, page_id)
                items.extend(found)
                last = body.get("property_item") or {}
        except InvalidCursorError:
            continue
        return items, last
    raise RetryableNotionError(
        f"Notion did not give all of {subject}: its page cursors lead nowhere.",
        hint="Sync again later.",
    )


def _require_values(items: Sequence[dict[str, Any]], prop: Property, page_id: str) -> None:
    """Makes sure that each item holds a value of the property's type: another would be left out in silence.

    Raises:
        NotionRequestError: One does not.
    """
    for item in items:
        if prop.type not in item:
            raise no_object(item, f'property "{prop.name}" of page {page_id}')
