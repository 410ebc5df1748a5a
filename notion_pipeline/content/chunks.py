"""Cuts a page's Markdown into chunks for search and for language models. The same text and settings give the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

from semantic_text_splitter import MarkdownSplitter

from notion_pipeline.config.content import Chunks
from notion_pipeline.content.outline import Outline

#: A page is cut into parts of about so many characters before they are cut into chunks: what the splitter takes for a
#: text grows with the square of its length, and it cannot be interrupted.
PART_CHARACTERS = 100_000
#: How short pieces may become below headings, and how often.
_LEAST_SHARE = 0.75
_MOST_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a page.

    Attributes:
        ordinal: Its place in the page, from 0.
        heading_path: The headings above its first line, outermost first.
        text: Markdown, as it stands in the page; blank lines around it are left out.
        content_hash: SHA-256 of `text`, hexadecimal.
    """

    ordinal: int
    heading_path: tuple[str, ...]
    text: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class CutPage:
    """A page with the chunks of its content.

    Attributes:
        content_hash: Of the content that was cut, as `PageContent` has it.
        made_with: `fingerprint` of the settings.
    """

    page_id: str
    content_hash: str
    made_with: str
    chunks: tuple[Chunk, ...]


def cut_page(page_id: str, markdown: str, content_hash: str, settings: Chunks) -> CutPage:
    """Cuts a page; takes a second for a page of millions of characters, so hold nothing meanwhile that others need."""
    return CutPage(page_id, content_hash, fingerprint(settings), tuple(chunks_of(markdown, settings)))


def chunks_of(markdown: str, settings: Chunks, *, part: int = PART_CHARACTERS) -> list[Chunk]:
    """The chunks of a page, in order; without overlap they hold every word once.

    Args:
        part: Characters that are cut at a time.
    """
    outline = Outline(markdown)
    found: list[Chunk] = []
    for start, text in _pieces(markdown, outline, settings, part):
        digest = hashlib.sha256(text.encode()).hexdigest()
        found.append(Chunk(len(found), outline.headings_above(start), text, digest))
    return found


def fingerprint(settings: Chunks) -> str:
    """What besides the text decides how it is cut; chunks made with another fingerprint are made again."""
    splitter = {"splitter": version("semantic-text-splitter"), "part": PART_CHARACTERS}
    cut_by = {**splitter, **settings.model_dump(mode="json")}
    return json.dumps(cut_by, sort_keys=True)


def _pieces(markdown: str, outline: Outline, settings: Chunks, part: int) -> Iterator[tuple[int, str]]:
    """Offset and text of each piece that is not blank."""
    spans = (
        span
        for start, end in outline.parts(part)
        for span in _spans(outline, start, end, settings, capacity=settings.max_characters)
    )
    for first, end in spans:
        text = markdown[first:end].rstrip()
        if not text:
            continue
        start = first + len(text) - len(text.lstrip())
        # The indentation of the first line stays, if the piece begins with a whole line.
        line = markdown.rfind("\n", first, start) + 1 or first
        if line == 0 or markdown[line - 1] == "\n":
            start = line
        yield start, markdown[start : first + len(text)]


def _spans(
    outline: Outline, start: int, end: int, settings: Chunks, *, capacity: int, depth: int = 0
) -> Iterator[tuple[int, int]]:
    """Beginning and end of each piece of a part; all of the part is in a piece.

    Where the text below a heading is too long for one piece, the splitter leaves the heading by itself. Then what is
    below is cut somewhat shorter, so that its first piece has room for the heading.
    """
    # Untrimmed, so that lines which are blank in `parsable` are in a piece too.
    splitter = MarkdownSplitter(capacity, overlap=settings.overlap, trim=False)
    found = [
        (start + offset, start + offset + len(piece))
        for offset, piece in splitter.chunk_indices(outline.parsable[start:end])
    ]
    place = 0
    while place < len(found):
        first, after = found[place]
        left = capacity - (after - first)
        has_room = left >= settings.max_characters * _LEAST_SHARE and depth < _MOST_DEPTH
        place += 1
        if not has_room or place == len(found) or not outline.is_bare(first, after):
            yield first, after
            continue
        place += 1
        while place < len(found) and not outline.starts_section(found[place][0]):
            place += 1
        (_, first_end), *others = _spans(outline, after, found[place - 1][1], settings, capacity=left, depth=depth + 1)
        yield first, first_end
        yield from others
