"""Keeps one hosted file: streamed from its address to its store, whole or not at all, and never whole in memory."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import AsyncIterator
from dataclasses import dataclass

from notion_pipeline.content.files.file_stores import FileStore
from notion_pipeline.content.files.hosted_files import is_public
from notion_pipeline.errors import DownloadError
from notion_pipeline.notion.downloads import Download, Downloads


@dataclass(frozen=True)
class Keeping:
    """Where files are kept, and how large ones."""

    store: FileStore
    max_bytes: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is kept.

    Attributes:
        path: As `FileStore.location` gives it.
    """

    path: str
    size: int
    sha256: str
    mime: str | None


async def kept_file(keeping: Keeping, key: str, name: str) -> StoredFile | None:
    """A file that the store has already; None where it has not. What one identity names never changes."""
    size = await keeping.store.size(key)
    if size is None:
        return None
    digest = hashlib.sha256()
    async for block in keeping.store.read(key):
        digest.update(block)
    return StoredFile(keeping.store.location(key), size, digest.hexdigest(), mimetypes.guess_type(name)[0])


async def keep_file(downloads: Downloads, keeping: Keeping, key: str, url: str, *, api_url: str) -> StoredFile:
    """Downloads a file into its store.

    Args:
        url: Signed.
        api_url: Base URL of Notion's API.

    Raises:
        DownloadError: It was refused, broke off, or is larger than what is kept; nothing is stored.
    """
    if not is_public(url, api_url):
        raise DownloadError("Its address is not one on the internet, so it is not fetched.")
    return await downloads.fetch(url, lambda download: _keep(download, keeping, key))


async def _keep(download: Download, keeping: Keeping, key: str) -> StoredFile:
    if download.length is not None and download.length > keeping.max_bytes:
        raise _too_large(download.length, keeping)
    digest, size = hashlib.sha256(), 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal size
        async for piece in download.pieces:
            size += len(piece)
            if size > keeping.max_bytes:
                raise _too_large(size, keeping)
            digest.update(piece)
            yield piece

    await keeping.store.write(key, pieces())
    return StoredFile(keeping.store.location(key), size, digest.hexdigest(), download.mime)


def _too_large(size: int, keeping: Keeping) -> DownloadError:
    return DownloadError(f"It is larger than max_megabytes allows ({keeping.max_bytes:,} bytes).", size=size)
