"""A source before it is written into sources.yaml: the checked answers so far, and the keys that they become."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from notion_pipeline.cli.wizard.writer import SourceEntry
from notion_pipeline.config.fields.values import check_source_name, check_table
from notion_pipeline.config.selection import names_database
from notion_pipeline.config.sources import KnownNames, Source, SyncType, definition_names
from notion_pipeline.messages import quoted
from notion_pipeline.rows.naming import numbered

#: The keys in the order in which they are written.
KEYS = (
    *("description", "account", "start_date", "select", "deselect", "table_prefix", "sync_type", "streams"),
    *("content", "schedule", "full_sync_schedule", "timezone", "watch"),
)
#: A source is not valid without one.
_ANY_ACCOUNT: Mapping[str, Any] = {"type": "token"}
#: What an absent key means, as sources.yaml writes it.
_DEFAULTS: Mapping[str, Any] = {"select": ["*"], "sync_type": "INCREMENTAL", "timezone": "UTC", "table_prefix": ""}


@dataclass
class Draft:
    """The keys of one source as sources.yaml holds them.

    Attributes:
        present: The source as the file has it; empty for a new one.
        names: What the names in the file mean; titles and ids where they are not resolved.
    """

    name: str
    present: Mapping[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    names: KnownNames = field(default_factory=KnownNames)

    def __post_init__(self) -> None:
        self.values = {key: self.present[key] for key in KEYS if self.present.get(key) is not None} | self.values

    def get(self, key: str) -> Any:
        return self.values.get(key, _DEFAULTS.get(key))

    def put(self, key: str, value: Any) -> None:
        """Sets a key; an empty value is no key, and what means the same as the file's is left as the file has it."""
        if self.present and self._means(key, value) == self._means(key, self.present.get(key)):
            value = self.present.get(key)
        elif value in (None, "", [], {}):
            value = None
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def source(self) -> Source:
        """The source as the file has it, with the account of the draft."""
        return Source.model_validate({**self.present, "name": self.name, "account": self.get("account")})

    def meaning(self, key: str) -> Any:
        """What the pipeline reads from a key of the draft."""
        return self._means(key, self.get(key))

    def _means(self, key: str, value: Any) -> Any:
        """What the pipeline reads from a value; the value itself where it is not valid."""
        try:
            given = {} if value in (None, "", []) else {key: value}
            return getattr(Source.model_validate({"name": self.name, "account": _ANY_ACCOUNT, **given}), key)
        except ValidationError:
            return value

    def list_of(self, key: str) -> list[str]:
        """A key that may be one or several, as a list."""
        value = self.get(key)
        return [value] if isinstance(value, str) else list(value or ())

    def stream(self, database_id: str, title: str) -> dict[str, Any]:
        """The settings of one stream so far."""
        return dict((self.get("streams") or {}).get(self._stream_key(database_id, title)) or {})

    def set_stream(self, database_id: str, title: str, **settings: str | None) -> None:
        """Changes settings of one stream; None takes one out. Its key stays what it is, the id for a new one."""
        streams = dict(self.get("streams") or {})
        key = self._stream_key(database_id, title)
        found = {**(streams.pop(key, None) or {}), **settings}
        kept = {name: value for name, value in found.items() if value is not None}
        if kept:
            streams[key] = kept
        self.put("streams", streams)

    def _stream_key(self, database_id: str, title: str) -> str:
        keys = (key for key in self.get("streams") or {} if self._names(key, database_id, title))
        return next(keys, database_id)

    def _names(self, key: str, database_id: str, title: str) -> bool:
        kept = self.names.databases.get(("streams", key))
        return names_database(key, database_id, title) if kept is None else database_id in kept

    def entry(self, titles: Mapping[str, str]) -> SourceEntry:
        """What is to be written: of a source that is there, what differs."""
        values = {key: self.values.get(key) for key in KEYS}
        changed = {key: value for key, value in values.items() if value != self.present.get(key)}
        return SourceEntry(
            self.name, {key: value for key, value in changed.items() if value is not None or self.present}, titles
        )


def check_name(name: str, taken: Iterable[str]) -> str:
    """A name that no other source has, nor shares a Dagster name with.

    Raises:
        ValueError: It is taken, or no name of a source.
    """
    check_source_name(name)
    ours = definition_names(name)
    for other in taken:
        if other == name:
            raise ValueError(f"found {quoted(name)}, which is a source already")
        if met := sorted(ours.keys() & definition_names(other).keys()):
            raise ValueError(f"found {quoted(name)}, which would have {met[0]} in common with source {other}")
    return name


def suggested_name(taken: Collection[str]) -> str:
    """A free name: `notion` for the first source, then numbered."""
    return next(name for name in numbered("notion") if _is_free(name, taken))


def _is_free(name: str, taken: Collection[str]) -> bool:
    try:
        check_name(name, taken)
    except ValueError:
        return False
    return True


def check_own_table(name: str, others: Iterable[str]) -> str:
    """A table name that no other stream has.

    Raises:
        ValueError: It cannot be one.
    """
    check_table(name)
    if name.lower() in {other.lower() for other in others}:
        raise ValueError(f"found {quoted(name)}, which is another stream's table")
    return name


def check_sync_type(value: str) -> str:
    """A sync type as sources.yaml writes it, whatever its case.

    Raises:
        ValueError: It is none.
    """
    wanted = value.strip().upper()
    if wanted not in SyncType.__members__:
        raise ValueError(f"found {quoted(value)}, allowed: {', '.join(SyncType.__members__)}")
    return wanted
