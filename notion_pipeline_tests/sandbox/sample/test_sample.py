"""The sample workspace is what it says: repeatable, of the promised size, and full of what is hard to read."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.control.switches import Switches
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline.sandbox.sample import STORY_ENDS, row_id, sample_workspace

EVERY_TYPE = {
    *("title", "rich_text", "url", "email", "phone_number", "select", "status", "number", "checkbox", "multi_select"),
    *("date", "people", "files", "relation", "created_time", "last_edited_time", "created_by", "last_edited_by"),
    *("unique_id", "formula", "rollup", "verification", "place", "button"),
}


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return sample_workspace()


@pytest.fixture(scope="module")
def shown(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Every row of what is shared, by id, as query answers show it: cut at 25 references."""
    renderer = Renderer(workspace, workspace.token)
    return {page.id: renderer.page(page) for source in shared_sources(workspace) for page in source.pages}


def shared_sources(workspace: Workspace) -> list[DataSource]:
    return [source for database in workspace.databases.values() if database.shared for source in database.data_sources]


def source_named(workspace: Workspace, name: str) -> DataSource:
    return next(source for source in workspace.data_sources.values() if source.name == name)


def values_of(shown: dict[str, dict[str, Any]], type_: str) -> list[Any]:
    """All values of one property type, over all rows."""
    return [value[type_] for row in shown.values() for value in row["properties"].values() if value["type"] == type_]


def snapshot(workspace: Workspace) -> str:
    """Schemas and rows in full, without the signatures of hosted files, which differ at each read."""
    renderer = Renderer(workspace, workspace.token, truncate=False)
    sources = [[renderer.data_source(source), workspace.rows(source)] for source in workspace.data_sources.values()]
    text = json.dumps([[renderer.database(entry) for entry in workspace.databases.values()], sources])
    return re.sub(r"\?X-Amz-[^\"]*", "", text)


def test_sample_is_the_same_at_each_call(workspace: Workspace) -> None:
    assert snapshot(sample_workspace()) == snapshot(workspace)


def test_sample_keeps_its_ids_when_it_ends_at_another_moment(workspace: Workspace) -> None:
    moment = datetime(2026, 11, 20, 17, 42, 31, tzinfo=timezone.utc)
    moved = sample_workspace(now=moment)
    assert list(moved.pages) == list(workspace.pages)
    assert list(moved.data_sources) == list(workspace.data_sources)
    assert max(page.last_edited_time for source in moved.data_sources.values() for page in source.pages) < moment


def test_sample_hands_options_on_to_the_workspace() -> None:
    workspace = sample_workspace(token="other", name="Elsewhere", switches=Switches(short_pages=True))
    assert workspace.token.value == "other"
    assert (workspace.name, workspace.switches.short_pages) == ("Elsewhere", True)


def test_sample_has_the_promised_size(workspace: Workspace) -> None:
    databases = [database for database in workspace.databases.values() if database.shared]
    assert 14 <= len(databases) <= 18
    assert 1_200 <= sum(len(source.pages) for source in shared_sources(workspace)) <= 2_500
    assert len(source_named(workspace, "Website events").pages) == 800


def test_sample_holds_every_property_type(workspace: Workspace) -> None:
    types = {prop.type for source in shared_sources(workspace) for prop in source.properties.values()}
    assert types == EVERY_TYPE


def test_every_property_type_has_values(shown: dict[str, dict[str, Any]]) -> None:
    for type_ in EVERY_TYPE - {"button"}:
        assert any(values_of(shown, type_)), type_


def test_no_row_is_older_than_its_database_or_newer_than_the_story(workspace: Workspace) -> None:
    for source in workspace.data_sources.values():
        for page in source.pages:
            assert source.created_time <= page.created_time <= page.last_edited_time < STORY_ENDS
            assert page.created_time == page.created_time.replace(second=0, microsecond=0)


def test_rows_spread_over_two_years(workspace: Workspace) -> None:
    born = [page.created_time for source in workspace.data_sources.values() for page in source.pages]
    assert max(born) - min(born) > timedelta(days=700)
    assert len({(moment.year, moment.month) for moment in born}) >= 24


