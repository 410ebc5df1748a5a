"""Keeps the files that content names right after it was read, while their addresses are good: no read is made for them.

What fails here is left to `S/files`, which reads the page again and names the file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

from notion_pipeline.content.files.file_keeping import Keeping, StoredFile, keep_file
from notion_pipeline.content.files.file_stores import storage_key
from notion_pipeline.content.markdown import read_content
from notion_pipeline.content.pages import DuePage, PageContent
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.downloads import Downloads, DownloadUsage


class ContentWithFiles:
    """Reads content, and keeps its files.

    Args:
        source: Name of the source, with which the files' keys begin.
        keepings: By database id; empty for pages in no database. Files of other pages are not kept.
        connections: Downloads at a time.
    """

    def __init__(self, source: str, keepings: Mapping[str, Keeping], *, connections: int) -> None:
        self._source = source
        self._keepings = keepings
        self._connections = connections
        self._downloads: Downloads | None = None

    @asynccontextmanager
    async def client(self, make_client: Callable[[], NotionClient]) -> AsyncIterator[NotionClient]:
        """A client, and the downloads beside it."""
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(make_client())
            if self._keepings:
                downloads = Downloads(client.base_url, connections=self._connections, usage=DownloadUsage())
                self._downloads = await stack.enter_async_context(downloads)
            yield client

    async def read(self, client: NotionClient, page: DuePage) -> PageContent:
        """The content of a page, with the files that were kept; raises as `read_content`."""
        content = await read_content(client, page)
        keeping = self._keepings.get(page.database_id)
        if keeping is None or self._downloads is None:
            return content
        stored: dict[str, StoredFile] = {}
        for file in content.files:
            key = storage_key(self._source, file.file_id, file.name)
            with suppress(Exception):  # `S/files` does it again, and says why it fails
                if await keeping.store.size(key) is None:
                    stored[file.file_id] = await keep_file(
                        self._downloads, keeping, key, file.url, api_url=client.base_url
                    )
        return replace(content, stored=stored)
