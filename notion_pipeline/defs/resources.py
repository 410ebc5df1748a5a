"""What the assets work with: Notion by source, the catalog by path, and who is told how far a sync has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, Optional, Protocol

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field, PrivateAttr

from notion_pipeline.accounts.credentials import credential_of, open_client
from notion_pipeline.catalog.connection import WAIT_SECONDS, Catalog
from notion_pipeline.config.fields.catalog_location import CatalogLocation, Lake, location_of
from notion_pipeline.config.sources import Source, Sources, load_sources
from notion_pipeline.errors import CatalogError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.project import Project, find_project
from notion_pipeline.redaction import keep_secrets_unwritten
from notion_pipeline.state.interface import State
from notion_pipeline.sync.run.progress import LogProgress, Progress


@dataclass(frozen=True)
class ResourceKeys:
    """Keys of a source's resources. They carry its name, so that sources, projects and a host's own keys never meet."""

    source: str

    @property
    def notion(self) -> str:
        return f"{self.source}_notion"

    @property
    def catalog(self) -> str:
        return f"{self.source}_catalog"

    @property
    def progress(self) -> str:
        return f"{self.source}_progress"

    @property
    def io_manager(self) -> str:
        return f"{self.source}_io_manager"


@dataclass(frozen=True)
class LoadedProject:
    """A project with its sources as they were when they were read, and the way from a source to Notion."""

    project: Project
    sources: Sources
    api_url: str = ""

    @cached_property
    def state(self) -> State:
        """What the processes of the project share.

        Raises:
            ConfigError: What names it is not set, or no address.
        """
        return self.sources.open_state(self.project)

    def source(self, name: str) -> Source:
        return self.sources.source(name)

    def account(self, source: Source) -> str:
        """What tells this source's account from others: the bot's id of a connected one, never the token itself.

        Raises:
            ConfigError: The token is not set, or the token store cannot be read.
            AuthorizationError: The account is not connected.
        """
        return credential_of(source, self.project).account

    def client(self, source: Source, log: Callable[[str], None]) -> NotionClient:
        """A client for one event loop, to be entered.

        Raises:
            ConfigError: As `account`, or the base URL is not valid.
            AuthorizationError: The account is not connected.
        """
        return open_client(
            credential_of(source, self.project),
            self.project,
            source=source.name,
            log=log,
            limits=source.limits,
            base_url=self.api_url,
            state=self.state,
        )


class NotionResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Notion, as the sources of sources.yaml reach it. Tokens are looked up when a client is made, never before."""

    root: str = Field(default="", description="Root of the project; empty: found from the current folder.")
    api_url: str = Field(default="", description="Base URL of Notion's API; empty: NOTION_API_URL, else Notion itself.")
    _is_in_a_run: bool = PrivateAttr(default=False)
    _loaded: Optional[LoadedProject] = PrivateAttr(default=None)  # noqa: UP045

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """From here on the process may hold tokens, whoever built the definitions: its logs must not show them."""
        keep_secrets_unwritten()
        self._is_in_a_run, self._loaded = True, None

    def load(self, given: Optional[LoadedProject] = None) -> LoadedProject:  # noqa: UP045
        """The project and its sources: those given, else `.env` and sources.yaml as they stand now.

        The files are read once in a run, and once in a tick of a sensor; elsewhere each time.

        Raises:
            ConfigError: One of them is not valid.
        """
        if given is not None:
            return replace(given, api_url=self.api_url) if self.api_url else given
        if self._loaded is not None:
            return self._loaded
        project = find_project(Path(self.root) if self.root else None)
        loaded = LoadedProject(project, load_sources(project), self.api_url)
        if self._is_in_a_run:
            self._loaded = loaded
        return loaded


class CatalogResource(DuckDBResource):
    """The catalog's file or lake, and DuckDB settings. A connection lives for one `with` block, under its lock."""

    data_path: str = Field(default="", description="Where a lake keeps its files; empty for a DuckDB file.")

    wait_seconds: float = Field(
        default=WAIT_SECONDS, description="How long another process's hold on the file is waited for, in seconds."
    )

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection; no sync commits while it is open, so close it soon.

        Raises:
            CatalogError: There is no catalog yet, or it cannot be read.
            CatalogBusyError: Another process wrote for longer than `wait_seconds`.
        """
        with self.catalog(dg.get_dagster_logger().warning).reading(in_one_state=False) as connection:
            if connection is None:
                raise CatalogError(
                    f"There is no catalog {self.database} yet.", hint="Sync a source first: `notion-pipeline sync`."
                )
            yield connection

    def get_connection(self) -> NoReturn:
        """Not for this file: a connection that does not know of the catalog's lock would lose commits.

        Raises:
            CatalogError: Always; it names what to use instead.
        """
        raise CatalogError(
            "get_connection() would open the catalog without its lock, and syncs could not commit.",
            hint="Read with `with catalog.read() as connection:`. Write tables of your own into another DuckDB file.",
        )

    def catalog(self, log: Callable[[str], None]) -> Catalog:
        """The catalog as our own assets use it; `log` is told who holds the file while it is waited for."""
        return Catalog(self.location, log=log, config=self.connection_config, wait_seconds=self.wait_seconds)

    @property
    def location(self) -> CatalogLocation:
        """Where the catalog is; what is secret of a lake comes from the environment of this process."""
        return location_of(self.database, self.data_path, Path)


def catalog_resource(location: CatalogLocation, settings: Optional[dict[str, Any]] = None) -> CatalogResource:  # noqa: UP045
    """The resource of a location."""
    return CatalogResource(
        database=str(location),
        data_path=location.data_path if isinstance(location, Lake) else "",
        connection_config=settings or {},
    )


class TellsProgress(Protocol):
    """What the resource `notion_progress` must do; the command line puts a plain object in its place."""

    def progress(self, log: Callable[[str], None]) -> Progress: ...


class ProgressResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Progress as lines in the run's log."""

    every_seconds: float = 5.0

    def progress(self, log: Callable[[str], None]) -> Progress:
        return LogProgress(log, every_seconds=self.every_seconds)
