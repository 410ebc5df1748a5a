"""A Dagster project of somebody else's, made by hand: components in its folder `defs`, loaded in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster.components.testing import create_defs_folder_sandbox
from dagster.components.testing.utils import DefsFolderSandbox

from notion_pipeline import NotionSourceComponent
from notion_pipeline.project import Project

TYPE = "notion_pipeline.NotionSourceComponent"
ACCOUNT = {"type": "token", "token": {"env": "NOTION_TOKEN"}}


@dataclass
class Host:
    """The project, and what its `defs` folder holds."""

    sandbox: DefsFolderSandbox
    instance: dg.DagsterInstance

    @property
    def root(self) -> Path:
        return self.sandbox.project_root

    def component(self, folder: str, post_processing: dict[str, Any] | None = None, **attributes: Any) -> Path:
        """Writes the `defs.yaml` of an instance."""
        path = self.sandbox.defs_folder_path / folder
        path.mkdir(exist_ok=True)
        content: dict[str, Any] = {"type": TYPE, "attributes": {"account": ACCOUNT, **attributes}}
        if post_processing:
            content["post_processing"] = post_processing
        if (path / "template_vars.py").exists():
            content["template_vars_module"] = ".template_vars"
        (path / "defs.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    @contextmanager
    def loaded(self) -> Iterator[dg.Definitions]:
        # A run that rebuilt a job in this process may have left its own context behind.
        context = DefinitionsLoadContext(DefinitionsLoadType.INITIALIZATION)
        with DefinitionsLoadContext.scoped(context), self.sandbox.build_all_defs() as defs:
            yield defs

    def refresh(self, folder: str) -> None:
        """What `dg utils refresh-defs-state` does."""
        with self.sandbox.build_component_tree() as tree:
            component = tree.load_component(Path(folder), expected_type=NotionSourceComponent)
            asyncio.run(component.refresh_state(self.root))

    def keys(self) -> set[str]:
        with self.loaded() as defs:
            return {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}

    def run(self, job: str) -> dg.ExecuteInProcessResult:
        with self.loaded() as defs:
            return defs.resolve_job_def(job).execute_in_process(instance=self.instance, raise_on_error=False)


@pytest.fixture
def host(project: Project) -> Iterator[Host]:
    """`project` sets the variables by which the sandbox is found."""
    assert project
    with create_defs_folder_sandbox() as sandbox, dg.instance_for_test() as instance:
        yield Host(sandbox, instance)
