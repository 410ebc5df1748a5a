"""The command line: what it syncs, what it says, and how it fails; against the sandbox over a real socket."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.instance import InstanceRef
from rich.console import Console

from notion_pipeline.cli import COMMANDS, main
from notion_pipeline.cli.project_template import template
from notion_pipeline.cli.runs.display import Bars, Display, Lines, LogFilter, Tally, display_on, summary
from notion_pipeline.project import Project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sync.run.pace import ExpectedReads
from notion_pipeline.sync.run.progress import LogProgress
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.holder import held_by_another_process

PROGRAM = [sys.executable, "-m", "notion_pipeline.cli"]
COMMANDS_PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
Run = Callable[..., Result]


@pytest.fixture
def run(project: Project, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls a command in the project's folder."""
    monkeypatch.chdir(project.root)
    (project.root / "dagster.yaml").write_text(template("dagster.yaml"), encoding="utf-8")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    return call


@pytest.fixture
def two_databases(workspace: Workspace) -> Workspace:
    """Tasks with three rows and Notes with one."""
    tasks = workspace.add_database("Tasks", {"Name": "title", "Points": "number"})
    for name in ("one", "two", "three"):
        tasks.data_sources[0].add_page({"Name": name, "Points": len(name)})
    workspace.add_database("Notes", {"Name": "title"}).data_sources[0].add_page({"Name": "a note"})
    return workspace


def rows(project: Project, query: str) -> list[tuple[object, ...]]:
    with catalogs.reading(project.root) as connection:
        return connection.execute(query).fetchall()


def names(project: Project, table: str) -> list[object]:
    return [row[0] for row in rows(project, f"SELECT name FROM notion.{table} ORDER BY 1")]


def assert_one_message(result: Result) -> None:
    """Exit code 1, one message on standard error, and nothing that only a developer can read."""
    assert result.exit_code == 1, result.output
    assert len(re.findall("^Error: ", result.stderr, re.MULTILINE)) == 1
    assert "Traceback" not in result.output
    assert "ntn_" not in result.output


