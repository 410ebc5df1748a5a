"""`NotionSourceComponent`: a source of Notion in a `defs.yaml`."""

from __future__ import annotations

import logging
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs
from dagster.components.component_scaffolding import scaffold_component
from dagster.components.utils import TranslatorResolvingInfo
from dagster_duckdb import DuckDBResource
from pydantic import BaseModel

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.duckdb_file import check_catalog_name
from notion_pipeline.component.attributes import SourceAttributes, database_of, resolve_source, state_place
from notion_pipeline.component.table_state import tables_of, write_state
from notion_pipeline.config.account import DEFAULT_TOKEN_VARIABLE
from notion_pipeline.config.shared_state import STAGING_VARIABLE, STATE_VARIABLE
from notion_pipeline.config.sources import Sources, sources_of
from notion_pipeline.config.yaml_file import source_label
from notion_pipeline.defs.asset_keys import AssetKeys, TranslatedAsset, Translation
from notion_pipeline.defs.build import source_definitions
from notion_pipeline.defs.resources import CatalogResource, LoadedProject, catalog_resource
from notion_pipeline.errors import ConfigError, NotionPipelineError
from notion_pipeline.project import Project, project_at

_LOG = logging.getLogger("notion_pipeline")
#: A refresh of the state waits so long for a sync that commits.
_WAIT_SECONDS = 20.0
_FILES = ("defs.yaml", "defs.yml", "component.yaml")


class NotionSourceScaffolder(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` that works as soon as the token is set."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Writes the file."""
        token = {"type": "token", "token": {"env": DEFAULT_TOKEN_VARIABLE}}
        scaffold_component(request, {"account": token, "catalog": Sources.model_fields["catalog"].default})


@dg.scaffold_with(NotionSourceScaffolder)
class NotionSourceComponent(dg.StateBackedComponent, dg.Resolvable):
    """Reads one Notion account into DuckDB: the assets, checks, jobs, schedules and sensor of one source.

    The attributes are the keys of a source of sources.yaml. `name` is that of the folder unless it is given. Paths
    start at the root of the Dagster project. The state is the list of tables: `dg utils refresh-defs-state` asks Notion
    for it, and each sync brings it up to date.
    """

    def __init__(
        self,
        sources: Sources,
        project: Project,
        catalog: CatalogResource,
        *,
        translation: Translation | None = None,
        defs_state: DefsStateConfigArgs | None = None,
    ) -> None:
        (self._source,) = sources.sources
        self._loaded = LoadedProject(project, sources)
        self._catalog = catalog
        self._translation = translation
        self._defs_state = defs_state or DefsStateConfigArgs.local_filesystem()

    @classmethod
    def model(cls) -> type[BaseModel]:
        return SourceAttributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> NotionSourceComponent:
        return super().load(attributes or SourceAttributes(), context)

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> NotionSourceComponent:
        assert isinstance(model, SourceAttributes)  # noqa: S101 - for the type checker
        place = dg.ComponentLoadContext.from_resolution_context(context)
        folder, root = place.component_path.file_path, place.project_root
        file = next((folder / name for name in _FILES if (folder / name).is_file()), folder)
        content, secrets = resolve_source(model, context.resolve_value, folder.stem)
        shared = {key: content.pop(key) for key in Sources.model_fields if key in content}
        host = shared.get("catalog")
        shared["catalog"] = database_of(host)
        environ = {
            **os.environ,
            **secrets,
            # Of a project of ours these say where things are; here the attributes do, for each component its own.
            "NOTION_PIPELINE_SOURCES": str(file.relative_to(root) if file.is_relative_to(root) else file),
            "NOTION_PIPELINE_HOME": str(context.resolve_value(model.home)),
            **dict.fromkeys(("NOTION_PIPELINE_CATALOG", STAGING_VARIABLE), ""),
            STATE_VARIABLE: state_place(shared.get("state"), os.environ),
        }
        project = project_at(root, environ)
        try:
            sources = sources_of({**shared, "sources": [content]}, project)
        except ConfigError as error:
            # There is but one source in this file.
            error.message = error.message.replace(f"{source_label(0, content.get('name'))}: ", "")
            raise
        settings = host.connection_config if isinstance(host, DuckDBResource) else {}
        catalog = catalog_resource(sources.catalog_location(project), settings)
        check_catalog_name(catalog.location, [source.name for source in sources.sources])
        return cls(sources, project, catalog, translation=_translation(context, model), defs_state=model.defs_state)

    @property
    def defs_state_config(self) -> DefsStateConfig:
        return DefsStateConfig.from_args(self._defs_state, default_key=f"NotionSourceComponent[{self._source.name}]")

    def get_asset_spec(self, spec: dg.AssetSpec, data: TranslatedAsset) -> dg.AssetSpec:
        """An asset as this project wants it: our own with the attribute `translation`. Override it to do so in Python.

        The key may depend on the data and on the key of `spec` alone, for the events of a sync name it too.

        Args:
            spec: Our own asset.
            data: What is known of the table.
        """
        return self._translation(spec, data) if self._translation is not None else spec

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        try:
            return super().build_defs(context)
        except NotionPipelineError as error:
            # Under `dagster dev` the state is refreshed first. What Notion has to say to that must not keep the other
            # definitions of the project from loading.
            if not self._defs_state.refresh_if_dev:
                raise
            _LOG.warning("The tables of source %s could not be asked for: %s", self._source.name, error)
        refresh = self._defs_state
        self._defs_state = refresh.model_copy(update={"refresh_if_dev": False})
        try:
            return super().build_defs(context)
        finally:
            self._defs_state = refresh

    def write_state_to_path(self, state_path: Path) -> None:
        catalog = Catalog(
            self._catalog.location,
            log=_LOG.warning,
            config=self._catalog.connection_config,
            wait_seconds=_WAIT_SECONDS,
        )
        write_state(state_path, self._loaded, self._source.name, catalog, _LOG)

    def build_defs_from_state(self, context: dg.ComponentLoadContext, state_path: Path | None) -> dg.Definitions:
        name, project = self._source.name, self._loaded.project
        tables = tables_of(state_path, self._loaded.state, name)
        if multiprocessing.parent_process() is not None:
            # Dagster starts such processes for runs and steps alone. A listing in the step before may have retired a
            # table that the run was launched for; to leave it out would make the run fail for all its tables.
            tables = [replace(table, in_sync=True) for table in tables]
        asset_keys = AssetKeys(name, tuple(tables), self.get_asset_spec)
        return source_definitions(
            self._source, project, asset_keys, self._catalog, self._loaded.state, given=self._loaded
        )


def _translation(context: dg.ResolutionContext, attributes: SourceAttributes) -> Translation | None:
    if attributes.translation is None:
        return None
    wanted = TranslatorResolvingInfo(attributes.translation, context, model_key="translation")

    def translate(spec: dg.AssetSpec, data: TranslatedAsset) -> dg.AssetSpec:
        scope = {"spec": spec, "data": data, "source": data.source, "table": data.table, "title": data.title}
        return wanted.get_asset_spec(spec, scope)

    return translate
