"""Handlers that read: databases, data sources, queries, pages (notion-api.md sections 4 to 9)."""

from __future__ import annotations

from typing import Any

import orjson

from notion_pipeline.sandbox.answers.query import BODY_KEYS, Query
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.http.handlers.calls import Call, Spliced, sliced_by_id
from notion_pipeline.sandbox.model.errors import invalid
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline.sandbox.model.schema import COMPUTED


def database(call: Call) -> dict[str, Any]:
    return call.renderer.database(call.database())


def data_source(call: Call) -> dict[str, Any]:
    return call.renderer.data_source(call.data_source())


def templates(call: Call) -> dict[str, Any]:
    """No `object`, no `results`, no request id (sections 1 and 4)."""
    name = dict(call.query).get("name", "").casefold()
    found = [template for template in call.data_source().templates if name in template["name"].casefold()]
    start, end, cursor = sliced_by_id(call, [template["id"] for template in found])
    return {"templates": found[start:end], "has_more": cursor is not None, "next_cursor": cursor}


def query_data_source(call: Call) -> Spliced:
    source = call.data_source()
    if source.in_trash and call.ws.switches.trashed_source_query == "not_found":
        raise call.missing("data_source", source.id)
    body = call.json_body(BODY_KEYS)
    only = filter_properties(call, source)
    renderer = call.renderer
    answer = Query(call.ws, source, renderer, body).page()
    cache = RowCache(renderer, source, only)
    rows = b",".join([cache.row(row) for row in answer.rows])
    tail: dict[str, Any] = {
        "next_cursor": answer.next_cursor,
        "has_more": answer.next_cursor is not None,
        "type": "page_or_data_source",
        "page_or_data_source": {},
    }
    if answer.capped:
        tail["request_status"] = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
    elif call.ws.switches.request_status_complete:
        tail["request_status"] = {"type": "complete"}
    return Spliced(b'{"object":"list","results":[' + rows + b"]," + orjson.dumps(tail)[1:-1])


def filter_properties(call: Call, source: DataSource) -> set[str] | None:
    """Ids of the properties asked for, by id or name (section 4); None without the parameter."""
    wanted = [value for key, value in call.query if key in ("filter_properties", "filter_properties[]")]
    if not wanted:
        return None
    ids = set()
    for value in wanted:
        found = source.find_property(value)
        if found is None:
            raise invalid(f"Could not find property with name or id: {value}")
        ids.add(found.id)
    return ids


class RowCache:
    """Rows as JSON, kept on the page until something changes that they show."""

    def __init__(self, renderer: Renderer, source: DataSource, only: set[str] | None) -> None:
        self._renderer, self._only = renderer, only
        ws = renderer.ws
        kinds = {prop.type for prop in source.properties.values()}
        key: tuple[Any, ...] = (renderer.version, renderer.token.value, source.revision, ws.sharing_revision)
        if not kinds.isdisjoint(("relation", *COMPUTED)):
            key += (ws.revision, ws.switches.rollup_over_25, ws.switches.trashed_relations_hidden)
        if "formula" in kinds:
            key += (ws.clock.now(),)
        self._key = key

    def row(self, row: Page | DataSource) -> bytes:
        if isinstance(row, DataSource):
            return orjson.dumps(self._renderer.data_source(row))
        if self._only is not None or row.volatile:
            return orjson.dumps(self._renderer.page(row, self._only))
        cached = row.cached
        if cached is not None and cached[0] == self._key:
            return cached[1]
        rendered = orjson.dumps(self._renderer.page(row))
        row.cached = (self._key, rendered)
        self._renderer.ws.remember_cached(row)
        return rendered


def page(call: Call) -> dict[str, Any]:
    """Also of a trashed or archived page (section 4)."""
    found = call.page()
    only = filter_properties(call, found.data_source) if found.data_source else None
    return call.renderer.page(found, only)
