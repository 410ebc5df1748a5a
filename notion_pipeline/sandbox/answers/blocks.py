"""Blocks as an API version and a connection see them (notion-api-additions.md section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from notion_pipeline.sandbox.answers.render import LATEST, Renderer
from notion_pipeline.sandbox.model.clock import page_stamp
from notion_pipeline.sandbox.model.content.blocks import Block, Child, Container, trashed
from notion_pipeline.sandbox.model.content.page_text import children_of
from notion_pipeline.sandbox.model.objects import Database, Page

#: Names of block types before 2026-03-11.
_OLD_NAMES = {"meeting_notes": "transcription"}


class BlockRenderer:
    """Renders blocks with the eyes of a `Renderer`: its connection, its version."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._ws, self._token = renderer.ws, renderer.token

    def child(self, child: Child) -> dict[str, Any]:
        if isinstance(child, Page):
            return self.child_page(child)
        return self.child_database(child) if isinstance(child, Database) else self.block(child)

    def block(self, block: Block) -> dict[str, Any]:
        type_ = block.type if self._renderer.version == LATEST else _OLD_NAMES.get(block.type, block.type)
        return self._body(
            block.id,
            self._renderer.container_parent(block.parent),
            stamps=(block.created_time, block.last_edited_time),
            users=(block.created_by, block.last_edited_by),
            has_children=self._has_children(block),
            in_trash=block.deleted(),
            type_=type_,
            content=self._content(block),
        )

    def child_page(self, page: Page) -> dict[str, Any]:
        """`has_children` speaks of the page's own content."""
        return self._body(
            page.id,
            self._renderer.page_parent(page),
            stamps=(page.created_time, page.last_edited_time),
            users=(page.created_by, page.last_edited_by),
            has_children=next(self.listed(page), None) is not None,
            in_trash=trashed(page),
            type_="child_page",
            content={"title": page.title},
        )

    def child_database(self, database: Database) -> dict[str, Any]:
        owner = self._ws.owner.id
        return self._body(
            database.id,
            self._renderer.database_parent(database),
            stamps=(database.created_time, database.last_edited_time),
            users=(owner, owner),
            has_children=False,
            in_trash=database.in_trash,
            type_="child_database",
            content={"title": database.title},
        )

    def _body(
        self,
        block_id: str,
        parent: dict[str, Any],
        *,
        stamps: tuple[datetime, datetime],
        users: tuple[str, str],
        has_children: bool,
        in_trash: bool,
        type_: str,
        content: dict[str, Any],
    ) -> dict[str, Any]:
        body = {
            "object": "block",
            "id": block_id,
            "parent": parent,
            "created_time": page_stamp(stamps[0]),
            "last_edited_time": page_stamp(stamps[1]),
            "created_by": {"object": "user", "id": users[0]},
            "last_edited_by": {"object": "user", "id": users[1]},
            "has_children": has_children,
            "in_trash": in_trash,
            "type": type_,
            type_: content,
        }
        return self._renderer.with_archived(body, in_trash)

    def _has_children(self, block: Block) -> bool:
        """A copy of a synced block always shows that it has some."""
        return block.original is not None or next(self.listed(block), None) is not None

    def _content(self, block: Block) -> dict[str, Any]:
        """A hosted file signed anew, an original by its id, parts by theirs."""
        content = block.content
        if "hosted" in content:
            kept = {key: value for key, value in content.items() if key != "hosted"}
            content = {**kept, "type": "file", "file": self._renderer.signed(content["hosted"])}
        if block.type == "file":
            content = {**content, "name": self.file_name(block)}
        if (original := block.original) is not None:
            content = {"synced_from": {"type": "block_id", "block_id": original.id}}
        if block.parts:
            content = {**content, "children": {f"{name}_block_id": part.id for name, part in block.parts.items()}}
        if "icon" in content:
            content = {**content, "icon": self._renderer.file_holder(content["icon"])}
        return content

    def file_name(self, block: Block) -> str:
        """The name that a file block was given, else that of its upload."""
        given, hosted = str(block.content["name"]), block.content.get("hosted")
        return given if given or hosted is None else self._ws.hosted_file(hosted).name

    def listed(self, container: Container) -> Iterator[Child]:
        """The children that this connection gets: neither deleted ones nor those that are not shared."""
        original = container.original if isinstance(container, Block) else None
        if original is not None and not self._token.sees_block(original):
            return
        for child in children_of(original or container):
            if self.shown(child) and self.seen(child):
                yield child

    @staticmethod
    def shown(child: Child) -> bool:
        return not (child.in_trash or (isinstance(child, Database) and child.deleted))

    def seen(self, child: Child) -> bool:
        if isinstance(child, Database):
            return self._token.sees(child)
        return self._token.sees_page(child) if isinstance(child, Page) else True
