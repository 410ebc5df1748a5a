"""The schema of one data source as a read needs it: without what is excluded, and with the server's time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from notion_pipeline.catalog.state import StreamState
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import ConfigError, NotionError, NotionNotFoundError
from notion_pipeline.listing.exclusions import loose_exclusions
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.rows.properties import (
    Exclusion,
    Property,
    PropertyId,
    fitting_properties,
    name_mark,
    parse_properties,
    schema_snapshot,
)
from notion_pipeline.rows.schema_changes import SchemaChange, schema_changes
from notion_pipeline.rows.text.timestamps import as_datetime

_LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class ReadSchema:
    """A data source's properties, and the server's clock when they were seen.

    Attributes:
        server_time: Not later than the answer that showed them: what a read that begins now is complete up to.
        present: Not earlier than that, as far as Notion told; None where no answer had a Date.
    """

    properties: tuple[Property, ...]
    server_time: datetime
    present: datetime | None

    def in_order(self, ids: Sequence[str]) -> ReadSchema:
        """The same with its properties in the order of a stage's columns; answers need not agree in it."""
        places = {property_id: place for place, property_id in enumerate(ids)}
        return replace(self, properties=tuple(sorted(self.properties, key=lambda prop: places[prop.id])))


def is_ahead(state: StreamState | None, present: datetime | None) -> bool:
    """Whether the bookmark is later than a server's time that came after it."""
    return state is not None and state.bookmark is not None and present is not None and state.bookmark > present


def rereading_changes(before: ReadSchema, after: ReadSchema) -> list[SchemaChange]:
    """The changes that make rows read under the one schema wrong under the other."""
    changes = schema_changes(schema_snapshot(before.properties), schema_snapshot(after.properties))
    return [change for change in changes if change.forces_full_read]


class SchemaParser:
    """Parses the schema of one data source, and keeps the ids of the excluded properties that it has seen.

    Attributes:
        excluded: Names and ids of the properties left out, sorted.
        excluded_ids: Ids of the excluded properties seen, by the mark of their names.
    """

    def __init__(self, source: Source, database_id: str, title: str) -> None:
        self._source = source
        self._database_id = database_id
        self._title = title
        self.excluded = tuple(sorted(source.settings_for(database_id, title).exclude_properties))
        self.excluded_ids: dict[str, frozenset[str]] = {}

    def parse(self, raw: dict[str, Any]) -> tuple[Property, ...]:
        """The properties without the excluded ones. Their ids are kept: they stay excluded through renames.

        Raises:
            ConfigError: A property is excluded by a key of `streams` that may be meant for this database.
        """
        for name in self.excluded:
            if type(name) is str and (fitting := fitting_properties(name, [raw])):
                mark = name_mark(name)
                self.excluded_ids[mark] = self.excluded_ids.get(mark, frozenset()) | fitting.keys()
        found = {PropertyId(key) for ids in self.excluded_ids.values() for key in ids}
        self.excluded = tuple(sorted([*self.excluded, *(found - {*self.excluded})]))
        self._refuse_loose_exclusions(raw)
        return parse_properties(raw, self.excluded)

    def _refuse_loose_exclusions(self, raw: dict[str, Any]) -> None:
        """An excluded property must not be loaded because nobody can tell which database a key of `streams` means."""
        for problem in loose_exclusions(self._source, self._database_id, self._title, [raw]):
            raise ConfigError(
                problem,
                hint=f"Where it is meant, write its id {self._database_id} as the key. Where it is not, take the key "
                f'out, or give this database a key of its own: streams: {{"{self._database_id}": {{}}}}.',
            )


class SchemaReader:
    """Gets the schema of one data source."""

    def __init__(
        self,
        client: NotionClient,
        source: Source,
        target: DatabaseTarget,
        data_source: DataSourceTarget,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._data_source = data_source
        self._say = say
        self._parser = SchemaParser(source, target.id, target.title)

    @property
    def excluded(self) -> tuple[str, ...]:
        """Names and ids of the properties left out, sorted."""
        return self._parser.excluded

    @property
    def excluded_ids(self) -> dict[str, frozenset[str]]:
        """Ids of the excluded properties seen, by the mark of their names."""
        return self._parser.excluded_ids

    async def first(self, state: StreamState | None) -> ReadSchema:
        """The schema that a read begins with: the listing's, where that is of this run."""
        raw, server_time = self._data_source.raw, self._data_source.server_time
        if raw is None or server_time is None:
            schema = await self.get()
        else:
            schema = self._schema_of(raw, server_time, server_time)
        if is_ahead(state, schema.present):
            # One clock does not overrule a bookmark; and another run may have moved the bookmark since the listing.
            again = await self.get()
            schema = replace(again, server_time=min(schema.server_time, again.server_time))
        return schema

    def _schema_of(self, raw: dict[str, Any], server_time: datetime, present: datetime | None) -> ReadSchema:
        return ReadSchema(self._parser.parse(raw), server_time, present)

    async def get(self) -> ReadSchema:
        """The schema as Notion has it now.

        Raises:
            NotionError: The data source is in the trash, or Notion does not give it.
        """
        answer = await self._client.data_source(self._data_source.id)
        if answer.body.get("in_trash"):
            # What a query on it would answer is not documented (notion-api.md section 4).
            raise NotionNotFoundError(
                f"data source {self._data_source.id} is in Notion's trash.",
                hint="Restore it in Notion, or materialize the listing: its partition goes then, its table stays.",
                status=404,
            )
        if answer.server_time is not None:
            return self._schema_of(answer.body, answer.server_time, answer.server_time)
        # The local clock is no answer: edits would be lost where it is ahead. The data source was edited in the past.
        known = (as_datetime(answer.body.get(stamp)) for stamp in ("last_edited_time", "created_time"))
        past = next((moment for moment in known if moment is not None), _LONG_AGO)
        self._say(f"Notion's answer does not tell its time; the next sync reads what was edited since {past}.")
        return self._schema_of(answer.body, past, None)

    async def get_if_visible(self) -> ReadSchema | None:
        """The same; None where Notion does not give it."""
        try:
            return await self.get()
        except NotionError:
            return None

    def shows_excluded(self, schema: ReadSchema) -> bool:
        """Whether a property of this schema has taken an excluded name since."""
        excluded = Exclusion(self.excluded)
        return any(excluded.covers(prop.name, prop.id) for prop in schema.properties)
