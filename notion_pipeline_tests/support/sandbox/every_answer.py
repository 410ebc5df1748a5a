"""Reads whatever a served workspace gives, by plain HTTP; each answer with its type in the official SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sandbox.sdk_types import Answer

_OF_OBJECT = {"page": "PageObjectResponse", "data_source": "DataSourceObjectResponse"}


class EveryAnswer:
    """One reading of everything.

    Args:
        pages_in_detail: Rows of each data source whose properties, blocks and comments are read too; None for all.
    """

    def __init__(self, url: str, token: str, version: str, pages_in_detail: int | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}", "Notion-Version": version}
        self._http = httpx.Client(base_url=f"{url}/v1", headers=headers, timeout=PATIENCE)
        self._pages_in_detail = pages_in_detail

    def read(self) -> Iterator[Answer]:
        with self._http:
            yield from self._users()
            sources: dict[str, dict[str, Any]] = {}
            for answer in self._pages("POST", "/search"):
                yield Answer("SearchResponse", "search", answer)
                for found in answer["results"]:
                    yield Answer(_OF_OBJECT[found["object"]], f"search {found['id']}", found)
                    if found["object"] == "data_source":
                        sources[found["id"]] = found
                    elif found["parent"]["type"] != "data_source_id":
                        yield from self._page(found)
            for database_id in {source["parent"]["database_id"] for source in sources.values()}:
                yield Answer("DatabaseObjectResponse", database_id, self._ask("GET", f"/databases/{database_id}"))
            for source_id in sources:
                yield from self._source(source_id)

    def _users(self) -> Iterator[Answer]:
        yield Answer("UserObjectResponse", "users/me", self._ask("GET", "/users/me"))
        for answer in self._pages("GET", "/users"):
            yield Answer("ListUsersResponse", "users", answer)
            for user in answer["results"]:
                yield Answer("UserObjectResponse", user["id"], self._ask("GET", f"/users/{user['id']}"))

    def _source(self, source_id: str) -> Iterator[Answer]:
        path = f"/data_sources/{source_id}"
        yield Answer("DataSourceObjectResponse", source_id, self._ask("GET", path))
        yield Answer("ListDataSourceTemplatesResponse", source_id, self._ask("GET", f"{path}/templates"))
        rows = []
        for answer in self._pages("POST", f"{path}/query"):
            yield Answer("QueryDataSourceResponse", f"query of {source_id}", answer)
            for row in answer["results"]:
                yield Answer(_OF_OBJECT[row["object"]], f"row {row['id']}", row)
                rows.append(row)
        for row in rows[: self._pages_in_detail]:
            if row["object"] == "page":
                yield from self._page(row)

    def _page(self, page: dict[str, Any]) -> Iterator[Answer]:
        path = f"/pages/{page['id']}"
        yield Answer("PageObjectResponse", page["id"], self._ask("GET", path))
        yield Answer("GetPageMarkdownResponse", page["id"], self._ask("GET", f"{path}/markdown"))
        for name, value in page["properties"].items():
            for answer in self._pages("GET", f"{path}/properties/{value['id']}"):
                yield Answer("GetPagePropertyResponse", f"{name!r} of {page['id']}", answer)
        yield Answer("BlockObjectResponse", page["id"], self._ask("GET", f"/blocks/{page['id']}"))
        yield from self._below(page["id"])

    def _below(self, block_id: str) -> Iterator[Answer]:
        """Comments on a block and the blocks in it, to the last level; a page below is a page of its own."""
        for answer in self._pages("GET", f"/comments?block_id={block_id}"):
            yield Answer("ListCommentsResponse", f"comments on {block_id}", answer)
            for comment in answer["results"]:
                yield Answer("CommentObjectResponse", comment["id"], self._ask("GET", f"/comments/{comment['id']}"))
        for answer in self._pages("GET", f"/blocks/{block_id}/children"):
            yield Answer("ListBlockChildrenResponse", f"blocks in {block_id}", answer)
            for block in answer["results"]:
                yield Answer("BlockObjectResponse", block["id"], block)
                if block["has_children"] and block["type"] not in ("child_page", "child_database"):
                    yield from self._below(block["id"])

    def _pages(self, method: str, path: str) -> Iterator[dict[str, Any]]:
        """Every answer of a list; the one answer of what is none."""
        cursor: dict[str, Any] = {}
        while True:
            answer = self._ask(method, path, cursor)
            yield answer
            if answer.get("next_cursor") is None:
                return
            cursor = {"start_cursor": answer["next_cursor"]}

    def _ask(self, method: str, path: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
        url = httpx.URL(path).copy_merge_params(given) if given and method == "GET" else path
        response = self._http.request(method, url, json=given or {} if method == "POST" else None)
        assert response.status_code == 200, (method, path, response.text)
        found: dict[str, Any] = response.json()
        return found
