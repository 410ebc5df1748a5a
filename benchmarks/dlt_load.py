"""The process that dlt is measured in: one database, as its own example loads it, in the current folder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt

URL = os.environ["NOTION_API_URL"] + "/v1"
TOKEN = os.environ["NOTION_TOKEN"]


def verified_source(database_id: str) -> Any:
    """The source that `dlt init notion` laid down here, pointed at the server."""
    sys.path.insert(0, str(Path.cwd()))
    import notion.helpers.client  # noqa: PLC0415 - there only where it was fetched

    notion.helpers.client.API_URL = URL
    return notion.notion_databases(database_ids=[{"id": database_id, "use_name": "bulk"}], api_key=TOKEN)


def same_by_rest(database_id: str) -> Any:
    """What the verified source does: pages of one query, each handed on as it came, the table replaced."""
    from dlt.sources.helpers.rest_client import RESTClient  # noqa: PLC0415
    from dlt.sources.helpers.rest_client.auth import BearerTokenAuth  # noqa: PLC0415
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator  # noqa: PLC0415

    client = RESTClient(
        base_url=URL,
        headers={"Notion-Version": "2022-06-28"},
        auth=BearerTokenAuth(token=TOKEN),
        paginator=JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_body_path="start_cursor"),
        data_selector="results",
    )

    def rows() -> Iterator[Any]:
        yield from client.paginate(f"databases/{database_id}/query", method="POST", json={})

    return dlt.resource(rows, name="bulk", primary_key="id", write_disposition="replace")


def main() -> None:
    """Loads the database whose id is the argument into `loaded.duckdb`."""
    source = verified_source if Path("notion/__init__.py").is_file() else same_by_rest
    pipeline = dlt.pipeline(
        pipeline_name="benchmark",
        destination=dlt.destinations.duckdb("loaded.duckdb"),
        dataset_name="notion_data",
        pipelines_dir="pipelines",
        dev_mode=False,
    )
    began_at = time.monotonic()
    pipeline.run(source(sys.argv[1]))
    sys.stdout.write(f"Loaded in {time.monotonic() - began_at:.1f} s.\n")


if __name__ == "__main__":
    main()