class TestTheProgram:
    def test_help_lists_every_command(self) -> None:
        result = CliRunner().invoke(main, ["--help"])
        assert result.exit_code == 0
        assert all(re.search(rf"^  {name} ", result.output, re.MULTILINE) for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_command_has_help_and_stands_in_the_documentation(self, name: str) -> None:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0
        assert len(result.output.splitlines()) > 5
        assert f"notion-pipeline {name}" in COMMANDS_PAGE.read_text(encoding="utf-8")

    def test_help_comes_without_loading_dagster_and_duckdb(self) -> None:
        code = "import sys; from notion_pipeline.cli import main; main(['--help'], standalone_mode=False); " + (
            "sys.exit(bool({'dagster', 'duckdb', 'pyarrow', 'httpx'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0

    def test_version(self) -> None:
        result = CliRunner().invoke(main, ["--version"])
        assert re.fullmatch(r"notion-pipeline \d+\.\d+\.\d+\n", result.output)

    def test_unknown_command_is_wrong_usage_and_names_the_nearest(self) -> None:
        result = CliRunner().invoke(main, ["snyc"])
        assert result.exit_code == 2
        assert 'Did you mean "sync"?' in result.output


class TestSync:
    def test_everything_is_loaded_and_reported(self, two_databases: Workspace, project: Project) -> None:
        """As a process of its own, as users start it."""
        result = subprocess.run([*PROGRAM, "sync"], cwd=project.root, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert names(project, "tasks") == ["one", "three", "two"]
        assert names(project, "notes") == ["a note"]
        assert re.search(r"^Tasks +notion\.tasks +3 +3 +0 +0$", result.stdout, re.MULTILINE)
        assert "2 databases listed, 2 synced: 4 rows read" in result.stdout
        assert "notion: 2 databases to sync, with about 6 requests" in result.stderr
        assert "[2/2]" in result.stderr
        # Neither Dagster's log nor its notices.
        assert "STEP_START" not in result.stderr
        assert "Warning" not in result.stderr
        # Without a dagster.yaml history stays in the project all the same, and nothing else is left behind but the
        # catalog's lock.
        catalog = ["catalog.duckdb", "catalog.duckdb.lock", "catalog.duckdb.lock.queue"]
        expected = [".dagster", ".notion_pipeline", *catalog, "workspace.yaml"]
        assert sorted(path.name for path in project.root.iterdir()) == expected

    @pytest.mark.slow
    def test_works_from_a_folder_below_and_comes_back(
        self, run: Run, two_databases: Workspace, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        below = project.root / "queries"
        below.mkdir()
        monkeypatch.chdir(below)
        assert run("sync").exit_code == 0
        assert Path.cwd() == below
        assert list(below.iterdir()) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("stream", ["Tasks", "T*", "id", "stream name"])
    def test_one_stream_by_title_glob_id_and_stream_name(
        self, run: Run, two_databases: Workspace, project: Project, stream: str
    ) -> None:
        tasks = next(database for database in two_databases.databases.values() if database.title == "Tasks")
        entry = {"id": tasks.id, "stream name": f"database_{tasks.id}"}.get(stream, stream)
        result = run("sync", entry)
        assert result.exit_code == 0, result.output
        assert "2 databases listed, 1 synced" in result.stdout
        assert not rows(project, "SELECT 1 FROM duckdb_tables() WHERE table_name = 'notes'")

    def test_wait_for_a_held_catalog_is_told_at_once(self, project: Project, two_databases: Workspace) -> None:
        catalogs.only_in_a_file("nobody waits for a lake")
        (project.root / "dagster.yaml").write_text(template("dagster.yaml"), encoding="utf-8")
        with held_by_another_process(project.root / "catalog.duckdb") as holder:
            assert holder.stdin is not None
            sync = [*PROGRAM, "sync", "databases"]
            with subprocess.Popen(sync, cwd=project.root, stderr=subprocess.PIPE, text=True) as command:
                assert command.stderr is not None
                told = next(line for line in command.stderr if "is held by" in line)
                holder.stdin.close()
                command.stderr.read()
        assert re.search(rf"\(PID {holder.pid}\); waiting for it \(\d s so far\)", told), told
        assert command.returncode == 0

    @pytest.mark.slow
    def test_stream_databases_lists_and_reads_nothing(
        self, run: Run, two_databases: Workspace, project: Project
    ) -> None:
        result = run("sync", "databases")
        assert result.exit_code == 0, result.output
        assert "2 databases listed, 0 synced" in result.stdout
        assert not [request for request in two_databases.requests if request.path.endswith("/query")]
        assert rows(project, "SELECT count(*) FROM notion.databases") == [(2,)]

    @pytest.mark.slow
    def test_full_removes_what_is_gone(self, run: Run, two_databases: Workspace, project: Project) -> None:
        assert run("sync").exit_code == 0
        tasks = next(database for database in two_databases.databases.values() if database.title == "Tasks")
        two_databases.trash(tasks.data_sources[0].pages[0])
        assert run("sync", "Tasks").exit_code == 0
        assert len(names(project, "tasks")) == 3
        result = run("sync", "--full", "Tasks")
        assert re.search(r"^Tasks +notion\.tasks +2 +0 +0 +1$", result.stdout, re.MULTILINE)
        assert names(project, "tasks") == ["three", "two"]

    @pytest.mark.slow
    def test_runs_stand_in_the_instance_with_their_partitions(
        self, run: Run, two_databases: Workspace, project: Project
    ) -> None:
        assert run("sync").exit_code == 0
        with instance_of(project) as instance:
            (only,) = instance.get_runs()
            assert (only.job_name, only.status) == ("notion_sync", DagsterRunStatus.SUCCESS)
            assert set(instance.get_dynamic_partitions("notion_databases")) == {"notes", "tasks"}

    @pytest.mark.slow
    def test_several_sources_each_take_the_streams_they_have(
        self, run: Run, two_databases: Workspace, project: Project
    ) -> None:
        (project.root / "sources.yaml").write_text(
            "sources:\n"
            "  - {name: sales, account: {type: token}, select: [Tasks]}\n"
            "  - {name: support, account: {type: token}, select: [Notes]}\n",
            encoding="utf-8",
        )
        result = run("sync", "Notes")  # that no listing has seen yet
        assert result.exit_code == 0, result.output
        assert "support.notes" in result.stdout
        assert "sales." not in result.stdout
        unknown = run("sync", "Taks")
        assert_one_message(unknown)
        assert 'nearest is "Tasks"' in unknown.stderr
        assert run("sync", "--source", "sales").exit_code == 0
        assert rows(project, "SELECT count(*) FROM sales.tasks") == [(3,)]
        assert_one_message(run("sync", "--source", "slaes"))

    @pytest.mark.slow
    def test_verbose_shows_dagsters_log(self, run: Run, two_databases: Workspace) -> None:
        result = run("sync", "--verbose")
        assert result.exit_code == 0
        assert "Started execution of step" in result.stderr


class TestFailures:
    def test_wrong_token(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOTION_TOKEN", "ntn_wrongwrongwrong")
        result = run("sync")
        assert_one_message(result)
        assert "401" in result.stderr
        assert result.stdout == ""

    def test_no_token(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NOTION_TOKEN")
        result = run("sync")
        assert_one_message(result)
        assert "NOTION_TOKEN is not set" in result.stderr

    @pytest.mark.slow
    def test_server_that_cannot_be_reached(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """After all attempts, which take most of a minute."""
        monkeypatch.setenv("NOTION_API_URL", "http://127.0.0.1:1")
        result = run("sync")
        assert_one_message(result)
        assert "127.0.0.1:1" in result.stderr

    def test_unknown_stream(self, run: Run, two_databases: Workspace) -> None:
        result = run("sync", "Taks")
        assert_one_message(result)
        assert '"Taks"' in result.stderr

    def test_broken_sources_file_is_named_with_key_and_nearest(self, run: Run, project: Project) -> None:
        (project.root / "sources.yaml").write_text(
            "sources: [{name: notion, account: {type: token}, start_dat: 2024-01-01}]", encoding="utf-8"
        )
        result = run("sync")
        assert_one_message(result)
        assert result.stderr.startswith("Error: sources.yaml: sources[0] (notion): start_dat")
        assert "start_date" in result.stderr

    @pytest.mark.slow
    def test_one_database_fails_and_the_others_are_loaded(
        self, run: Run, two_databases: Workspace, project: Project
    ) -> None:
        tasks = next(database for database in two_databases.databases.values() if database.title == "Tasks")
        two_databases.faults.add(
            Fault(
                "status",
                match=f"{tasks.data_sources[0].id}/query",
                times=99,
                status=403,
                code="restricted_resource",
                message="No access.",
            )
        )
        result = run("sync")
        assert_one_message(result)
        assert "1 of 2 databases of source notion failed" in result.stderr
        assert '"Tasks"' in result.stderr
        assert "Tasks: FAILED" in result.stderr
        assert re.search(r"^Notes +notion\.notes +1", result.stdout, re.MULTILINE)
        assert names(project, "notes") == ["a note"]

    @pytest.mark.slow
    def test_catalog_that_cannot_be_written(
        self, run: Run, two_databases: Workspace, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NOTION_PIPELINE_CATALOG", "missing/catalog.duckdb")
        result = run("sync")
        assert_one_message(result)
        assert "its folder does not exist" in result.stderr

    @pytest.mark.slow
    def test_relative_dagster_home(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DAGSTER_HOME", "here")
        result = run("sync")
        assert_one_message(result)
        assert "DAGSTER_HOME" in result.stderr

    def test_sigterm_ends_the_run_as_failed(self, two_databases: Workspace, project: Project) -> None:
        process = slow_sync(two_databases, project)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert errors.strip().splitlines()[-1].startswith("Error: Interrupted.")
        assert "Traceback" not in errors
        assert statuses(project) == [DagsterRunStatus.FAILURE]

    @pytest.mark.slow
    def test_run_whose_process_was_killed_is_closed_by_the_next(
        self, two_databases: Workspace, project: Project, run: Run
    ) -> None:
        process = slow_sync(two_databases, project)
        process.kill()
        process.communicate(timeout=PATIENCE)
        assert statuses(project) == [DagsterRunStatus.STARTED]
        two_databases.latency = 0.0
        assert run("sync").exit_code == 0
        assert statuses(project) == [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]


def instance_of(project: Project) -> DagsterInstance:
    (project.root / "dagster.yaml").write_text(template("dagster.yaml"), encoding="utf-8")
    os.chdir(project.root)
    return DagsterInstance.from_ref(InstanceRef.from_dir(".dagster", config_dir=str(project.root)))


def statuses(project: Project) -> list[DagsterRunStatus]:
    before = Path.cwd()
    try:
        with instance_of(project) as instance:
            return [run.status for run in instance.get_runs()]
    finally:
        os.chdir(before)


def slow_sync(workspace: Workspace, project: Project) -> subprocess.Popen[str]:
    """A sync that has asked its first question and waits for the answer."""
    workspace.latency = PATIENCE
    process = subprocess.Popen(
        [*PROGRAM, "sync"], cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + PATIENCE
    while not workspace.requests and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert workspace.requests
    return process


class TestSandbox:
    def test_serves_the_sample_and_says_how_to_use_it(self) -> None:
        process = subprocess.Popen(
            [*PROGRAM, "sandbox", "--port", "0", "--token", "ntn_other"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(5)]
            exports = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines[3:])
            assert exports["NOTION_TOKEN"] == "ntn_other"
            assert exports["NOTION_API_URL"] in lines[0]
            request = urllib.request.Request(
                f"{exports['NOTION_API_URL']}/v1/users/me",
                headers={"Authorization": "Bearer ntn_other", "Notion-Version": "2026-03-11"},
            )
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)
        assert process.returncode == 0

    def test_port_that_is_taken(self, sandbox: SandboxServer) -> None:
        result = CliRunner().invoke(main, ["sandbox", "--port", str(sandbox.port)])
        assert_one_message(result)
        assert str(sandbox.port) in result.stderr

    def test_token_that_no_header_can_carry_is_wrong_usage(self) -> None:
        assert CliRunner().invoke(main, ["sandbox", "--token", "a b"]).exit_code == 2


class Seconds:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestProgress:
    def test_time_left_is_told_where_the_requests_are_expected(self) -> None:
        clock = Seconds()
        tally = Tally(clock)
        tally.planned(2, ExpectedReads({"a": 6.0, "b": 2.0}, {"a": 300}, seconds_a_request=1 / 3))
        assert tally.seconds_left == pytest.approx(8 / 3), "before the first request at the pace of the account"
        assert tally.started("a", "A").expected_rows == 300
        clock.now = 10.0
        tally.staged("a", 100, 2)
        assert summary(tally) == "0/2 databases, 100 rows, 2 requests, 10 rows/s, about 0:00:30 left"
        tally.finished("a", 100, failed=True)
        assert tally.seconds_left == 10.0, "what was expected of a database that is done is not to come any more"

    def test_burst_is_no_pace(self) -> None:
        clock = Seconds()
        tally = Tally(clock)
        tally.planned(1, ExpectedReads({"a": 600.0}, {}, seconds_a_request=1 / 3))
        tally.started("a", "A")
        clock.now = 3.0
        tally.staged("a", 100, 90)
        assert tally.seconds_left == pytest.approx(510 / 3)
        clock.now = 61.0
        tally.staged("a", 100, 300)
        assert tally.seconds_left == pytest.approx(300 * 61 / 300), "the account has more than was thought"

    def test_log_tells_the_requests_of_all_databases_and_the_time_left(self) -> None:
        lines: list[str] = []
        progress = LogProgress(lines.append, every_seconds=0.0)
        progress.planned(2, ExpectedReads({"a": 40.0, "b": 60.0}, {}, seconds_a_request=60.0))
        for key in "ab":
            progress.started(key, key.upper())
        progress.staged("a", 100, 10)
        progress.staged("b", 100, 10)
        assert lines[-1] == "0/2 databases, 200 rows, 20 requests so far; about 1:20:00 left"
        progress.finished("a", 100, failed=False)
        assert lines[-1] == "1/2 databases, 200 rows, 20 requests so far; about 0:50:00 left"

    def test_time_left_is_not_guessed(self) -> None:
        tally = Tally()
        tally.planned(2)
        tally.started("a", "A")
        tally.staged("a", 100, 2)
        assert tally.seconds_left is None

    def test_requests_of_several_data_sources_add_up(self) -> None:
        tally = Tally()
        tally.planned(1)
        tally.started("a", "A")
        tally.staged("a", 100, 3)
        tally.staged("a", 10, 1)
        assert tally.finished("a", 108, failed=False).rows == 110
        assert (tally.rows, tally.requests, tally.done) == (108, 4, 1)

    @pytest.mark.parametrize(("terminal", "kind"), [(True, Bars), (False, Lines)])
    def test_bars_on_a_terminal_and_lines_elsewhere(self, terminal: bool, kind: type[Display]) -> None:
        written = io.StringIO()
        console = Console(file=written, force_terminal=terminal, width=120)
        with display_on(console, Tally(), source="notion", verbose=False) as display:
            assert isinstance(display, kind)
            display.planned(1)
            display.started("a", "Odd [title]\nof \x1b[31mtwo lines")
            display.staged("a", 100, 2)
            display.say(30, "a warning")
            display.say(20, "nothing of note")
            display.finished("a", 100, failed=True)
        assert "Odd [title] of" in written.getvalue()
        assert "\x1b[31mtwo" not in written.getvalue()
        assert "a warning" in written.getvalue()
        assert "nothing of note" not in written.getvalue()

    def test_log_is_heard_when_nothing_moves(self) -> None:
        clock = Seconds()
        log_filter = LogFilter(30, clock)
        assert not log_filter.wants(20)
        clock.now = 6.0
        assert log_filter.wants(20)
        assert not log_filter.wants(20)
        clock.now = 10.0
        log_filter.moved()
        clock.now = 12.0
        assert not log_filter.wants(20)
        assert log_filter.wants(30)
