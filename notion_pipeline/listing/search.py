"""Reads every data source that Notion's search shows, page by page; starts again where a cursor breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from notion_pipeline.errors import (
    AuthorizationError,
    InvalidCursorError,
    NotionError,
    NotionRequestError,
    RetryableNotionError,
)
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.pagination import Listing, pages
from notion_pipeline.notion.responses.parsing import is_object, quoted_result
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.outside import shown_line

SEARCH_RESTARTS = 3
#: At 100 a page far more data sources than anybody has, also where pages are short.
MOST_SEARCH_PAGES = 5_000


@dataclass
class Search:
    """The result of a search.

    Attributes:
        databases: Ids of the parent databases, also of data sources without a valid id.
        odd: Results that are no data source, or one without a valid id of its own or of its database. Each is described
            by a text that is the same whenever search gives it.
        elsewhere: Data sources whose parent is no database, as Notion's synced ones may be.
        others: How many results there were of each other type.
        error: Why the result is incomplete.
        is_capped: Whether Notion said that it does not give everything.
    """

    data_sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    databases: dict[str, None] = field(default_factory=dict)
    odd: dict[str, None] = field(default_factory=dict)
    elsewhere: dict[str, None] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    error: NotionError | None = None
    is_capped: bool = False


async def search_data_sources(client: NotionClient, log: Callable[[str], None]) -> Search:
    """Every data source that search finds. A broken cursor starts it again; what was found before is kept.

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
    for found in search.elsewhere:
        log(f"{found} names no database it belongs to; it is left out.")
    for kind, number in search.others.items():
        log(f'Search gave {number:,} objects of the type "{shown_line(kind)}", which was not asked for; left out.')
    if search.odd and search.error is None:
        first, others = next(iter(search.odd)), len(search.odd) - 1
        more = f" and {others:,} more" if others else ""
        search.error = NotionRequestError(
            f"Among its results is what is no data source of Notion's: {first}{more}.",
            hint="Check that NOTION_API_URL, and whatever stands between, is Notion's; then sync again.",
            status=200,
            source=client.source,
        )
    return search


async def _search_to_its_end(client: NotionClient, search: Search, log: Callable[[str], None]) -> None:
    body = {
        "filter": {"property": "object", "value": "data_source"},
        "sort": {"timestamp": "last_edited_time", "direction": "descending"},
        "page_size": 100,
    }

    def note(answer: dict[str, Any]) -> bool:
        for raw in answer.get("results") or []:
            _note(search, raw)
        if is_incomplete(answer):
            search.is_capped = True
            log(
                "Notion's search did not give everything; databases known before are asked for by id, and nothing is "
                "retired."
            )
        return False

    await search_to_its_end(
        client, body, note, log, subject="the databases that search finds", most_pages=MOST_SEARCH_PAGES
    )


async def search_to_its_end(
    client: NotionClient,
    body: dict[str, Any],
    note: Callable[[dict[str, Any]], bool],
    log: Callable[[str], None],
    *,
    subject: str,
    most_pages: int,
) -> None:
    """Every answer of a search; it starts again where a cursor is refused, so that results may come twice.

    Args:
        note: Takes each answer; returns whether it was enough.
        subject: What is listed, in the words of a message.
        most_pages: More answers than Notion can have of it.

    Raises:
        NotionError: Notion refused a request, or could not be reached; what was noted before stays good.
    """
    for attempt in range(SEARCH_RESTARTS + 1):
        listing = Listing(subject, most_pages=most_pages, source=client.source)
        try:
            async for answer in pages(
                lambda cursor: client.search({**body, "start_cursor": cursor} if cursor else body), listing
            ):
                if note(answer):
                    return
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


def is_incomplete(answer: dict[str, Any]) -> bool:
    """Whether Notion says that it does not give everything."""
    status = answer.get("request_status")
    return isinstance(status, dict) and status.get("type") == "incomplete"


def _note(search: Search, raw: Any) -> None:
    """Keeps a result of the search."""
    if not is_object(raw):
        search.odd[quoted_result(raw)] = None
        return
    if raw["object"] != "data_source":
        search.others[raw["object"]] += 1
        return
    if raw.get("in_trash"):  # may be listed unasked (notion-api.md section 8)
        return
    database_id, member_id = database_of(raw), normalise_id(str(raw.get("id")))
    if database_id is not None:
        search.databases[database_id] = None
    if member_id is None:
        search.odd[f'data source "{plain_title(raw)}" with the id {quoted_result(raw.get("id"))}'] = None
    elif database_id is None and _stands_elsewhere(raw.get("parent")):
        search.elsewhere[f'Data source "{plain_title(raw)}" ({member_id})'] = None
    elif database_id is None:
        parent = quoted_result(raw.get("parent"))
        search.odd[f'data source "{plain_title(raw)}" ({member_id}) in the parent {parent}'] = None
    else:
        search.data_sources[member_id] = raw


def _stands_elsewhere(parent: Any) -> bool:
    return isinstance(parent, dict) and isinstance(parent.get("type"), str) and "database_id" not in parent


def plain_title(raw: dict[str, Any]) -> str:
    """The plain text of the title of a database or data source; empty where untitled."""
    parts = raw.get("title")
    return "".join(
        str(part.get("plain_text") or "")
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict)
    )


def database_of(data_source: dict[str, Any]) -> str | None:
    """Id of the database that is the parent of a data source; None where it names none."""
    parent = data_source.get("parent")
    return normalise_id(str(parent.get("database_id"))) if isinstance(parent, dict) else None
