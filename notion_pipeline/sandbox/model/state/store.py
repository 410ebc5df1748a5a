"""The stored state of a workspace, with the clock, the ids and the lock that every change to it uses.

Users and connections are added here: nothing can be made or seen without one of each.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from notion_pipeline.sandbox.control.switches import Switches
from notion_pipeline.sandbox.model.clock import Clock
from notion_pipeline.sandbox.model.content.blocks import Block
from notion_pipeline.sandbox.model.content.comments import Comment
from notion_pipeline.sandbox.model.content.files import HostedFile, file_of_name
from notion_pipeline.sandbox.model.content.page_text import text_block
from notion_pipeline.sandbox.model.ids import IdSource, dashed
from notion_pipeline.sandbox.model.objects import Database, DataSource, Page
from notion_pipeline.sandbox.model.state.query_sessions import Sessions
from notion_pipeline.sandbox.model.state.tokens import Token
from notion_pipeline.sandbox.model.users import User, group_value

#: Rows held as JSON at most; some 5 kB each.
CACHED_ROWS = 30_000


class Store:
    """What a workspace holds. `edits.Workspace` adds the changes to it.

    Attributes:
        revision: Counts every change.
        sharing_revision: Counts the changes to what connections see.
        result_cap: The most rows that one query returns.
        cached_rows: The most rows held as JSON.
        markdown_limit: The most blocks that one answer of the Markdown endpoint shows.
        files_origin: Where hosted files are downloaded from; a server that serves the workspace sets it to itself.
        resolved_discussions: Ids of the discussions whose comments are not open.
    """

    def __init__(
        self, name: str, token: str, now: datetime, switches: Switches, *, clock_runs: bool, seed: int, integration: str
    ) -> None:
        self.name = name
        self.integration_name = integration
        self.lock = threading.RLock()
        self.ids = IdSource(seed)
        self._request_ids = IdSource(-1 - seed)
        self.clock = Clock(now, runs=clock_runs)
        self.switches = switches
        self.result_cap = 10_000
        self.cached_rows = CACHED_ROWS
        self.markdown_limit = 20_000
        self.files_origin = "https://prod-files-secure.s3.us-west-2.amazonaws.com"
        self.sessions = Sessions()
        self.revision = 0
        self.sharing_revision = 0
        self.id, self.integration_id = self.ids.uuid(), self.ids.uuid()
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.databases: dict[str, Database] = {}
        self.data_sources: dict[str, DataSource] = {}
        self.pages: dict[str, Page] = {}
        self.blocks: dict[str, Block] = {}
        self.files: dict[str, HostedFile] = {}
        self.files_by_id: dict[str, HostedFile] = {}
        self.comments: dict[str, Comment] = {}
        self.resolved_discussions: set[str] = set()
        self._seq = 0
        self._cached: deque[Page] = deque()
        self.token = self.add_token(token)
        self.owner = self.add_user("Ada Owner", "ada@example.com")
        self.home = self.add_home(name)

    @contextmanager
    def changing(self) -> Iterator[datetime]:
        """Hold requests off while something changes; gives the moment of the change."""
        with self.lock:
            yield self.clock.now()
            self.revision += 1

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def next_signature(self) -> int:
        """A number for a signed URL; never the same twice."""
        return self.next_seq() * 0x9E3779B97F4A7C15F39CC0605CEDC835

    def request_id(self) -> str:
        """An id from a source of its own, so that requests do not change the ids of what is built later."""
        return self._request_ids.uuid()

    def remember_cached(self, page: Page) -> None:
        """Keep the rows held as JSON within bounds."""
        self._cached.append(page)
        if len(self._cached) > self.cached_rows:
            self._cached.popleft().cached = None

    # Finding objects

    def find_database(self, entry: Database | str) -> Database:
        return entry if isinstance(entry, Database) else self.databases[dashed(entry) or entry]

    def find_data_source(self, entry: DataSource | Database | str) -> DataSource:
        if isinstance(entry, Database):
            return entry.data_source
        return entry if isinstance(entry, DataSource) else self.data_sources[dashed(entry) or entry]

    def page(self, page: Page | str) -> Page:
        return page if isinstance(page, Page) else self.pages[dashed(page) or page]

    def find_block(self, block_id: str) -> Block | None:
        """The block of this id; pages and databases are none."""
        return self.blocks.get(block_id) or text_block(self.pages, block_id)

    def hosted_file(self, file: HostedFile | str) -> HostedFile:
        """The file of that name; where nobody added one, one that is made up."""
        if isinstance(file, HostedFile):
            return file
        if file not in self.files:
            self.keep_file(file, file_of_name(self.id, file, self.clock.now()))
        return self.files[file]

    def keep_file(self, name: str, file: HostedFile) -> None:
        self.files[name] = self.files_by_id[file.id] = file

    def page_of_block(self, block_id: str) -> Page | None:
        """The page that holds a block; a page is a block of its own."""
        if block_id in self.pages:
            return self.pages[block_id]
        found: Block | Page | None = self.find_block(block_id)
        while isinstance(found, Block):
            found = found.parent
        return found

    # Users and connections

    def add_user(
        self,
        name: str | None,
        email: str | None = None,
        kind: str = "person",
        *,
        avatar_url: str | None = None,
        guest: bool = False,
    ) -> User:
        """Add a member, a bot (by its kind) or a guest."""
        with self.changing():
            user = User(self.ids.uuid(), name, email, kind, avatar_url, guest)
            self.users[user.id] = user
            return user

    def add_group(self, name: str | None) -> dict[str, str | None]:
        """Add a group of users: a value for `people` properties."""
        with self.changing():
            return group_value(self.ids.uuid(), name)

    def rename_user(self, user: User, name: str) -> User:
        """Rename a user. No page is edited by it, but pages show the new name from now on."""
        with self.changing():
            renamed = self.users[user.id] = replace(user, name=name)
            for source in self.data_sources.values():
                source.revision += 1
            return renamed

    def add_token(
        self,
        token: str,
        databases: Iterable[Database | str] | None = None,
        *,
        user_information: str = "with_email",
        read_content: bool = True,
        read_comments: bool = True,
        owner: User | None = None,
    ) -> Token:
        """Add a connection; with `databases` it sees just these, whether shared with others or not."""
        with self.changing():
            bot = self.add_user(self.integration_name, kind="bot")
            granted = None if databases is None else {self.find_database(entry).id for entry in databases}
            self.tokens[token] = Token(token, bot, granted, user_information, read_content, read_comments, owner)
            return self.tokens[token]

    def add_personal_token(self, token: str, owner: User | None = None) -> Token:
        """Add a personal access token of a member; it has no bot."""
        with self.changing():
            person = owner or self.owner
            self.tokens[token] = Token(token, person, owner=person, personal=True)
            return self.tokens[token]

    def revoke_token(self, token: str) -> None:
        with self.changing():
            self.tokens[token].revoked = True

    def add_home(self, title: str) -> Page:
        """Add a page outside any data source: it has only a title (notion-api.md section 6)."""
        with self.changing() as now:
            page = Page(
                self.ids.uuid(),
                None,
                seq=self.next_seq(),
                created_time=now,
                last_edited_time=now,
                created_by=self.owner.id,
                values={"title": title},
            )
            self.pages[page.id] = page
            return page
