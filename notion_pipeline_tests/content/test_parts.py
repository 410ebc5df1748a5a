"""One page from odd answers: parts within themselves, parts without end, many parts, large parts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from notion_pipeline.content import markdown
from notion_pipeline.content.markdown import read_content
from notion_pipeline.content.pages import DuePage, PageContent
from notion_pipeline.errors import ContentError, NotionNotFoundError, NotionRequestError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.responses.parsing import Answer
from notion_pipeline.sandbox.model.ids import dashed

HIDDEN, REFUSED, BLOCKED = object(), object(), object()


def key(number: int) -> str:
    return str(dashed(f"{number:032x}"))


def tag(number: int) -> str:
    return f'<unknown url="https://www.notion.so/{number:032x}" alt="toggle"/>'


class Scripted:
    """Gives texts by id; their tags are what they lack."""

    def __init__(self, texts: Mapping[int, Any]) -> None:
        self.texts = {key(number): text for number, text in texts.items()}
        self.asked: list[str] = []

    async def page_markdown(self, block_id: str) -> Answer:
        self.asked.append(block_id)
        text = self.texts.get(block_id, HIDDEN)
        if text is HIDDEN:
            raise NotionNotFoundError("Not there.")
        if text is REFUSED:
            raise NotionRequestError("Not this one.", status=400)
        if text is BLOCKED:
            raise NotionRequestError("Not you.", status=429)
        if not isinstance(text, str):
            return Answer({"object": "page_markdown", "id": block_id}, None)
        unknown = list(dict.fromkeys(markdown._ids_in(text)))
        body = {"object": "page_markdown", "markdown": text, "truncated": bool(unknown), "unknown_block_ids": unknown}
        return Answer(body, None)


def content_of(script: Scripted) -> PageContent:
    page = DuePage(key(0), "", "", "Title", "", (), None)
    return asyncio.run(read_content(cast(NotionClient, script), page))


def test_part_within_itself_or_its_page_stays_a_tag() -> None:
    script = Scripted({0: f"top\n{tag(1)}", 1: f"one\n\t{tag(2)}\n{tag(0)}", 2: f"two\n{tag(1)}\n{tag(2)}"})
    content = content_of(script)
    assert content.markdown == f"top\none\n\ttwo\n\t{tag(1)}\n\t{tag(2)}\n{tag(0)}"
    assert len(script.asked) == 3


def test_parts_that_double_at_each_step_end() -> None:
    doubling = {number: f"{tag(number + 1)}\n{tag(number + 1)}" for number in range(60)}
    content = content_of(Scripted({**doubling, 60: "x" * 1_000}))
    assert len(content.markdown) <= markdown.MOST_BYTES + 1_000
    assert content.truncated


def test_thousands_of_hidden_parts_cost_a_bounded_number_of_requests() -> None:
    script = Scripted({0: "\n".join(tag(number) for number in range(1, 5_001))})
    content = content_of(script)
    assert len(script.asked) == 1 + markdown.MOST_PARTS
    assert script.asked[1:3] == [key(1), key(2)]
    assert content.truncated
    assert len(content.unknown_block_ids) == 5_000


def test_refused_parts_count_and_the_page_says_that_it_is_truncated() -> None:
    content = content_of(Scripted({0: f"{tag(1)}\n{tag(2)}", 1: REFUSED, 2: "two"}))
    assert content.markdown == f"{tag(1)}\ntwo"
    assert (content.truncated, content.unknown_block_ids) == (True, (key(1),))


def test_part_that_is_refused_for_another_reason_fails_the_page() -> None:
    with pytest.raises(NotionRequestError, match="Not you"):
        content_of(Scripted({0: tag(1), 1: BLOCKED}))


def test_page_of_two_megabytes_is_read_whole() -> None:
    line = "Words in a line. [A link](https://example.com/?a=b)\n"
    text = line * (2_000_000 // len(line))
    assert content_of(Scripted({0: f"{text}{tag(1)}", 1: text})).markdown == text + text.removesuffix("\n")


def test_page_that_no_commit_could_hold_fails_by_itself() -> None:
    with pytest.raises(ContentError, match="34 MB long, more than the 16 MB"):
        content_of(Scripted({0: "é" * (17 * 2**20)}))


def test_page_without_a_word_is_content() -> None:
    assert content_of(Scripted({0: ""})).markdown == ""


@pytest.mark.parametrize("texts", [{0: None}, {0: tag(1), 1: None}])
def test_answer_without_markdown_fails_the_page(texts: dict[int, Any]) -> None:
    with pytest.raises(ContentError, match="came without its Markdown"):
        content_of(Scripted(texts))
