"""A project that reads content, its tables synced."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.whole_way import SCHEMA, Pipeline

NAMES = ("First", "Second", "Third")


@pytest.fixture
def tasks(workspace: Workspace) -> DataSource:
    """A database of three pages with words in them."""
    source = workspace.add_database("Tasks", SCHEMA).data_source
    for name in NAMES:
        source.add_page({"Name": name}, content=f"# {name}\nWhat {name} says.")
    return source


@pytest.fixture
def words(pipeline: Pipeline, workspace: Workspace, tasks: DataSource) -> Pipeline:
    """The database synced, an hour after its last edit; sources.yaml asks for its content."""
    workspace.clock.advance(timedelta(hours=1))
    pipeline.configure(sources())
    assert pipeline.sync().success
    return pipeline


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a local S3 server, which the environment names."""
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    server_of = pytest.importorskip("moto.server", reason="moto, which speaks S3 here, is not installed")
    # It would load this at its first answer, in a thread where a warning of another library becomes an error of ours.
    importlib.import_module("moto.s3.responses")
    server = server_of.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        for name, value in (
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        # Its state is the process's.
        assert httpx.post(f"{endpoint}/moto-api/reset", trust_env=False).is_success
        assert httpx.put(f"{endpoint}/kept", trust_env=False).is_success
        yield "s3://kept/folder"
    finally:
        server.stop()


def sources(content: str = "{pages: false, users: false}", more: str = "") -> str:
    return f"sources:\n  - name: notion\n    account: {{type: token}}\n    content: {content}\n{more}"
