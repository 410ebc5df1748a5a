"""Pages in Notion's enhanced Markdown (notion-api-additions.md section 3).

A line a block, children one tab deeper. What is beyond the limit of blocks, nested too deep, or not shared, is an
`<unknown>` tag in its place; put there, the answer for its id gives the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from notion_pipeline.sandbox.answers.blocks import BlockRenderer
from notion_pipeline.sandbox.answers.markdown_text import MarkdownText, attribute, color_of, notion_url
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.model.content.blocks import Block, Child, Container
from notion_pipeline.sandbox.model.content.page_text import children_of
from notion_pipeline.sandbox.model.objects import Database, Page

#: What Markdown has no form for.
NOT_SHOWN = ("bookmark", "embed", "link_preview", "breadcrumb", "template", "tab", "unsupported")
#: Blocks within blocks that one answer shows; nothing is known of such a limit, this one spares Python's stack.
_DEEPEST = 100
_MARKS = {
    **{f"heading_{level}": "#" * level + " " for level in (1, 2, 3, 4)},
    "paragraph": "",
    "bulleted_list_item": "- ",
    "quote": "> ",
}


def page_markdown(renderer: Renderer, found: Container, limit: int, *, transcripts: bool) -> dict[str, Any]:
    """The answer of the endpoint, but for the request id."""
    writer = _Writer(renderer, found, limit, transcripts=transcripts)
    lines = writer.children(found) if isinstance(found, Page) else writer.child(found)
    return {
        "object": "page_markdown",
        "id": found.id,
        "markdown": "\n".join(lines),
        "truncated": bool(writer.unknown),
        "unknown_block_ids": writer.unknown,
    }


class _Writer:
    """Writes blocks as lines, until the limit is reached."""

    def __init__(self, renderer: Renderer, found: Container, limit: int, *, transcripts: bool) -> None:
        self._renderer, self._left, self._transcripts = renderer, limit, transcripts
        self._page = found if isinstance(found, Page) else found.page
        self._blocks = BlockRenderer(renderer)
        self._text = MarkdownText(renderer)
        self._originals: list[Block] = []
        self._depth = 0
        self._numbers: dict[str, int] = {}
        self.unknown: list[str] = []
        self._forms: dict[str, Callable[[Block], list[str]]] = {
            "numbered_list_item": self._numbered,
            "to_do": lambda block: self._marked(block, f"- [{'x' if block.content['checked'] else ' '}] "),
            "toggle": self._toggle,
            "callout": self._callout,
            "code": self._code,
            "equation": lambda block: ["$$", *block.content["expression"].split("\n"), "$$"],
            "divider": lambda block: ["---"],
            "table_of_contents": lambda block: [f"<table_of_contents{_color(block)}/>"],
            "column_list": lambda block: self._wrapped(block, "columns"),
            "column": lambda block: self._wrapped(block, "column"),
            "table": self._table,
            "table_row": self._row,
            "synced_block": self._synced,
            "link_to_page": self._link,
            "image": self._image,
            **dict.fromkeys(("video", "audio", "pdf", "file"), self._media),
            "meeting_notes": self._meeting_notes,
        }

    def children(self, container: Container) -> list[str]:
        return [line for child in children_of(container) if self._blocks.shown(child) for line in self.child(child)]

    def child(self, child: Child) -> list[str]:
        if isinstance(child, (Page, Database)):
            return [self._reference(child)]
        if not self._left or self._depth == _DEEPEST:
            return [self._cut(child)]
        self._left -= 1
        if child.type in NOT_SHOWN:
            return [self._tag(child)]
        form = self._forms.get(child.type)
        self._depth += 1
        lines = form(child) if form else self._marked(child, _MARKS[child.type])
        self._depth -= 1
        return lines

    def _cut(self, block: Block) -> str:
        self.unknown.append(block.id)
        return self._tag(block)

    def _tag(self, block: Block) -> str:
        alt = block.content["block_type"] if block.type == "unsupported" else block.type
        return f'<unknown url="{notion_url(block.page.id, block.id)}" alt="{alt}"/>'

    def _reference(self, child: Page | Database) -> str:
        """A page or database in this page: its title and address, not its content."""
        kind = "page" if isinstance(child, Page) else "database"
        if not self._blocks.seen(child):
            self.unknown.append(child.id)
            return f'<unknown url="{notion_url(child.id)}" alt="{kind}"/>'
        inline = f' inline="{str(child.is_inline).lower()}"' if isinstance(child, Database) else ""
        return f'<{kind} url="{child.url}"{inline}>{self._title(child.title)}</{kind}>'

    def _title(self, title: str) -> str:
        return self._text.line([{"type": "text", "plain_text": title}])

    def _own(self, block: Block) -> str:
        return self._text.line(block.content.get("rich_text"))

    def _inner(self, block: Block) -> list[str]:
        return _indented(self.children(block))

    def _marked(self, block: Block, mark: str) -> list[str]:
        """One line, and the children below it."""
        words = self._own(block)
        if block.type == "paragraph" and not words:
            return ["<empty-block/>", *self._inner(block)]
        toggle = 'toggle="true"' if block.content.get("is_toggleable") else ""
        color = color_of(block.content.get("color"))
        attributes = " ".join(part for part in (toggle, f'color="{color}"' if color else "") if part)
        return [f"{mark}{words}" + (f" {{{attributes}}}" if attributes else ""), *self._inner(block)]

    def _numbered(self, block: Block) -> list[str]:
        if block.id not in self._numbers:
            self._count(children_of(block.parent))
        return self._marked(block, f"{self._numbers[block.id]}. ")

    def _count(self, children: Iterable[Child]) -> None:
        """Number the items of numbered lists, from the first of those that stand together."""
        number = 0
        for child in children:
            if isinstance(child, Block) and child.type == "numbered_list_item" and not child.in_trash:
                number = int(child.content.get("list_start_index", number + 1))
                self._numbers[child.id] = number
            elif self._blocks.shown(child):
                number = 0

    def _toggle(self, block: Block) -> list[str]:
        summary = f"<summary>{self._own(block)}</summary>"
        return [f"<details{_color(block)}>", summary, *self._inner(block), "</details>"]

    def _callout(self, block: Block) -> list[str]:
        icon = self._renderer.file_holder(block.content["icon"])
        shown = f' icon="{attribute(_icon(icon))}"' if icon else ""
        words = self._own(block)
        return [
            f"<callout{shown}{_color(block)}>",
            *(_indented([words]) if words else ()),
            *self._inner(block),
            "</callout>",
        ]

    def _code(self, block: Block) -> list[str]:
        return [f"```{block.content['language']}", *block.text.split("\n"), "```"]

    def _wrapped(self, block: Block, name: str) -> list[str]:
        return [f"<{name}>", *self._inner(block), f"</{name}>"]

    def _table(self, block: Block) -> list[str]:
        header = ' header-row="true"' if block.content["has_column_header"] else ""
        header += ' header-column="true"' if block.content["has_row_header"] else ""
        return [f"<table{header}>", *self._inner(block), "</table>"]

    def _row(self, block: Block) -> list[str]:
        cells = [f"<td>{self._text.line(cell)}</td>" for cell in block.content["cells"]]
        return ["<tr>", *_indented(cells), "</tr>"]

    def _synced(self, block: Block) -> list[str]:
        original = block.original
        if original is None:
            url = notion_url(block.page.id, block.id)
            return [f'<synced_block url="{url}">', *self._synced_children(block), "</synced_block>"]
        head = f'<synced_block_reference url="{notion_url(original.page.id, original.id)}">'
        return [head, *self._synced_children(original), "</synced_block_reference>"]

    def _synced_children(self, original: Block) -> list[str]:
        """A copy within its own original ends there."""
        if not self._renderer.token.sees_block(original):
            return _indented([self._cut(original)])
        if original in self._originals or original.deleted():
            return []
        self._originals.append(original)
        lines = self._inner(original)
        self._originals.pop()
        return lines

    def _link(self, block: Block) -> list[str]:
        kind = block.content["type"].removesuffix("_id")
        if kind == "comment":
            return [self._tag(block)]
        mention = {"type": kind, kind: {"id": block.content[f"{kind}_id"]}}
        return [self._text.line([{"type": "mention", "mention": mention}])]

    def _url(self, block: Block) -> str:
        content = block.content
        return self._renderer.signed(content["hosted"])["url"] if "hosted" in content else content["external"]["url"]

    def _image(self, block: Block) -> list[str]:
        return [f"![{self._text.line(block.content['caption'])}]({self._url(block)})"]

    def _media(self, block: Block) -> list[str]:
        caption = self._text.line(block.content["caption"])
        if block.type == "file" and not caption:
            caption = self._title(self._blocks.file_name(block))
        return [f'<{block.type} src="{attribute(self._url(block))}">{caption}</{block.type}>']

    def _meeting_notes(self, block: Block) -> list[str]:
        lines = [self._text.line(block.content["title"])] if block.content["title"] else []
        for name, part in block.parts.items():
            if name != "transcript" or self._transcripts:
                lines += [f"<{name}>", *self._inner(part), f"</{name}>"]
        return ["<meeting-notes>", *_indented(lines), "</meeting-notes>"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"\t{line}" for line in lines]


def _color(block: Block) -> str:
    color = color_of(block.content.get("color"))
    return f' color="{color}"' if color else ""


def _icon(icon: dict[str, Any]) -> str:
    """An emoji, a custom emoji by its name, or a picture's address."""
    kind = icon["type"]
    if kind == "emoji":
        return str(icon["emoji"])
    if kind == "custom_emoji":
        return f":{icon['custom_emoji'].get('name', 'emoji')}:"
    return str(icon[kind].get("url") or icon[kind].get("name", ""))
