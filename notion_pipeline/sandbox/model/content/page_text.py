"""A page's content kept as text (the plainest Markdown, a line a block), and the blocks made of it.

Most pages keep their content as text; its blocks are made when they are read, so that many pages take little memory.
Their ids follow from the page's id and their number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from notion_pipeline.sandbox.model.content.blocks import Block, Child, Container, block_content
from notion_pipeline.sandbox.model.content.code_languages import language_of
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline.sandbox.model.richtext import Item, text

#: The most lines of a text that stays one; the blocks of a longer one are made for good.
LONGEST_TEXT = 1_000
_LINES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("divider", re.compile(r"---$()")),
    ("to_do", re.compile(r"- \[[ x]\] ?(.*)$")),
    ("bulleted_list_item", re.compile(r"[-*] (.*)$")),
    ("numbered_list_item", re.compile(r"\d+\. (.*)$")),
    ("quote", re.compile(r"> (.*)$")),
    *((f"heading_{level}", re.compile(rf"{'#' * level} (.*)$")) for level in (1, 2, 3, 4)),
    ("paragraph", re.compile(r"(.*)$")),
)
#: These take indented lines as their children.
_NESTING = ("to_do", "bulleted_list_item", "numbered_list_item", "quote", "paragraph")
_INLINE = re.compile(r"\*\*(?P<bold>[^*]+)\*\*|`(?P<code>[^`]+)`|\[(?P<label>[^\]]+)\]\((?P<link>https?://[^)\s]+)\)")


def children_of(container: Container) -> list[Child]:
    """What stands in a page or a block, deleted blocks and unshared pages included."""
    if isinstance(container, Block):
        return container.children
    return _text_blocks(container) if container.children is None else container.children


def text_block(pages: Mapping[str, Page], block_id: str) -> Block | None:
    """The block of this id, out of the text of the page that it stands on."""
    if int(block_id[14], 16) < 8:
        return None
    head, tail = _flipped(block_id)[:-12], int(block_id[-12:], 16)
    for number in range(1, LONGEST_TEXT + 1):
        page = pages.get(f"{head}{tail ^ number:012x}")
        if page is not None and page.children is None:
            found = (block for block in _every(_text_blocks(page)) if block.id == block_id)
            return next(found, None)
    return None


def inline(line: str) -> list[Item]:
    """Rich text of a line: bold, code and links."""
    items: list[Item] = []
    end = 0
    for match in _INLINE.finditer(line):
        if match.start() > end:
            items.append(text(line[end : match.start()]))
        if match["bold"] is not None:
            items.append(text(match["bold"], bold=True))
        elif match["code"] is not None:
            items.append(text(match["code"], code=True))
        else:
            items.append(text(match["label"], link=match["link"]))
        end = match.end()
    return [*items, text(line[end:])] if end < len(line) else items


def _every(children: list[Child]) -> Iterator[Block]:
    for child in children:
        if isinstance(child, Block):
            yield from child.walk()


def _flipped(an_id: str) -> str:
    """The id with another version digit: UUIDs have one below 8, which no page's block has."""
    return f"{an_id[:14]}{int(an_id[14], 16) ^ 8:x}{an_id[15:]}"


def _text_blocks(page: Page) -> list[Child]:
    """The blocks of the page's text, nested by indentation. Empty lines are left out, as Notion does."""
    top: list[Child] = []
    open_blocks: list[tuple[int, Block]] = []
    for number, (depth, type_, content) in enumerate(_parsed(page.content.split("\n")), 1):
        while open_blocks and open_blocks[-1][0] >= depth:
            open_blocks.pop()
        parent = open_blocks[-1][1] if open_blocks else page
        block = _text_block(page, number, type_, content, parent)
        (parent.children if isinstance(parent, Block) else top).append(block)
        if type_ in _NESTING:
            open_blocks.append((depth, block))
    return top


def _text_block(page: Page, number: int, type_: str, content: dict[str, Any], parent: Container) -> Block:
    head, tail = _flipped(page.id)[:-12], int(page.id[-12:], 16)
    return Block(
        f"{head}{tail ^ number:012x}",
        type_,
        content,
        parent,
        created_time=page.created_time,
        last_edited_time=page.last_edited_time,
        created_by=page.created_by,
    )


def _parsed(lines: list[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Depth, type and content of each block."""
    rest = iter(lines)
    for line in rest:
        words = line.lstrip("\t ")
        indent = line[: len(line) - len(words)].replace("\t", "  ")
        if words.startswith("```"):
            language = language_of(words[3:].strip())
            yield len(indent), "code", block_content("code", "\n".join(_fenced(rest)), {"language": language})
        elif words:
            yield len(indent), *_line(words)


def _fenced(rest: Iterator[str]) -> Iterator[str]:
    for line in rest:
        if line.strip() == "```":
            return
        yield line


def _line(words: str) -> tuple[str, dict[str, Any]]:
    type_, match = next((type_, found) for type_, form in _LINES if (found := form.match(words)))
    if type_ == "divider":
        return type_, block_content(type_, None, {})
    given = {"checked": words.startswith("- [x]")} if type_ == "to_do" else {}
    return type_, block_content(type_, inline(match[1]), given)
