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


def chunks_of(markdown: str, settings: Chunks) -> list[Chunk]:
    """The chunks of a page, in order; without overlap they hold every word once."""
    outline = Outline(markdown)
    found: list[Chunk] = []
    for start, text in _pieces(markdown, outline.parsable, settings):
        digest = hashlib.sha256(text.encode()).hexdigest()
        found.append(Chunk(len(found), outline.headings_above(start), text, digest))
    return found


def fingerprint(settings: Chunks) -> str:
    """What besides the text decides how it is cut; chunks made with another fingerprint are made again."""
    cut_by = {"splitter": version("semantic-text-splitter"), **settings.model_dump(mode="json")}
    return json.dumps(cut_by, sort_keys=True)


def _pieces(markdown: str, parsable: str, settings: Chunks) -> Iterator[tuple[int, str]]:
    """Offset and text of each piece that is not blank."""
    # Untrimmed, so that tags which are blank in `parsable` are in a piece too.
    splitter = MarkdownSplitter(settings.max_characters, overlap=settings.overlap, trim=False)
    for offset, piece in splitter.chunk_indices(parsable):
        text = markdown[offset : offset + len(piece)].rstrip()
        if not text:
            continue
        start = offset + len(text) - len(text.lstrip())
        # The indentation of the first line stays, if the piece begins with a whole line.
        line = markdown.rfind("\n", offset, start) + 1 or offset
        if line == 0 or markdown[line - 1] == "\n":
            start = line
        yield start, markdown[start : offset + len(text)]