def test_titles_of_databases_are_doubled_missing_and_odd(workspace: Workspace) -> None:
    titles = Counter(database.title for database in workspace.databases.values())
    assert titles["Release notes"] == 2
    assert titles[""] == 1
    assert any(title[:1].isdigit() for title in titles)
    assert any('"' in title and "'" in title for title in titles)


def test_one_database_is_empty_and_one_has_two_data_sources(workspace: Workspace) -> None:
    empty = [source.name for source in workspace.data_sources.values() if not source.pages]
    several = [[s.name for s in d.data_sources] for d in workspace.databases.values() if len(d.data_sources) > 1]
    assert empty == ["Ideas for 2027"]
    assert several == [["Inbox", "Escalations"]]


def test_a_wiki_lists_a_data_source_among_its_pages(workspace: Workspace) -> None:
    wiki = next(database for database in workspace.databases.values() if database.is_wiki)
    assert [child.name for child in wiki.data_source.order if not isinstance(child, Page)] == ["Release notes"]


def test_relation_to_the_database_that_is_not_shared_shows_nothing(
    workspace: Workspace, shown: dict[str, dict[str, Any]]
) -> None:
    hidden = [database for database in workspace.databases.values() if not database.shared]
    payroll = source_named(workspace, "People").properties["Payroll"]
    assert [database.title for database in hidden] == ["Salaries"]
    assert payroll.target is hidden[0].data_source
    person = row_id("person/1")
    assert workspace.pages[person].values[payroll.id]
    assert shown[person]["properties"]["Payroll"]["relation"] == []


def test_relations_are_one_way_two_way_and_to_themselves(workspace: Workspace) -> None:
    relations = [
        (source, prop)
        for source in shared_sources(workspace)
        for prop in source.properties.values()
        if prop.type == "relation"
    ]
    assert any(prop.synced is None and prop.target is not source for source, prop in relations)
    assert any(prop.synced is None and prop.target is source for source, prop in relations)
    assert any(prop.synced is not None and prop.target is not source for source, prop in relations)
    assert any(prop.synced is not None and prop.target is source for source, prop in relations)


def test_every_related_page_exists(workspace: Workspace) -> None:
    for source in workspace.data_sources.values():
        for prop in (prop for prop in source.properties.values() if prop.type == "relation"):
            assert prop.target is not None
            known = {page.id for page in prop.target.pages}
            for page in source.pages:
                assert known.issuperset(page.values.get(prop.id) or ()), (source.name, prop.name)


def test_one_project_has_140_tasks_of_which_25_show(workspace: Workspace, shown: dict[str, dict[str, Any]]) -> None:
    project = row_id("project/0")
    tasks = shown[project]["properties"]["Tasks"]
    full = {row["id"]: row for row in workspace.rows(source_named(workspace, "Projects"))}
    assert (len(tasks["relation"]), tasks["has_more"]) == (25, True)
    assert len(full[project]["properties"]["Tasks"]["relation"]) == 140
    assert full[project]["properties"]["Tasks in all"]["rollup"]["number"] == 140
    assert full[project]["properties"]["Points"] != shown[project]["properties"]["Points"]


def test_one_meeting_has_40_people_and_30_mentions(workspace: Workspace, shown: dict[str, dict[str, Any]]) -> None:
    meeting = row_id("meeting/20")
    full = {row["id"]: row for row in workspace.rows(source_named(workspace, "Meeting notes"))}[meeting]["properties"]
    cut = shown[meeting]["properties"]

    def mentions(items: list[dict[str, Any]]) -> int:
        return sum(item["type"] == "mention" for item in items)

    assert (len(full["Attendees"]["people"]), len(cut["Attendees"]["people"])) == (40, 25)
    assert (mentions(full["Minutes"]["rich_text"]), mentions(cut["Minutes"]["rich_text"])) == (30, 25)


def test_formulas_give_every_kind_of_result(shown: dict[str, dict[str, Any]]) -> None:
    assert {value["type"] for value in values_of(shown, "formula")} == {
        *("number", "boolean", "string", "date", "unsupported"),
    }
    verdicts = {
        row["properties"]["Verdict"]["formula"]["type"] for row in shown.values() if "Verdict" in row["properties"]
    }
    assert verdicts >= {"number", "boolean", "string", "date"}


