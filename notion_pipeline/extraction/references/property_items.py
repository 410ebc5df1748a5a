"""Completes values that an answer shows in part, through the property item endpoint: once a value and read.

Relations come first: only then is it known which rollups and formulas may be wrong, and a rollup that was evidently
computed over all of its relation is not asked for. Of some rollup functions Notion computes no item (notion-api.md
section 7): where it said so of one row, the other rows of the read are not asked for. A row that comes again as it came
before, in the catch-up or at the edge of a window, is left out: its first version stays.

Where Notion refuses one value for good, the page keeps the part that it showed. The raw value then says
`"has_more": true`: the catalog counts the rows by it, and the next read of the page asks again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from notion_pipeline.errors import (
    InvalidCursorError,
    NotionNotFoundError,
    NotionRequestError,
    RetryableNotionError,
)
from notion_pipeline.extraction.references.cut_values import CutPage, may_be_cut
from notion_pipeline.extraction.references.merge import merged_list, merged_rollup
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.gather import all_or_first_error
from notion_pipeline.notion.pagination import Listing, pages
from notion_pipeline.notion.responses.failures import BLOCKED
from notion_pipeline.notion.responses.parsing import no_object, objects_of
from notion_pipeline.rows.properties import COMPUTED, Property
from notion_pipeline.rows.text.json_text import dump_json

_CURSOR_RESTARTS = 3
#: 100 items each. Notion holds 10,000 references at most (section 5); nothing is said of texts.
MOST_ITEM_PAGES = 2_000
#: Rows whose first version is remembered, the latest ones: a row comes again soon, or not at all.
MOST_REMEMBERED = 20_000
#: Statuses under which Notion refuses one value of a page, and not the connection; 200 with an answer of no use.
_REFUSES_ONE_VALUE = (200, 400, 403, 404)
#: Rollup functions that the item endpoint does not compute, whatever the row.
_NEVER_COMPUTED = ("unique", "median", "count_per_group", "percent_per_group")


class Completed(NamedTuple):
    """The pages of one answer, their values whole.

    Attributes:
        pages: To be staged: without those that are gone, and those that came before as they are.
        vanished: Pages that went into the trash, or are not shared any more, since the answer.
        asked: Whether anything had to be asked for.
        disagreements: Values of which the items lacked something that the page showed.
        refused: Property and reason of each value that Notion refuses to give whole.
        versions: Digest of each completed page as it was shown, by id; for `References.staged`.
    """

    pages: list[dict[str, Any]]
    vanished: int
    asked: bool
    disagreements: int
    refused: list[tuple[Property, NotionRequestError]]
    versions: dict[str, bytes]


class _PageGone(Exception):  # noqa: N818  (no error: such a page is left out)
    """The page whose value was asked for is not there any more."""


class References:
    """Completes the pages of one read.

    Args:
        on_answer: Called when a value is complete, since the references of one answer can take minutes.
    """

    def __init__(
        self, client: NotionClient, properties: Sequence[Property], on_answer: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._on_answer = on_answer
        self._properties = properties
        self._staged: dict[str, bytes] = {}
        #: What Notion says of a rollup that it does not compute, by property id; None where it computes it after all.
        self._aggregates: dict[str, dict[str, Any] | None] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def complete(self, answer: Sequence[dict[str, Any]]) -> Completed:
        """Fills in, in place, every value of the pages that was cut; a request each for 100 references."""
        suspects = {place: CutPage(page, self._properties) for place, page in enumerate(answer) if may_be_cut(page)}
        cut = {place: page for place, page in suspects.items() if page.is_cut}
        versions = {page.id: _digest(answer[place]) for place, page in cut.items()}
        known = {place for place, page in cut.items() if self._staged.get(page.id) == versions[page.id]}
        asked = {place: page for place, page in cut.items() if place not in known}
        done = await all_or_first_error(self._complete_page(page) for page in asked.values())
        gone = {place for place, disagreements in zip(asked, done, strict=True) if disagreements is None}
        return Completed(
            [page for place, page in enumerate(answer) if place not in gone | known],
            len(gone),
            bool(asked),
            sum(number or 0 for number in done),
            [refusal for place, page in asked.items() if place not in gone for refusal in page.refused],
            {page.id: versions[page.id] for place, page in asked.items() if place not in gone},
        )

    def staged(self, completed: Completed) -> None:
        """Notes that these pages are kept: as long as they come in this version, they are left out from now on."""
        for page_id, version in completed.versions.items():
            self._staged.pop(page_id, None)
            self._staged[page_id] = version
        while len(self._staged) > MOST_REMEMBERED:
            del self._staged[next(iter(self._staged))]

    async def _complete_page(self, page: CutPage) -> int | None:
        """How many values disagreed; None where the page is gone."""
        try:
            lists = await all_or_first_error(self._complete_list(page, prop) for prop in page.lists())
            computed = await all_or_first_error(self._complete_computed(page, prop) for prop in page.computed())
        except _PageGone:
            return None
        return sum(lists) + sum(computed)

    async def _complete_list(self, page: CutPage, prop: Property) -> bool:
        """Puts all of a relation, people or text in place of what is shown; whether the items lacked some of that."""
        value = page.value(prop)
        shown = value.get(prop.type)
        found = await self._ask(page, prop)
        if found is None:
            if prop.type == "relation":
                page.cut_relations.add(prop.id)
            return False
        value[prop.type], disagrees = merged_list(prop.type, shown, found[0])
        if prop.type == "relation":
            if prop in page.doubtful and len(value["relation"]) > len(shown or ()):
                page.cut_relations.add(prop.id)
            if not disagrees:
                page.lengths[prop.id] = len(value["relation"])
        if "has_more" in value:
            value["has_more"] = False
        return disagrees

    async def _complete_computed(self, page: CutPage, prop: Property) -> bool:
        """Puts what is computed over all references in place of what is shown; whether items lacked some of that."""
        if prop.type == "formula":
            found = await self._ask(page, prop)
            result = found[1].get("formula") if found is not None else None
            if isinstance(result, dict):
                page.value(prop)["formula"] = result
            return found is not None and not isinstance(result, dict)
        function = page.value(prop)["rollup"].get("function") or prop.config.get("function")
        if function not in _NEVER_COMPUTED or self._aggregates.get(prop.id, {}) is None:
            return self._merge_rollup(page, prop, await self._ask(page, prop))
        async with self._asking[prop.id]:  # one row asks, the others wait for what Notion says
            if (aggregate := self._aggregates.get(prop.id)) is not None:
                return self._merge_rollup(page, prop, ([], {"rollup": aggregate}))
            found = await self._ask(page, prop)
            if found is not None:
                aggregate = found[1].get("rollup")
                is_final = isinstance(aggregate, dict) and aggregate.get("type") == "unsupported"
                self._aggregates[prop.id] = aggregate if is_final else None
            return self._merge_rollup(page, prop, found)

    def _merge_rollup(
        self, page: CutPage, prop: Property, found: tuple[list[dict[str, Any]], dict[str, Any]] | None
    ) -> bool:
        if found is None:
            return False
        value, (items, last) = page.value(prop), found
        value["rollup"], disagrees = merged_rollup(
            value.get("rollup"), items, last.get("rollup"), prop.config, relation_is_cut=page.relation_is_cut(prop)
        )
        return disagrees

    async def _ask(self, page: CutPage, prop: Property) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
        """Every item of a value, and the last answer's own `property_item`; None where Notion refuses this one value.

        Raises:
            _PageGone: The page is not there any more.
        """
        try:
            items = await _read_items(self._client, page.id, prop)
        except NotionRequestError as error:
            if error.status not in _REFUSES_ONE_VALUE or error.code == BLOCKED:
                raise
            if isinstance(error, NotionNotFoundError) and not await self._is_there(page.id):
                raise _PageGone from None
            # Where the property itself is gone, the schema at the end of the read tells so, and the read starts over.
            page.refused.append((prop, error))
            page.value(prop)["has_more"] = True
            return None
        self._on_answer()
        return items

    async def _is_there(self, page_id: str) -> bool:
        try:
            await self._client.page(page_id)
        except NotionNotFoundError:
            return False
        return True


def _digest(page: dict[str, Any]) -> bytes:
    """By which a page is known again that comes twice."""
    return hashlib.sha256(dump_json(page)).digest()


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
