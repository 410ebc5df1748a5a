"""Downloads the files of pages: each page is read again for addresses that are signed anew, then they are fetched.

A file fails by itself. A credential that is refused, or that may not read content, ends all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from notion_pipeline.content.batches import Batches, side_by_side
from notion_pipeline.content.files.file_keeping import Keeping, StoredFile, keep_file, kept_file
from notion_pipeline.content.files.file_stores import storage_key
from notion_pipeline.content.files.hosted_files import CONTENT, files_of_page
from notion_pipeline.content.markdown import read_content
from notion_pipeline.content.pages import DuePage, reason_of
from notion_pipeline.content.reader import YieldsTo
from notion_pipeline.errors import AuthorizationError, DownloadError, NotionNotFoundError, NotPermittedError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.downloads import Downloads, DownloadUsage
from notion_pipeline.notion.limits.run_usage import RunUsage

#: Statuses of an address that has expired.
_EXPIRED = (401, 403)


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that is not kept yet; see `HostedFile`."""

    file_id: str
    kind: str
    name: str


@dataclass(frozen=True)
class PageFiles:
    """A page, and those of its files that are not kept yet."""

    page_id: str
    files: tuple[WantedFile, ...]
    keeping: Keeping


@dataclass(frozen=True, slots=True)
class FileRead:
    """What came of one file.

    Attributes:
        stored: None where it is not kept: it failed, it is too large (`size`), or its page does not name it any more.
    """

    page_id: str
    file: WantedFile
    stored: StoredFile | None = None
    size: int | None = None
    error: Exception | None = None

    @property
    def reason(self) -> str:
        """Why it is not kept, in one line."""
        return reason_of(self.error)


def file_batches(
    make_client: Callable[[], NotionClient],
    pages: Callable[[], AsyncIterator[PageFiles]],
    *,
    source: str,
    workers: int,
    usage: RunUsage,
    download_usage: DownloadUsage,
    wait_turn: YieldsTo,
) -> Batches[FileRead]:
    """The files of pages, downloaded side by side, in batches as they come.

    Args:
        workers: Pages at a time; the files of one come one after another.
        wait_turn: Awaited before each read of a page; downloads do not count against Notion's limit.
    """

    async def read(hand_over: Callable[[FileRead], Awaitable[None]]) -> None:
        async with make_client() as client:
            client.stats.run = usage
            async with Downloads(client.base_url, connections=workers, usage=download_usage) as downloads:
                reader = _FileReader(client, downloads, source, wait_turn)

                async def one(page: PageFiles) -> None:
                    async for found in reader.files(page):
                        await hand_over(found)

                await side_by_side(pages(), workers, one)

    return Batches(read)


class _FileReader:
    def __init__(self, client: NotionClient, downloads: Downloads, source: str, wait_turn: YieldsTo) -> None:
        self._client = client
        self._downloads = downloads
        self._source = source
        self._wait_turn = wait_turn

    async def files(self, page: PageFiles) -> AsyncIterator[FileRead]:
        wanted: list[WantedFile] = []
        for file in page.files:
            # Left by a run that was killed, or by the read of the content.
            if (stored := await kept_file(page.keeping, self._key(file), file.name)) is not None:
                yield FileRead(page.page_id, file, stored)
            else:
                wanted.append(file)
        if not wanted:
            return
        addresses: dict[str, str] = {}
        failure: Exception | None = None
        try:
            addresses = await self._addresses(page.page_id, wanted)
        except NotPermittedError:
            raise
        except AuthorizationError as error:
            # It may be about this page alone.
            if not await self._client.accepts_credential():
                raise
            failure = error
        except NotionNotFoundError:
            return  # the next sync finds the page gone
        except Exception as error:  # one page's failure is its own; it is reported with its reason
            failure = error
        for file in wanted:
            if failure is not None:
                yield FileRead(page.page_id, file, error=failure)
            elif file.file_id in addresses:
                yield await self._file(page, file, addresses)

    def _key(self, file: WantedFile) -> str:
        return storage_key(self._source, file.file_id, file.name)

    async def _addresses(self, page_id: str, wanted: Sequence[WantedFile]) -> dict[str, str]:
        """Signed addresses by identity, as the page names them now."""
        kinds = {file.kind for file in wanted}
        found: dict[str, str] = {}
        await self._wait_turn()
        if kinds - {CONTENT}:
            raw = (await self._client.page(page_id)).body
            named = files_of_page(raw.get("properties"), raw.get("icon"), raw.get("cover"))
            found |= {file.file_id: file.url for file in named}
        if CONTENT in kinds:
            content = await read_content(self._client, DuePage(page_id, "", "", "", "", (), None))
            found |= {file.file_id: file.url for file in content.files}
        return found

    async def _file(self, page: PageFiles, file: WantedFile, addresses: dict[str, str]) -> FileRead:
        try:
            try:
                stored = await self._stored(page, file, addresses[file.file_id])
            except DownloadError as error:
                if error.status not in _EXPIRED:
                    raise
                addresses |= await self._addresses(page.page_id, [file])
                stored = await self._stored(page, file, addresses[file.file_id])
        except (AuthorizationError, NotPermittedError):
            raise
        except DownloadError as error:
            return FileRead(page.page_id, file, size=error.size, error=error)
        except Exception as error:  # one file's failure is its own
            return FileRead(page.page_id, file, error=error)
        return FileRead(page.page_id, file, stored)

    async def _stored(self, page: PageFiles, file: WantedFile, url: str) -> StoredFile:
        return await keep_file(self._downloads, page.keeping, self._key(file), url, api_url=self._client.base_url)
