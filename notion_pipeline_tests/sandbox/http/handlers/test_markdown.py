"""The sandbox's Markdown endpoint: the forms of every block, what is cut or not shared, addresses signed anew."""

from __future__ import annotations

import re
from typing import Any

import pytest
from notion_client import APIResponseError, Client

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline.sandbox.model.richtext import equation, mention_date, mention_page, mention_user, text

TAG = re.compile(r'^(\t*)<unknown url="[^"#]*#?([^"]*)" alt="[^"]*"/>$')


@pytest.fixture
def page(ws: Workspace) -> Page:
    return ws.add_page("Handbook")


def read(notion: Client, an_id: str, **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = notion.pages.retrieve_markdown(an_id, **query)
    return answer


def markdown(notion: Client, page: Page) -> str:
    answer = read(notion, page.id)
    assert answer["object"] == "page_markdown"
    assert answer["id"] == page.id
    assert answer["request_id"]
    return str(answer["markdown"])


def test_text_of_a_row_is_read_back_as_it_was_written(ws: Workspace, notion: Client) -> None:
    content = (
        "# Plan\nWhy **so** and `how`\n- one\n\t- [x] two\n1. first\n2. second\n> quoted\n---\n```python\na = [1]\n```"
    )
    row = ws.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "x"}, content=content)
    assert markdown(notion, row) == content


@pytest.mark.parametrize(
    ("type_", "words", "given", "expected"),
    [
        ("paragraph", "", {}, "<empty-block/>"),
        ("paragraph", "a\nb", {"color": "blue_background"}, 'a<br>b {color="blue_bg"}'),
        ("heading_4", "Small", {}, "#### Small"),
        ("heading_1", "Big", {"is_toggleable": True, "children": ["in"]}, '# Big {toggle="true"}\n\tin'),
        ("to_do", "milk", {"checked": True}, "- [x] milk"),
        (
            "toggle",
            "more",
            {"children": ["in", "side"]},
            "<details>\n<summary>more</summary>\n\tin\n\tside\n</details>",
        ),
        ("quote", "so", {"children": ["and so"]}, "> so\n\tand so"),
        (
            *("callout", "note", {"icon": {"type": "emoji", "emoji": "💡"}, "color": "red", "children": ["in"]}),
            '<callout icon="💡" color="red">\n\tnote\n\tin\n</callout>',
        ),
        ("code", "a = 1\nb = *2", {"language": "python"}, "```python\na = 1\nb = *2\n```"),
        ("equation", "e=mc^2", {}, "$$\ne=mc^2\n$$"),
        ("divider", None, {}, "---"),
        ("table_of_contents", None, {"color": "gray"}, '<table_of_contents color="gray"/>'),
        (
            *("column_list", None, {"children": [{"type": "column", "children": ["a"]}, {"type": "column"}]}),
            "<columns>\n\t<column>\n\t\ta\n\t</column>\n\t<column>\n\t</column>\n</columns>",
        ),
        (
            *("table", None, {"rows": [["a", "b|c"]], "has_column_header": True}),
            '<table header-row="true">\n\t<tr>\n\t\t<td>a</td>\n\t\t<td>b\\|c</td>\n\t</tr>\n</table>',
        ),
        ("image", "Cap", {"url": "https://e.org/i.png"}, "![Cap](https://e.org/i.png)"),
        ("pdf", None, {"url": "https://e.org/i.pdf"}, '<pdf src="https://e.org/i.pdf"></pdf>'),
    ],
)
def test_blocks_have_the_form_of_enhanced_markdown(
    ws: Workspace, notion: Client, page: Page, type_: str, words: str | None, given: dict[str, Any], expected: str
) -> None:
    ws.add_block(page, type_, words, **given)
    assert markdown(notion, page) == expected


@pytest.mark.parametrize("type_", ["bookmark", "embed", "link_preview", "breadcrumb", "template", "tab", "unsupported"])
def test_types_without_a_form_are_tags_and_no_truncation(ws: Workspace, notion: Client, page: Page, type_: str) -> None:
    block = ws.add_block(page, type_, **({"block_type": "form"} if type_ == "unsupported" else {}))
    answer = read(notion, page.id)
    alt = "form" if type_ == "unsupported" else type_
    url = f"https://www.notion.so/{page.id.replace('-', '')}#{block.id.replace('-', '')}"
    assert answer["markdown"] == f'<unknown url="{url}" alt="{alt}"/>'
    assert (answer["truncated"], answer["unknown_block_ids"]) == (False, [])


