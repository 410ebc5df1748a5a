"""Handler for search: by title, through an index that lags and has gaps (notion-api.md section 8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeAlias

import orjson

from notion_pipeline.sandbox.answers.query import page_size
from notion_pipeline.sandbox.http.handlers.calls import Call, listing
from notion_pipeline.sandbox.model.content.blocks import trashed
from notion_pipeline.sandbox.model.errors import invalid_body, quoted
from notion_pipeline.sandbox.model.objects import Database, DataSource, Page

Found: TypeAlias = "Page | DataSource"
_BODY_KEYS = ("query", "filter", "sort", "start_cursor", "page_size")


def search(call: Call) -> dict[str, Any]:
    """Full objects; the hits are those of the moment the search began."""
    call.require_read()
    ws, body = call.ws, call.json_body(_BODY_KEYS)
    kind, in_trash = _checked_filter(body)
    size, cursor, now = page_size(body), body.get("start_cursor"), ws.clock.now()
    spec = {key: body.get(key) for key in ("query", "filter", "sort")}
    canonical = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
    fingerprint = ("search", canonical, call.token.value, call.version)
    if cursor is None:
        session, offset = ws.sessions.begin(fingerprint, now), 0
        hits = _candidates(call, kind, in_trash, body.get("query") or "")
        session.rows = _sorted(hits, body.get("sort"))
    else:
        session, offset = ws.sessions.resume(cursor, fingerprint, now, ws.switches.cursor_lifetime_seconds)
    rows, end = session.rows or [], offset + size
    results = [_rendered(call, found) for found in rows[offset:end] if not _lost(call, found)]
    return listing("page_or_data_source", results, session.cursor(end) if end < len(rows) else None)


def _checked_filter(body: dict[str, Any]) -> tuple[str | None, bool | None]:
    if "filter" not in body:
        return None, None
    filter_ = body["filter"]
    if not isinstance(filter_, dict) or set(filter_) - {"property", "value", "in_trash"}:
        raise invalid_body("body.filter should hold `property` and `value`.")
    if "value" not in filter_:
        return None, filter_.get("in_trash")
    if filter_.get("property") != "object" or filter_["value"] not in ("page", "data_source"):
        found = filter_["value"]
        raise invalid_body(f'body.filter.value should be `"page"` or `"data_source"`, instead was `{quoted(found)}`.')
    return filter_["value"], filter_.get("in_trash")


def _candidates(call: Call, kind: str | None, in_trash: bool | None, query: str) -> list[Found]:
    ws = call.ws
    found: list[Found] = []
    if kind != "page":
        seen = [database for database in ws.databases.values() if call.token.sees(database)]
        found += [source for database in seen for source in database.data_sources]
    if kind in (None, "page"):
        found += [page for page in ws.pages.values() if call.token.sees_page(page)]
    wanted = query.casefold()
    return [
        entry
        for entry in found
        if _trash_fits(call, entry, in_trash) and wanted in _title(entry).casefold() and _indexed(call, entry)
    ]


def _title(found: Found) -> str:
    """Of a data source the database's title is searched (section 5)."""
    return found.database.title if isinstance(found, DataSource) else found.title


def _trash_fits(call: Call, found: Found, in_trash: bool | None) -> bool:
    gone = (trashed(found) or _container_trashed(found)) if isinstance(found, Page) else found.in_trash
    if in_trash is not None:
        return gone == in_trash
    if not gone:
        return True
    return call.ws.switches.search_lists_trashed and not isinstance(found, Page)


def _container_trashed(page: Page) -> bool:
    return page.data_source is not None and page.data_source.in_trash


def _indexed(call: Call, found: Found) -> bool:
    """Whether the index has it: not when too fresh, never when it is in a gap."""
    switches = call.ws.switches
    database = _database(found)
    if switches.search_gaps and {found.id, database.id if database else ""} & switches.search_gaps:
        return False
    if not switches.search_lag_seconds:
        return True
    moments = [found.created_time, found.last_edited_time] + ([database.shared_at] if database else [])
    return call.ws.clock.now() - max(moments) >= timedelta(seconds=switches.search_lag_seconds)


def _database(found: Found) -> Database | None:
    source = found if isinstance(found, DataSource) else found.data_source
    return source.database if source else None


def _lost(call: Call, found: Found) -> bool:
    """Whether it went away or out of sight since the search began."""
    return not (call.token.sees_page(found) if isinstance(found, Page) else call.token.sees(found.database))


def _sorted(hits: list[Found], sort: Any) -> list[Found]:
    """By last edit, the latest first unless asked otherwise."""
    ascending = isinstance(sort, dict) and sort.get("direction") == "ascending"
    return sorted(hits, key=lambda found: found.last_edited_time, reverse=not ascending)


def _rendered(call: Call, found: Found) -> dict[str, Any]:
    renderer = call.renderer
    return renderer.data_source(found) if isinstance(found, DataSource) else renderer.page(found)
