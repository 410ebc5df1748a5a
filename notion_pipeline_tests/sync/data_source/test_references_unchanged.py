"""Why a full read asks again for references of a row that nobody edited: they change, and the row shows nothing of it.

Each test compares what rows show, stamps and all, before and after a change. Where that is the same and the whole value
is not, no rule that goes by the row (or by what the catalog has of its targets) can tell that it need not be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline_tests.support.sync.engine import TOKEN, Engine
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.sync.data_source.test_one_answer import kinds, later, synced

pytestmark = pytest.mark.slow

MANY = 40


class Project(NamedTuple):
    """A row whose values refer to more than 25 things, each to the same.

    Attributes:
        last: The last page that it refers to.
    """

    workspace: Workspace
    source: DataSource
    row: Page
    last: Page
    people: list[Any]

    def shown(self) -> dict[str, Any]:
        """The row as a query shows it."""
        return Renderer(self.workspace, self.workspace.token).page(self.row)

    def whole(self, name: str) -> Any:
        return Renderer(self.workspace, self.workspace.token, truncate=False).page(self.row)["properties"][name]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    workspace = Workspace(token=TOKEN)
    with SandboxServer(workspace) as server:
        yield Engine(workspace, server.url, tmp_path, settings={"limits": {"concurrent_requests": 1}})


@pytest.fixture
def project(engine: Engine) -> Project:
    """Synced an hour ago."""
    workspace = engine.workspace
    people = [workspace.add_user(f"Person {number}") for number in range(MANY)]
    tasks = workspace.add_database("Tasks", {"Name": "title", "Points": "number"}).data_source
    schema: dict[str, Any] = {
        "Name": "title",
        "Tasks": {"type": "relation", "target": tasks},
        "Both": {"type": "relation", "target": tasks, "two_way": "Project"},
        "Points": {"type": "rollup", "relation": "Tasks", "property": "Points", "function": "sum"},
        "Number": {
            "type": "formula",
            "expression": 'prop("Tasks").length()',
            "compute": lambda page: len(page["Tasks"]),
            "result_type": "number",
        },
        "Who": "people",
    }
    source = workspace.add_database("Projects", schema).data_source
    related = [tasks.add_page({"Name": f"Task {number}", "Points": 1}) for number in range(MANY)]
    row = source.add_page({"Name": "Tent", "Tasks": related, "Both": related, "Who": people})
    later(engine)
    synced(engine)
    assert differences(engine, workspace, source) == []
    later(engine)
    return Project(workspace, source, row, related[-1], people)


CHANGES: dict[str, Callable[[Project], Any]] = {
    "target in the trash": lambda it: it.workspace.trash(it.last),
    "edit of the other side": lambda it: it.workspace.edit_page(it.last, {"Project": []}),
    "edit of a target": lambda it: it.workspace.edit_page(it.last, {"Points": 1000}),
    "renamed person": lambda it: it.workspace.rename_user(it.people[-1], "Ada"),
}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("target in the trash", ["Tasks", "Both", "Points", "Number"]),
        ("edit of the other side", ["Both"]),
        ("edit of a target", ["Points"]),
        ("renamed person", ["Who"]),
    ],
)
def test_row_does_not_show_that_its_references_changed(
    engine: Engine, project: Project, change: str, names: list[str]
) -> None:
    shown, whole = project.shown(), {name: project.whole(name) for name in names}
    CHANGES[change](project)
    assert project.shown() == shown
    assert all(project.whole(name) != whole[name] for name in names)
    synced(engine, "FULL_TABLE")
    assert differences(engine, project.workspace, project.source) == []


def test_targets_in_the_catalog_do_not_show_it_either(engine: Engine, project: Project) -> None:
    """A target is in the trash only while its own database cannot be read; its stamp does not move."""
    workspace, tasks = project.workspace, project.last.data_source
    assert tasks is not None
    workspace.switches.trash_bumps = False
    targets = engine.query("SELECT * FROM notion.tasks ORDER BY id")
    workspace.trash(project.last)
    refusal = {"status": 400, "code": "invalid_request", "message": "Not now."}
    workspace.faults.add(Fault("status", match=f"POST .*{tasks.id}/query$", times=100, **refusal))
    engine.attempt("FULL_TABLE")
    workspace.faults.clear()
    assert engine.query("SELECT len(tasks) FROM notion.projects") == [(MANY - 1,)]
    shown = project.shown()

    later(engine)
    workspace.restore(project.last)
    later(engine)
    synced(engine, "FULL_TABLE")
    assert engine.query("SELECT * FROM notion.tasks ORDER BY id") == targets
    assert project.shown() == shown
    assert engine.query("SELECT len(tasks) FROM notion.projects") == [(MANY,)]


def test_each_full_read_asks_for_all_references(engine: Engine) -> None:
    """20 rows with 140 references: what a rule would have saved, were there one."""
    tasks = engine.workspace.add_database("Tasks", {"Name": "title"}).data_source
    related = [tasks.add_page({"Name": f"Task {number}"}) for number in range(140)]
    schema = {"Name": "title", "Tasks": {"type": "relation", "target": tasks}}
    source = engine.workspace.add_database("Projects", schema).data_source
    for number in range(20):
        source.add_page({"Name": f"Project {number}", "Tasks": related})
    later(engine)
    for sync_type, items in (("FULL_TABLE", 40), ("FULL_TABLE", 40), ("INCREMENTAL", 0)):
        made = kinds(synced(engine, sync_type))
        assert made.count("item") == items
        later(engine)
