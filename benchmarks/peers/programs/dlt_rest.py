"""Loads every data source's rows into `loaded.duckdb` by dlt's REST API source.

Nested lists stay JSON (`max_table_nesting`), which takes dlt least time and memory; all else is as it comes.
"""

from __future__ import annotations

import os

import dlt
from dlt.sources.rest_api import rest_api_source

CURSOR = {"type": "cursor", "cursor_path": "next_cursor", "cursor_body_path": "start_cursor"}


def main() -> None:
    """One chain of two resources, one pipeline."""
    source = rest_api_source(
        {
            "client": {
                "base_url": os.environ["NOTION_API_URL"] + "/v1/",
                "headers": {"Notion-Version": "2025-09-03"},
                "auth": {"type": "bearer", "token": os.environ["NOTION_TOKEN"]},
                "paginator": CURSOR,
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "replace"},
            "resources": [
                {
                    "name": "data_sources",
                    "endpoint": {
                        "path": "search",
                        "method": "POST",
                        "json": {"filter": {"property": "object", "value": "data_source"}, "page_size": 100},
                        "data_selector": "results",
                    },
                },
                {
                    "name": "rows",
                    "endpoint": {
                        "path": "data_sources/{resources.data_sources.id}/query",
                        "method": "POST",
                        "json": {"page_size": 100},
                        "data_selector": "results",
                    },
                },
            ],
        }
    )
    source.max_table_nesting = 0
    dlt.pipeline(
        pipeline_name="benchmark",
        destination=dlt.destinations.duckdb("loaded.duckdb"),
        dataset_name="notion_data",
        pipelines_dir="pipelines",
    ).run(source)


if __name__ == "__main__":
    main()
