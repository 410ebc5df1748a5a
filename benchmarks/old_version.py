"""Notion's version of 2022, which is all that dlt's source speaks: queries of a database are sent to its data source.

The sandbox serves newer versions alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

OLD, NEW = b"2022-06-28", b"2025-09-03"
_QUERY = re.compile(r"/v1/databases/([^/]+)/query")


class OldVersion:
    """Rewrites requests of the old version for the sandbox.

    Args:
        app: What serves the newer versions.
        data_sources: Id of the only data source of each database, by the database's id.
    """

    def __init__(self, app: ASGIApp, data_sources: Mapping[str, str]) -> None:
        self._app, self._data_sources = app, data_sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"notion-version", OLD) in scope["headers"]:
            headers = [(name, NEW if name == b"notion-version" else value) for name, value in scope["headers"]]
            path = _QUERY.sub(self._data_source_query, scope["path"])
            scope = {**scope, "headers": headers, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)

    def _data_source_query(self, found: re.Match[str]) -> str:
        return f"/v1/data_sources/{self._data_sources[found[1]]}/query"
