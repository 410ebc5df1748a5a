"""Chunks of a page: where they are cut, the headings above them, and that no word is lost."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.config.content import Chunks
from notion_pipeline.config.sources import parse_sources
from notion_pipeline.content import chunks
from notion_pipeline.content.chunks import PART_CHARACTERS, chunks_of, fingerprint
from notion_pipeline.errors import ConfigError

HANDBOOK = """# Handbook
Welcome to the handbook.
<callout icon="x">
	Important words here that are long enough to matter a bit.
	### In the callout
	More words in the callout to fill up.
</callout>
## **Refunds** {toggle="true" color="blue"}
Refunds are paid within 14 days of the return.
A second paragraph about refunds and what is needed for them.
<table header-row="true">
	<tr>
		<td>Country</td>
		<td>Days</td>
	</tr>
	<tr>
		<td>Germany</td>
		<td>14</td>
	</tr>
</table>
## Shipping <mention-page url="x">to \\[abroad\\]</mention-page>
Shipping costs are five euros in the country of origin, else ten.
- one
	- nested
- two
```python
# no heading
<div>
```
Bye from all of us, and until the next time that you order something here."""

#: What pages are made of, and what they should not be made of.
PARTS = (
    *("# A\n", '## B {toggle="true"}\n', "\t### C\n", "\n", '<callout icon="x">\n', "</callout>\n", "<empty-block/>\n"),
    *("```py\n", "```\n", "- a\n", "\t- b\n", "word ", "😀é ", "\t", "x" * 150, "<td>q</td>\n", "   \n", "\u2028"),
    *("\r\n", "**b**", "One sentence. And one more.\n", "| a | b |\n", "> q\n", "---\n", "<!-- ", "[x]: y\n", "1. z\n"),
)
PAGES = st.lists(st.sampled_from(PARTS) | st.text(max_size=20), max_size=60).map("".join)


def test_pages_are_cut_at_headings_blocks_and_lines() -> None:
    found = [
        (chunk.heading_path, chunk.text.split("\n")[0]) for chunk in chunks_of(HANDBOOK, Chunks(max_characters=200))
    ]
    assert found == [
        ((), "# Handbook"),
        (("Handbook",), '## **Refunds** {toggle="true" color="blue"}'),
        (("Handbook", "Refunds"), '<table header-row="true">'),
        (("Handbook",), '## Shipping <mention-page url="x">to \\[abroad\\]</mention-page>'),
        (
            ("Handbook", "Shipping to [abroad]"),
            "Bye from all of us, and until the next time that you order something here.",
        ),
    ]


def test_a_chunk_says_where_it_stands_and_what_it_holds() -> None:
    found = chunks_of(HANDBOOK, Chunks(max_characters=200))
    assert [chunk.ordinal for chunk in found] == list(range(len(found)))
    assert all(chunk.content_hash == hashlib.sha256(chunk.text.encode()).hexdigest() for chunk in found)
    assert [chunk.text for chunk in chunks_of("Short.\n\n", Chunks())] == ["Short."]
    assert chunks_of(" \n", Chunks()) == []


def test_a_heading_in_a_block_holds_to_the_end_of_the_block() -> None:
    inside = "<callout>\n\t# Inside\n\t" + "words " * 30 + "\n</callout>\n" + "after " * 20
    paths = {
        chunk.text[:5]: chunk.heading_path for chunk in chunks_of(f"## Outside\n{inside}", Chunks(max_characters=100))
    }
    assert paths["words"] == ("Outside", "Inside")
    assert paths["after"] == ("Outside",)


def test_no_chunk_is_a_heading_alone() -> None:
    text = "# Title\n## Section\n" + "\n".join(f"Line {number} of a long section." for number in range(20))
    toggle = "\n<details>\n<summary>More</summary>\n" + "\tHidden words.\n" * 20 + "</details>\nBye."
    first = {chunk.text.split("\n")[-1] for chunk in chunks_of(text + toggle, Chunks(max_characters=100))}
    assert not first & {"# Title", "## Section", "<details>"}


def test_what_looks_like_a_heading_in_code_is_none() -> None:
    code = "````md\n```\n# Not this\n```\n# Nor this\n````\n" + "words " * 20
    assert {chunk.heading_path for chunk in chunks_of(f"# Yes\n{code}", Chunks(max_characters=100))} == {(), ("Yes",)}


def test_a_long_page_is_cut_at_its_headings_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the splitter takes grows with the square of what it is given."""
    lengths: list[int] = []
    real = chunks.MarkdownSplitter

    class Splitter:
        def __init__(self, *args: Any, **given: Any) -> None:
            self._real = real(*args, **given)

        def chunk_indices(self, text: str) -> list[tuple[int, str]]:
            lengths.append(len(text))
            return list(self._real.chunk_indices(text))

    monkeypatch.setattr(chunks, "MarkdownSplitter", Splitter)
    section = "\n".join(f"Line {number} of a section that is long." for number in range(700))
    text = "\n".join(f"{'#' * (1 + number % 2)} Section {number}\n{section}" for number in range(40))
    found = chunks_of(text, Chunks())
    assert max(lengths) <= PART_CHARACTERS
    assert "".join("".join(chunk.text.split()) for chunk in found) == "".join(text.split())
    # Sections of the first level are about as long as half a part: each part ends with one of them.
    assert sum(chunk.text.startswith("# ") for chunk in found) == 20
    assert not [chunk for chunk in found if chunk.text.count("\n") < 2]
    assert found == chunks_of(text, Chunks())


@given(PAGES, st.sampled_from([100, 300]))
def test_a_page_cut_in_parts_loses_no_word_either(text: str, size: int) -> None:
    found = chunks_of(text, Chunks(max_characters=100), part=size)
    assert "".join("".join(chunk.text.split()) for chunk in found) == "".join(text.split())
    assert all(0 < len(chunk.text) <= 100 for chunk in found)


@given(PAGES, st.sampled_from([100, 300]))
def test_no_word_is_lost_and_no_chunk_too_long(text: str, size: int) -> None:
    found = chunks_of(text, Chunks(max_characters=size))
    assert "".join("".join(chunk.text.split()) for chunk in found) == "".join(text.split())
    assert all(0 < len(chunk.text) <= size for chunk in found)
    assert found == chunks_of(text, Chunks(max_characters=size))


@given(PAGES, st.sampled_from([20, 50]))
def test_overlapping_chunks_stand_in_the_page_in_their_order(text: str, overlap: int) -> None:
    start = 0
    for chunk in chunks_of(text, Chunks(max_characters=100, overlap=overlap)):
        assert len(chunk.text) <= 100
        found = text.find(chunk.text, max(0, start - overlap))
        assert found >= 0
        start = found


def test_settings_are_part_of_what_a_chunk_was_made_with() -> None:
    assert fingerprint(Chunks()) == fingerprint(Chunks(max_characters=2_000))
    assert len({fingerprint(Chunks(overlap=overlap)) for overlap in (0, 10)}) == 2


def test_an_overlap_of_most_of_a_chunk_is_refused() -> None:
    chunks = {"max_characters": 100, "overlap": 51}
    with pytest.raises(ConfigError, match="overlap must be at most half of max_characters"):
        parse_sources({"sources": [{"name": "notion", "account": {"type": "token"}, "content": {"chunks": chunks}}]})