def test_rollups_give_every_kind_of_result(workspace: Workspace, shown: dict[str, dict[str, Any]]) -> None:
    functions = {
        prop.function
        for source in shared_sources(workspace)
        for prop in source.properties.values()
        if prop.type == "rollup"
    }
    assert functions >= {
        *("sum", "count", "percent_checked", "earliest_date", "latest_date", "date_range", "median", "average"),
        *("show_original", "show_unique", "max", "empty"),
    }
    assert {value["type"] for value in values_of(shown, "rollup")} == {"number", "date", "array", "unsupported"}


def test_dates_come_in_every_form(shown: dict[str, dict[str, Any]]) -> None:
    dates = [value for value in values_of(shown, "date") if value]
    assert any(len(date["start"]) == 10 and not date["end"] for date in dates)
    assert any(len(date["start"]) == 10 and date["end"] for date in dates)
    assert any(date["time_zone"] and "+" not in date["start"] and date["end"] for date in dates)
    assert any(not date["time_zone"] and date["start"].endswith("+05:30") for date in dates)
    assert any(date["start"].endswith("Z") for date in dates)
    assert any(date["start"].startswith("0000-") for date in dates)


def test_people_are_persons_bots_and_groups(shown: dict[str, dict[str, Any]]) -> None:
    kinds = {entry.get("type", entry["object"]) for people in values_of(shown, "people") for entry in people}
    assert kinds == {"person", "bot", "group"}


def test_files_are_external_and_hosted(shown: dict[str, dict[str, Any]]) -> None:
    assert {file["type"] for files in values_of(shown, "files") for file in files} == {"external", "file"}


def test_unique_ids_come_with_a_prefix_and_without(shown: dict[str, dict[str, Any]]) -> None:
    prefixes = {value["prefix"] for value in values_of(shown, "unique_id")}
    assert {None, "TASK", "INV"} <= prefixes


def test_verifications_stand_in_every_state(shown: dict[str, dict[str, Any]]) -> None:
    states = {value and value["state"] for value in values_of(shown, "verification")}
    assert states == {"verified", "expired", "unverified", None}


def test_some_rows_are_archived_and_some_in_the_trash(workspace: Workspace) -> None:
    pages = [page for source in shared_sources(workspace) for page in source.pages]
    assert sum(page.is_archived for page in pages) >= 5
    assert sum(page.in_trash for page in pages) >= 5


def test_icons_and_covers_come_in_every_kind(shown: dict[str, dict[str, Any]]) -> None:
    icons = {row["icon"]["type"] for row in shown.values() if row["icon"]}
    covers = {row["cover"]["type"] for row in shown.values() if row["cover"]}
    assert icons == {"emoji", "external", "file", "custom_emoji", "icon"}
    assert covers == {"external", "file"}


def test_titles_of_rows_are_of_every_script_empty_and_long(workspace: Workspace) -> None:
    titles = [page.title for source in shared_sources(workspace) for page in source.pages]
    letters = "".join(titles)
    assert "" in titles
    assert max(map(len, titles)) > 1_500
    for first, last in (("\u0590", "\u05ff"), ("\u0600", "\u06ff"), ("\u4e00", "\u9fff"), ("\U0001f300", "\U0001faff")):
        assert any(first <= letter <= last for letter in letters)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Name",
            "name",
            "NAME",
            "id",
            "ID",
            "Url",
            "properties",
            "created_time",
            "select",
            "order",
            '"quoted"',
            "it's",
        ),
        *("50% done?", "2024 plan", "🔥", "trailing space ", "trailing space", "_synced_at", "_deleted_at"),
    ],
)
def test_legacy_export_has_the_nasty_name(workspace: Workspace, name: str) -> None:
    legacy = next(source for source in workspace.data_sources.values() if "Legacy" in source.name)
    assert name in legacy.properties


def test_legacy_export_has_a_name_as_long_as_the_old_system_allowed(workspace: Workspace) -> None:
    legacy = next(source for source in workspace.data_sources.values() if "Legacy" in source.name)
    assert max(map(len, legacy.properties)) == 200
