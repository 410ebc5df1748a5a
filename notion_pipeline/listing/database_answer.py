"""Fetches databases by id and checks the answers; gives their data sources with the schemas.

An answer that is not of Notion's form is a failure of its database alone. `databases` lists the whole account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notion_pipeline.errors import (
    AuthorizationError,
    NotionInTrashError,
    NotionNotFoundError,
    NotionPipelineError,
    NotionRequestError,
    error_context,
)
from notion_pipeline.listing.listed import ListedDatabase, ListedDataSource
from notion_pipeline.listing.search import database_of, plain_title
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.gather import all_or_first_error
from notion_pipeline.notion_ids import notion_id
from notion_pipeline.rows.text.timestamps import as_datetime


def label(database_id: str, title: str) -> str:
    """A database as messages name it."""
    return f'"{title}" ({database_id})' if title else database_id


async def fetch_databases(
    client: NotionClient, asked: Mapping[str, frozenset[str]], data_sources: dict[str, dict[str, Any]]
) -> tuple[dict[str, ListedDatabase | NotionPipelineError], dict[str, str]]:
    """Fetches each of these databases; gives it, or why it cannot be listed: NotionNotFoundError where it is gone.

    Args:
        asked: By database id, which of `search`, `sources.yaml` and `catalog` know of it.

    Returns:
        The databases or errors by id, and the titles by id, also of databases that cannot be listed.

    Raises:
        AuthorizationError: Notion does not take the credential any more.
    """
    found: dict[str, ListedDatabase | NotionPipelineError] = {}
    titles: dict[str, str] = {}

    async def ask(database_id: str) -> None:
        try:
            found[database_id] = await _named_database(client, database_id, asked[database_id], data_sources, titles)
        except AuthorizationError as error:
            found[database_id] = error
            raise
        except NotionPipelineError as error:
            found[database_id] = error
        except Exception as error:  # one database's answer is its own, however odd
            found[database_id] = _odd(database_id, f"{type(error).__name__}: {error}")

    while left := [database_id for database_id in asked if database_id not in found]:
        try:
            await all_or_first_error(ask(database_id) for database_id in left)
        except AuthorizationError:
            # The others were stopped, lest hundreds of them ask with a token that is refused. Here it was not that.
            if not await client.accepts_credential():
                raise
    return found, titles


async def _named_database(
    client: NotionClient,
    named_id: str,
    found_by: frozenset[str],
    data_sources: dict[str, dict[str, Any]],
    titles: dict[str, str],
) -> ListedDatabase:
    """The database of an id. An id that only sources.yaml names may be that of a data source."""
    try:
        return await _database(client, named_id, found_by, data_sources, titles)
    except NotionInTrashError:
        raise
    except NotionNotFoundError:
        owner = await _owner(client, named_id) if found_by == {"sources.yaml"} else None
        if owner is None:
            raise
    return await _database(client, owner, found_by, data_sources, titles)


async def _database(
    client: NotionClient,
    database_id: str,
    found_by: frozenset[str],
    data_sources: dict[str, dict[str, Any]],
    titles: dict[str, str],
) -> ListedDatabase:
    """Fetches a database. Its title goes into `titles`, even where the rest of the answer cannot be used."""
    raw = (await client.database(database_id)).body
    titles[database_id] = plain_title(raw)
    entries = data_source_entries(raw, database_id)
    with error_context(database=label(database_id, plain_title(raw))):
        members = await all_or_first_error(
            _member(client, member_id, name, data_sources) for member_id, name in entries
        )
    return ListedDatabase(
        id=database_id,
        title=plain_title(raw),
        url=str(raw.get("url") or ""),
        raw=raw,
        data_sources=tuple(member for member in members if member is not None),
        found_by=found_by,
        created_time=as_datetime(raw.get("created_time")),
    )


def data_source_entries(raw: dict[str, Any], database_id: str) -> list[tuple[str, str]]:
    """Id and name of the data sources of a database, as its own answer names them.

    Raises:
        NotionNotFoundError: It is in the trash.
        NotionRequestError: It has none, as a linked view, or the answer is not one of a database.
        InvalidIdError: It names one by an id that is none.
    """
    if raw.get("object") != "database":
        raise _odd(database_id, f'it is a "{raw.get("object")}"')
    if raw.get("in_trash") or raw.get("archived"):
        raise NotionInTrashError(
            f"Database {database_id} is in Notion's trash.",
            hint="Restore it in Notion, or take it out of sources.yaml.",
            status=404,
        )
    entries = raw.get("data_sources")
    if not isinstance(entries, list):
        raise _odd(database_id, "it names no data sources")
    if not entries:
        raise NotionRequestError(
            f"Database {database_id} has no data source of its own, so there is nothing to read: it is a linked view "
            "of another database, or its data sources were moved to another.",
            hint="Name the original database instead: in Notion open the view's settings and follow its source; or "
            "deselect this one.",
            status=200,
        )
    found = []
    for entry in entries:
        told = entry if isinstance(entry, dict) else {}
        member_id = notion_id(told.get("id"), "One of its data sources")
        name = told.get("name")
        found.append((member_id, name if isinstance(name, str) else ""))
    return list(dict(found).items())


async def _owner(client: NotionClient, data_source_id: str) -> str | None:
    """The database of a data source that search does not show; None where the id is no data source's."""
    try:
        return database_of((await client.data_source(data_source_id)).body)
    except NotionRequestError:
        return None


async def _member(
    client: NotionClient, member_id: str, name: str, data_sources: dict[str, dict[str, Any]]
) -> ListedDataSource | None:
    raw = data_sources.get(member_id)
    if raw is None or not isinstance(raw.get("properties"), dict):
        try:
            raw = (await client.data_source(member_id)).body
        except NotionNotFoundError:
            return None
        if not raw.get("in_trash") and not isinstance(raw.get("properties"), dict):
            raise NotionRequestError(
                f"The answer about data source {member_id} is not as Notion's are: it holds no properties.",
                hint="Sync again later; if it stays so, deselect the database.",
                status=200,
            )
    return None if raw.get("in_trash") else ListedDataSource(member_id, name, raw)


def _odd(database_id: str, what: str) -> NotionRequestError:
    return NotionRequestError(
        f"The answer about database {database_id} is not as Notion's are: {what}.",
        hint="Sync again later; if it stays so, deselect the database.",
        status=200,
    )
