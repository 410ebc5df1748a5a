"""What the assets work with: Notion by source, the catalog by path."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
from dagster_duckdb import DuckDBResource
from pydantic import Field

from notion_pipeline.catalog.connection import WAIT_SECONDS, Catalog
from notion_pipeline.client import BearerAuth, NotionClient
from notion_pipeline.config import OAuthAccount, Source, Sources, load_sources, resolve_token
from notion_pipeline.errors import AuthorizationError
from notion_pipeline.governor import Governor, PauseFile, account_key
from notion_pipeline.private_files import private_directory
from notion_pipeline.project import Project, find_project


class NotionResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Notion, as the sources of sources.yaml reach it. Tokens are looked up when a client is made, never before."""

    root: str = Field(default="", description="Root of the project; empty: found from the current folder.")
    api_url: str = Field(default="", description="Base URL of Notion's API; empty: NOTION_API_URL, else Notion itself.")
    token: str = Field(
        default="", repr=False, description="Token of an internal connection, instead of what sources.yaml names."
    )

    @property
    def project(self) -> Project:
        return find_project(Path(self.root) if self.root else None)

    @property
    def sources(self) -> Sources:
        return load_sources(self.project)

    def source(self, name: str) -> Source:
        return self.sources.source(name)

    def account(self, source: Source) -> str:
        """What tells this source's account from others: never the token itself."""
        return account_key(self._token(source))

    def client(self, source: Source, log: Callable[[str], None]) -> NotionClient:
        """A client for one event loop, to be entered.

        Raises:
            ConfigError: The token is not set, or the base URL is none.
            AuthorizationError: The account is not connected.
        """
        project = self.project
        token = self._token(source)
        private_directory(project.home)
        return NotionClient(
            auth=BearerAuth(token),
            governor=Governor(
                concurrent_requests=source.limits.concurrent_requests,
                requests_per_minute=source.limits.requests_per_minute,
                pauses=PauseFile(project.home, account_key(token)),
                log=log,
            ),
            base_url=self.api_url or project.api_url,
            source=source.name,
            log=log,
        )

    def _token(self, source: Source) -> str:
        if self.token:
            return self.token
        if isinstance(source.account, OAuthAccount):
            raise AuthorizationError(
                "No account is connected for it.",
                cure="Use account: {type: token} with the token of an internal connection.",
                source=source.name,
            )
        return resolve_token(source.account, self.project, source.name)


class CatalogResource(DuckDBResource):
    """The catalog's file and DuckDB settings; connections are opened for one transaction and surely closed."""

    wait_seconds: float = Field(
        default=WAIT_SECONDS, description="How long another process's hold on the file is waited for, in seconds."
    )

    def catalog(self, log: Callable[[str], None]) -> Catalog:
        return Catalog(Path(self.database), log=log, config=self.connection_config, wait_seconds=self.wait_seconds)
