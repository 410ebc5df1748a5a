"""`S.users`, the whole way: the workspace's list, then whom rows show beside it."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.views.flat_views import apply_changes, view_changes
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sandbox.model.richtext import mention_user, text
from notion_pipeline.sandbox.model.users import User
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.whole_way import REFUSAL, SCHEMA, Pipeline, Run, later, synced

CONTENT = "sources:\n  - name: notion\n    account: {type: token}\n    content: {pages: false}\n"
USERS = "GET /v1/users"
ONE_USER = "GET /v1/users/"


@pytest.fixture
def ada(workspace: Workspace) -> User:
    return workspace.add_user("Ada", "ada@example.org")


@pytest.fixture
def guest(workspace: Workspace) -> User:
    return workspace.add_user(
        "Gus", "gus@elsewhere.org", guest=True, avatar_url="https://e.org/g.png?X-Amz-Signature=1"
    )


@pytest.fixture
def tasks(workspace: Workspace, ada: User, guest: User) -> DataSource:
    """A row that a member made, and one that a guest made."""
    source = workspace.add_database("Tasks", SCHEMA).data_source
    source.add_page({"Name": "one"}, created_by=ada)
    source.add_page({"Name": "two"}, created_by=guest)
    later(workspace, hours=1)
    return source


@pytest.fixture
def words(pipeline: Pipeline, tasks: DataSource) -> Pipeline:
    pipeline.configure(CONTENT)
    synced(pipeline)
    return pipeline


def read(pipeline: Pipeline) -> Run:
    return synced(pipeline, "notion_content")


def users(pipeline: Pipeline) -> dict[str | None, tuple[Any, ...]]:
    """By name: the email and what they are to the workspace."""
    rows = pipeline.query("SELECT name, email, membership FROM notion.users")
    assert pipeline.value("SELECT count(DISTINCT id) FROM notion.users") == len(rows)
    return {row[0]: row[1:] for row in rows}


def metadata(pipeline: Pipeline) -> dict[str, Any]:
    event = pipeline.instance.get_latest_materialization_event(dg.AssetKey(["notion", "users"]))
    assert event is not None and event.asset_materialization is not None
    return {key: value.value for key, value in event.asset_materialization.metadata.items()}


def age(pipeline: Pipeline, days: int = 1) -> None:
    """Makes all reads of users that much older."""
    with catalogs.changing(pipeline.project.root) as connection:
        connection.execute(f"UPDATE _notion_pipeline.user_read_versions SET read_at = read_at - INTERVAL {days} DAY")


def test_members_are_listed_and_guests_asked_for_once(words: Pipeline, workspace: Workspace) -> None:
    workspace.add_user("Nobody's author", "quiet@example.org")
    run = read(words)
    assert (run.asked(USERS), run.asked(ONE_USER)) == (2, 1)
    found = users(words)
    assert found["Ada"] == ("ada@example.org", "member")
    assert found["Nobody's author"] == ("quiet@example.org", "member")
    assert found["Gus"] == ("gus@elsewhere.org", "guest")
    assert words.value("SELECT avatar_url FROM notion.users WHERE name = 'Gus'") == "https://e.org/g.png"
    told = metadata(words)
    assert (told["users_read_by_id"], told["users_gone"], told["users_failed"]) == (1, 0, 0)
    assert told["users_listed"] == len(found) - 1
    assert told["users_inserted"] == len(found)
    assert told["requests_made"] == 2


def test_second_run_makes_no_request_until_rows_show_somebody_new(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    read(words)
    assert read(words).requests == []
    tasks.add_page({"Name": "three"}, created_by=workspace.add_user("Nina", guest=True))
    later(workspace, hours=1)
    synced(words)
    run = read(words)
    # The list is read again: whoever is new may be a member.
    assert (run.asked(USERS), run.asked(ONE_USER)) == (2, 1)
    assert users(words)["Nina"] == (None, "guest")
    assert read(words).asked(USERS) == 0


def test_list_is_read_again_when_it_is_old_and_brings_new_names(
    words: Pipeline, workspace: Workspace, ada: User
) -> None:
    read(words)
    before = words.query("SELECT id, last_seen_at FROM notion.users WHERE name <> 'Ada' ORDER BY id")
    workspace.rename_user(ada, "Ada King")
    age(words)
    run = read(words)
    assert (run.asked(USERS), run.asked(ONE_USER)) == (1, 0)
    assert "Ada King" in users(words)
    assert metadata(words)["users_updated"] == 1
    assert words.query("SELECT id, last_seen_at FROM notion.users WHERE name <> 'Ada King' ORDER BY id") == before


def test_guests_are_asked_for_again_when_they_are_as_old_as_content(
    words: Pipeline, workspace: Workspace, guest: User
) -> None:
    read(words)
    workspace.rename_user(guest, "Gustav")
    age(words, days=31)
    assert read(words).asked(ONE_USER) == 1
    assert users(words)["Gustav"] == ("gus@elsewhere.org", "guest")


def test_who_left_stays_and_says_so(words: Pipeline, workspace: Workspace, ada: User) -> None:
    read(words)
    del workspace.users[ada.id]
    age(words)
    run = read(words)
    assert (run.asked(USERS), run.asked(ONE_USER)) == (2, 1)
    assert users(words)["Ada"] == ("ada@example.org", "gone")
    assert metadata(words)["users_gone"] == 1
    age(words)
    assert read(words).asked(ONE_USER) == 0


def test_id_that_notion_does_not_know_is_remembered(words: Pipeline, workspace: Workspace, guest: User) -> None:
    del workspace.users[guest.id]
    read(words)
    assert words.query("SELECT name, membership FROM notion.users WHERE id = ?", [guest.id]) == [(None, "gone")]
    assert read(words).requests == []


def test_connection_without_the_capability_is_a_note(words: Pipeline, workspace: Workspace, ada: User) -> None:
    workspace.token.user_information = "none"
    run = read(words)
    assert '"Read user information"' in run.log
    assert '"Read user information"' in metadata(words)["users_not_permitted"]
    assert (run.asked(USERS), run.asked(ONE_USER)) == (2, 1)
    workspace.token.user_information = "without_email"
    read(words)
    assert users(words)["Ada"] == (None, "member")
    assert "users_not_permitted" not in metadata(words)


def test_personal_token_lists_nobody_and_asks_for_those_whom_rows_show(
    words: Pipeline, workspace: Workspace, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.add_personal_token("ntn_personal", ada)
    monkeypatch.setenv("NOTION_TOKEN", "ntn_personal")
    run = read(words)
    assert (run.asked(USERS), run.asked(ONE_USER)) == (3, 2)
    assert users(words) == {"Ada": ("ada@example.org", None), "Gus": ("gus@elsewhere.org", None)}
    assert "users_not_permitted" in metadata(words)
    assert read(words).asked(ONE_USER) == 0


def test_user_who_cannot_be_read_fails_the_run_and_holds_nobody_up(
    words: Pipeline, workspace: Workspace, guest: User
) -> None:
    workspace.faults.add(Fault("status", match=f"/v1/users/{guest.id}$", **REFUSAL))
    run = words.sync("notion_content")
    assert not run.success
    assert "1 of 1 users asked for by id could not be read" in run.log
    assert guest.id in run.log
    assert users(words)["Ada"] == ("ada@example.org", "member")
    assert read(words).asked(ONE_USER) == 1
    assert users(words)["Gus"] == ("gus@elsewhere.org", "guest")


def test_who_is_only_mentioned_on_a_page_or_in_a_comment_is_asked_for(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    nina, carl = (workspace.add_user(name, guest=True) for name in ("Nina", "Carl"))
    one = tasks.pages[0]
    workspace.add_block(one, "paragraph", [text("Ask "), mention_user(nina), text(" or <mention-user url=nobody>.")])
    workspace.add_comment(one, [text("And "), mention_user(carl)], by=workspace.users[one.created_by])
    later(workspace, hours=1)
    words.configure(CONTENT.replace("{pages: false}", "{pages: false, comments: true}"))
    synced(words)
    read(words)
    read(words)
    assert users(words)["Nina"] == users(words)["Carl"] == (None, "guest")
    assert read(words).asked(USERS) == 0


def test_long_list_is_read_page_by_page(words: Pipeline, workspace: Workspace) -> None:
    for number in range(250):
        workspace.add_user(f"User {number}")
    run = read(words)
    assert run.asked(USERS) - run.asked(ONE_USER) == 3
    assert words.value("SELECT count(*) FROM notion.users WHERE name LIKE 'User %'") == 250


@pytest.mark.parametrize("content", ["false", "{users: false, pages: false}"])
def test_nobody_is_listed_where_sources_yaml_does_not_ask(pipeline: Pipeline, tasks: DataSource, content: str) -> None:
    pipeline.configure(CONTENT.replace("{pages: false}", content))
    run = synced(pipeline)
    if content != "false":
        run = read(pipeline)
    assert run.asked(USERS) == 0


def test_members_stay_when_the_property_that_showed_them_is_excluded(
    pipeline: Pipeline, workspace: Workspace, ada: User, guest: User
) -> None:
    source = workspace.add_database("Reviews", {"Name": "title", "Judge": "people"}).data_source
    source.add_page({"Name": "x", "Judge": [ada.id, guest.id]}, created_by=ada)
    later(workspace, hours=1)
    pipeline.configure(CONTENT)
    synced(pipeline)
    read(pipeline)
    assert {"Ada", "Gus"} <= set(users(pipeline))
    pipeline.configure(CONTENT + "    streams: {Reviews: {exclude_properties: [Judge]}}\n")
    synced(pipeline)
    assert "Ada" in users(pipeline)
    assert "Gus" not in users(pipeline)


def test_flat_views_show_todays_names_of_whoever_made_a_row(
    pipeline: Pipeline, workspace: Workspace, ada: User, guest: User
) -> None:
    schema = {"Name": "title", "Made by": "created_by", "Who": "people"}
    source = workspace.add_database("Tasks", schema).data_source
    source.add_page({"Name": "one", "Who": [ada.id]}, created_by=ada)
    source.add_page({"Name": "two"}, created_by=guest)
    later(workspace, hours=1)
    pipeline.configure(CONTENT)
    synced(pipeline)
    make_views(pipeline)
    assert "created_by_name" not in columns_of_view(pipeline)
    read(pipeline)
    shown = "SELECT made_by, who, created_by_name, last_edited_by_name FROM notion_views.tasks ORDER BY name"
    assert pipeline.query(shown) == [("Ada", "Ada", "Ada", "Ada"), ("Gus", None, "Gus", "Gus")]
    workspace.rename_user(ada, "Ada King")
    age(pipeline)
    read(pipeline)
    assert pipeline.query(shown)[0] == ("Ada King", "Ada King", "Ada King", "Ada King")


def make_views(pipeline: Pipeline) -> None:
    catalog = Catalog(catalogs.location(pipeline.project.root), log=lambda _: None)
    with catalog.writing() as connection:
        apply_changes(connection, "notion_views", view_changes(connection, "notion", "notion_views"))


def columns_of_view(pipeline: Pipeline) -> set[str]:
    found = pipeline.query("SELECT column_name FROM duckdb_columns() WHERE schema_name = 'notion_views'")
    return {row[0] for row in found}
