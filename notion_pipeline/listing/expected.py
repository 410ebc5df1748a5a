"""How many requests the next listing makes, as far as that can be told before it asks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from notion_pipeline.listing.databases import ASKED_IN_TURN
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.notion.page_size import NOTION_PAGE_SIZE


def listing_requests(known: Mapping[str, KnownDatabase], named: Collection[str]) -> int:
    """The requests of a listing that finds everything as the last one left it.

    One for each 100 data sources that search shows, one for each database that is fetched: some of those that did not
    change, in rotation, and all that search does not show, with their data sources.

    Args:
        known: The databases that were accessible at the last listing, by id.
        named: Ids of databases or data sources that sources.yaml names.
    """
    shown = [database for database in known.values() if database.search_digest is not None and database.data_sources]
    hidden = [database for database in known.values() if database not in shown]
    fetched = min(ASKED_IN_TURN, len(shown)) + sum(1 + len(database.data_sources) for database in hidden)
    return _search_pages(shown) + fetched + _for_unseen(known, named)


def first_listing_requests(found: Mapping[str, KnownDatabase], named: Collection[str]) -> int:
    """The requests of the first listing, where search shows these databases: each of them is fetched."""
    return _search_pages(found.values()) + len(found) + _for_unseen(found, named)


def _search_pages(shown: Iterable[KnownDatabase]) -> int:
    return max(1, -(-sum(len(database.data_sources) for database in shown) // NOTION_PAGE_SIZE))


def _for_unseen(known: Mapping[str, KnownDatabase], named: Collection[str]) -> int:
    """For ids in sources.yaml that are not known: each may be that of a data source, so both are asked for."""
    members = {key for database in known.values() for key, _ in database.data_sources}
    return 2 * sum(key not in known and key not in members for key in named)
