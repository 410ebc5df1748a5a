"""The demo, as a process of its own in an empty folder: what lands is what the sample workspace holds."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from notion_pipeline.cli import main
from notion_pipeline.cli.project_template import DEMO_FILES, template
from notion_pipeline.sandbox.sample import sample_workspace
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.long]


README = Path(__file__).parents[3] / "README.md"
PROGRAM = [sys.executable, "-m", "notion_pipeline.cli", "demo"]
#: A real project's, which the demo must not touch.
STRANGERS = {
    "NOTION_TOKEN": "ntn_somebodys_own",
    "NOTION_API_URL": "http://127.0.0.1:1",
    "NOTION_PIPELINE_CATALOG": "/nowhere/catalog.duckdb",
    "DAGSTER_HOME": "/nowhere",
}


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **STRANGERS}
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def worked() -> float:
    """Processor seconds of the processes that have ended: what a machine with nothing else to do would take at most."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def counts(catalog: Path) -> dict[str, int]:
    """Rows by data source id."""
    with duckdb.connect(str(catalog), read_only=True) as connection:
        tables = connection.execute("SELECT data_source_id, table_name FROM _notion_pipeline.streams").fetchall()
        return {
            key: connection.execute(f'SELECT count(*) FROM notion."{name}"').fetchall()[0][0] for key, name in tables
        }


def assert_queries_of_the_readme_answer(catalog: Path) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    queries = [query for block in blocks for query in block.split(";") if query.strip()]
    assert queries
    with duckdb.connect(str(catalog), read_only=True) as connection:
        for query in queries:
            assert connection.execute(query).fetchall(), query


def test_demo_syncs_the_whole_sample_within_a_minute_and_again(tmp_path: Path) -> None:
    workspace = sample_workspace()
    expected = {
        source.id: len(workspace.rows(source))
        for database in workspace.databases.values()
        if database.shared and not database.in_trash
        for source in database.data_sources
    }
    before = worked()
    first = demo(tmp_path)
    assert first.returncode == 0, first.stderr
    assert worked() - before < 60
    assert counts(tmp_path / "demo" / "catalog.duckdb") == expected
    assert re.search(rf"^{len(expected)} tables +{sum(expected.values()):,} *$", first.stdout, re.MULTILINE)
    assert "Webshop relaunch" in first.stdout
    assert "demo --ui" in first.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert_queries_of_the_readme_answer(tmp_path / "demo" / "catalog.duckdb")
    environ = (tmp_path / "demo" / ".env").read_text(encoding="utf-8")

    second = demo(tmp_path)
    assert second.returncode == 0, second.stderr
    assert counts(tmp_path / "demo" / "catalog.duckdb") == expected
    assert (tmp_path / "demo" / ".env").read_text(encoding="utf-8").splitlines()[0] == environ.splitlines()[0]
    assert all((tmp_path / "demo" / name).read_text(encoding="utf-8") == template(name) for name in DEMO_FILES)


def test_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NOTION_TOKEN=ntn_mine\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["demo", "--dir", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path} exists and is not the demo's.")
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "NOTION_TOKEN=ntn_mine\n"
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_demo_serves_the_ui_with_its_runs_until_interrupted(tmp_path: Path) -> None:
    port = free_port()
    with (tmp_path / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [*PROGRAM, "--ui", "--ui-port", str(port)],
            cwd=tmp_path,
            env={**os.environ, **STRANGERS},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            assert _runs(process, f"http://127.0.0.1:{port}/graphql") == [("notion_sync", "SUCCESS")]
        finally:
            # To this process alone, as a service manager would: Dagster must end with it.
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=PATIENCE)
    assert code == 0, (tmp_path / "output.txt").read_text()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=PATIENCE)


def _runs(process: subprocess.Popen[bytes], url: str) -> list[tuple[str, str]]:
    """Job and status of the runs that the UI shows, once it is there."""
    body = json.dumps({"query": "{ runsOrError { ... on Runs { results { jobName status } } } }"}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                results = json.load(answer)["data"]["runsOrError"]["results"]
                return [(run["jobName"], run["status"]) for run in results]
        except OSError:
            time.sleep(0.3)
    raise AssertionError("The UI did not come up.")
