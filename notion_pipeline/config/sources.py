"""sources.yaml as frozen values: which Notion accounts are read, what of them, how, and when.

Editors show the descriptions: `python -m notion_pipeline.config.sources` prints the JSON schema made of them, which is
kept as sources.schema.json. `source` and `stream_settings` have the keys, `fields` their types; `values` and `cron`
check single values, `yaml_file` reads the file, and `selection` compares entries with databases. Nothing here imports
Dagster, so that commands start quickly.
"""

from __future__ import annotations

import json
import sys
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from notion_pipeline.config.account import Account, EnvReference, OAuthAccount, TokenAccount, resolve_token
from notion_pipeline.config.fields.catalog_location import (
    CatalogLocation,
    Lake,
    check_catalog,
    check_data_path,
    location_of,
)
from notion_pipeline.config.fields.key_types import (
    CatalogText,
    DataPath,
    FilePath,
    FrozenModel,
    StoragePath,
    nothing_as,
)
from notion_pipeline.config.fields.values import check_storage
from notion_pipeline.config.known_names import KnownNames
from notion_pipeline.config.lake_settings import LakeSettings
from notion_pipeline.config.shared_state import (
    STAGING_VARIABLE,
    StateSetting,
    open_state,
    staging_bucket,
    staging_folder,
)
from notion_pipeline.config.source import Limits, Source, Watch
from notion_pipeline.config.stream_settings import StreamSettings, SyncType
from notion_pipeline.config.yaml_file import KeyPath, config_error, problems_of, read_mapping, source_label
from notion_pipeline.errors import ConfigError
from notion_pipeline.messages import nearest, quoted
from notion_pipeline.redaction import keep_secret

if TYPE_CHECKING:
    from pathlib import Path

    from notion_pipeline.bucket import Bucket
    from notion_pipeline.project import Project
    from notion_pipeline.state.interface import State

__all__ = [
    "Account",
    "KnownNames",
    "Limits",
    "OAuthAccount",
    "Source",
    "Sources",
    "StreamSettings",
    "SyncType",
    "TokenAccount",
    "Watch",
    "definition_names",
    "load_sources",
    "parse_sources",
    "resolve_token",
    "schema_text",
]


class Sources(FrozenModel):
    """The whole of sources.yaml."""

    catalog: Annotated[CatalogText, nothing_as("catalog.duckdb")] = Field(
        default="catalog.duckdb",
        description="The DuckDB file, from the project root on, or a DuckLake: ducklake:postgres:dbname=… host=… "
        "user=…, or ducklake:<file>. NOTION_PIPELINE_CATALOG wins.",
    )
    data_path: DataPath | None = Field(
        default=None,
        description="Where a DuckLake keeps the files of its tables: a folder, or s3://bucket/folder. "
        "NOTION_PIPELINE_DATA_PATH wins.",
    )
    lake: Annotated[LakeSettings, nothing_as(LakeSettings())] = Field(
        default_factory=LakeSettings, description="How a DuckLake is kept in shape."
    )
    publish: FilePath | None = Field(
        default=None, description="Where a copy of the catalog is put after each run, for BI tools to hold open."
    )
    state: StateSetting = Field(
        default=None,
        description="Where processes share locks, pauses and lists: a folder, postgresql://user@host/database, or "
        "{env: VARIABLE}; NOTION_PIPELINE_STATE wins. Without it the folder NOTION_PIPELINE_HOME.",
    )
    staging: StoragePath | None = Field(
        default=None,
        description="Where machines share reads in progress: a folder that all of them reach, or s3://bucket/folder "
        "for copies of them; NOTION_PIPELINE_STAGING wins. Without it they are in NOTION_PIPELINE_HOME.",
    )
    sources: tuple[Source, ...] = Field(
        default_factory=lambda: (Source(name="notion", account=TokenAccount()),),
        description="The Notion accounts to read, side by side.",
        json_schema_extra={"minItems": 1},
    )

    @model_validator(mode="after")
    def _sources_are_apart(self) -> Sources:
        problems = _source_problems(self.sources)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def catalog_location(self, project: Project) -> CatalogLocation:
        """Where the catalog is; the environment wins over sources.yaml."""
        data_path = project.data_path_override or self.data_path
        return location_of(project.catalog_override or self.catalog, data_path, project.path, project.environ)

    def publish_path(self, project: Project) -> Path | None:
        """Where to put a copy of the catalog after each run; None for no copy."""
        return project.path(self.publish) if self.publish else None

    def open_state(self, project: Project) -> State:
        """The state that processes share; nothing is connected before it is used.

        Raises:
            ConfigError: NOTION_PIPELINE_STATE, or the variable that `state:` names, holds no address.
        """
        return open_state(project, self.state)

    def staging_path(self, project: Project) -> Path:
        """The folder of reads in progress."""
        return staging_folder(project, self.staging)

    def staging_bucket(self, project: Project) -> Bucket | None:
        """The bucket with copies of reads in progress, if there is one; nothing is asked of it before it is used.

        Raises:
            ConfigError: The package for S3 is not installed, or a variable AWS_… makes no sense.
        """
        return staging_bucket(project, self.staging)

    def source(self, name: str) -> Source:
        """The source of this name.

        Raises:
            ConfigError: There is none.
        """
        for source in self.sources:
            if source.name == name:
                return source
        names = [source.name for source in self.sources]
        near = nearest(name, names)
        hint = f'nearest is "{near}"' if near else f"there are: {', '.join(names)}"
        raise ConfigError(f"There is no source {quoted(name)}, {hint}.")


