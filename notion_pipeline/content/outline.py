"""The outline of a page's Markdown: the headings above each line, and the text as a CommonMark parser should see it.

Notion's Markdown differs from CommonMark. Blocks follow each other without a blank line, tags such as `<callout>` stand
on lines of their own, and what is inside of a block is indented by tabs. CommonMark takes all that follows such a tag
for HTML, headings too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache

from markdown_it import MarkdownIt

_FENCE = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})(?P<rest>.*)")
_HEADING = re.compile(r"(?P<indent>[ \t]*)(?P<level>#{1,6})[ \t]+(?P<words>\S.*)")
_TAG_ALONE = re.compile(r"\s*<[^<>]*>\s*")
#: What Notion writes behind a heading, such as {toggle="true" color="blue"}.
_ATTRIBUTES = re.compile(r'\s*\{\s*(?:[\w-]+="[^"]*"\s*)+\}\s*$')
_TAB_WIDTH = 4
_LOWEST_HEADING = "###### "
#: Below every heading's level.
_NO_HEADING = 7

_INLINE = MarkdownIt("commonmark").enable("strikethrough")


class Outline:
    """The lines of a text and the headings above them.

    Attributes:
        parsable: The text with tags and indented headings changed so that CommonMark finds the blocks. As long as the
            text itself, so that offsets mean the same in both.
    """

    def __init__(self, text: str) -> None:
        self._starts: list[int] = []
        self._paths: list[tuple[str, ...]] = []
        # Indentation, level and words of each heading that holds, outermost first.
        self._open: list[tuple[int, int, str]] = []
        self._headings: set[int] = set()
        # Where the text may be cut into parts, and the level of the heading there; `_NO_HEADING` for other blocks.
        self._breaks: list[int] = []
        self._levels: list[int] = []
        lines: list[str] = []
        fence, offset, is_below_heading = "", 0, False
        for line in text.split("\n"):
            mark = _fence_mark(line, fence)
            self._add_line(line, offset, is_code=bool(fence))
            lines.append(line if fence or mark else _parsable(line))
            heading = None if fence or mark else _HEADING.fullmatch(lines[-1])
            if heading is not None:
                self._headings.add(offset)
            if not fence and not is_below_heading and line[:1].strip() and not line.startswith("</"):
                self._breaks.append(offset)
                self._levels.append(_NO_HEADING if heading is None else len(heading["level"]))
            if line.strip():
                is_below_heading = heading is not None
            if mark:
                fence = "" if fence else mark
            offset += len(line) + 1
        self.parsable = "\n".join(lines)

    def parts(self, size: int) -> Iterator[tuple[int, int]]:
        """Beginning and end of parts of at most so many characters, unless a single block is longer.

        A part ends before the last of the highest headings in its second half, or where there is none before a block
        that stands in no other one and not right below a heading.
        """
        start = 0
        while len(self.parsable) - start > size:
            first = bisect_right(self._breaks, start + size // 2)
            after = max(bisect_right(self._breaks, start + size), first + 1)
            places = range(first, min(after, len(self._breaks)))
            if not places:
                break
            end = self._breaks[min(places, key=lambda place: (self._levels[place], -place))]
            yield start, end
            start = end
        yield start, len(self.parsable)

    def headings_above(self, offset: int) -> tuple[str, ...]:
        """Words of the headings above the line at an offset, outermost first; a heading is not above itself."""
        return self._paths[bisect_right(self._starts, offset) - 1]

    def is_bare(self, start: int, end: int) -> bool:
        """Whether a part that begins with a line holds nothing but headings and opening tags."""
        first, last = bisect_right(self._starts, start) - 1, bisect_right(self._starts, end - 1)
        lines = self._starts[first:last]
        return lines[0] == start and all(
            line in self._headings or self.parsable[line:end].split("\n", 1)[0].isspace() for line in lines
        )

    def starts_section(self, offset: int) -> bool:
        """Whether a heading or an opening tag begins at an offset."""
        return offset in self._headings

    def _add_line(self, line: str, offset: int, *, is_code: bool) -> None:
        heading = None if is_code else _HEADING.fullmatch(line)
        if line.strip() and not is_code:
            indent = _indent(line)
            level = len(heading["level"]) if heading is not None else _NO_HEADING
            # A heading inside of a block holds to the end of that block; one beside others to the next of its level.
            while self._open and (
                self._open[-1][0] > indent or (self._open[-1][0] == indent and self._open[-1][1] >= level)
            ):
                self._open.pop()
        self._starts.append(offset)
        self._paths.append(tuple(words for _, _, words in self._open))
        if heading is not None and (words := _plain(heading["words"])):
            self._open.append((_indent(line), len(heading["level"]), words))


def _indent(line: str) -> int:
    expanded = line.expandtabs(_TAB_WIDTH)
    return len(expanded) - len(expanded.lstrip())


def _fence_mark(line: str, fence: str) -> str:
    """The mark of a line that begins a code block or, where one is open, ends it; else empty."""
    match = _FENCE.fullmatch(line)
    if match is None:
        return ""
    mark, rest = match["mark"], match["rest"]
    if not fence:
        return "" if mark[0] == "`" and "`" in rest else mark
    return mark if mark[0] == fence[0] and len(mark) >= len(fence) and not rest.strip() else ""


def _parsable(line: str) -> str:
    """The line for CommonMark, to which no line should begin with a tag.

    A block's opening tag becomes the lowest of headings, before which a text is rather cut than between two lines; its
    closing tag stays with the line before it, and has a blank line behind it.
    """
    tag = line.strip()
    if _TAG_ALONE.fullmatch(line) and not tag.endswith("/>"):
        before, _, after = line.partition(tag)
        if tag.startswith("</"):
            return f"{before}({tag[1:-1]}\n{after}"
        if len(tag) >= len(_LOWEST_HEADING):
            return " " * len(before) + _LOWEST_HEADING + tag[len(_LOWEST_HEADING) :] + after
    if tag.startswith("<"):
        return line.replace("<", "(", 1)
    if _HEADING.fullmatch(line):
        return line.replace("\t", " ")
    return line


@lru_cache(maxsize=1_000)
def _plain(words: str) -> str:
    """The words of a heading without marks, tags and attributes."""
    inline = _INLINE.parseInline(_ATTRIBUTES.sub("", words))[0].children or []
    shown = (" " if token.type in ("html_inline", "softbreak") else token.content for token in inline)
    return " ".join("".join(shown).split())
