"""A workspace that holds one of everything: each property type filled and empty, users of all kinds, blocks, comments.

Values go past what an answer shows: lists over 25 references, a data source over 100 rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.content.blocks import DEFAULTS, MEDIA_TYPES
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sandbox.model.richtext import equation, mention_date, mention_page, mention_user, text
from notion_pipeline.sandbox.model.schema import FUNCTIONS
from notion_pipeline.sandbox.model.users import User
from notion_pipeline.sandbox.model.values import UNSUPPORTED, Raw

_DATE = {"start": "2026-05-01", "end": None, "time_zone": None}
#: Rollup functions whose result comes of a date.
_OF_DATES = ("earliest_date", "latest_date", "date_range")

#: What a block of the type is made with, beside its text.
_GIVEN: dict[str, dict[str, Any]] = {
    "table_row": {"cells": ["a", "b"]},
    **{name: {"url": "https://example.com/x"} for name in (*MEDIA_TYPES, "embed", "bookmark", "link_preview")},
}
_WITHOUT_TEXT = (
    *("divider", "breadcrumb", "table_of_contents", "tab", "column_list", "column", "table", "table_row"),
    *("synced_block", "link_to_page", "link_preview", "unsupported"),
)


def full_workspace() -> Workspace:
    ws = Workspace()
    people = [ws.add_user(f"Person {number}", f"p{number}@example.com") for number in range(30)]
    people += [ws.add_user("Guest", guest=True, avatar_url="https://example.com/g.png"), ws.add_user(None)]
    ws.add_user("Robot", kind="bot")
    projects = _projects(ws)
    source = ws.add_database("Everything", _schema(projects), icon="🎪", description="One of each").data_source
    _fill(ws, source, projects, people)
    handbook = _write(ws)
    _talk(ws, source, people)
    ws.add_comment(handbook, "In the middle of it", by=people[0])
    return ws


def _projects(ws: Workspace) -> DataSource:
    schema = {"Name": "title", "Cost": "number", "Due": "date", "Team": "people", "Done": "checkbox"}
    projects = ws.add_database("Projects", schema).data_source
    for number in range(120):
        values = {"Name": f"Project {number % 50}", "Cost": number, "Due": f"2026-05-{number % 28 + 1:02}"}
        projects.add_page({**values, "Team": [ws.owner], "Done": number % 2 == 0})
    return projects


def _schema(projects: DataSource) -> dict[str, Any]:
    plain = (
        *("rich_text", "checkbox", "url", "email", "phone_number", "date", "people", "files", "created_time"),
        *("created_by", "last_edited_time", "last_edited_by", "button", "verification", "place"),
    )
    schema: dict[str, Any] = {"Name": "title", **{type_: type_ for type_ in plain}}
    schema |= {
        "number": {"type": "number", "format": "euro", "id": ";HF{", "description": "in euro"},
        "select": {"type": "select", "options": ["a", "b"]},
        "multi_select": {"type": "multi_select", "options": ["a", "b", "c"]},
        "status": "status",
        "unique_id": {"type": "unique_id", "prefix": "T"},
        "relation": {"type": "relation", "target": projects, "id": "a%b/"},
    }
    for name, result in (("text", "x"), ("figure", 1.5), ("truth", True), ("day", _DATE), ("gone", UNSUPPORTED)):
        schema[f"formula {name}"] = {"type": "formula", "expression": name, "compute": lambda page, it=result: it}
    count = {"type": "formula", "compute": lambda page: len(page["relation"]), "result_type": "number"}
    schema["formula over the relation"] = count
    for function in FUNCTIONS:
        seen = "Due" if function in _OF_DATES else "Done" if "checked" in function else "Cost"
        schema[function] = {"type": "rollup", "relation": "relation", "property": seen, "function": function}
    for seen in ("Name", "Team"):
        rollup = {"type": "rollup", "relation": "relation", "property": seen, "function": "show_original"}
        schema[f"shown {seen}"] = rollup
    return schema


def _fill(ws: Workspace, source: DataSource, projects: DataSource, people: Sequence[User]) -> None:
    mentions = [item for page in projects.pages[:30] for item in (text("see "), mention_page(page))]
    rich = [text("bold", bold=True), text("link", link="https://example.com"), equation("x^2")]
    rich += [mention_user(people[0]), mention_date("2026-05-01", "2026-05-02"), *mentions]
    verified = {"state": "verified", "verified_by": {"object": "user", "id": people[0].id}, "date": _DATE}
    values = {
        "Name": [text("All"), text(" of it", italic=True)], "rich_text": rich, "number": 1.25, "checkbox": True,
        "url": "https://example.com", "email": "a@example.com", "phone_number": "+49 1", "select": "a",
        "multi_select": ["a", "c"], "status": "Done", "people": [ws.add_group("Crew"), *people],
        "date": {"start": "2026-05-01T10:00:00.000+02:00", "end": "2026-05-02T10:00:00.000+02:00"},
        "files": [{"name": "f", "url": "https://example.com/f"}, {"name": "g", "hosted": "g.pdf"}],
        "relation": projects.pages, "verification": Raw(verified),
        "place": Raw({"lat": 1.0, "lon": 2.0, "name": None, "address": None, "aws_place_id": None,
                      "google_place_id": None}),
    }  # fmt: skip
    source.add_page(values, icon={"hosted": "icon.png"}, cover="https://example.com/c.png", content="one\n\ntwo")
    source.add_page({"Name": "a few", "relation": projects.pages[:3], "people": people[:2]}, icon="🎈")
    source.add_page({})
    source.templates.append({"id": ws.ids.uuid(), "name": "Bug", "is_default": False})


def _write(ws: Workspace) -> str:
    """A page of its own with a block of every type, empty and filled, and pages below; the id of a block deep in it."""
    page = ws.add_page("Handbook")
    for type_ in DEFAULTS:
        given = {"page": page} if type_ == "link_to_page" else _GIVEN.get(type_, {})
        ws.add_block(page, type_, None if type_ in _WITHOUT_TEXT else "words", **given)
    deep = {"type": "to_do", "text": "deep", "children": ["deeper", {"type": "quote", "text": "deepest"}]}
    columns = [{"type": "column", "children": ["left", deep]}, {"type": "column", "width_ratio": 0.3}]
    ws.add_block(page, "column_list", children=columns)
    ws.add_block(page, "table", rows=[["1", "2"], ["3", [text("4", bold=True)]]], has_row_header=True)
    ws.add_block(page, "image", "caption", hosted="picture.png")
    original = ws.add_block(page, "synced_block", children=["shared"])
    ws.add_block(page, "synced_block", synced_from=original)
    ws.add_block(page, "meeting_notes", "Weekly", summary="all is well", notes="a\nb", transcript="hello")
    ws.add_page("Below", parent=page)
    return ws.add_block(ws.add_block(page, "toggle", "more"), "paragraph", "within").id


def _talk(ws: Workspace, source: DataSource, people: Sequence[User]) -> None:
    page = source.pages[0]
    asked = ws.add_comment(page, [text("Who? "), mention_user(people[1])], by=people[0], attachments=[("pdf", "a.pdf")])
    ws.add_comment(page, "Me", asked.discussion_id, by=people[1])
    ws.add_comment(page, "Done", by=ws.token.bot)
    ws.add_comment(page, "Noted", display_name="Desk")
    ws.resolve_discussion(ws.add_comment(page, "Settled").discussion_id)
    for number in range(120):
        ws.add_comment(source.pages[1], f"{number}", by=people[number % 5])
