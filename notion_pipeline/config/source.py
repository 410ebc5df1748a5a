"""One source of sources.yaml: an account, what is read through it, how, and when.

Editors show the descriptions here (sources.schema.json). A source compares databases by title, until it is told the ids
that its names were found to mean (`knowing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from notion_pipeline.config import selection
from notion_pipeline.config.account import Account
from notion_pipeline.config.content import CONTENT_SELECT, Content, ContentSwitch
from notion_pipeline.config.fields import values as config_values
from notion_pipeline.config.fields.key_types import (
    Crons,
    Entry,
    FrozenModel,
    Owners,
    Span,
    StartDate,
    Tags,
    Text,
    WholeNumber,
    nothing_as,
)
from notion_pipeline.config.known_names import KnownNames
from notion_pipeline.config.stream_settings import StreamSettings, SyncType, stream_problem
from notion_pipeline.config.yaml_file import config_error
from notion_pipeline.errors import ConfigError
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.rows.properties import PropertyId, name_mark


def _watch_switch(value: object) -> object:
    return None if value is False else {} if value is True else value


class Watch(FrozenModel):
    """The sensor that asks for a sync of what was edited or newly shared."""

    every_seconds: WholeNumber = Field(default=60, ge=5, description="How often Notion is asked.")


class Limits(FrozenModel):
    """How hard Notion is asked."""

    concurrent_requests: WholeNumber = Field(default=8, ge=1, le=64, description="Requests at the same time.")
    requests_per_minute: WholeNumber | None = Field(
        default=None, ge=1, description="Requests in a minute; null is as many as Notion allows."
    )


class Source(FrozenModel):
    """One Notion account, and what is read through it."""

    _names: KnownNames = PrivateAttr(default_factory=KnownNames)
    name: Annotated[str, AfterValidator(config_values.check_source_name)] = Field(
        description="Name of the source: of its schema in DuckDB, its assets, jobs, schedules and sensor.",
        json_schema_extra={"pattern": config_values.SOURCE_NAME},
    )
    description: Annotated[Text, AfterValidator(config_values.check_description), nothing_as("")] = Field(
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
    deselect: Annotated[tuple[Entry, ...], nothing_as(())] = Field(
        default=(), description="What of it is not, named in the same ways."
    )
    table_prefix: Annotated[Text, AfterValidator(config_values.check_prefix), nothing_as("")] = Field(
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
    streams: Annotated[dict[Entry, Annotated[StreamSettings, nothing_as({})]], nothing_as({})] = Field(
        default={}, description="What differs for single streams, by title, id, address, stream or table name."
    )
    content: ContentSwitch = Field(
        default=None, description="Read the pages' content too: true, or its settings. Costs a request a page."
    )
    schedule: Crons = Field(default=(), description="When to sync: a cron or a list of crons.")
    full_sync_schedule: Crons = Field(default=(), description="When to sync in full: a cron or a list of crons.")
    timezone: Annotated[Text, AfterValidator(config_values.check_time_zone)] = Field(
        default="UTC", description="Time zone of the schedules, such as Europe/Paris."
    )
    watch: Annotated[Watch | None, BeforeValidator(_watch_switch, json_schema_input_type=Watch | bool | None)] = Field(
        default=None, description="The sensor that syncs what was edited; without it the sensor is stopped."
    )
    limits: Annotated[Limits, nothing_as({})] = Field(default=Limits(), description="How hard Notion is asked.")

    @model_validator(mode="after")
    def _streams_are_apart(self) -> Source:
        problem = stream_problem(self.streams)
        if problem:
            raise ValueError(problem)
        return self

    def knowing(self, names: KnownNames) -> Source:
        """The same source, which compares the known names by id; other names are compared by title."""
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
        """Whether this database is read: an entry of `select` fits it and no entry of `deselect` does."""
        return any(self._fits("select", entry, database_id, title) for entry in self.select) and not self.deselects(
            database_id, title
        )

    def deselects(self, database_id: str, title: str) -> bool:
        """Whether an entry of `deselect` fits this database."""
        return any(self._fits("deselect", entry, database_id, title) for entry in self.deselect)

    def names(self, key: str, entry: str, database_id: str, title: str) -> bool:
        """Whether an entry of a key of sources.yaml means this database. A glob names no single database."""
        if (key, entry) in self._names.databases:
            return self._fits(key, entry, database_id, title)
        return selection.names_database(entry, database_id, title)

    def settings_for(self, database_id: str, title: str) -> StreamSettings:
        """The settings of one stream, with the source's sync type, owners and tags as defaults.

        `exclude_properties` has the names as written and the ids of all properties that they were ever found to mean,
        also in a data source that moved here from a database whose settings exclude them.
        """
        settings = [own for key, own in self.streams.items() if self._fits("streams", key, database_id, title)]
        own = settings[0] if settings else StreamSettings()
        known = {PropertyId(key) for name in own.exclude_properties for key in self.property_ids(database_id, name)}
        known |= {PropertyId(key) for key in self._names.moved.get(database_id, ())}
        update = {
            "sync_type": own.sync_type or self.sync_type,
            "exclude_properties": (*own.exclude_properties, *sorted(known)),
            "owners": own.owners or self.owners,
            "tags": {**self.tags, **own.tags},
        }
        return own.model_copy(update=update)

    @property
    def reads_content(self) -> bool:
        """Whether anything but rows is read."""
        return self.content is not None or any(own.content and own.content.select for own in self.streams.values())

    @property
    def reads_standalone_pages(self) -> bool:
        """Whether the pages that are in no database are read."""
        return self.content is not None and self.content.pages

    @property
    def reads_users(self) -> bool:
        """Whether the workspace's users are read, beside those that rows show."""
        return self.content is not None and self.content.users

    @property
    def reads_comments(self) -> bool:
        """Whether comments are read, of any pages."""
        everywhere = self.content is not None and self.content.comments is not None
        return everywhere or any(own.content and own.content.comments for own in self.streams.values())

    @property
    def keeps_files(self) -> bool:
        """Whether hosted files are downloaded, of any pages."""
        everywhere = self.content is not None and self.content.files is not None
        return everywhere or any(own.content and own.content.files for own in self.streams.values())

    def content_for(self, database_id: str, title: str) -> Content | None:
        """What is read of the pages of this database; None where their rows are all."""
        own = self.settings_for(database_id, title).content
        if own is not None:
            return own.over(self.content or Content()) if own.select else None
        if self.content is None:
            return None
        is_chosen = any(self._fits(CONTENT_SELECT, entry, database_id, title) for entry in self.content.select)
        return self.content if is_chosen else None

    def property_ids(self, database_id: str, name: str) -> frozenset[str]:
        """Ids of the properties of a database that a name in `exclude_properties` was ever found to mean."""
        return self._names.properties.get((database_id, name_mark(name)), frozenset())

    def excluded_before(self, database_id: str, data_sources: Iterable[str]) -> frozenset[str]:
        """Ids of properties of these data sources that the settings of their former database exclude.

        Args:
            database_id: The database that the data sources are in now.
        """
        found: set[str] = set()
        for key, own in self.streams.items():
            owners = self._names.databases.get(("streams", key), frozenset()) - {database_id}
            for mark in (name_mark(name) for name in own.exclude_properties):
                theirs = {prop for owner in owners for prop in self._names.properties.get((owner, mark), ())}
                for data_source in data_sources:
                    found |= theirs & self._names.properties.get((data_source, mark), frozenset())
        return frozenset(found)

    def ids_called(self, entry: str) -> frozenset[str]:
        """Ids of the databases that this text was found to mean in sources.yaml, whatever their titles are now."""
        called = (ids for (_, name), ids in self._names.databases.items() if selection.same_name(name, entry))
        return frozenset().union(*called)

    def databases_called(
        self, entry: str, databases: Iterable[selection.DatabaseName], *, globs: bool = True
    ) -> list[selection.DatabaseName]:
        """The databases that a text fits today; if none, those that it was found to mean in sources.yaml."""
        listed = list(databases)
        found = selection.find_databases(entry, listed, globs=globs)
        return found or [database for database in listed if database.id in self.ids_called(entry)]

    def loose_exclusions(self, database_id: str, title: str) -> list[tuple[str, StreamSettings]]:
        """Keys of `streams` that exclude properties and may be meant for this database, though they do not fit it.

        These are keys that fit no database at all, and keys of another database that name this one's title. There are
        none if the database has settings of its own.
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
        """How one stream is synced, unless a run asks otherwise."""
        return self.settings_for(database_id, title).sync_type or self.sync_type

    def table_for(self, database_id: str, title: str) -> str | None:
        """The table name that the user gave the stream; None where it is made of prefix and title."""
        return self.settings_for(database_id, title).table

    def named_ids(self) -> list[str]:
        """Ids of databases and data sources in `select` and `streams`, which are fetched if search misses them."""
        ids = (selection.named_id(entry) for entry in (*self.select, *self.streams))
        return list(dict.fromkeys(database_id for database_id in ids if database_id))

    def ambiguous_streams(
        self, databases: Iterable[tuple[str, str]], *, file: str = "sources.yaml"
    ) -> dict[str, ConfigError]:
        """Errors for databases that share a key of `streams`, or that several keys fit: they must not be read.

        Titles are not unique in Notion; ids are. The other databases of the source are read.

        Args:
            databases: Id and title of each database of the listing.
            file: Name of the sources file for messages (`Project.sources_label`).

        Returns:
            The error by database id.
        """
        return {
            database_id: config_error(file, [f"sources ({self.name}): {problem}"])
            for ids, problem in selection.ambiguous(
                self.streams, databases, lambda *named: self._fits("streams", *named)
            )
            for database_id in ids
        }
