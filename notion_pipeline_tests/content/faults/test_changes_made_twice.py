"""A change of the catalog may be made twice, where another writer's commit came first: what comes of it is the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import dagster as dg
import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.whole_way import Pipeline, later, synced

CONTENT = """
sources:
  - name: notion
    account: {type: token}
    content: {chunks: true, comments: true, files: {download_to: kept}}
"""
JOB = "notion_content"
ASSETS = ("content", "pages", "comments", "users", "files")
TABLES = {
    "page_content": "page_id, title, markdown, content_hash",
    "page_chunks": "*",
    "pages": "* EXCLUDE (_synced_at)",
    "comments": "* EXCLUDE (_synced_at)",
    "users": "* EXCLUDE (last_seen_at)",
    "files": "* EXCLUDE (downloaded_at, _synced_at)",
}


class LostError(Exception):
    """Another writer's commit came first."""


@pytest.fixture
def company(pipeline: Pipeline, workspace: Workspace) -> Pipeline:
    """Rows, a page of its own, and the page that the database is in; words, comments, a guest and files; synced."""
    tasks = workspace.add_database("Tasks", {"Name": "title", "Plans": "files"}).data_source
    for name in ("First", "Second"):
        plan = workspace.add_file(f"{name}.pdf")
        page = tasks.add_page({"Name": name, "Plans": [plan.entry]}, content=f"# {name}\nWhat {name} says.")
        workspace.add_comment(page, f"About {name}")
    tasks.add_page({"Name": "Third"}, created_by=workspace.add_user("Gus", guest=True))
    handbook = workspace.add_page("Handbook", shared=True)
    workspace.add_block(handbook, "image", hosted=workspace.add_file("all.png"))
    later(workspace, hours=1)
    pipeline.configure(CONTENT)
    synced(pipeline)
    return pipeline


def lose_each_commit_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every change is made, undone and made again; gives the list of those that were."""
    lost: list[str] = []
    commit = Catalog.commit

    def twice(self: Catalog, change: Callable[[duckdb.DuckDBPyConnection], Any], **given: Any) -> Any:
        with suppress(LostError), self.writing() as connection:
            change(connection)
            raise LostError
        lost.append(getattr(change, "__qualname__", repr(change)))
        return commit(self, change, **given)

    monkeypatch.setattr(Catalog, "commit", twice)
    return lost


def state(company: Pipeline) -> dict[str, list[tuple[Any, ...]]]:
    return {table: company.query(f"SELECT {names} FROM notion.{table} ORDER BY ALL") for table, names in TABLES.items()}


def figures(company: Pipeline) -> dict[str, dict[str, int]]:
    """What each asset says of its last run, in whole numbers."""
    events = {name: company.instance.get_latest_materialization_event(dg.AssetKey(["notion", name])) for name in ASSETS}
    return {
        name: {
            key: value.value for key, value in event.asset_materialization.metadata.items() if type(value.value) is int
        }
        for name, event in events.items()
    }


@pytest.mark.parametrize("deleted_rows", ["remove", "mark"])
def test_what_lands_and_what_is_counted_is_the_same(
    company: Pipeline, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, deleted_rows: str
) -> None:
    company.configure(CONTENT + f"    deleted_rows: {deleted_rows}\n")
    with monkeypatch.context() as patched:
        lost = lose_each_commit_once(patched)
        synced(company, JOB)
        told = figures(company)
        # A page in the trash, and content that is cut otherwise.
        workspace.trash(next(page for page in workspace.pages.values() if page.title == "First"))
        later(workspace, hours=1)
        synced(company, "notion_full_sync")
        company.configure(
            CONTENT.replace("chunks: true", "chunks: {max_characters: 1000}") + f"    deleted_rows: {deleted_rows}\n"
        )
        synced(company, JOB)
    assert len(lost) > 10
    assert told["content"]["pages_inserted"] == told["content"]["pages_cut_into_chunks"] == 5
    assert (told["pages"]["pages_inserted"], told["comments"]["comments_inserted"]) == (2, 2)
    assert (told["users"]["users_inserted"], told["users"]["users_read_by_id"]) == (
        told["users"]["users_listed"] + 1,
        1,
    )
    assert (told["files"]["files_listed"], told["files"]["files_downloaded"]) == (3, 2)
    assert figures(company)["content"]["pages_cut_into_chunks"] == 4
    left = {"files": 3, "comments": 2, "page_content": 5} if deleted_rows == "mark" else {}
    found = state(company)
    assert {name: len(found[name]) for name in ("files", "comments", "page_content", "page_chunks")} == {
        **{"files": 2, "comments": 1, "page_content": 4, "page_chunks": 3},
        **left,
    }
    assert company.value("SELECT count(*) FROM (SELECT id FROM notion.users GROUP BY id HAVING count(*) > 1)") == 0
    before = found
    assert synced(company, JOB).asked("GET /v1/pages") == 0
    assert state(company) == before
