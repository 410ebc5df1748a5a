"""sources.yaml as frozen values: which Notion accounts are read, what of them, how, and when.

The descriptions here are what editors show: `python -m notion_pipeline.config.sources` prints the JSON schema made of
them, kept as sources.schema.json. `values` and `cron` read single values, `yaml_file` reads the file, and `selection`
compares entries with databases. Nothing here imports Dagster, so that commands start quickly.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from notion_pipeline.config import selection
from notion_pipeline.config import values as config_values
from notion_pipeline.config.account import (
    Account,
    Entry,
    EnvReference,
    FrozenModel,
    OAuthAccount,
    Text,
    TokenAccount,
    resolve_token,
)
from notion_pipeline.config.cron import parse_crons
from notion_pipeline.config.yaml_file import KeyPath, config_error, problems_of, read_mapping, source_label
from notion_pipeline.errors import ConfigError
from notion_pipeline.messages import nearest, quoted
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.redaction import keep_secret
from notion_pipeline.rows.properties import PropertyId, name_mark

if TYPE_CHECKING:
    from pathlib import Path

    from notion_pipeline.project import Project

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


class SyncType(str, Enum):
    """How a stream is synced."""

    INCREMENTAL = "INCREMENTAL"
    FULL_TABLE = "FULL_TABLE"

    def __str__(self) -> str:
        return self.value


def _nothing_as(empty: object) -> BeforeValidator:
    """A key that is there without a value means the same as no key."""
    return BeforeValidator(lambda value: empty if value is None else value)


def _watch_switch(value: object) -> object:
    return None if value is False else {} if value is True else value


FilePath = Annotated[Text, AfterValidator(config_values.check_path)]
TableName = Annotated[Text, AfterValidator(config_values.check_table)]
TagKey = Annotated[Text, AfterValidator(config_values.check_tag_key)]
TagValue = Annotated[Text, AfterValidator(config_values.check_tag_value)]
Owners = Annotated[tuple[Annotated[Text, AfterValidator(config_values.check_owner)], ...], _nothing_as(())]
Tags = Annotated[dict[TagKey, TagValue], _nothing_as({})]
WholeNumber = Annotated[int, Field(strict=True)]
Crons = Annotated[tuple[str, ...], PlainValidator(parse_crons, json_schema_input_type=str | list[str] | None)]
StartDate = Annotated[
    datetime | None,
    PlainValidator(config_values.parse_start_date),
    WithJsonSchema({"type": ["string", "null"], "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
Span = Annotated[
    timedelta | None,
    PlainValidator(config_values.parse_span),
    WithJsonSchema({"type": "string", "pattern": r"^([1-9]\d{0,5} ?[dhm]|never)$"}),
]


class StreamSettings(FrozenModel):
    """What differs for one stream."""

    table: TableName | None = Field(default=None, description="Table name; by default made of the database's title.")
    sync_type: SyncType | None = Field(default=None, description="How this stream is synced, unlike its source.")
    exclude_properties: Annotated[tuple[Entry, ...], _nothing_as(())] = Field(
        default=(), description="Properties, by name or id, that are not stored anywhere."
    )
    owners: Owners = Field(
        default=(), description="Owners of this stream's tables in Dagster, instead of the source's."
    )
    tags: Tags = Field(default={}, description="Tags of this stream's tables in Dagster, beside the source's.")


class Watch(FrozenModel):
    """The sensor that asks for a sync of what was edited or newly shared."""

    every_seconds: WholeNumber = Field(default=60, ge=5, description="How often Notion is asked.")


class Limits(FrozenModel):
    """How hard Notion is asked."""

    concurrent_requests: WholeNumber = Field(default=8, ge=1, le=64, description="Requests at the same time.")
    requests_per_minute: WholeNumber | None = Field(
        default=None, ge=1, description="Requests in a minute; null is as many as Notion allows."
    )


@dataclass(frozen=True)
class KnownNames:
    """What the names in one source's part of sources.yaml were found to mean. An id outlives renames in Notion.

    Attributes:
        databases: Database ids by key of sources.yaml (`select`, `deselect` or `streams`) and entry.
        properties: Property ids by database id and mark of the name (`properties.name_mark`).
    """

    databases: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    properties: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)


class Source(FrozenModel):
    """One Notion account, and what is read through it."""

    _names: KnownNames = PrivateAttr(default_factory=KnownNames)
    name: Annotated[str, AfterValidator(config_values.check_source_name)] = Field(
        description="Name of the source: of its schema in DuckDB, its assets, jobs, schedules and sensor.",
        json_schema_extra={"pattern": config_values.SOURCE_NAME},
    )
    description: Annotated[Text, AfterValidator(config_values.check_description), _nothing_as("")] = Field(
        default="",
        description=f"Shown in Dagster; at most {config_values.MAX_DESCRIPTION} characters.",
        json_schema_extra={"maxLength": config_values.MAX_DESCRIPTION},
    )
    owners: Owners = Field(default=(), description="Owners of its assets in Dagster: e-mail addresses, or team:NAME.")
    tags: Tags = Field(default={}, description="Tags of its assets in Dagster, such as domain: sales.")
    account: Account = Field(description="How Notion is reached: by token, or by an authorised workspace.")
    start_date: StartDate = Field(
        default=None,
        description="Pages last edited before it are not read. A date (00:00 UTC), or a time with its offset.",
    )
    select: tuple[Entry, ...] = Field(
        default=("*",), description="What is read: titles, globs on titles, ids, addresses, stream or table names."
    )
    deselect: Annotated[tuple[Entry, ...], _nothing_as(())] = Field(
        default=(), description="What of it is not, named in the same ways."
    )
    table_prefix: Annotated[Text, AfterValidator(config_values.check_prefix), _nothing_as("")] = Field(
        default="", description="Stands before table names that are made of titles."
    )
    sync_type: SyncType = Field(
        default=SyncType.INCREMENTAL, description="How streams are synced unless they say otherwise themselves."
    )
    deleted_rows: Literal["remove", "mark"] = Field(
        default="remove",
        description="What a full sync does with rows gone from Notion: remove them, or mark them in _deleted_at.",
    )
    full_sync_every: Span = Field(
        default=timedelta(days=7),
        description="Age of the last full read at which data sources with formulas, rollups or relations are read "
        "in full again: days, hours or minutes such as 7d, 12h or 30m, or never.",
        json_schema_extra={"default": "7d"},
    )
    lookback_minutes: WholeNumber = Field(
        default=5, ge=0, le=525_600, description="How far before its bookmark an incremental read starts."
    )
    streams: Annotated[dict[Entry, Annotated[StreamSettings, _nothing_as({})]], _nothing_as({})] = Field(
        default={}, description="What differs for single streams, by title, id, address, stream or table name."
    )
    schedule: Crons = Field(default=(), description="When to sync: a cron or a list of crons.")
    full_sync_schedule: Crons = Field(default=(), description="When to sync in full: a cron or a list of crons.")
    timezone: Annotated[Text, AfterValidator(config_values.check_time_zone)] = Field(
        default="UTC", description="Time zone of the schedules, such as Europe/Paris."
    )
    watch: Annotated[Watch | None, BeforeValidator(_watch_switch, json_schema_input_type=Watch | bool | None)] = Field(
        default=None, description="The sensor that syncs what was edited; without it the sensor is stopped."
    )
    limits: Annotated[Limits, _nothing_as({})] = Field(default=Limits(), description="How hard Notion is asked.")

    @model_validator(mode="after")
    def _streams_are_apart(self) -> Source:
        problem = _stream_problem(self.streams)
        if problem:
            raise ValueError(problem)
        return self

    def knowing(self, names: KnownNames) -> Source:
        """The same source, its names meaning what they were found to mean; others fit by title."""
        source = self.model_copy()
        source._names = names
        return source

    def _fits(self, key: str, entry: str, database_id: str, title: str) -> bool:
        known = self._names.databases.get((key, entry))
        if known is not None:
            return (normalise_id(database_id) or database_id) in known
        fits = selection.names_database if key == "streams" else selection.matches_database
        return fits(entry, database_id, title)

    def selects(self, database_id: str, title: str) -> bool:
        """Whether this database is read: it fits an entry of `select` and none of `deselect`."""
        return any(self._fits("select", entry, database_id, title) for entry in self.select) and not self.deselects(
            database_id, title
        )

    def deselects(self, database_id: str, title: str) -> bool:
        """Whether an entry of `deselect` takes this database out."""
        return any(self._fits("deselect", entry, database_id, title) for entry in self.deselect)

    def names(self, key: str, entry: str, database_id: str, title: str) -> bool:
        """Whether an entry of a key of sources.yaml means this database, other than as a glob."""
        if (key, entry) in self._names.databases:
            return self._fits(key, entry, database_id, title)
        return selection.names_database(entry, database_id, title)

    def settings_for(self, database_id: str, title: str) -> StreamSettings:
        """The settings of one stream, with the source's sync type, owners and tags where it has none of its own.

        `exclude_properties` holds the names as they are written, and the ids of the properties that they were ever
        found to mean.
        """
        settings = [own for key, own in self.streams.items() if self._fits("streams", key, database_id, title)]
        own = settings[0] if settings else StreamSettings()
        known = {PropertyId(key) for name in own.exclude_properties for key in self.property_ids(database_id, name)}
        update = {
            "sync_type": own.sync_type or self.sync_type,
            "exclude_properties": (*own.exclude_properties, *sorted(known)),
            "owners": own.owners or self.owners,
            "tags": {**self.tags, **own.tags},
        }
        return own.model_copy(update=update)

    def property_ids(self, database_id: str, name: str) -> frozenset[str]:
        """The properties of a database that a name in `exclude_properties` was ever found to mean."""
        return self._names.properties.get((database_id, name_mark(name)), frozenset())

    def ids_called(self, entry: str) -> frozenset[str]:
        """The databases that sources.yaml calls by this text, whatever they are called in Notion."""
        called = (ids for (_, name), ids in self._names.databases.items() if selection.same_name(name, entry))
        return frozenset().union(*called)

    def databases_called(
        self, entry: str, databases: Iterable[selection.DatabaseName], *, globs: bool = True
    ) -> list[selection.DatabaseName]:
        """The databases that a text means: what it fits today, else what sources.yaml has called by it so far."""
        listed = list(databases)
        found = selection.find_databases(entry, listed, globs=globs)
        return found or [database for database in listed if database.id in self.ids_called(entry)]

    def loose_exclusions(self, database_id: str, title: str) -> list[tuple[str, StreamSettings]]:
        """Keys of `streams` that exclude properties and may be meant for this database, though they do not fit it.

        Those are keys that fit no database at all, and those of another database whose name this one bears. Of a
        database that has settings of its own there are none.
        """
        if any(self._fits("streams", key, database_id, title) for key in self.streams):
            return []
        return [
            (key, own)
            for key, own in self.streams.items()
            if own.exclude_properties
            and not selection.is_id(key)
            and (("streams", key) not in self._names.databases or selection.names_database(key, database_id, title))
        ]

    def sync_type_for(self, database_id: str, title: str) -> SyncType:
        """How one stream is synced, unless a run asks for another way."""
        return self.settings_for(database_id, title).sync_type or self.sync_type

    def table_for(self, database_id: str, title: str) -> str | None:
        """The table name that the user gave the stream, None where it is made of prefix and title."""
        return self.settings_for(database_id, title).table

    def named_ids(self) -> list[str]:
        """Ids of databases and data sources in `select` and `streams`; they are asked for where search misses them."""
        ids = (selection.named_id(entry) for entry in (*self.select, *self.streams))
        return list(dict.fromkeys(database_id for database_id in ids if database_id))

    def check_streams(self, databases: Iterable[tuple[str, str]], *, file: str = "sources.yaml") -> None:
        """Makes sure that each key of `streams` fits one database, and each database one key.

        Args:
            databases: Id and title of each database of the listing.
            file: The sources file as the user knows it (`Project.sources_label`).

        Raises:
            ConfigError: One fits several. Titles are not unique in Notion; ids are.
        """
        problems = selection.ambiguities(self.streams, databases, lambda *named: self._fits("streams", *named))
        if problems:
            raise config_error(file, [f"sources ({self.name}): {problem}" for problem in problems])

    def ambiguous_streams(
        self, databases: Iterable[tuple[str, str]], *, file: str = "sources.yaml"
    ) -> dict[str, ConfigError]:
        """What check_streams refuses, by the id of each database that it is about: nobody else is held up by it."""
        return {
            database_id: config_error(file, [f"sources ({self.name}): {problem}"])
            for ids, problem in selection.ambiguous(
                self.streams, databases, lambda *named: self._fits("streams", *named)
            )
            for database_id in ids
        }

    def resolve_streams(
        self, databases: Iterable[tuple[str, str]], *, file: str = "sources.yaml"
    ) -> dict[str, StreamSettings]:
        """The settings of each database of a listing by its id; see check_streams for what is refused."""
        listing = list(databases)
        self.check_streams(listing, file=file)
        return {database_id: self.settings_for(database_id, title) for database_id, title in listing}


def _stream_problem(streams: Mapping[str, StreamSettings]) -> str | None:
    """What is wrong with the keys and tables of `streams` whatever the listing says."""
    if selection.DATABASES_STREAM in streams:
        return 'streams: the stream "databases" takes no settings; name a database of that title by its id'
    holders: dict[str, str] = {}
    for key, settings in streams.items():
        # DuckDB compares names without regard to case.
        for kind, value in (("table", settings.table and settings.table.lower()), ("id", _only_id(key))):
            first = holders.setdefault(f"{kind} {value}", key) if value else key
            if first != key:
                what = "have one table" if kind == "table" else "name one database"
                shown = settings.table if kind == "table" else value
                return f"streams: {quoted(first)} and {quoted(key)} {what}, {quoted(shown)}"
    return None


def _only_id(key: str) -> str | None:
    return selection.named_id(key) if selection.is_id(key) else None


class Sources(FrozenModel):
    """The whole of sources.yaml."""

    catalog: Annotated[FilePath, _nothing_as("catalog.duckdb")] = Field(
        default="catalog.duckdb", description="The DuckDB file, from the project root on; NOTION_PIPELINE_CATALOG wins."
    )
    publish: FilePath | None = Field(
        default=None, description="Where a copy of the catalog is put after each run, for BI tools to hold open."
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

    def catalog_path(self, project: Project) -> Path:
        """The catalog's file; the environment wins over sources.yaml."""
        return project.catalog_override or project.path(self.catalog)

    def publish_path(self, project: Project) -> Path | None:
        """Where a copy of the catalog is put after each run, None where none is wished for."""
        return project.path(self.publish) if self.publish else None

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
    """What a source adds to the Dagster names that all sources share: name to kind."""
    return {
        f"{source_name}_sync": "job",
        f"{source_name}_full_sync": "job",
        f"{source_name}_schedule": "schedule",
        f"{source_name}_full_sync_schedule": "schedule",
        f"{source_name}_changes": "sensor",
        f"{source_name}_databases": "partitions definition",
    }


