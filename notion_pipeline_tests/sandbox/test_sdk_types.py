"""Everything that the sandbox serves has the types of Notion's official SDK, which somebody else wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.sample import sample_workspace
from notion_pipeline_tests.support.sandbox.every_answer import EveryAnswer
from notion_pipeline_tests.support.sandbox.full_workspace import full_workspace
from notion_pipeline_tests.support.sandbox.sdk_types import Answer, Report, checked

LATEST = "2026-03-11"
#: Fields that Notion gives though its types do not have them: of answers, relations and persons.
BEYOND_THE_TYPES = {"request_id", "has_more", "email_verified"}
#: Fields of whole users, where the type is a choice between whole and partial ones: named when any field is amiss.
_OF_USERS = {"name", "avatar_url"}


def report(ws: Workspace, version: str, folder: Path, pages_in_detail: int | None = None) -> Report:
    with SandboxServer(ws) as server:
        return checked(EveryAnswer(server.url, ws.token.value, version, pages_in_detail).read(), version, folder)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2025-09-03", LATEST])
def test_everything_at_once_has_the_types_of_the_sdk(tmp_path: Path, version: str) -> None:
    found = report(full_workspace(), version, tmp_path)
    assert found.failures == []
    assert found.extras <= BEYOND_THE_TYPES | _OF_USERS
    assert min(found.counts.values()) > 0
    assert len(found.counts) == 14


@pytest.mark.slow
def test_sample_workspace_has_the_types_of_the_sdk(tmp_path: Path) -> None:
    found = report(sample_workspace(), LATEST, tmp_path, pages_in_detail=2)
    assert found.failures == []
    assert found.counts["PageObjectResponse"] > 1_000


@pytest.mark.slow
def test_answer_that_is_no_page_is_found(tmp_path: Path) -> None:
    ws = Workspace()
    with SandboxServer(ws) as server:
        answers = list(EveryAnswer(server.url, ws.token.value, LATEST).read())
    pages = [answer for answer in answers if answer.type == "PageObjectResponse"]
    broken = [Answer(page.type, "broken", {**page.value, "created_time": None}) for page in pages]
    found = checked([*answers, *broken], LATEST, tmp_path)
    assert len(found.failures) == len(broken) > 0
    assert "/created_time must be string" in found.failures[0]
