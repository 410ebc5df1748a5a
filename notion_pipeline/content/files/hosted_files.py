"""Files that Notion hosts: where a page names them, and what tells one from another.

An address is signed anew in every answer and expires within an hour. What stays is its path: workspace, id of the
upload, name (notion-api-additions.md section 6).
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from notion_pipeline.content.files.hosted_urls import signed_addresses
from notion_pipeline.rows.text.json_text import unsigned_url

PROPERTY, ICON, COVER, CONTENT = "property", "icon", "cover", "content"


@dataclass(frozen=True, slots=True)
class HostedFile:
    """A file in one place of a page.

    Attributes:
        file_id: The path of its address.
        kind: `property`, `icon`, `cover` or `content`.
        property_name: Name of the property; empty elsewhere.
        url: As it was found: signed in an answer, without signature in the catalog.
    """

    file_id: str
    kind: str
    property_name: str
    name: str
    url: str

    @property
    def source_url(self) -> str:
        """The address without its signature."""
        return unsigned_url(self.url)


def files_of_page(properties: Any, icon: Any, cover: Any) -> Iterator[HostedFile]:
    """The hosted files of a page, as Notion's JSON has them; values of rollups are files of other pages."""
    for name, value in properties.items() if isinstance(properties, dict) else ():
        entries = value.get("files") if isinstance(value, dict) and value.get("type") == "files" else None
        for entry in entries if isinstance(entries, list) else ():
            yield from _file(entry, PROPERTY, name)
    yield from _file(icon, ICON, "")
    yield from _file(cover, COVER, "")


def _file(entry: Any, kind: str, property_name: str) -> Iterator[HostedFile]:
    held = entry.get("file") if isinstance(entry, dict) and entry.get("type") == "file" else None
    url = held.get("url") if isinstance(held, dict) else None
    if isinstance(url, str) and (file_id := file_id_of(url)) is not None:
        name = entry.get("name")
        yield HostedFile(file_id, kind, property_name, name if isinstance(name, str) and name else _name(file_id), url)


def files_of_content(markdown: str) -> tuple[HostedFile, ...]:
    """The hosted files that running text names, each once: those whose address is signed."""
    found: dict[str, HostedFile] = {}
    for address in signed_addresses(markdown):
        url = html.unescape(address)
        if (file_id := file_id_of(url)) is not None:
            found.setdefault(file_id, HostedFile(file_id, CONTENT, "", _name(file_id), url))
    return tuple(found.values())


def file_id_of(url: str) -> str | None:
    """What stays of a hosted file's address; None where it has no path, or is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = parts.path.strip("/")
    return path if parts.scheme in ("https", "http") and parts.hostname and path else None


def _name(file_id: str) -> str:
    return unquote(file_id.rpartition("/")[2])


def is_public(url: str, api_url: str) -> bool:
    """Whether an address may be fetched: text on a page may name any, also those of machines around this one.

    Args:
        api_url: Base URL of Notion's API; a sandbox hosts its files beside it.
    """
    parts, api = urlsplit(url), urlsplit(api_url)
    if (parts.scheme, parts.netloc) == (api.scheme, api.netloc):
        return True
    host = (parts.hostname or "").rstrip(".")
    try:
        ip_address(host)
    except ValueError:
        return parts.scheme == "https" and "." in host and not host.endswith((".local", ".localhost", ".internal"))
    return False