def _source_problems(sources: tuple[Source, ...]) -> list[str]:
    """No sources, sources of one name, and sources of which two definitions in Dagster would have one name."""
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
    """What the project's sources file asks for; without one, a single source `notion` that reads NOTION_TOKEN.

    Raises:
        ConfigError: The file cannot be read, or asks for what cannot be. One message names all problems.
    """
    label = project.sources_label
    content = read_mapping(project.sources_file, label)
    if content is None and project.sources_file_is_required:
        raise config_error(label, ["there is no such file, but NOTION_PIPELINE_SOURCES names it"])
    sources = parse_sources(content or {}, label)
    tokens = (source.account.token.env for source in sources.sources if isinstance(source.account, TokenAccount))
    keep_secret(*(project.environ[variable].strip() for variable in tokens if variable in project.environ))
    published = sources.publish_path(project)
    if published and published.resolve() == sources.catalog_path(project).resolve():
        raise config_error(label, [f"publish: found {quoted(sources.publish)}, the catalog itself; name another file"])
    return sources


def parse_sources(content: object, label: str = "sources.yaml") -> Sources:
    """The sources in what a sources file holds.

    Raises:
        ConfigError: It asks for what cannot be.
    """
    try:
        return Sources.model_validate(content)
    except ValidationError as error:
        problems = problems_of(error, content, _keys_at)
    raise config_error(label, problems)


def _keys_at(path: KeyPath) -> list[str]:
    """The valid keys of the mapping at a key path of pydantic's, for the nearest one to a typo."""
    below_source: dict[int | str, type[BaseModel]] = {"streams": StreamSettings, "watch": Watch, "limits": Limits}
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