def definition_names(source_name: str) -> dict[str, str]:
    """The names that a source has in Dagster beside those of other sources, with the kind of each."""
    return {
        f"{source_name}_sync": "job",
        f"{source_name}_full_sync": "job",
        f"{source_name}_schedule": "schedule",
        f"{source_name}_full_sync_schedule": "schedule",
        f"{source_name}_changes": "sensor",
        f"{source_name}_databases": "partitions definition",
    }


def _source_problems(sources: tuple[Source, ...]) -> list[str]:
    """No sources, two sources of one name, or two sources with definitions of one name in Dagster."""
    if not sources:
        return ["sources: must not be empty"]
    labels = [source_label(index, source.name) for index, source in enumerate(sources)]
    problems = []
    for (first, a), (second, b) in combinations(zip(labels, sources, strict=True), 2):
        if a.name == b.name:
            problems.append(f"{second}: name: {quoted(b.name)} is the name of {first} already")
            continue
        other = definition_names(b.name)
        problems += [
            f"{second}: name: {quoted(b.name)} and {quoted(a.name)} would both have a {kind} {quoted(name)}; rename one"
            for name, kind in definition_names(a.name).items()
            if name in other
        ]
    return problems


def load_sources(project: Project) -> Sources:
    """The project's sources file; without one, a single source `notion` that reads NOTION_TOKEN.

    Raises:
        ConfigError: The file cannot be read or is not valid. One message names all problems.
    """
    content = read_mapping(project.sources_file, project.sources_label)
    if content is None and project.sources_file_is_required:
        raise config_error(project.sources_label, ["there is no such file, but NOTION_PIPELINE_SOURCES names it"])
    return sources_of(content or {}, project)


def sources_of(content: object, project: Project) -> Sources:
    """The sources in the content of the project's sources file. Their tokens are kept out of messages from now on.

    Raises:
        ConfigError: The content is not valid. One message names all problems.
    """
    label = project.sources_label
    sources = parse_sources(content, label)
    tokens = (source.account.token.env for source in sources.sources if isinstance(source.account, TokenAccount))
    keep_secret(*(project.environ[variable].strip() for variable in tokens if variable in project.environ))
    if problems := _catalog_problems(sources, project):
        raise config_error(label, problems)
    return sources


def _catalog_problems(sources: Sources, project: Project) -> list[str]:
    for variable, value, check in (
        ("NOTION_PIPELINE_CATALOG", project.catalog_override, check_catalog),
        ("NOTION_PIPELINE_DATA_PATH", project.data_path_override, check_data_path),
        (STAGING_VARIABLE, project.environ.get(STAGING_VARIABLE, "").strip(), check_storage),
    ):
        try:
            check(value or "none")
        except ValueError as error:
            return [f"{variable}: {error}"]
    location, published = sources.catalog_location(project), sources.publish_path(project)
    if isinstance(location, Lake):
        if location.file is None and not location.data_path:
            return ["data_path: is missing: a lake on PostgreSQL needs a folder, or s3://bucket/folder, for its files"]
        if published:
            return ["publish: copies only a DuckDB file; a lake is open to readers at any time, so leave this out"]
        return []
    if sources.data_path and project.catalog_override is None:
        return ["data_path: is for a lake, and the catalog is a DuckDB file; leave it out, or name a ducklake: catalog"]
    if published and published.resolve() == location.resolve():
        return [f"publish: found {quoted(sources.publish)}, the catalog itself; name another file"]
    return []


def parse_sources(content: object, label: str = "sources.yaml") -> Sources:
    """The sources in the content of a sources file.

    Raises:
        ConfigError: The content is not valid.
    """
    try:
        return Sources.model_validate(content)
    except ValidationError as error:
        problems = problems_of(error, content, _keys_at)
    raise config_error(label, problems)


def _keys_at(path: KeyPath) -> list[str]:
    """The valid keys of the mapping at a key path of pydantic's, to suggest one for a typo."""
    below_source: dict[int | str, type[BaseModel]] = {"streams": StreamSettings, "watch": Watch, "limits": Limits}
    if path[:1] == ("lake",):
        return list(LakeSettings.model_fields)
    if len(path) < 2:
        return list(Sources.model_fields)
    if len(path) == 2:
        return list(Source.model_fields)
    if path[2] == "account":
        account = OAuthAccount if path[3:4] == ("oauth",) else TokenAccount
        return list((EnvReference if len(path) > 4 else account).model_fields)
    return list(below_source[path[2]].model_fields)


def schema_text() -> str:
    """The JSON schema of sources.yaml as sources.schema.json holds it."""
    schema: dict[str, Any] = {"$schema": "http://json-schema.org/draft-07/schema#", **Sources.model_json_schema()}
    schema["title"] = "sources.yaml of notion_pipeline"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