def test_rich_text_keeps_styles_links_mentions_and_equations(ws: Workspace, notion: Client, page: Page) -> None:
    other = ws.add_page("Rules *all*")
    items = [
        text("b", bold=True), text(" i", italic=True), text("s", strikethrough=True), text("u", underline=True),
        text("c", color="red"), text("link", link="https://e.org"), text("a*b"), mention_page(other),
        mention_user(ws.owner), mention_date("2026-07-01", "2026-07-02T09:30:00.000+02:00"), equation("x^2"),
    ]  # fmt: skip
    ws.add_block(page, "paragraph", items)
    assert markdown(notion, page) == (
        '**b*** i*~~s~~<span underline="true">u</span><span color="red">c</span>[link](https://e.org)a\\*b'
        f'<mention-page url="{other.url}">Rules \\*all\\*</mention-page>'
        f'<mention-user url="user://{ws.owner.id}">Ada Owner</mention-user>'
        '<mention-date start="2026-07-01" end="2026-07-02" endTime="09:30"/>$`x^2`$'
    )


def test_pages_and_databases_in_a_page_are_references(ws: Workspace, notion: Client, page: Page) -> None:
    inner = ws.add_page("Inner", parent=page, content="not read here")
    database = ws.add_database("Tasks", {"Name": "title"}, parent=page)
    ws.add_block(page, "link_to_page", page=inner)
    assert markdown(notion, page) == (
        f'<page url="{inner.url}">Inner</page>\n<database url="{database.url}" inline="false">Tasks</database>\n'
        f'<mention-page url="{inner.url}">Inner</mention-page>'
    )


def test_synced_blocks_show_their_content_and_copies_that_of_the_original(
    ws: Workspace, notion: Client, page: Page
) -> None:
    original = ws.add_block(page, "synced_block", children=["shared words"])
    other = ws.add_page("Other")
    ws.add_block(other, "synced_block", synced_from=original)
    url = f"https://www.notion.so/{page.id.replace('-', '')}#{original.id.replace('-', '')}"
    assert markdown(notion, page) == f'<synced_block url="{url}">\n\tshared words\n</synced_block>'
    assert markdown(notion, other) == f'<synced_block_reference url="{url}">\n\tshared words\n</synced_block_reference>'
    ws.add_block(original, "synced_block", synced_from=original)
    assert markdown(notion, page).count("shared words") == 1
    ws.unshare_page(page)
    answer = read(notion, other.id)
    assert answer["unknown_block_ids"] == [original.id]
    assert "shared words" not in answer["markdown"]


def test_meeting_notes_show_the_transcript_when_asked_for(ws: Workspace, notion: Client, page: Page) -> None:
    ws.add_block(page, "meeting_notes", "Weekly", summary="short", notes="mine", transcript="all words\nof it")
    assert read(notion, page.id)["markdown"] == (
        "<meeting-notes>\n\tWeekly\n\t<summary>\n\t\tshort\n\t</summary>\n\t<notes>\n\t\tmine\n\t</notes>\n</meeting-notes>"
    )
    assert (
        "\t<transcript>\n\t\tall words\n\t\tof it\n\t</transcript>"
        in read(notion, page.id, include_transcript="true")["markdown"]
    )
    with pytest.raises(APIResponseError, match="include_transcript should be a boolean"):
        read(notion, page.id, include_transcript="maybe")


def whole(notion: Client, an_id: str) -> str:
    """The text with each part that was cut put where its tag stands."""
    answer = read(notion, an_id)
    ids = {unknown.replace("-", ""): unknown for unknown in answer["unknown_block_ids"]}
    lines = []
    for line in answer["markdown"].split("\n"):
        match = TAG.match(line)
        if match and match[2] in ids:
            lines += [match[1] + inner for inner in whole(notion, ids[match[2]]).split("\n")]
        else:
            lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 13])
