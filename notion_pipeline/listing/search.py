"""Every data source that Notion's search shows: asked page by page, begun again where a cursor breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from notion_pipeline.errors import AuthorizationError, InvalidCursorError, NotionError, RetryableNotionError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.pagination import Listing as Pages
from notion_pipeline.notion_ids import normalise_id

SEARCH_RESTARTS = 3
#: At 100 a page far more data sources than anybody has, also where pages are short.
MOST_SEARCH_PAGES = 5_000


@dataclass
class Search:
    """What search gave.

    Attributes:
        refused: Data sources whose id is none: their database, asked for by id, has to tell.
        error: Why it did not come to its end.
        is_capped: Notion said itself that it does not give everything.
    """

    data_sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    error: NotionError | None = None
    is_capped: bool = False


async def search_data_sources(client: NotionClient, log: Callable[[str], None]) -> Search:
    """Every data source that search finds; a broken cursor starts it again, since what was found stays found.

    Raises:
        AuthorizationError: Notion does not take the credential.
        RetryableNotionError: Nobody answers at all.
    """
    search = Search()
    try:
        await _search_to_its_end(client, search, log)
    except AuthorizationError:
        raise
    except NotionError as error:
        if error.status is None and client.stats.earliest is None:
            raise  # nobody answers, so neither would anything that is asked next
        search.error = error
    return search


async def _search_to_its_end(client: NotionClient, search: Search, log: Callable[[str], None]) -> None:
    body = {
        "filter": {"property": "object", "value": "data_source"},
        "sort": {"timestamp": "last_edited_time", "direction": "descending"},
        "page_size": 100,
    }
    for attempt in range(SEARCH_RESTARTS + 1):
        try:
            await _search_once(client, body, search, log)
        except InvalidCursorError as error:
            if attempt == SEARCH_RESTARTS:
                raise RetryableNotionError(
                    f"Notion's search cursors broke {SEARCH_RESTARTS + 1} times in a row: {error.message}",
                    hint="Try again later.",
                    status=error.status,
                ) from error
            log("A search cursor was refused; the search starts again.")
        else:
            return


async def _search_once(client: NotionClient, body: dict[str, Any], search: Search, log: Callable[[str], None]) -> None:
    cursor: str | None = None
    seen: set[str] = set()
    pages = Pages("the databases that search finds", most_pages=MOST_SEARCH_PAGES, source=client.source)
    while True:
        answer = await client.search({**body, "start_cursor": cursor} if cursor else body)
        results = answer.body.get("results") or []
        ids = (str(raw.get("id")) for raw in results if isinstance(raw, dict))
        pages.page(ids, has_more=bool(answer.body.get("has_more")))
        for raw in results:
            # Trashed data sources may be listed unasked (notion-api.md section 8).
            if not isinstance(raw, dict) or raw.get("object") != "data_source" or raw.get("in_trash"):
                continue
            if (member_id := normalise_id(str(raw.get("id")))) is not None:
                search.data_sources[member_id] = raw
            elif raw not in search.refused:
                search.refused.append(raw)
        status = answer.body.get("request_status")
        if isinstance(status, dict) and status.get("type") == "incomplete":
            search.is_capped = True
            log(
                "Notion's search did not give everything; databases known before are asked for by id, and nothing is "
                "retired."
            )
        if not answer.body.get("has_more"):
            return
        cursor = answer.body.get("next_cursor")
        if not isinstance(cursor, str) or not cursor or cursor in seen:
            raise InvalidCursorError("The next page's cursor is missing or repeats.", status=200)
        seen.add(cursor)


def database_of(data_source: dict[str, Any]) -> str | None:
    """Id of the database that a data source stands in; None where it names none."""
    parent = data_source.get("parent")
    return normalise_id(str(parent.get("database_id"))) if isinstance(parent, dict) else None
