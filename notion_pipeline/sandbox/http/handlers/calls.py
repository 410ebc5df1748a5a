"""What a request handler gets: the request's parts, checked for who asks and in which version, and what it may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from notion_pipeline.sandbox.answers.query import page_size, served_size
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.model.errors import (
    NotionError,
    bad_cursor,
    invalid,
    invalid_body,
    not_found,
    quoted,
    restricted,
    wrong_kind,
)
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.objects import Database, DataSource, Page
from notion_pipeline.sandbox.model.state.tokens import Token

if TYPE_CHECKING:
    from notion_pipeline.sandbox.edits.workspace import Workspace


@dataclass(frozen=True)
class Spliced:
    """An answer whose JSON is put together already, but for the closing brace and the request id."""

    head: bytes


@dataclass
class Call:
    """One authorised API request."""

    ws: Workspace
    token: Token
    version: str
    params: dict[str, str]
    query: Sequence[tuple[str, str]]
    body: Any

    @property
    def renderer(self) -> Renderer:
        return Renderer(self.ws, self.token, self.version)

    def json_body(self, allowed: Sequence[str]) -> dict[str, Any]:
        """The body as an object with these keys at most."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise invalid_body(f"body should be an object, instead was `{quoted(self.body)}`.")
        for key in self.body:
            if key not in allowed:
                raise invalid_body(f"body.{key} should be not present, instead was `{quoted(self.body[key])}`.")
        return self.body

    def list_parameters(self) -> tuple[str | None, int]:
        """start_cursor and page_size of a GET list (section 3)."""
        given = dict(self.query)
        size: dict[str, Any] = {}
        if "page_size" in given:
            size["page_size"] = int(given["page_size"]) if given["page_size"].isdigit() else given["page_size"]
        return given.get("start_cursor"), page_size(size, "query")

    def require_read(self) -> None:
        if not self.token.read_content:
            raise restricted("read content")

    def path_id(self, name: str) -> str:
        given = self.params[name]
        found = dashed(given)
        if found is None:
            problem = f"path.{name} should be a valid uuid, instead was `{quoted(given)}`."
            raise invalid(f"path failed validation: {problem}")
        return found

    def database(self, name: str = "database_id") -> Database:
        self.require_read()
        object_id = self.path_id(name)
        found = self.ws.databases.get(object_id)
        if found is None or not self.token.sees(found):
            page = self.ws.pages.get(object_id)
            if page is not None and self.token.sees_page(page):
                raise wrong_kind(object_id, "page", "database")
            raise self.missing("database", object_id)
        return found

    def data_source(self) -> DataSource:
        self.require_read()
        object_id = self.path_id("data_source_id")
        found = self.ws.data_sources.get(object_id)
        if found is None or not self.token.sees(found.database):
            raise self.missing("data_source", object_id)
        return found

    def page(self, object_id: str | None = None) -> Page:
        self.require_read()
        wanted = object_id or self.path_id("page_id")
        found = self.ws.pages.get(wanted)
        if found is None or not self.token.sees_page(found):
            database = self.ws.databases.get(wanted)
            if database is not None and self.token.sees(database):
                raise wrong_kind(wanted, "database", "page")
            raise self.missing("page", wanted)
        return found

    def missing(self, kind: str, object_id: str) -> NotionError:
        return not_found(kind, object_id, self.ws.integration_name, self.ws.integration_id)


def listing(kind: str, results: list[Any], next_cursor: str | None = None) -> dict[str, Any]:
    """A list answer (section 3)."""
    return {
        "object": "list",
        "results": results,
        "next_cursor": next_cursor,
        "has_more": next_cursor is not None,
        "type": kind,
        kind: {},
    }


def sliced(call: Call, kind: str, items: list[Any]) -> tuple[list[Any], str | None]:
    """The asked-for part of a list by GET, and the cursor of the next, bound to this list."""
    cursor, size = call.list_parameters()
    fingerprint = (kind, call.token.value, tuple(sorted(call.params.items())))
    sessions, now = call.ws.sessions, call.ws.clock.now()
    if cursor is None:
        session, offset = sessions.begin(fingerprint, now), 0
    else:
        session, offset = sessions.resume(cursor, fingerprint, now, call.ws.switches.cursor_lifetime_seconds)
    end = offset + served_size(call.ws, session.salt, offset, size)
    return items[offset:end], session.cursor(end) if end < len(items) else None


def sliced_by_id(call: Call, ids: Sequence[str]) -> tuple[int, int, str | None]:
    """Start and end of the asked-for part of a list by GET whose cursors are ids, and the cursor of the next part."""
    cursor, size = call.list_parameters()
    found = dashed(cursor)
    if cursor is not None and found not in ids:
        raise bad_cursor(cursor)
    start = ids.index(found) if found is not None else 0
    end = start + served_size(call.ws, str(ids[:1]), start, size)
    return start, end, ids[end] if end < len(ids) else None
