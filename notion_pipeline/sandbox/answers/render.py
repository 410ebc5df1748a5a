"""Objects as an API version and a connection see them (notion-api.md sections 1, 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from notion_pipeline.sandbox.answers import computed
from notion_pipeline.sandbox.answers.signed_urls import signed
from notion_pipeline.sandbox.model.clock import container_stamp, page_stamp
from notion_pipeline.sandbox.model.content.blocks import Block, trashed
from notion_pipeline.sandbox.model.content.files import HostedFile
from notion_pipeline.sandbox.model.ids import page_url
from notion_pipeline.sandbox.model.objects import Database, DataSource, Page, Property
from notion_pipeline.sandbox.model.richtext import Item, is_reference, rich_text, title_of
from notion_pipeline.sandbox.model.schema import schema_entry
from notion_pipeline.sandbox.model.state.store import Store
from notion_pipeline.sandbox.model.state.tokens import Token
from notion_pipeline.sandbox.model.values import Raw, empty

LATEST = "2026-03-11"
VERSIONS = ("2025-09-03", LATEST)
#: References a value in a page shows at most (section 7).
REFERENCES = 25


class Renderer:
    """Renders for one connection and version.

    Args:
        truncate: Whether values are cut at 25 references, as in pages and query rows; False gives them in full.
    """

    def __init__(self, ws: Store, token: Token, version: str = LATEST, *, truncate: bool = True) -> None:
        self.ws, self.token, self.version, self.truncate = ws, token, version, truncate
        self._shows_archived = version != LATEST

    # Objects

    def page(self, page: Page, only: Collection[str] | None = None) -> dict[str, Any]:
        """A full page; `only` names the property ids that `filter_properties` asked for."""
        values = page.values
        in_trash = page.in_trash if page.parent is None else trashed(page)
        body = {
            "object": "page",
            "id": page.id,
            "created_time": page_stamp(page.created_time),
            "last_edited_time": page_stamp(page.last_edited_time),
            "created_by": {"object": "user", "id": page.created_by},
            "last_edited_by": {"object": "user", "id": page.last_edited_by},
            "cover": self.file_holder(page.cover),
            "icon": self.file_holder(page.icon),
            "parent": self.page_parent(page),
            "in_trash": in_trash,
            "is_archived": page.is_archived,
            "is_locked": page.is_locked,
            "properties": self.properties(page, values, only),
            "url": page_url(title_of(values), page.id),
            "public_url": page.public_url,
        }
        return self.with_archived(body, in_trash)

    def with_archived(self, body: dict[str, Any], in_trash: bool) -> dict[str, Any]:
        if self._shows_archived:
            body["archived"] = in_trash
        return body

    def page_parent(self, page: Page) -> dict[str, Any]:
        source = page.data_source
        if source is None:
            return self.container_parent(page.parent)
        return {"type": "data_source_id", "data_source_id": source.id, "database_id": source.database.id}

    def container_parent(self, container: Block | Page | None) -> dict[str, Any]:
        """The page or block that something stands in; None is the workspace."""
        if container is None:
            return {"type": "workspace", "workspace": True}
        kind = "block_id" if isinstance(container, Block) else "page_id"
        return {"type": kind, kind: container.id}

    def properties(self, page: Page, values: dict[str, Any], only: Collection[str] | None) -> dict[str, Any]:
        if page.data_source is None:
            return {"title": {"id": "title", "type": "title", "title": rich_text(values.get("title"))}}
        return {
            name: self.property_value(prop, page, values)
            for name, prop in page.data_source.properties.items()
            if only is None or prop.id in only
        }

    def property_value(self, prop: Property, page: Page, values: dict[str, Any]) -> dict[str, Any]:
        """The value with its id and type, and a relation's `has_more`."""
        value = self.value(prop, page, values)
        body = {"id": prop.encoded_id, "type": prop.type, prop.type: value}
        if prop.type == "relation":
            cut = self.truncate and isinstance(value, list) and len(value) > REFERENCES
            body["has_more"] = cut
            if cut:
                body["relation"] = value[:REFERENCES]
        return body

    def database_parent(self, database: Database) -> dict[str, Any]:
        parent = database.parent
        if isinstance(parent, dict):
            return parent
        if hasattr(parent, "page_id"):
            return {"type": "page_id", "page_id": parent.page_id}
        if hasattr(parent, "database"):
            return {"type": "database_id", "database_id": parent.database.id}
        return self.container_parent(parent)

    def database(self, database: Database) -> dict[str, Any]:
        """The container with the names of its data sources."""
        body: dict[str, Any] = {
            "object": "database",
            "id": database.id,
            "title": rich_text(database.title),
            "description": rich_text(database.description),
            "parent": self.database_parent(database),
            "is_inline": database.is_inline,
            "in_trash": database.in_trash,
            "is_locked": False,
            "created_time": container_stamp(database.created_time),
            "last_edited_time": container_stamp(database.last_edited_time),
            "data_sources": [{"id": source.id, "name": source.name} for source in database.data_sources],
            "icon": self.file_holder(database.icon),
            "cover": self.file_holder(database.cover),
            "url": database.url,
            "public_url": database.public_url,
        }
        return self.with_archived(body, database.in_trash)

    def schema(self, source: DataSource) -> dict[str, Any]:
        raw_ids = self.ws.switches.raw_property_ids
        return {name: schema_entry(prop, raw_ids=raw_ids) for name, prop in source.properties.items()}

    def data_source(self, source: DataSource) -> dict[str, Any]:
        database = source.database
        body = {
            "object": "data_source",
            "id": source.id,
            "title": rich_text(source.name),
            "description": rich_text(database.description),
            "icon": self.file_holder(source.icon),
            "cover": self.file_holder(database.cover),
            "is_inline": database.is_inline,
            "created_time": page_stamp(source.created_time),
            "created_by": {"object": "user", "id": source.created_by},
            "last_edited_time": page_stamp(source.last_edited_time),
            "last_edited_by": {"object": "user", "id": source.last_edited_by},
            "properties": self.schema(source),
            "parent": {"type": "database_id", "database_id": database.id},
            "database_parent": self.database_parent(database),
            "url": source.url,
            "public_url": database.public_url,
            "in_trash": source.in_trash,
        }
        return self.with_archived(body, source.in_trash)

    # People

    def user(self, user_id: str) -> dict[str, Any]:
        """The full user where the connection may see users, else only its id (section 6)."""
        user = self.ws.users.get(user_id)
        if user is None or self.token.user_information == "none":
            return {"object": "user", "id": user_id}
        body: dict[str, Any] = {
            "object": "user",
            "id": user.id,
            "name": user.name,
            "avatar_url": user.avatar_url,
            "type": user.kind,
        }
        if user.kind == "bot":
            return body | {"bot": {}}
        if user.email is None or self.token.user_information != "with_email":
            return body | {"person": {}}
        return body | {"person": {"email": user.email, "email_verified": True}}

    # Values

    def value(self, prop: Property, page: Page, values: dict[str, Any] | None = None) -> Any:
        """The value under the type key."""
        stored = (page.values if values is None else values).get(prop.id)
        if isinstance(stored, Raw):
            return stored.value
        plain = _PLAIN.get(prop.type)
        if plain is not None:
            return plain(self, prop, stored)
        from_page = _OF_PAGE.get(prop.type)
        if from_page is not None:
            return from_page(self, prop, page)
        return empty(prop.type) if stored is None else stored

    def text(self, prop: Property, stored: Any) -> list[Item]:
        items = rich_text(stored)
        if not self.truncate or len(items) <= REFERENCES:
            return items
        kept, references = [], 0
        for item in items:
            references += is_reference(item)
            if references <= REFERENCES or not is_reference(item):
                kept.append(item)
        return kept

    def choice(self, prop: Property, stored: Any) -> dict[str, Any] | None:
        option = prop.option_by_id(stored) if stored is not None else None
        return option.value() if option else None

    def choices(self, prop: Property, stored: Any) -> list[dict[str, Any]]:
        found = (prop.option_by_id(option_id) for option_id in stored or ())
        return [option.value() for option in found if option]

    def people(self, prop: Property, stored: Any) -> list[dict[str, Any]]:
        """People and groups; cut at 25 without any flag (section 7)."""
        shown = (stored or ())[:REFERENCES] if self.truncate else stored or ()
        return [entry if isinstance(entry, dict) else self.user(entry) for entry in shown]

    def files(self, prop: Property, stored: Any) -> list[dict[str, Any]]:
        return [self.file(entry) for entry in stored or ()]

    def file(self, entry: dict[str, Any]) -> dict[str, Any]:
        if "hosted" in entry:
            return {"name": entry["name"], "type": "file", "file": self.signed(entry["hosted"])}
        return {"name": entry["name"], "type": "external", "external": {"url": entry["url"]}}

    def file_holder(self, thing: dict[str, Any] | None) -> dict[str, Any] | None:
        """An icon or cover; hosted ones are signed anew."""
        if thing is None or "hosted" not in thing:
            return thing
        return {"type": "file", "file": self.signed(thing["hosted"])}

    def signed(self, file: HostedFile | str) -> dict[str, str]:
        return signed(self.ws, self.ws.hosted_file(file))

    def related(self, prop: Property, page: Page) -> list[str]:
        """Ids a relation shows: none of a database this connection does not see (section 6)."""
        stored = page.values.get(prop.id) or []
        if isinstance(stored, Raw):
            return [entry["id"] for entry in stored.value or ()]
        if prop.target is None or not self.token.sees(prop.target.database):
            return []
        if not self.ws.switches.trashed_relations_hidden:
            return list(stored)
        pages = self.ws.pages
        return [other for other in stored if not ((found := pages.get(other)) and found.in_trash)]

    def relation(self, prop: Property, page: Page) -> list[dict[str, str]]:
        return [{"id": other} for other in self.related(prop, page)]

    def formula(self, prop: Property, page: Page) -> dict[str, Any]:
        return computed.formula(self, prop, page)

    def rollup(self, prop: Property, page: Page) -> dict[str, Any]:
        return computed.rollup(self, prop, page)

    def created_time(self, prop: Property, page: Page) -> str:
        return page_stamp(page.created_time)

    def last_edited_time(self, prop: Property, page: Page) -> str:
        return page_stamp(page.last_edited_time)

    def created_by(self, prop: Property, page: Page) -> dict[str, Any]:
        return self.user(page.created_by)

    def last_edited_by(self, prop: Property, page: Page) -> dict[str, Any]:
        return self.user(page.last_edited_by)

    def unique_id(self, prop: Property, stored: Any) -> dict[str, Any]:
        return {"prefix": prop.prefix, "number": stored}


_PLAIN: dict[str, Callable[[Renderer, Property, Any], Any]] = {
    "title": Renderer.text,
    "rich_text": Renderer.text,
    "select": Renderer.choice,
    "status": Renderer.choice,
    "multi_select": Renderer.choices,
    "people": Renderer.people,
    "files": Renderer.files,
    "unique_id": Renderer.unique_id,
}
_OF_PAGE: dict[str, Callable[[Renderer, Property, Page], Any]] = {
    "relation": Renderer.relation,
    "formula": Renderer.formula,
    "rollup": Renderer.rollup,
    "created_time": Renderer.created_time,
    "last_edited_time": Renderer.last_edited_time,
    "created_by": Renderer.created_by,
    "last_edited_by": Renderer.last_edited_by,
}
