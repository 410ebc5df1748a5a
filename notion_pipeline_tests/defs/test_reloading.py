"""A run that asks its code server to load the definitions anew, and is none the worse where nobody answers.

That one which is asked does so is seen in test_browser: a table has its columns there without anybody's reload.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml
from dagster import DagsterRun
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from notion_pipeline.cli.project_template import template
from notion_pipeline.defs.dagster_internals import PRODUCTION_SOCKET, reload_definitions
from notion_pipeline_tests.support.ports import free_port


def run_of(location: CodeLocationOrigin) -> DagsterRun:
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "notion_sync")
    return DagsterRun(job_name="notion_sync", remote_job_origin=origin)


def test_run_without_a_code_server_asks_nobody(
    lines: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    reload_definitions(DagsterRun(job_name="notion_sync"), lines.append)
    assert lines == []


def test_run_of_the_command_line_asks_the_code_server_of_production(
    lines: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That it is asked shows in what is said, since nobody answers at this socket."""
    (tmp_path / PRODUCTION_SOCKET).parent.mkdir()
    (tmp_path / PRODUCTION_SOCKET).touch()
    monkeypatch.chdir(tmp_path)
    reload_definitions(DagsterRun(job_name="notion_sync"), lines.append)
    assert len(lines) == 1
    (server,) = yaml.safe_load(template("workspace.production.yaml"))["load_from"]
    assert server["grpc_server"]["socket"] == str(PRODUCTION_SOCKET)


def test_code_server_that_is_gone_is_told_and_no_failure(lines: list[str]) -> None:
    port = free_port()
    location = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=port, location_name="notion_pipeline")
    reload_definitions(run_of(location), lines.append)
    assert lines == ["The tables are known to Dagster in full when the code location is loaded the next time."]
