"""Edits to pages: rows and pages of their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from notion_pipeline.sandbox.edits import placement
from notion_pipeline.sandbox.edits import rows as row_edits
from notion_pipeline.sandbox.model.content.blocks import Block, Container
from notion_pipeline.sandbox.model.content.page_text import LONGEST_TEXT
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline.sandbox.model.state.store import Store
from notion_pipeline.sandbox.model.users import User


class Pages(Store):
    """What people do with pages. A page that stands in another one is part of its content: changes stamp that one."""

    def add_page(self, of: DataSource | str, values: Mapping[str, Any] | None = None, /, **fields: Any) -> Page:
        """Add a row of a data source, or a page of its own with this title (see `edits.placement.create`)."""
        with self.changing() as now:
            if isinstance(of, DataSource):
                row = row_edits.create(self, of, values or {}, now, **fields)
                self._keep_long(row)
                return row
            stamps_page, parent = fields.pop("stamps_page", True), fields.pop("parent", None)
            page = placement.create(self, of, now, parent=parent and self.container(parent), **fields)
            self._keep_long(page)
            if stamps_page:
                self.stamp(page.parent, now)
            return page

    def edit_page(
        self,
        page: Page | str,
        values: Mapping[str, Any] | None = None,
        *,
        content: str | None = None,
        **fields: Any,
    ) -> None:
        """Set property values, page fields (icon, cover, edited_at, edited_by, is_locked, ...) and the content."""
        with self.changing() as now:
            found = self.page(page)
            if content is not None:
                self.set_content(found, content)
            row_edits.edit(self, found, values or {}, now, **fields)

    def trash(self, page: Page | str) -> None:
        with self.changing() as now:
            row_edits.set_state(self, self.page(page), now, in_trash=True)
            self.stamp(self.page(page).parent, now)

    def restore(self, page: Page | str) -> None:
        with self.changing() as now:
            row_edits.set_state(self, self.page(page), now, in_trash=False)
            self.stamp(self.page(page).parent, now)

    def archive(self, page: Page | str) -> None:
        with self.changing() as now:
            row_edits.set_state(self, self.page(page), now, is_archived=True)

    def unarchive(self, page: Page | str) -> None:
        with self.changing() as now:
            row_edits.set_state(self, self.page(page), now, is_archived=False)

    def delete(self, page: Page | str) -> None:
        """Delete for good: its id answers 404."""
        with self.changing() as now:
            found = self.page(page)
            placement.take_out(self, found)
            self.stamp(found.parent, now)
            row_edits.delete(self, found)

    def set_content(self, page: Page, content: str) -> None:
        """Replace the blocks of a page by a text; pages and databases in it stay, at its end."""
        stay = [child for child in page.children or () if not isinstance(child, Block)]
        for block in [child for child in page.children or () if isinstance(child, Block)]:
            for gone in block.walk():
                self.blocks.pop(gone.id, None)
        page.content, page.children = content, None
        self._keep_long(page)
        if stay:
            placement.own_children(self, page).extend(stay)

    def _keep_long(self, page: Page) -> None:
        if page.content.count("\n") >= LONGEST_TEXT:
            placement.own_children(self, page)

    def move_page(self, page: Page | str, to: Container | DataSource | str | None) -> None:
        """Move a page into a page, a block, a data source, or (None) to the workspace's top."""
        with self.changing() as now:
            self.sharing_revision += 1
            found = self.page(page)
            target = to if to is None or isinstance(to, DataSource) else self.container(to)
            self.stamp(found.parent, now)
            placement.move(self, found, target, now)
            self.stamp(found.parent, now)

    def share_page(self, page: Page | str, token: str | None = None) -> None:
        """Share a page of its own and all in it with one token that has grants, or with all others."""
        with self.changing():
            self.sharing_revision += 1
            if token is not None and (granted := self.tokens[token].databases) is not None:
                granted.add(self.page(page).id)
            else:
                self.page(page).shared = True

    def unshare_page(self, page: Page | str, token: str | None = None) -> None:
        """Take a page of its own, and all in it, from one token that has grants, or from all."""
        with self.changing():
            self.sharing_revision += 1
            found = self.page(page)
            if token is None:
                found.shared = False
            for entry in self.tokens.values() if token is None else [self.tokens[token]]:
                if entry.databases is not None:
                    entry.databases.discard(found.id)

    # Finding

    def block(self, block: Block | str) -> Block:
        """The block to change: that of a page kept as text is made for good."""
        found = block if isinstance(block, Block) else self.find_block(dashed(block) or block)
        if found is None:
            raise KeyError(block)
        placement.own_children(self, found.page)
        return self.blocks[found.id]

    def container(self, container: Container | str) -> Container:
        if isinstance(container, Block):
            return self.block(container)
        if isinstance(container, Page):
            return container
        return self.pages.get(dashed(container) or container) or self.block(container)

    def stamp(self, container: Container | None, moment: datetime, by: User | None = None) -> None:
        """Stamp the page whose content changed; nothing above pages has a stamp."""
        if container is not None:
            page = container.page if isinstance(container, Block) else container
            row_edits.bump(page, max(moment, page.last_edited_time), by or self.owner)
