"""A pretend Notion workspace: the stored state, every edit to it, and the server's settings for it.

Every method may be called from any thread, also while the workspace is served: no request runs during an edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notion_pipeline.sandbox.answers.plain import plain_value
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.control.faults import Faults, RateLimit, RateWindows
from notion_pipeline.sandbox.control.requests import Request
from notion_pipeline.sandbox.control.switches import Switches
from notion_pipeline.sandbox.edits import placement
from notion_pipeline.sandbox.edits import rows as row_edits
from notion_pipeline.sandbox.edits import schema as schema_edits
from notion_pipeline.sandbox.edits.comments import CommentEdits
from notion_pipeline.sandbox.edits.content import Content
from notion_pipeline.sandbox.edits.oauth import OAuth
from notion_pipeline.sandbox.model.clock import START, as_instant
from notion_pipeline.sandbox.model.content.blocks import Block
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.objects import Database, DataSource, Page, Property


@dataclass(frozen=True)
class Home:
    """Where a database without a parent of its own lives: the workspace's first page."""

    page_id: str


class Workspace(Content, CommentEdits):
    """A workspace and the server's settings for it.

    Args:
        name: Shown by users/me.
        token: The first connection's token; it sees every shared database.
        now: Where the clock starts.
        switches: Positions on what notion-api.md leaves open.
        clock_runs: Whether the clock follows real time from `now`.
        seed: Of every id; the same calls with the same seed give the same ids.
    """

    def __init__(
        self,
        name: str = "Acme",
        token: str = "ntn_sandbox_token",  # noqa: S107 - a pretend token
        now: datetime = START,
        switches: Switches | None = None,
        *,
        clock_runs: bool = False,
        seed: int = 0,
        integration_name: str = "Sandbox connection",
    ) -> None:
        super().__init__(
            name, token, now, switches or Switches(), clock_runs=clock_runs, seed=seed, integration=integration_name
        )
        self.faults = Faults()
        self.requests: list[Request] = []
        self.downloads: list[Request] = []
        self.rate_limit: RateLimit | None = None
        self.rate_windows = RateWindows()
        self.latency = 0.0
        self.oauth = OAuth(self)

    # Databases and data sources

    def add_database(
        self,
        title: str | None,
        schema: Mapping[str, Any],
        *,
        shared: bool = True,
        parent: Any = None,
        description: str = "",
        icon: Any = None,
        cover: Any = None,
        created_at: datetime | str | None = None,
        is_wiki: bool = False,
        id: str | None = None,  # noqa: A002 - Notion's word
        data_source_name: str | None = None,
    ) -> Database:
        """A database with its first data source, which takes the database's title unless named.

        `parent` is None for the workspace's first page; a Page or a Block; a DataSource of a wiki, which then lists the
        new data sources among its rows; or a raw parent object.
        """
        with self.changing() as now:
            at = as_instant(created_at) if created_at else now
            database = Database(
                self,
                dashed(id) or self.ids.uuid(),
                title or "",
                parent if parent is not None else Home(self.home.id),
                at,
                at,
                now,
                shared=shared,
                description=description,
                icon=row_edits.icon_object(icon),
                cover=row_edits.icon_object(cover),
                is_wiki=is_wiki,
            )
            self.databases[database.id] = database
            self._place(database)
            self.add_data_source(database, data_source_name or database.title, schema, created_at=at)
            return database

    def add_linked_view(self, title: str, *, shared: bool = True) -> Database:
        """A view of another database: by its id it answers as a database without data sources; search never has it."""
        with self.changing() as now:
            database = Database(self, self.ids.uuid(), title, Home(self.home.id), now, now, now, shared=shared)
            self.databases[database.id] = database
            self._place(database)
            return database

    def _place(self, database: Database) -> None:
        """Put it among the children of the page or the block that it stands in, if that is one of ours."""
        parent = database.parent
        if isinstance(parent, Home):
            parent = self.pages.get(parent.page_id)
        if isinstance(parent, dict):
            parent = self.pages.get(parent.get("page_id", "")) or self.blocks.get(parent.get("block_id", ""))
        if isinstance(parent, (Block, Page)):
            placement.place(self, database, self.container(parent))

    def add_data_source(
        self,
        database: Database,
        name: str,
        schema: Mapping[str, Any],
        *,
        created_at: datetime | str | None = None,
        id: str | None = None,  # noqa: A002 - Notion's word
    ) -> DataSource:
        with self.changing() as now:
            at = as_instant(created_at) if created_at else now
            by = self.owner.id
            source = DataSource(
                self, dashed(id) or self.ids.uuid(), name, database, self.next_seq(), at, at, by, by, database.icon
            )
            database.data_sources.append(source)
            self.data_sources[source.id] = source
            schema_edits.build(self, source, schema)
            if isinstance(database.parent, DataSource):
                database.parent.insert_row(source)
            return source

    def rename_database(self, database: Database, title: str) -> None:
        """Rename the container; its first data source follows where it still bears the same name."""
        with self.changing() as now:
            first = database.data_source
            if first.name == database.title:
                first.name, first.last_edited_time = title, now
            database.title, database.last_edited_time = title, now

    def share(self, database: Database | str, token: str | None = None) -> None:
        """Share with one token, or with all that see every shared database."""
        with self.changing() as now:
            found = self.find_database(database)
            found.shared_at = now
            self.sharing_revision += 1
            if token is not None and (granted := self.tokens[token].databases) is not None:
                granted.add(found.id)
            else:
                found.shared = True

    def unshare(self, database: Database | str, token: str | None = None) -> None:
        """Take the database from one token that was granted it, or from all."""
        with self.changing():
            found = self.find_database(database)
            self.sharing_revision += 1
            if token is None:
                found.shared = False
            for entry in self.tokens.values() if token is None else [self.tokens[token]]:
                if entry.databases is not None:
                    entry.databases.discard(found.id)

    def trash_database(self, database: Database, *, in_trash: bool = True) -> None:
        """Trash it with its data sources, which bumps them (notion-api.md section 2)."""
        with self.changing() as now:
            database.in_trash = in_trash
            database.last_edited_time = now
            self.sharing_revision += 1
            for source in database.data_sources:
                source.last_edited_time = now

    def restore_database(self, database: Database) -> None:
        self.trash_database(database, in_trash=False)

    def delete_database(self, database: Database) -> None:
        """Delete for good: every id of it answers 404."""
        with self.changing():
            database.deleted = True
            self.sharing_revision += 1

    # Schema

    def add_property(self, source: DataSource, name: str, spec: Any) -> Property:
        with self.changing() as now:
            return schema_edits.add(self, source, name, spec, now)

    def rename_property(self, source: DataSource, old: str, new: str) -> None:
        with self.changing() as now:
            schema_edits.rename(self, source, old, new, now)

    def remove_property(self, source: DataSource, name: str) -> None:
        with self.changing() as now:
            schema_edits.remove(self, source, name, now)

    def retype_property(self, source: DataSource, name: str, spec: Any) -> None:
        with self.changing() as now:
            schema_edits.retype(self, source, name, spec, now)

    def set_prefix(self, source: DataSource, name: str, prefix: str | None) -> None:
        with self.changing() as now:
            schema_edits.set_prefix(self, source, name, prefix, now)

    def move_data_source(self, source: DataSource, database: Database) -> None:
        with self.changing() as now:
            schema_edits.move(self, source, database, now)

    def add_option(self, source: DataSource, name: str, option: str) -> None:
        with self.changing() as now:
            schema_edits.add_option(self, source, name, option, now)

    def rename_option(self, source: DataSource, name: str, old: str, new: str) -> None:
        with self.changing() as now:
            schema_edits.rename_option(self, source, name, old, new, now)

    def remove_option(self, source: DataSource, name: str, option: str) -> None:
        with self.changing() as now:
            schema_edits.remove_option(self, source, name, option, now)

    # What a test compares with

    def plain_value(self, page: Page, prop: Property) -> Any:
        """The value in plain Python: text, number, names, ids, a start."""
        return plain_value(Renderer(self, self.token, truncate=False), page, prop)

    def rows(self, source: DataSource | Database | str, *, token: str | None = None) -> list[dict[str, Any]]:
        """Every live and archived row in full, no reference cut off, by creation."""
        with self.lock:
            found = self.find_data_source(source)
            renderer = Renderer(self, self.tokens[token] if token else self.token, truncate=False)
            return [renderer.page(page) for page in found.pages if not (page.in_trash or page.gone)]
