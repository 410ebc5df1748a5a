"""Async client of Notion's API, one method per endpoint. Knows no tables.

Every request only reads, also the POST ones (search, query), so each may be repeated.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from notion_pipeline.errors import AuthorizationError, NotionError
from notion_pipeline.notion.exchange import Exchange
from notion_pipeline.notion.page_size import Body
from notion_pipeline.notion.request_stats import RequestStats
from notion_pipeline.notion.responses.parsing import Answer
from notion_pipeline.notion.retries import ATTEMPTS
from notion_pipeline.notion.transport import NOTION_VERSION, BearerAuth
from notion_pipeline.notion_ids import notion_id
from notion_pipeline.notion_ids import property_id as checked_property_id

__all__ = ["ATTEMPTS", "NOTION_VERSION", "Answer", "BearerAuth", "NotionClient", "RequestStats"]

#: The most that a list gives at once (notion-api.md section 3).
PAGE_SIZE = 100


class NotionClient(Exchange):
    """Asks Notion for one source of sources.yaml; see `Exchange` for how."""

    async def me(self) -> Answer:
        """The bot user behind the credential."""
        return await self.get("/v1/users/me", "the connection's own user")

    async def accepts_credential(self) -> bool:
        """Whether Notion takes the credential, after a 401 that may be about one object alone."""
        try:
            await self.me()
        except AuthorizationError:
            return False
        except NotionError:
            return True  # unknown; what is asked next will tell
        return True

    async def search(self, body: Body) -> Answer:
        """One page of what the connection may see (notion-api.md section 8: no inventory).

        Where it is too much for Notion, less is asked for, as by `query`.
        """
        return await self.post_for_list("/v1/search", "the search", body)

    async def database(self, database_id: str) -> Answer:
        """A database: the container, with its data sources' ids and names."""
        database_id = notion_id(database_id, "A database")
        return await self.get(f"/v1/databases/{database_id}", f"database {database_id}")

    async def data_source(self, data_source_id: str) -> Answer:
        """A data source with its schema."""
        data_source_id = notion_id(data_source_id, "A data source")
        return await self.get(f"/v1/data_sources/{data_source_id}", f"data source {data_source_id}")

    async def page(self, page_id: str) -> Answer:
        """A page with its property values."""
        page_id = notion_id(page_id, "A page")
        return await self.get(f"/v1/pages/{page_id}", f"page {page_id}")

    async def query(self, data_source_id: str, body: Body) -> Answer:
        """One page of the rows of a data source (notion-api.md section 4).

        Where Notion or a gateway before it fails or runs out of time (5xx but 529, no answer), the next attempt asks
        for half as many rows, and later queries of this data source grow back to what their body asks for.
        """
        data_source_id = notion_id(data_source_id, "A data source")
        return await self.post_for_list(
            f"/v1/data_sources/{data_source_id}/query", f"data source {data_source_id}", body
        )

    async def property_item(
        self, page_id: str, property_id: str, start_cursor: str | None = None, page_size: int = 100
    ) -> Answer:
        """One value of a page, or one page of its items (notion-api.md section 7).

        `property_id` comes decoded; it goes into the path encoded once.
        """
        page_id = notion_id(page_id, "A page")
        path = f"/v1/pages/{page_id}/properties/{quote(checked_property_id(property_id), safe='')}"
        params = {"page_size": page_size} | ({"start_cursor": start_cursor} if start_cursor else {})
        return await self.get(path, f"property {property_id!r} of page {page_id}", params)

    async def page_markdown(self, page_id: str) -> Answer:
        """The content of a page, or of a block within one, as Markdown (notion-api-additions.md section 3)."""
        page_id = notion_id(page_id, "A page")
        return await self.get(f"/v1/pages/{page_id}/markdown", f"the content of page {page_id}")

    async def block_children(self, block_id: str, start_cursor: str | None = None) -> Answer:
        """One page of the blocks in a page or block, of the first level only (section 2)."""
        block_id = notion_id(block_id, "A block")
        return await self.get(
            f"/v1/blocks/{block_id}/children", f"the blocks in {block_id}", _list_parameters(start_cursor)
        )

    async def block(self, block_id: str) -> Answer:
        """A block by its id."""
        block_id = notion_id(block_id, "A block")
        return await self.get(f"/v1/blocks/{block_id}", f"block {block_id}")

    async def comments(self, block_id: str, start_cursor: str | None = None) -> Answer:
        """One page of the open comments on a page or a block (section 5)."""
        block_id = notion_id(block_id, "A page or block")
        parameters = {"block_id": block_id, **_list_parameters(start_cursor)}
        return await self.get("/v1/comments", f"the comments on {block_id}", parameters)

    async def users(self, start_cursor: str | None = None) -> Answer:
        """One page of the workspace's members and bots; guests are not among them (section 4)."""
        return await self.get("/v1/users", "the users", _list_parameters(start_cursor))

    async def user(self, user_id: str) -> Answer:
        """A user by id, a guest too."""
        user_id = notion_id(user_id, "A user")
        return await self.get(f"/v1/users/{user_id}", f"user {user_id}")


def _list_parameters(start_cursor: str | None) -> dict[str, Any]:
    return {"page_size": PAGE_SIZE} | ({"start_cursor": start_cursor} if start_cursor else {})
