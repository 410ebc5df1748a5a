"""Where downloaded files are kept: a folder, or a bucket of S3. A file is there whole, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from notion_pipeline.bucket import S3, s3_store
from notion_pipeline.errors import DownloadError
from notion_pipeline.private_files import private_directory
from notion_pipeline.project import Project

#: Bytes that are written at a time.
_BLOCK = 1 << 20
#: What a killed run left of a file half written goes after this long.
_STALE_SECONDS = 3_600.0
_LONGEST_NAME = 80
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class FileStore(Protocol):
    """Keeps files by key: a relative path that `storage_key` made."""

    def location(self, key: str) -> str:
        """Where a file is, for `S.files.path`."""

    async def size(self, key: str) -> int | None:
        """Bytes of a file; None where there is none."""

    async def write(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Writes a file, in place of one that is there; where `pieces` raises, all stays as it was."""

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes of a file."""

    async def remove(self, key: str) -> None:
        """Removes a file, if it is there."""


def storage_key(source: str, file_id: str, name: str) -> str:
    """Relative path of a file: another one for each identity, whatever its name; the name only helps the eye."""
    digest = hashlib.sha256(file_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    stem, dot, ending = name.rpartition(".")
    kept = _UNSAFE.sub("_", stem if dot else name).strip("._")[:_LONGEST_NAME]
    ending = _UNSAFE.sub("", ending)[:16] if dot else ""
    shown = f"{kept or 'file'}.{ending}" if ending else kept or "file"
    return f"{source}/{digest[:2]}/{digest}-{shown}"


def open_store(download_to: str, project: Project) -> FileStore:
    """The store that sources.yaml names.

    Args:
        project: A relative folder begins at its root, and its variables hold the key of a bucket.

    Raises:
        ConfigError: S3 is asked for, and what it takes is not installed or not set.
    """
    if download_to.startswith(S3):
        return BucketStore(download_to, project.environ)
    return FolderStore(download_to, project.root)


async def remove_stored(paths: Sequence[str], project: Project) -> None:
    """Removes files by the paths that `location` gave, whatever sources.yaml says by now."""
    stores: dict[str, FileStore] = {}
    for path in paths:
        # A key has three parts.
        download_to, *parts = path.rsplit("/", 3)
        store = stores.setdefault(download_to, open_store(download_to or "/", project))
        await store.remove("/".join(parts))


class FolderStore:
    """Files in a folder, open to their owner alone."""

    def __init__(self, download_to: str, root: Path) -> None:
        self._named = download_to.rstrip("/")
        self._folder = root / download_to

    def location(self, key: str) -> str:
        return f"{self._named}/{key}"

    async def size(self, key: str) -> int | None:
        try:
            return (self._folder / key).lstat().st_size
        except FileNotFoundError:
            return None

    async def write(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        path = self._folder / key
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            await asyncio.to_thread(self._make_room, path)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                async for block in _blocks(pieces):
                    await asyncio.to_thread(file.write, block)
                await asyncio.to_thread(_sync, file)
            temporary.replace(path)
        except OSError as error:
            raise DownloadError(f"It could not be written: {error.strerror or type(error).__name__}.") from None
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, path: Path) -> None:
        # The folder itself may be one that others use; what is ours in it is closed to them.
        if not self._folder.exists():
            private_directory(self._folder)
        private_directory(path.parent.parent)
        private_directory(path.parent)
        for left in path.parent.glob(f".{path.name}.*.part"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                    left.unlink()

    async def read(self, key: str) -> AsyncIterator[bytes]:
        with (self._folder / key).open("rb") as file:
            while block := await asyncio.to_thread(file.read, _BLOCK):
                yield block

    async def remove(self, key: str) -> None:
        (self._folder / key).unlink(missing_ok=True)


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


async def _blocks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes in pieces of a size that is worth a write of its own."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) >= _BLOCK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


class BucketStore:
    """Files in a bucket of S3. The key, region and endpoint come from the environment or `.env` (AWS_…).

    obstore rather than s3fs: it streams both ways, has no dependency, and pins no botocore beside a host's boto3.
    """

    def __init__(self, download_to: str, environ: Mapping[str, str]) -> None:
        self._named = download_to
        self._store = s3_store(download_to, environ, what="Files", client_options={})
        self._obstore: Any = import_module("obstore")

    def location(self, key: str) -> str:
        return f"{self._named}/{key}"

    async def size(self, key: str) -> int | None:
        try:
            found = await self._obstore.head_async(self._store, key)
        except FileNotFoundError:
            return None
        except self._obstore.exceptions.BaseError as error:
            raise _refused(error) from None
        return int(found["size"])

    async def write(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        error: Exception | None = None

        async def watched() -> AsyncIterator[bytes]:
            nonlocal error
            try:
                async for block in _blocks(pieces):
                    yield block
            except Exception as raised:
                error = raised
                raise

        try:
            await self._obstore.put_async(self._store, key, watched(), use_multipart=True, max_concurrency=2)
        except Exception as raised:
            # obstore wraps what its input raises; a part that was sent is no file before the last one is.
            if error is not None:
                raise error from None
            raise _refused(raised) from None

    async def read(self, key: str) -> AsyncIterator[bytes]:
        found = await self._obstore.get_async(self._store, key)
        async for block in found.stream(min_chunk_size=_BLOCK):
            yield bytes(block)

    async def remove(self, key: str) -> None:
        with suppress(FileNotFoundError):
            await self._obstore.delete_async(self._store, key)


def _refused(error: Exception) -> DownloadError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return DownloadError(f"S3 refused it: {first[:300]}")
