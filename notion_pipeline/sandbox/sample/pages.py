"""Loads what stands on the sample's pages: `pages.yaml` names them in order, `pages/<name>.yaml` holds one's blocks.

A block has a `type`, its `text` (also in pieces), `children`, and what `Workspace.add_block` takes beside them. A
string is a paragraph; `lines` is a text of a paragraph a line; `key` names a block for others, as `copies` does for a
copy of a synced block; a `child_page` has a key, a title and `blocks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notion_pipeline.sandbox.model.content.blocks import Block, Container
from notion_pipeline.sandbox.sample.texts import Texts, row_id

_OF_PAGE = ("icon", "cover", "shared")


@dataclass(frozen=True)
class PageLoader:
    """Fills pages.

    Attributes:
        read: Gives a file of the sample by its name.
    """

    texts: Texts
    read: Callable[[str], Any]

    def add_all(self) -> None:
        for entry in self.read("pages"):
            if "title" in entry:
                self._add_page(entry, None)
            else:
                self._fill(self.texts.workspace.page(row_id(entry["key"])), entry)

    def _add_page(self, spec: Mapping[str, Any], parent: Container | None) -> None:
        """A page of its own, in another one unless it is the first."""
        page = self.texts.workspace.add_page(
            self.texts.dated(spec["title"]),
            parent=parent,
            id=row_id(spec["key"]),
            created_at=self.texts.moment(spec["created"]),
            edited_at=self.texts.moment(spec["edited"]),
            stamps_page=False,
            **{name: spec[name] for name in _OF_PAGE if name in spec},
        )
        self._fill(page, spec)

    def _fill(self, page: Container, spec: Mapping[str, Any]) -> None:
        blocks = spec["blocks"] if "blocks" in spec else self.read(f"pages/{spec['file']}")
        moment = self.texts.moment(spec["edited"])
        for number, block in enumerate(blocks):
            self._add(page, block, f"{spec['key']}#{number}", moment)

    def _add(self, parent: Container, spec: str | Mapping[str, Any], key: str, moment: datetime) -> None:
        given = {"type": "paragraph", "text": spec} if isinstance(spec, str) else dict(spec)
        if given["type"] == "child_page":
            self._add_page(given, parent)
            return
        children = [*given.pop("children", ()), *given.pop("lines", "").splitlines()]
        block = self._block(parent, given, given.pop("key", key), moment)
        for number, child in enumerate(children):
            self._add(block, child, f"{key}.{number}", moment)

    def _block(self, parent: Container, given: dict[str, Any], key: str, moment: datetime) -> Block:
        workspace, texts = self.texts.workspace, self.texts
        words = given.pop("text", None)
        words = texts.rich(words) if isinstance(words, list) else texts.dated(words)
        if "copies" in given:
            given["synced_from"] = workspace.block(row_id(given.pop("copies")))
        for name, found in (("page", workspace.pages), ("database", workspace.databases)):
            if name in given:
                given[name] = found[row_id(given[name])]
        return workspace.add_block(
            parent, given.pop("type"), words, id=row_id(key), at=moment, stamps_page=False, **texts.dated(given)
        )
