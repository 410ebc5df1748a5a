"""Loads the sample company's files into a workspace.

`company.yaml` names the staff and the databases in the order of their making; `<database>.yaml` holds a database's
schema, `<database>.jsonl` one row a line. Rows are named by keys such as `task/12`, people by their names. Dates are
counted in days from the story's end: `{today-3}`, or `{today-3|%d %b %Y}` in another form.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from importlib import resources
from typing import Any, Final

import yaml

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sandbox.model.richtext import equation, mention_date, mention_page, mention_user, text
from notion_pipeline.sandbox.model.users import User
from notion_pipeline.sandbox.model.values import Raw
from notion_pipeline.sandbox.sample.formulas import FORMULAS

#: Where the story ends when nobody says otherwise.
STORY_ENDS: Final = datetime(2026, 7, 1, 9, 0, tzinfo=timezone.utc)
SAMPLE_TOKEN: Final = "ntn_sandbox_token"  # noqa: S105 - opens the pretend workspace and nothing else

_DATA: Final = resources.files(__package__) / "data"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "fernweh.example")
_DAY: Final = re.compile(r"\{today([+-]\d+)(?:\|([^}]*))?\}")


def sample_workspace(*, token: str = SAMPLE_TOKEN, now: datetime | None = None, **options: Any) -> Workspace:
    """The company's workspace, as one connection sees it; each call gives the same, ids included.

    Args:
        token: What the connection shows as its bearer token.
        now: Aware moment at which the story ends; every row is older. The dates move along with it, the ids do not.
        **options: Handed on to Workspace, such as `switches`.
    """
    now = now or STORY_ENDS
    company = _yaml("company")
    workspace = Workspace(**{"name": company["name"], "token": token, "now": now, **options})
    for person in company["staff"]:
        workspace.add_user(person["name"], email=person["email"])
    for name in company["bots"]:
        workspace.add_user(name, kind="bot")
    users = {user.name: user for user in workspace.users.values() if user.name}
    loader = _Loader(workspace, now.replace(second=0, microsecond=0), users)
    for key in company["databases"]:
        loader.add_database(key)
    return workspace


def row_id(key: str) -> str:
    """The dashed id of the row or database of this key, such as `task/12`."""
    return str(uuid.uuid5(_NAMESPACE, key))


def _yaml(name: str) -> Any:
    return yaml.safe_load((_DATA / f"{name}.yaml").read_text(encoding="utf-8"))


def _rows(name: str) -> Iterator[dict[str, Any]]:
    file = _DATA / f"{name}.jsonl"
    if file.is_file():
        yield from map(json.loads, file.read_text(encoding="utf-8").split("\n")[:-1])


@dataclass(frozen=True)
class _Loader:
    """Puts databases and rows into a workspace; `now` is the minute at which the story ends, `users` go by name."""

    workspace: Workspace
    now: datetime
    users: Mapping[str, User]

    def add_database(self, key: str) -> None:
        """A database with all its data sources and rows."""
        spec = _yaml(key)
        parent = spec.get("parent")
        database = self.workspace.add_database(
            spec["title"],
            self._schema(spec["properties"]),
            id=row_id(key),
            created_at=self._founded(spec["founded"]),
            parent=self._source(parent) if parent else None,
            **{name: spec[name] for name in _DATABASE_OPTIONS if name in spec},
        )
        self._add_rows(database.data_source, key)
        for more in spec.get("more_data_sources", ()):
            source = database.add_data_source(
                more["name"], self._schema(more["properties"]), created_at=self._founded(more["founded"])
            )
            self._add_rows(source, f"{key}.{more['name'].lower()}")

    def _source(self, key: str) -> DataSource:
        return self.workspace.databases[row_id(key)].data_source

    def _founded(self, days: int) -> datetime:
        """The moment of a database's making, so many days ago; finer than a minute, as Notion's are."""
        return self.now - timedelta(days=days, seconds=days % 60, milliseconds=days * 7 % 1000)

    def _schema(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._property(spec) for name, spec in properties.items()}

    def _property(self, spec: str | dict[str, Any]) -> Any:
        if isinstance(spec, str):
            return spec
        resolved = dict(spec)
        if "compute" in spec:
            resolved["compute"] = partial(FORMULAS[spec["compute"]], today=self.now.date())
        if spec.get("target", "self") != "self":
            resolved["target"] = self.workspace.databases[row_id(spec["target"])]
        return resolved

    def _add_rows(self, source: DataSource, key: str) -> None:
        for row in _rows(key):
            values = {name: self._value(value, source.properties[name].type) for name, value in row["values"].items()}
            edited = self._moment(row["edited"])
            page = source.add_page(
                values,
                id=row_id(row["key"]),
                created_at=self._moment(row["created"]),
                created_by=self.users[row["created_by"]],
                edited_at=edited,
                **{name: row[name] for name in _ROW_OPTIONS if name in row},
            )
            self.workspace.edit_page(page, edited_at=edited, edited_by=self.users[row["edited_by"]])

    def _moment(self, written: str) -> datetime:
        """The minute that `-12 09:41` means: so many days before the story's end, at that time."""
        days, _, time = written.partition(" ")
        hour, minute = map(int, time.split(":"))
        return (self.now + timedelta(days=int(days))).replace(hour=hour, minute=minute)

    def _value(self, value: Any, property_type: str) -> Any:
        if isinstance(value, dict) and "raw" in value:
            return Raw(self._dated(value["raw"]))
        if property_type == "relation":
            return [row_id(key) for key in value]
        if property_type == "people":
            return [self.users[entry] if isinstance(entry, str) else entry for entry in value]
        if isinstance(value, list) and property_type in ("title", "rich_text"):
            return [self._piece(piece) for piece in value]
        return self._dated(value)

    def _piece(self, piece: Mapping[str, Any]) -> dict[str, Any]:
        """One item of rich text: its kind comes first, its style after it."""
        kind, *style = piece
        return self._pieces[kind](self._dated(piece[kind]), **{name: piece[name] for name in style})

    @property
    def _pieces(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {
            "text": text,
            "equation": equation,
            "mention_date": mention_date,
            "mention_user": lambda name: mention_user(self.users[name]),
            "mention_page": lambda key: mention_page(self.workspace.page(row_id(key))),
        }

    def _dated(self, value: Any) -> Any:
        """The value with each `{today-3}` in it as that day, and each `user:NAME` as that person's id."""
        if isinstance(value, dict):
            return {key: self._dated(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._dated(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value.startswith("user:"):
            return self.users[value.removeprefix("user:")].id
        return _DAY.sub(lambda day: f"{self.now + timedelta(days=int(day[1])):{day[2] or '%Y-%m-%d'}}", value)


_DATABASE_OPTIONS: Final = ("description", "icon", "cover", "shared", "is_wiki", "data_source_name")
_ROW_OPTIONS: Final = ("in_trash", "archived", "icon", "cover", "content")
