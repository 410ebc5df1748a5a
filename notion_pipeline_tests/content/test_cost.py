"""What content will cost is told before it is read."""

from __future__ import annotations

from datetime import timedelta

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.content.conftest import sources
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.whole_way import Pipeline


def test_plan_and_check_count_the_pages_that_are_due(words: Pipeline, project: Project) -> None:
    commands = Commands(project)
    assert "pages due 3, databases 1; about as many requests, 0:00:01;" in commands.ok("plan")
    [planned] = commands.json("plan", "--json")
    assert planned["content"] == {
        **{"databases": 1, "pages": 3, "not_synced": 0, "requests": 3, "seconds": 1.0},
        **{"standalone_pages": None, "search_requests": 0, "pages_asked_for": 0},
        **{"pages_for_comments": 0, "pages_for_inline_comments": 0},
        **{"files": 0, "pages_for_files": 0, "files_kept": 0, "bytes_kept": 0},
    }
    assert "The content of 3 pages is due in source notion: about as many requests" in commands.ok("check")
    assert words.sync("notion_content").success
    assert commands.json("plan", "--json")[0]["content"]["pages"] == 0
    assert "is due in source" not in commands.ok("check")


def test_plan_and_check_count_the_pages_whose_comments_are_due(words: Pipeline, project: Project) -> None:
    words.configure(sources("{pages: false, users: false, comments: inline}"))
    commands = Commands(project)
    said = "Comments of 3 pages are due: a request each, and for 3 of them one a block."
    assert said in commands.ok("plan")
    assert said in commands.ok("check")
    assert words.sync("notion_content").success
    assert commands.json("plan", "--json")[0]["content"]["pages_for_comments"] == 0


def test_plan_and_check_count_pages_in_no_database_and_the_search_for_them(
    words: Pipeline, workspace: Workspace, project: Project
) -> None:
    workspace.add_page("Handbook", shared=True, content="Read this.")
    workspace.clock.advance(timedelta(hours=1))
    words.configure(sources("{users: false}"))
    commands = Commands(project)
    never = "Pages in no database: not searched for yet; requests of search about 1."
    assert never in commands.ok("plan")
    assert f"Source notion: {never}" in commands.ok("check")
    run = words.sync("notion_content")
    assert run.success
    [planned] = commands.json("plan", "--json")
    counted = {name: planned["content"][name] for name in ("pages", "standalone_pages", "search_requests", "requests")}
    assert counted == {"pages": 0, "standalone_pages": 0, "search_requests": 2, "requests": 2}
    words.configure(sources("{users: false, comments: true, comments_every: never}"))
    pages = words.count("pages")
    planned = commands.json("plan", "--json")[0]["content"]
    assert planned["pages_for_comments"] == pages + 3
    # What is counted before is what is asked for then.
    assert len(words.sync("notion_content").requests) == planned["requests"] == pages + 3 + 2
    words.change("UPDATE _notion_pipeline.page_read_versions SET read_at = read_at - INTERVAL 31 DAY")
    words.change("UPDATE _notion_pipeline.page_search_versions SET whole_at = whole_at - INTERVAL 31 DAY")
    said = f"Pages in no database: due {pages}, a request each; requests of search about 1."
    assert said in commands.ok("plan")
    assert said in commands.ok("check")
    assert f"All of it: about {pages + 3 + 1} requests" in commands.ok("plan")


def test_plan_and_check_count_the_files_that_are_not_kept(
    words: Pipeline, workspace: Workspace, project: Project
) -> None:
    drawings = workspace.add_database("Drawings", {"Name": "title", "Plans": "files"}).data_source
    plans = [workspace.add_file(f"{number}.pdf", size=500_000).entry for number in range(3)]
    drawings.add_page({"Name": "Two", "Plans": plans[:2]})
    drawings.add_page({"Name": "One", "Plans": plans[1:]})
    workspace.clock.advance(timedelta(hours=1))
    words.configure(sources("{users: false, pages: false, files: {download_to: kept}}"))
    assert words.sync().success
    commands = Commands(project)
    planned = commands.json("plan", "--json")[0]["content"]
    assert {name: planned[name] for name in ("pages", "files", "pages_for_files", "requests", "files_kept")} == {
        **{"pages": 5, "files": 3, "pages_for_files": 2, "requests": 7, "files_kept": 0},
    }
    said = "which Notion does not limit: 3, pages read again for their addresses 2, a request each."
    assert said in commands.ok("plan")
    assert f"Source notion: Files to download, {said}" in commands.ok("check")
    assert len(words.sync("notion_content").requests) == planned["requests"]
    assert "which Notion does not limit: 0; kept so far 3, 1.5 MB." in commands.ok("plan")
    assert "Files to download" not in commands.ok("check")
