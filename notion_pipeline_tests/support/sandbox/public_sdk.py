"""A workspace that is served, as the public SDK and plain HTTP see it: what tests of the sandbox start from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from notion_client import Client

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer

TOKEN = "ntn_sandbox_token"
LATEST = "2026-03-11"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Notion-Version": LATEST}


@pytest.fixture
def ws() -> Workspace:
    return Workspace()


@pytest.fixture
def url(ws: Workspace) -> Iterator[str]:
    with SandboxServer(ws) as server:
        yield server.url


@pytest.fixture
def notion(url: str) -> Iterator[Client]:
    """The public SDK's client, which repeats nothing."""
    with Client(auth=TOKEN, base_url=url, notion_version=LATEST, retry=False, log_level=60) as client:
        yield client
