"""A sources.yaml of a test's own."""

from __future__ import annotations

import pytest

from notion_pipeline.config.sources import load_sources
from notion_pipeline.project import find_project


@pytest.fixture
def load(tmp_path):
    """Loads the text as the sources.yaml of a project of its own."""
    (tmp_path / "workspace.yaml").touch()

    def load_text(text, **environ):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "sources.yaml").write_bytes(data)
        return load_sources(find_project(tmp_path, environ))

    return load_text
