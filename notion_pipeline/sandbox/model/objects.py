"""Databases, data sources and pages, with values as stored, not as served."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from notion_pipeline.sandbox.model.ids import IdSource, decode_property_id, encode_property_id, page_url
from notion_pipeline.sandbox.model.options import Option
from notion_pipeline.sandbox.model.richtext import title_of
from notion_pipeline.sandbox.model.users import User


class Host(Protocol):
    """What databases and data sources ask of the workspace that they belong to; `edits` implements it."""

    ids: IdSource
    pages: dict[str, Page]
    data_sources: dict[str, DataSource]
    owner: User

    def changing(self) -> AbstractContextManager[datetime]: ...
    def next_seq(self) -> int: ...
    def plain_value(self, page: Page, prop: Property) -> Any: ...
    def add_data_source(
        self,
        database: Database,
        name: str,
        schema: Mapping[str, Any],
        *,
        created_at: datetime | str | None = None,
        id: str | None = None,  # noqa: A002 - Notion's word
    ) -> DataSource: ...
    def add_page(self, of: DataSource | str, values: Mapping[str, Any] | None = None, /, **fields: Any) -> Page: ...
    def add_property(self, source: DataSource, name: str, spec: Any) -> Property: ...
    def rename_property(self, source: DataSource, old: str, new: str) -> None: ...
    def remove_property(self, source: DataSource, name: str) -> None: ...
    def retype_property(self, source: DataSource, name: str, spec: Any) -> None: ...
    def add_option(self, source: DataSource, name: str, option: str) -> None: ...
    def rename_option(self, source: DataSource, name: str, old: str, new: str) -> None: ...
    def remove_option(self, source: DataSource, name: str, option: str) -> None: ...


@dataclass(eq=False)
class Property:
    """One column.

    Attributes:
        target: Data source a relation points at.
        synced: The other side of a two-way relation.
        relation_id, rolled_id: Ids of a rollup's relation and of the property in the related pages.
        compute: What a formula's result comes from, given the page.
        extra: Config that is served as it is, such as a number's format.
    """

    id: str
    name: str
    type: str
    description: str | None = None
    options: list[Option] = field(default_factory=list)
    groups: list[tuple[str, str, str]] = field(default_factory=list)
    target: DataSource | None = field(default=None, repr=False)
    synced: Property | None = field(default=None, repr=False)
    relation_id: str = ""
    rolled_id: str = ""
    function: str = ""
    expression: str = ""
    compute: Callable[[Page], Any] | None = None
    result_type: str = "string"
    prefix: str | None = None
    next_number: int = 1
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def encoded_id(self) -> str:
        return encode_property_id(self.id)

    def option_named(self, name: str) -> Option | None:
        return next((option for option in self.options if option.name == name), None)

    def option_by_id(self, option_id: str) -> Option | None:
        return next((option for option in self.options if option.id == option_id), None)


class Page:
    """A row of a data source, or a page of its own when `data_source` is None.

    Attributes:
        parent: Page or block that a page of its own stands in; None for the workspace.
        shared: Of a page of its own: whether it is shared; None as what it stands in.
        content: Its content as text, as long as `children` is None.
        children: Blocks, pages and databases in it, once it has more than text.
    """

    __slots__ = (
        *("id", "data_source", "seq", "created_time", "last_edited_time", "created_by", "last_edited_by"),
        *("icon", "cover", "in_trash", "is_archived", "is_locked", "gone", "public_url", "content"),
        *("parent", "shared", "children"),
        *("volatile", "cached", "_values", "_make"),
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
        self.parent: Any = None
        self.shared: bool | None = None
        self.children: list[Any] | None = None
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


@dataclass(eq=False)
class Database:
    """A container of data sources."""

    workspace: Host = field(repr=False)
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

    workspace: Host = field(repr=False)
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
        """By its name or id; the id also as values show it, percent-encoded."""
        found = self.properties.get(name_or_id) or self.property_by_id(name_or_id)
        return found or self.property_by_id(decode_property_id(name_or_id))

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
