"""Edits to what stands on pages: blocks, hosted files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from notion_pipeline.sandbox.answers.markdown import page_markdown
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.edits import placement
from notion_pipeline.sandbox.edits.pages import Pages
from notion_pipeline.sandbox.model.clock import as_instant
from notion_pipeline.sandbox.model.content.blocks import Block, Child, Container, block_content, text_key
from notion_pipeline.sandbox.model.content.files import HostedFile, content_type_of
from notion_pipeline.sandbox.model.content.page_text import children_of
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.richtext import Item, rich_text
from notion_pipeline.sandbox.model.users import User

#: A block within `children`: a paragraph's text, or what `add_block` takes, by name.
Spec: TypeAlias = "str | Mapping[str, Any]"
_SIGNATURE = re.compile(r"\?X-Amz-[^\"\s)]*")
_PARTS = ("summary", "notes", "transcript")


class Content(Pages):
    """What people do on pages.

    Edits in the app stamp the page. Pass `stamps_page=False` for one that does not, as edits through the API were
    reported not to (notion-api-additions.md section 2).
    """

    def add_block(
        self,
        parent: Container | str,
        type_: str,
        text: str | list[Item] | None = None,
        *,
        after: Child | None = None,
        children: Iterable[Spec] = (),
        rows: Sequence[Sequence[str | list[Item]]] = (),
        id: str | None = None,  # noqa: A002 - Notion's word
        at: datetime | str | None = None,
        by: User | None = None,
        stamps_page: bool = True,
        **content: Any,
    ) -> Block:
        """Add a block to a page or a block.

        Args:
            children: Blocks in it.
            rows: Cells of a table, row by row.
            **content: What stands under the type's key beside the text: `color`, `checked`, `icon`, `language`,
                `url`, `hosted` (a file's name or HostedFile), `synced_from` (the original's Block), `page` or
                `database` (link_to_page); `summary`, `notes` and `transcript` (meeting_notes), a line a paragraph.
        """
        with self.changing() as now:
            moment = as_instant(at) if at else now
            container = self.container(parent)
            parts = {name: content.pop(name) for name in _PARTS if name in content and type_ == "meeting_notes"}
            if rows:
                content = {"table_width": len(rows[0]), **content}
            given = block_content(type_, text, content)
            author = (by or self.owner).id
            block = Block(
                dashed(id) or self.ids.uuid(),
                type_,
                given,
                container,
                created_time=moment,
                last_edited_time=moment,
                created_by=author,
            )
            self.blocks[block.id] = block
            placement.place(self, block, container, after)
            inner: list[Spec] = [*children, *({"type": "table_row", "cells": row} for row in rows)]
            for spec in inner:
                self._add_spec(block, spec, moment, by)
            for name, lines in parts.items():
                self._add_part(block, name, lines, moment, by)
            if stamps_page:
                self.stamp(block.page, moment, by)
            return block

    def _add_spec(self, parent: Block, spec: Spec, moment: datetime, by: User | None) -> None:
        given = {"type": "paragraph", "text": spec} if isinstance(spec, str) else dict(spec)
        self.add_block(parent, given.pop("type"), at=moment, by=by, stamps_page=False, **given)

    def _add_part(self, block: Block, name: str, lines: str, moment: datetime, by: User | None) -> None:
        """A part of meeting notes, which the block names by its id."""
        part = Block(
            self.ids.uuid(),
            "unsupported",
            {"block_type": f"meeting_notes_{name}"},
            block,
            created_time=moment,
            last_edited_time=moment,
            created_by=block.created_by,
        )
        self.blocks[part.id] = block.parts[name] = part
        for line in lines.splitlines():
            self._add_spec(part, line, moment, by)

    def edit_block(
        self,
        block: Block | str,
        text: str | list[Item] | None = None,
        *,
        at: datetime | str | None = None,
        by: User | None = None,
        stamps_page: bool = True,
        **content: Any,
    ) -> None:
        """Change a block's text and what else stands under the key of its type."""
        with self.changing() as now:
            found = self.block(block)
            moment = as_instant(at) if at else now
            if text is not None:
                found.content[text_key(found.type)] = text if found.type == "equation" else rich_text(text)
            found.content.update(content)
            found.last_edited_time, found.last_edited_by = moment, (by or self.owner).id
            if stamps_page:
                self.stamp(found, moment, by)

    def delete_block(
        self, block: Block | str, *, at: datetime | str | None = None, for_good: bool = False, stamps_page: bool = True
    ) -> None:
        """Delete a block with all in it: no list has it, by its id it answers as in the trash. `for_good`: 404."""
        with self.changing() as now:
            found = self.block(block)
            found.in_trash = True
            if for_good:
                placement.take_out(self, found)
                for gone in found.walk():
                    self.blocks.pop(gone.id, None)
            if stamps_page:
                self.stamp(found, as_instant(at) if at else now)

    def restore_block(self, block: Block | str) -> None:
        with self.changing() as now:
            found = self.block(block)
            found.in_trash = False
            self.stamp(found, now)

    def move_block(
        self, block: Block | str, parent: Container | str, *, after: Child | None = None, stamps_page: bool = True
    ) -> None:
        """Move a block, with its id and all in it, to another place."""
        with self.changing() as now:
            found = self.block(block)
            left = found.page
            placement.take_out(self, found)
            placement.place(self, found, self.container(parent), after)
            if stamps_page:
                self.stamp(left, now)
                self.stamp(found, now)

    def add_file(
        self, name: str, content: bytes | None = None, *, size: int = 1_000, content_type: str | None = None
    ) -> HostedFile:
        """Upload a file. Without `content` its bytes are made up, as many as `size` says, and follow from its id.

        What names the file by its name (`{"hosted": name}`) shows the latest upload of that name.
        """
        with self.changing() as now:
            file = HostedFile(
                self.ids.uuid(),
                name,
                size if content is None else len(content),
                content_type or content_type_of(name),
                now,
                content,
            )
            self.keep_file(name, file)
            return file

    # What a test compares with

    def blocks_of(self, container: Container | str) -> list[Child]:
        """What stands in a page or a block, deleted blocks and unshared pages included."""
        with self.lock:
            return list(children_of(self.container(container)))

    def markdown(self, container: Container | str, *, token: str | None = None) -> str:
        """What a test compares with: the whole content in Markdown, nothing cut, hosted files without signatures."""
        with self.lock:
            renderer = Renderer(self, self.tokens[token] if token else self.token)
            found = page_markdown(renderer, self.container(container), sys.maxsize, transcripts=False)
            return _SIGNATURE.sub("", found["markdown"])
