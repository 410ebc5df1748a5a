"""Loads the sample company's files into a workspace.

`company.yaml` names the staff and the databases in the order of their making; `<database>.yaml` holds a database's
schema, `<database>.jsonl` one row a line. Rows are named by keys such as `task/12`, people by their names. Dates are
counted in days from the story's end: `{today-3}`, or `{today-3|%d %b %Y}` in another form. `pages.yaml` says what
stands on pages beyond the text that rows bring along.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from importlib import resources
from typing import Any, Final

import yaml

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sandbox.model.values import Raw
from notion_pipeline.sandbox.sample.formulas import FORMULAS
from notion_pipeline.sandbox.sample.pages import PageLoader
from notion_pipeline.sandbox.sample.texts import Texts, row_id

#: Where the story ends when nobody says otherwise.
STORY_ENDS: Final = datetime(2026, 7, 1, 9, 0, tzinfo=timezone.utc)
SAMPLE_TOKEN: Final = "ntn_sandbox_token"  # noqa: S105 - opens the pretend workspace and nothing else

#: Less than Notion's 20,000 blocks, so that one of the pages is cut.
_MARKDOWN_LIMIT: Final = 147
_DATA: Final = resources.files(__package__) / "data"


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
    texts = Texts(workspace, now.replace(second=0, microsecond=0), users)
    loader = _Loader(texts)
    for key in company["databases"]:
        loader.add_database(key)
    PageLoader(texts, _yaml).add_all()
    for discussion in _yaml("comments"):
        _add_discussion(texts, discussion)
    workspace.markdown_limit = _MARKDOWN_LIMIT
    return workspace


def _add_discussion(texts: Texts, discussion: Mapping[str, Any]) -> None:
    page = texts.workspace.page(row_id(discussion["page"]))
    thread: str | None = None
    for said in discussion["comments"]:
        comment = texts.workspace.add_comment(
            page, said["text"], thread, by=texts.users[said["by"]], created_at=texts.moment(said["at"])
        )
        thread = comment.discussion_id
    if thread is not None and discussion.get("resolved"):
        texts.workspace.resolve_discussion(thread)


def _yaml(name: str) -> Any:
    return yaml.safe_load((_DATA / f"{name}.yaml").read_text(encoding="utf-8"))


def _rows(name: str) -> Iterator[dict[str, Any]]:
    file = _DATA / f"{name}.jsonl"
    if file.is_file():
        yield from map(json.loads, file.read_text(encoding="utf-8").split("\n")[:-1])


@dataclass(frozen=True)
class _Loader:
    """Puts databases and rows into a workspace."""

    texts: Texts

    @property
    def workspace(self) -> Workspace:
        return self.texts.workspace

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
        return self.texts.now - timedelta(days=days, seconds=days % 60, milliseconds=days * 7 % 1000)

    def _schema(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._property(spec) for name, spec in properties.items()}

    def _property(self, spec: str | dict[str, Any]) -> Any:
        if isinstance(spec, str):
            return spec
        resolved = dict(spec)
        if "compute" in spec:
            resolved["compute"] = partial(FORMULAS[spec["compute"]], today=self.texts.now.date())
        if spec.get("target", "self") != "self":
            resolved["target"] = self.workspace.databases[row_id(spec["target"])]
        return resolved

    def _add_rows(self, source: DataSource, key: str) -> None:
        for row in _rows(key):
            values = {name: self._value(value, source.properties[name].type) for name, value in row["values"].items()}
            edited = self.texts.moment(row["edited"])
            page = source.add_page(
                values,
                id=row_id(row["key"]),
                created_at=self.texts.moment(row["created"]),
                created_by=self.texts.users[row["created_by"]],
                edited_at=edited,
                **{name: row[name] for name in _ROW_OPTIONS if name in row},
            )
            self.workspace.edit_page(page, edited_at=edited, edited_by=self.texts.users[row["edited_by"]])

    def _value(self, value: Any, property_type: str) -> Any:
        if isinstance(value, dict) and "raw" in value:
            return Raw(self.texts.dated(value["raw"]))
        if property_type == "relation":
            return [row_id(key) for key in value]
        if property_type == "people":
            return [self.texts.users[entry] if isinstance(entry, str) else entry for entry in value]
        if isinstance(value, list) and property_type in ("title", "rich_text"):
            return self.texts.rich(value)
        return self.texts.dated(value)


_DATABASE_OPTIONS: Final = ("description", "icon", "cover", "shared", "is_wiki", "data_source_name")
_ROW_OPTIONS: Final = ("in_trash", "archived", "icon", "cover", "content")