def test_parts_that_were_cut_fit_where_their_tag_stands(ws: Workspace, notion: Client, page: Page, limit: int) -> None:
    for number in range(3):
        toggle = ws.add_block(page, "toggle", f"T{number}", children=["a", {"type": "code", "text": "x\ny"}])
        ws.add_block(toggle, "table", rows=[["1", "2"], ["3", "4"]])
        ws.add_block(toggle, "column_list", children=[{"type": "column", "children": ["left"]}, {"type": "column"}])
        for step in ("one", "two", "three"):
            ws.add_block(toggle, "numbered_list_item", step)
        ws.add_block(toggle, "bookmark", url="https://e.org")
    complete = markdown(notion, page)
    ws.markdown_limit = limit
    assert ws.markdown(page) == complete
    answer = read(notion, page.id)
    assert answer["truncated"] is True
    assert 0 < len(answer["unknown_block_ids"]) <= answer["markdown"].count("<unknown ")
    assert whole(notion, page.id) == complete


def test_pages_not_shared_are_tags_and_answer_404(ws: Workspace, notion: Client, page: Page) -> None:
    ws.add_block(page, "paragraph", "before")
    hidden = ws.add_page("Secret", parent=page, shared=False)
    secret = ws.add_database("Salaries", {"Name": "title"}, parent=page, shared=False)
    ws.add_block(page, "paragraph", "beyond the limit")
    ws.markdown_limit = 1
    answer = read(notion, page.id)
    cut = ws.blocks_of(page)[-1]
    assert answer["unknown_block_ids"] == [hidden.id, secret.id, cut.id]
    assert answer["truncated"] is True
    assert "Secret" not in answer["markdown"]
    assert f'<unknown url="https://www.notion.so/{hidden.id.replace("-", "")}" alt="page"/>' in answer["markdown"]
    for an_id in (hidden.id, secret.id):
        with pytest.raises(APIResponseError) as error:
            read(notion, an_id)
        assert error.value.code == "object_not_found"
    assert read(notion, cut.id)["markdown"] == "beyond the limit"


def test_ids_of_databases_are_refused(ws: Workspace, notion: Client) -> None:
    database = ws.add_database("Tasks", {"Name": "title"})
    with pytest.raises(APIResponseError) as error:
        read(notion, database.id)
    assert (error.value.status, error.value.code) == (400, "validation_error")


def test_addresses_of_hosted_files_differ_in_every_answer(ws: Workspace, notion: Client, page: Page) -> None:
    ws.add_block(page, "file", hosted="plan.txt")
    ws.add_block(page, "image", hosted="a.png")
    first, second = markdown(notion, page), markdown(notion, page)
    assert first.split("\n")[0].endswith('">plan.txt</file>')
    assert first != second
    assert {re.sub(r'\?X-Amz[^")]*', "", read) for read in (first, second)} == {ws.markdown(page.id)}


def test_deleted_blocks_and_trashed_pages_are_left_out(ws: Workspace, notion: Client, page: Page) -> None:
    block = ws.add_block(page, "toggle", "gone", children=["too"])
    inner = ws.add_page("Inner", parent=page)
    ws.add_block(page, "paragraph", "stays")
    ws.delete_block(block)
    ws.trash(inner)
    for change in (ws.trash_database, ws.delete_database):
        change(ws.add_database("Tasks", {"Name": "title"}, parent=page))
    assert markdown(notion, page) == "stays"
    for an_id in (block.id, block.children[0].id):
        with pytest.raises(APIResponseError, match="Could not find page"):
            read(notion, an_id)


def test_nesting_has_no_end(ws: Workspace, notion: Client, page: Page) -> None:
    block = ws.add_block(page, "bulleted_list_item", "0")
    for number in range(1, 250):
        block = ws.add_block(block, "bulleted_list_item", str(number))
    assert len(read(notion, page.id)["unknown_block_ids"]) == 1
    assert whole(notion, page.id) == "\n".join("\t" * number + f"- {number}" for number in range(250))
    ws.delete_block(page.children[0] if page.children else "", for_good=True)
    assert read(notion, page.id)["markdown"] == ""
