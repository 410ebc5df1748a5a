"""What content will cost is told before it is read."""

from __future__ import annotations

from notion_pipeline.project import Project
from notion_pipeline_tests.content.conftest import sources
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.whole_way import Pipeline


def test_plan_and_check_count_the_pages_that_are_due(words: Pipeline, project: Project) -> None:
    commands = Commands(project)
    assert "pages due 3, databases 1; about as many requests, 0:00:01;" in commands.ok("plan")
    [planned] = commands.json("plan", "--json")
    assert planned["content"] == {
        **{"databases": 1, "pages": 3, "not_synced": 0, "seconds": 1.0},
        **{"pages_for_comments": 0, "pages_for_inline_comments": 0},
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
