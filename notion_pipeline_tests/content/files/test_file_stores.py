"""The places where files are kept: a folder, and S3 as a local server speaks it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from notion_pipeline.config.content import Files
from notion_pipeline.content.files.file_stores import FileStore, open_store, remove_stored, storage_key
from notion_pipeline.errors import ConfigError, DownloadError
from notion_pipeline.project import project_at

KEY = storage_key("notion", "files/w/1/a.bin", "a.bin")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "folder":
        return open_store("kept/files", project_at(tmp_path))
    return open_store(request.getfixturevalue("bucket"), project_at(tmp_path))


async def pieces(size: int, *, error: Exception | None = None) -> AsyncIterator[bytes]:
    """Bytes in pieces; ends with the error, if there is one."""
    for start in range(0, size, 1 << 16):
        yield bytes([start >> 16 & 255]) * min(1 << 16, size - start)
    if error is not None:
        raise error


async def whole(store: FileStore, key: str) -> bytes:
    return b"".join([block async for block in store.read(key)])


@pytest.mark.parametrize("size", [0, 10, 12 << 20])
def test_a_file_is_read_as_it_was_written(store: FileStore, size: int) -> None:
    async def act() -> None:
        assert await store.size(KEY) is None
        await store.write(KEY, pieces(size))
        assert await store.size(KEY) == size
        assert await whole(store, KEY) == b"".join([piece async for piece in pieces(size)])

    asyncio.run(act())


@pytest.mark.parametrize("size", [10, 12 << 20])
def test_what_breaks_off_leaves_what_was_there(store: FileStore, size: int) -> None:
    async def act() -> None:
        with pytest.raises(DownloadError, match="broke off"):
            await store.write(KEY, pieces(size, error=DownloadError("It broke off.")))
        assert await store.size(KEY) is None
        await store.write(KEY, pieces(3))
        with pytest.raises(DownloadError, match="broke off"):
            await store.write(KEY, pieces(size, error=DownloadError("It broke off.")))
        assert await store.size(KEY) == 3

    asyncio.run(act())


def test_files_are_removed_by_their_location(store: FileStore, tmp_path: Path) -> None:
    async def act() -> None:
        await store.write(KEY, pieces(3))
        await remove_stored([store.location(KEY)], project_at(tmp_path))
        assert await store.size(KEY) is None
        await remove_stored([store.location(KEY)], project_at(tmp_path))

    asyncio.run(act())


def test_a_bucket_that_is_not_there_is_told(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="S3 refused it"):
        asyncio.run(open_store("s3://another/folder", project_at(tmp_path)).write(KEY, pieces(3)))


def test_the_key_of_a_bucket_may_be_in_the_file_of_variables(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in os.environ if name.startswith("AWS_")]
    (tmp_path / ".env").write_text("".join(f"{name}={os.environ[name]}\n" for name in names), encoding="utf-8")
    for name in names:
        monkeypatch.delenv(name)
    store = open_store(bucket, project_at(tmp_path))

    async def act() -> int | None:
        await store.write(KEY, pieces(3))
        return await store.size(KEY)

    assert asyncio.run(act()) == 3


def test_s3_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(ConfigError, match=r"notion-pipeline\[s3\]"):
        open_store("s3://kept", project_at(tmp_path))


@pytest.mark.parametrize("text", ["kept", "/var/kept", "s3://kept", "s3://kept/folder/more", "s3://kept/folder/"])
def test_what_download_to_may_be(text: str) -> None:
    assert Files(download_to=text).download_to == text.removesuffix("/")


@pytest.mark.parametrize(
    "text",
    ["gs://kept", "https://kept.s3.amazonaws.com", "s3://", "s3:kept", "s3://key:secret@kept", "s3://kept/../x", ""],
)
def test_what_download_to_may_not_be(text: str) -> None:
    with pytest.raises(ValueError, match="download_to"):
        Files(download_to=text)
