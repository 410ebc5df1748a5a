"""Control endpoints under /sandbox/, for processes that do not hold the workspace themselves.

Not part of Notion, not counted as API requests, no token needed. Bodies and answers are JSON.

    GET    /sandbox/requests                 {"count", "by_status", "by_path", "requests": [...]}
    DELETE /sandbox/requests                 forgets them
    GET    /sandbox/clock                    {"now", "skew_seconds"}
    POST   /sandbox/clock                    {"set": ISO time} and/or {"advance_seconds": n}, {"skew_seconds": n}
    POST   /sandbox/faults                   {"kind", "match"?, "at"?, "times"?, ...params}, one or a list
    DELETE /sandbox/faults                   forgets those still to come
    POST   /sandbox/share, /sandbox/unshare  {"database_id", "token"?}
    GET    /sandbox/switches                 all of them
    POST   /sandbox/switches                 {name: value, ...}
    POST   /sandbox/rate_limit               {"requests", "window_seconds"} or null
    GET    /sandbox/pages/{data_source_id}   every live and archived row in full: the ground truth
    GET    /sandbox/databases                [{"id", "title", "shared", "data_sources": [{"id", "name", "rows"}]}]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from notion_pipeline.sandbox.control.faults import Fault, RateLimit
from notion_pipeline.sandbox.model.clock import as_instant, milli_stamp

if TYPE_CHECKING:
    from notion_pipeline.sandbox.control.requests import Request
    from notion_pipeline.sandbox.edits.workspace import Workspace

Action = Callable[["Workspace", dict[str, str], Any], Any]


def routes(ws: Workspace) -> list[Route]:
    return [Route(path, _endpoint(ws, action), methods=[method]) for method, path, action in _ACTIONS]


def _endpoint(ws: Workspace, action: Action) -> Callable[[HttpRequest], Any]:
    async def endpoint(request: HttpRequest) -> Response:
        body = await request.body()
        try:
            with ws.lock:
                result = action(ws, dict(request.path_params), orjson.loads(body) if body else None)
        except (ValueError, KeyError, TypeError) as error:
            return Response(orjson.dumps({"error": str(error)}), 400, media_type="application/json")
        return Response(orjson.dumps(result), media_type="application/json")

    return endpoint


def _requests(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    return {
        "count": len(ws.requests),
        "by_status": dict(Counter(str(request.status) for request in ws.requests)),
        "by_path": dict(Counter(f"{request.method} {request.path}" for request in ws.requests)),
        "requests": [_request(request) for request in ws.requests],
    }


def _request(request: Request) -> dict[str, Any]:
    """Without the token."""
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": request.body,
        "version": request.version,
        "status": request.status,
        "at": milli_stamp(request.at),
    }


def _forget_requests(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    ws.requests.clear()
    return {"count": 0}


def _clock(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    return {"now": milli_stamp(ws.clock.now()), "skew_seconds": ws.clock.skew.total_seconds()}


def _set_clock(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    if "set" in body:
        ws.clock.set(as_instant(body["set"]))
    ws.clock.advance(timedelta(seconds=body.get("advance_seconds", 0)))
    if "skew_seconds" in body:
        ws.clock.skew = timedelta(seconds=body["skew_seconds"])
    return _clock(ws, params, body)


def _add_faults(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    for entry in body if isinstance(body, list) else [body]:
        ws.faults.add(Fault(**entry))
    return {"planned": len(ws.faults.planned)}


def _forget_faults(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    ws.faults.clear()
    return {"planned": 0}


def _share(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    ws.share(body["database_id"], body.get("token"))
    return {"shared": True}


def _unshare(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    ws.unshare(body["database_id"], body.get("token"))
    return {"shared": False}


def _switches(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    return ws.switches.as_dict()


def _set_switches(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    ws.switches.update(body)
    return ws.switches.as_dict()


def _set_rate_limit(ws: Workspace, params: dict[str, str], body: Any) -> dict[str, Any]:
    ws.rate_limit = RateLimit(**body) if body else None
    return {"limited": ws.rate_limit is not None}


def _pages(ws: Workspace, params: dict[str, str], body: Any) -> list[dict[str, Any]]:
    return ws.rows(params["data_source_id"])


def _databases(ws: Workspace, params: dict[str, str], body: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": database.id,
            "title": database.title,
            "shared": database.shared,
            "data_sources": [
                {"id": source.id, "name": source.name, "rows": len(source.order)} for source in database.data_sources
            ],
        }
        for database in ws.databases.values()
        if not database.deleted
    ]


_ACTIONS: tuple[tuple[str, str, Action], ...] = (
    ("GET", "/sandbox/requests", _requests),
    ("DELETE", "/sandbox/requests", _forget_requests),
    ("GET", "/sandbox/clock", _clock),
    ("POST", "/sandbox/clock", _set_clock),
    ("POST", "/sandbox/faults", _add_faults),
    ("DELETE", "/sandbox/faults", _forget_faults),
    ("POST", "/sandbox/share", _share),
    ("POST", "/sandbox/unshare", _unshare),
    ("GET", "/sandbox/switches", _switches),
    ("POST", "/sandbox/switches", _set_switches),
    ("POST", "/sandbox/rate_limit", _set_rate_limit),
    ("GET", "/sandbox/pages/{data_source_id}", _pages),
    ("GET", "/sandbox/databases", _databases),
)
