"""What a workspace holds: users, tokens, databases, data sources and pages. Values as stored, not as served."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from notion_pipeline.sandbox.model.richtext import plain_text
from notion_pipeline.sandbox.model.schema import Property

if TYPE_CHECKING:
    from notion_pipeline.sandbox.edits.workspace import Workspace


@dataclass(frozen=True)
class User:
    id: str
    name: str
    email: str | None
    kind: str


@dataclass
class Token:
    """One connection: its bot, what was shared with it and what it may do (notion-api.md section 9).

    Attributes:
        databases: Ids this token was granted; None grants every shared database.
        user_information: "with_email", "without_email" or "none".
        owner: The user behind an OAuth or personal token; None for an internal connection.
    """

    value: str
    bot: User
    databases: set[str] | None = None
    user_information: str = "with_email"
    read_content: bool = True
    owner: User | None = None
    revoked: bool = False

    def sees(self, database: Database) -> bool:
        if database.deleted:
            return False
        return database.shared if self.databases is None else database.id in self.databases


class Page:
    """A row of a data source, or a page of its own when `data_source` is None."""

    __slots__ = (
        "_make",
        "_values",
        "cached",
        "content",
        "cover",
        "created_by",
        "created_time",
        "data_source",
        "gone",
        "icon",
        "id",
        "in_trash",
        "is_archived",
        "is_locked",
        "last_edited_by",
        "last_edited_time",
        "public_url",
        "seq",
        "volatile",
    )

    def __init__(
        self,
        page_id: str,
        data_source: DataSource | None,
        *,
        seq: int,
        created_time: datetime,
        last_edited_time: datetime,
        created_by: str,
        values: dict[str, Any] | None = None,
        make: Callable[[Page], dict[str, Any]] | None = None,
    ) -> None:
        self.id = page_id
        self.data_source = data_source
        self.seq = seq
        self.created_time = created_time
        self.last_edited_time = last_edited_time
        self.created_by = self.last_edited_by = created_by
        self.icon: dict[str, Any] | None = None
        self.cover: dict[str, Any] | None = None
        self.in_trash = self.is_archived = self.is_locked = self.gone = False
        self.public_url: str | None = None
        self.content = ""
        self.volatile = False  # holds a signed URL: never served from the cache
        self.cached: tuple[Any, bytes] | None = None
        self._values = {} if values is None and make is None else values
        self._make = make

    @property
    def values(self) -> dict[str, Any]:
        """Stored values by property id, to read. Rows made in bulk come out of a function, to keep them small."""
        if self._values is not None:
            return self._values
        return self._make(self) if self._make else {}

    def own_values(self) -> dict[str, Any]:
        """Stored values by property id, to write."""
        if self._values is None:
            self._values = self.values
        return self._values

    @property
    def live(self) -> bool:
        return not (self.in_trash or self.is_archived or self.gone)

    @property
    def title(self) -> str:
        return title_of(self.values)

    @property
    def url(self) -> str:
        return page_url(self.title, self.id)

    def __getitem__(self, name: str) -> Any:
        """The plain value of a property by name, for formulas: text, number, option names, related pages."""
        if self.data_source is None:
            raise KeyError(name)
        return self.data_source.workspace.plain_value(self, self.data_source.properties[name])

    def __repr__(self) -> str:
        return f"Page({self.title!r}, {self.id})"


def title_of(values: Mapping[str, Any]) -> str:
    """The plain title among a page's stored values."""
    value = values.get("title", "")
    return plain_text(value) if isinstance(value, (str, list)) else ""


def page_url(title: str, object_id: str) -> str:
    slug = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in title).split())
    return f"https://app.notion.com/p/{slug + '-' if slug else ''}{object_id.replace('-', '')}"


@dataclass(eq=False)
class Database:
    """A container of data sources."""

    workspace: Workspace = field(repr=False)
    id: str
    title: str
    parent: Any
    created_time: datetime
    last_edited_time: datetime
    shared_at: datetime
    shared: bool = True
    description: str = ""
    icon: dict[str, Any] | None = None
    cover: dict[str, Any] | None = None
    is_wiki: bool = False
    is_inline: bool = False
    in_trash: bool = False
    deleted: bool = False
    public_url: str | None = None
    data_sources: list[DataSource] = field(default_factory=list, repr=False)

    @property
    def data_source(self) -> DataSource:
        """The first data source."""
        return self.data_sources[0]

    def add_data_source(self, name: str, schema: Mapping[str, Any], **fields: Any) -> DataSource:
        return self.workspace.add_data_source(self, name, schema, **fields)

    @property
    def url(self) -> str:
        return page_url(self.title, self.id)


@dataclass(eq=False)
class DataSource:
    """A table: properties by name and rows in the order of creation."""

    workspace: Workspace = field(repr=False)
    id: str
    name: str
    database: Database = field(repr=False)
    seq: int
    created_time: datetime
    last_edited_time: datetime
    created_by: str
    last_edited_by: str
    icon: dict[str, Any] | None = None
    trashed: bool = False
    properties: dict[str, Property] = field(default_factory=dict, repr=False)
    #: Rows, and in wikis child data sources, by creation.
    order: list[Page | DataSource] = field(default_factory=list, repr=False)
    templates: list[dict[str, Any]] = field(default_factory=list, repr=False)
    revision: int = 0

    @property
    def pages(self) -> list[Page]:
        """Rows in the order of creation, whatever their state."""
        return [row for row in self.order if isinstance(row, Page)]

    @property
    def in_trash(self) -> bool:
        return self.trashed or self.database.in_trash

    is_archived = False

    @property
    def gone(self) -> bool:
        return self.database.deleted

    @property
    def live(self) -> bool:
        return not (self.in_trash or self.gone)

    @property
    def url(self) -> str:
        return page_url(self.name, self.database.id)

    def property_by_id(self, property_id: str) -> Property | None:
        return next((prop for prop in self.properties.values() if prop.id == property_id), None)

    def find_property(self, name_or_id: str) -> Property | None:
        return self.properties.get(name_or_id) or self.property_by_id(name_or_id)

    def insert_row(self, row: Page | DataSource) -> None:
        """Keep the order of creation; rows of one instant stay in the order of their making."""
        if not self.order or creation_key(self.order[-1]) <= creation_key(row):
            self.order.append(row)
        else:
            insort(self.order, row, key=creation_key)

    def first_created_from(self, moment: datetime) -> int:
        """Index of the first row created at the moment or after it."""
        return bisect_left(self.order, (moment, -1), key=creation_key)

    def add_page(self, values: Mapping[str, Any] | None = None, **fields: Any) -> Page:
        return self.workspace.add_page(self, values or {}, **fields)

    def add_property(self, name: str, spec: Any) -> Property:
        return self.workspace.add_property(self, name, spec)

    def rename_property(self, old: str, new: str) -> None:
        self.workspace.rename_property(self, old, new)

    def remove_property(self, name: str) -> None:
        self.workspace.remove_property(self, name)

    def retype_property(self, name: str, spec: Any) -> None:
        self.workspace.retype_property(self, name, spec)

    def add_option(self, name: str, option: str) -> None:
        self.workspace.add_option(self, name, option)

    def rename_option(self, name: str, old: str, new: str) -> None:
        self.workspace.rename_option(self, name, old, new)

    def remove_option(self, name: str, option: str) -> None:
        self.workspace.remove_option(self, name, option)


def creation_key(row: Page | DataSource) -> tuple[datetime, int]:
    return row.created_time, row.seq
