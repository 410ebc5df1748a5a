"""The sandbox's hosted files: signed for an hour, downloaded without a token, in ranges, with faults."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from notion_client import Client

from notion_pipeline.sandbox.control.faults import Fault, RateLimit
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.content.files import HostedFile
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sandbox.public_sdk import HEADERS


@pytest.fixture
def web() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=PATIENCE) as client:
        yield client


def block_url(ws: Workspace, notion: Client, file: HostedFile) -> str:
    page = ws.add_page("Page")
    block = ws.add_block(page, "file", hosted=file)
    answer: dict[str, Any] = notion.blocks.retrieve(block.id)
    return str(answer["file"]["file"]["url"])


def test_files_are_downloaded_from_every_place_they_stand_in(
    ws: Workspace, notion: Client, url: str, web: httpx.Client
) -> None:
    plan, icon = ws.add_file("plan über/all.txt", b"the plan"), ws.add_file("i.png", b"icon")
    source = ws.add_database("Docs", {"Name": "title", "Files": "files"}).data_source
    row = source.add_page({"Files": [plan.entry]}, icon=icon.entry, cover={"hosted": "i.png"})
    block = ws.add_block(row, "pdf", hosted="plan über/all.txt")
    page: dict[str, Any] = notion.pages.retrieve(row.id)
    found = page["properties"]["Files"]["files"][0]
    assert (found["name"], found["type"]) == ("plan über/all.txt", "file")
    assert found["file"]["expiry_time"] == "2026-07-01T10:00:00.000Z"
    assert found["file"]["url"].startswith(f"{url}/files/{ws.id}/{plan.id}/")
    answer: dict[str, Any] = notion.blocks.retrieve(block.id)
    for address, wanted in (
        (found["file"]["url"], b"the plan"), (answer["pdf"]["file"]["url"], b"the plan"),
        (page["icon"]["file"]["url"], b"icon"), (page["cover"]["file"]["url"], b"icon"),
    ):  # fmt: skip
        got = web.get(address)
        assert (got.status_code, got.content) == (200, wanted)
    assert web.get(found["file"]["url"]).headers["content-type"].startswith("text/plain")


def test_addresses_open_the_file_for_an_hour(ws: Workspace, notion: Client, web: httpx.Client) -> None:
    file = ws.add_file("a.bin", b"x")
    first, second = block_url(ws, notion, file), block_url(ws, notion, file)
    assert first != second
    assert first.split("?")[0] == second.split("?")[0]
    ws.clock.advance(timedelta(minutes=59))
    assert web.get(first).status_code == 200
    ws.clock.advance(timedelta(minutes=1))
    answer = web.get(first)
    assert (answer.status_code, "Request has expired" in answer.text) == (403, True)
    assert web.get(block_url(ws, notion, file)).status_code == 200


def test_wrong_and_missing_signatures_are_refused(ws: Workspace, notion: Client, web: httpx.Client) -> None:
    address = block_url(ws, notion, ws.add_file("a.bin", b"x"))
    assert "AccessDenied" in web.get(address.split("?")[0]).text
    for broken in (address[:-1] + ("0" if address[-1] != "0" else "1"), address.replace("a.bin", "a.bin") + "0"):
        answer = web.get(broken)
        assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
    other = address.replace(ws.files["a.bin"].id, ws.id)
    assert web.get(other).status_code == 403


def test_the_token_must_not_be_sent_along(ws: Workspace, notion: Client, web: httpx.Client) -> None:
    answer = web.get(block_url(ws, notion, ws.add_file("a.bin", b"x")), headers=HEADERS)
    assert (answer.status_code, "Only one auth mechanism" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=65530-65545", 65_530, 65_546),
        ("bytes=199990-", 199_990, None),
        ("bytes=-7", -7, None),
    ],
)
def test_ranges(ws: Workspace, notion: Client, web: httpx.Client, wanted: str, start: int, end: int | None) -> None:
    file = ws.add_file("a.bin", size=200_000)
    address = block_url(ws, notion, file)
    complete = b"".join(file.read())
    part = web.get(address, headers={"Range": wanted})
    assert part.status_code == 206
    assert part.content == complete[start:end]
    first = start % 200_000
    assert part.headers["content-range"] == f"bytes {first}-{first + len(part.content) - 1}/200000"


def test_ranges_outside_the_file_are_416_and_those_of_another_version_start_anew(
    ws: Workspace, notion: Client, web: httpx.Client
) -> None:
    address = block_url(ws, notion, ws.add_file("a.bin", b"0123456789"))
    answer = web.get(address, headers={"Range": "bytes=10-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10")
    etag = web.get(address).headers["etag"]
    assert web.get(address, headers={"Range": "bytes=5-", "If-Range": etag}).content == b"56789"
    assert web.get(address, headers={"Range": "bytes=5-", "If-Range": '"other"'}).status_code == 200
    assert web.get(address, headers={"If-None-Match": etag}).status_code == 304


def test_large_files_are_made_up_piece_by_piece(ws: Workspace, notion: Client, web: httpx.Client) -> None:
    file = ws.add_file("film.mp4", size=3_000_001)
    digest = hashlib.sha256()
    with web.stream("GET", block_url(ws, notion, file)) as answer:
        assert answer.headers["content-length"] == "3000001"
        assert answer.headers["content-type"] == "video/mp4"
        for piece in answer.iter_raw():
            digest.update(piece)
    assert digest.hexdigest() == file.sha256()
    assert ws.add_file("huge.bin", size=1 << 40).size == 1 << 40


def test_files_nobody_uploaded_are_made_up_by_their_name(ws: Workspace, notion: Client, web: httpx.Client) -> None:
    page = ws.add_page("Page", icon={"hosted": "icons/tent.png"})
    answer: dict[str, Any] = notion.pages.retrieve(page.id)
    got = web.get(answer["icon"]["file"]["url"])
    assert len(got.content) >= 1_000
    assert "/tent.png?" in answer["icon"]["file"]["url"]
    again = Workspace().hosted_file("icons/tent.png")
    assert b"".join(again.read()) == got.content


def test_downloads_are_neither_counted_nor_limited(ws: Workspace, notion: Client, web: httpx.Client) -> None:
    address = block_url(ws, notion, ws.add_file("a.bin", b"x"))
    counted = len(ws.requests)
    ws.rate_limit = RateLimit(requests=1, window_seconds=600)
    for _ in range(3):
        assert web.get(address).status_code == 200
    assert len(ws.requests) == counted
    assert [(entry.path, entry.status) for entry in ws.downloads] == [(httpx.URL(address).path, 200)] * 3


def test_downloads_fail_by_faults_that_name_them(ws: Workspace, notion: Client, web: httpx.Client) -> None:
    file = ws.add_file("a.bin", size=300_000)
    address = block_url(ws, notion, file)
    ws.faults.add(Fault("status", status=500))
    assert web.get(address).status_code == 200
    ws.faults.clear()
    for status in (403, 500):
        ws.faults.add(Fault("status", match="/files/", status=status))
        assert web.get(address).status_code == status
    for after, held in ((None, 150_000), (70_000, 70_000)):
        ws.faults.add(Fault("cut_body", match="GET /files/", after=after))
        got = bytearray()
        with pytest.raises(httpx.RemoteProtocolError), web.stream("GET", address) as answer:
            assert answer.headers["content-length"] == "300000"
            for piece in answer.iter_raw():
                got += piece
        assert len(got) == held
    ws.faults.add(Fault("reset", match="/files/"))
    with pytest.raises(httpx.TransportError):
        web.get(address)
    assert web.get(address).content == b"".join(file.read())
