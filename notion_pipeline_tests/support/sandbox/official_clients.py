"""What a served workspace holds, read by Notion's official JavaScript client and by the Python one in the same way."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from notion_client import Client
from notion_client.helpers import collect_paginated_api

from notion_pipeline_tests.support.sandbox.node_packages import node, node_folder
from notion_pipeline_tests.support.sandbox.sdk_types import PROGRAMS, SDK

LATEST = "2026-03-11"


def read_by_javascript(url: str, token: str, pages_in_detail: int) -> dict[str, Any]:
    """Users, data sources with rows, and the first rows' property items and comments; skipped where Node is missing."""
    package = node_folder("sdk_5.26.0", SDK) / "node_modules" / "@notionhq" / "client"
    command = [node(), str(PROGRAMS / "read_everything.cjs"), str(package), str(pages_in_detail)]
    environment = {**os.environ, "NOTION_TOKEN": token, "NOTION_API_URL": url, "NOTION_VERSION": LATEST}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def read_by_python(url: str, token: str, pages_in_detail: int) -> dict[str, Any]:
    """The same, by the public Python SDK."""
    with Client(auth=token, base_url=url, notion_version=LATEST) as notion:
        users = collect_paginated_api(notion.users.list)
        found: dict[str, Any] = {"me": notion.users.me(), "sources": {}, "items": {}, "comments": {}}
        found["users"] = {user["id"]: notion.users.retrieve(user["id"]) for user in users}
        only = {"property": "object", "value": "data_source"}
        for source in collect_paginated_api(notion.search, filter=only):
            results = collect_paginated_api(notion.data_sources.query, data_source_id=source["id"])
            rows = [row for row in results if row["object"] == "page"]  # a wiki's rows are data sources as well
            found["sources"][source["id"]] = {"schema": notion.data_sources.retrieve(source["id"]), "rows": rows}
            for row in rows[:pages_in_detail]:
                found["comments"][row["id"]] = collect_paginated_api(notion.comments.list, block_id=row["id"])
                values = row["properties"].items()
                found["items"][row["id"]] = {name: _items(notion, row["id"], value["id"]) for name, value in values}
        return found


def _items(notion: Client, page_id: str, property_id: str) -> dict[str, Any]:
    answer: Any = notion.pages.properties.retrieve(page_id, property_id)
    if answer["object"] != "list":
        return {answer["type"]: answer[answer["type"]]}
    results: list[Any] = []
    while True:
        results += [{"type": item["type"], item["type"]: item[item["type"]]} for item in answer["results"]]
        if not answer["has_more"]:
            return {"results": results, "last": answer["property_item"]}
        answer = notion.pages.properties.retrieve(page_id, property_id, start_cursor=answer["next_cursor"])


def lasting(value: Any) -> Any:
    """The value without what differs in each answer: request ids, signatures, cursors."""
    if isinstance(value, dict):
        kept = {key: entry for key, entry in value.items() if key not in ("request_id", "expiry_time", "next_url")}
        return {key: lasting(entry) for key, entry in kept.items()}
    if isinstance(value, list):
        return [lasting(entry) for entry in value]
    return value.partition("?X-Amz-")[0] if isinstance(value, str) else value
