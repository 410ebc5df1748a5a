"""The OAuth endpoints over HTTP, and their control endpoints.

GET, POST /v1/oauth/authorize                    the page with Allow and Cancel, and its decision
POST      /v1/oauth/token, /revoke, /introspect  with HTTP Basic
GET       /sandbox/oauth                         settings, and how often each grant was refreshed
POST      /sandbox/oauth                         {setting: value, ...}
POST      /sandbox/oauth/apps                    {"client_id", "client_secret", "redirect_uris", "name"?}
POST      /sandbox/oauth/disconnect              {"bot_id"?}: as a user does in Notion
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from notion_pipeline.sandbox.edits.oauth import App, OAuthError
from notion_pipeline.sandbox.http.oauth_pages import consent_page, refusal_page
from notion_pipeline.sandbox.model.errors import NotionError
from notion_pipeline.sandbox.model.users import User

if TYPE_CHECKING:
    from notion_pipeline.sandbox.edits.workspace import Workspace

_ASKED = ("client_id", "redirect_uri", "response_type", "owner", "state")
_JSON = "application/json; charset=utf-8"


def routes(ws: Workspace) -> list[Route]:
    return [
        Route("/v1/oauth/authorize", _page(ws, _ask), methods=["GET"]),
        Route("/v1/oauth/authorize", _page(ws, _decide), methods=["POST"]),
        Route("/v1/oauth/token", _endpoint(ws, _token), methods=["POST"]),
        Route("/v1/oauth/revoke", _endpoint(ws, _revoke), methods=["POST"]),
        Route("/v1/oauth/introspect", _endpoint(ws, _introspect), methods=["POST"]),
        Route("/sandbox/oauth", _control(ws, _state), methods=["GET"]),
        Route("/sandbox/oauth", _control(ws, _set), methods=["POST"]),
        Route("/sandbox/oauth/apps", _control(ws, _register), methods=["POST"]),
        Route("/sandbox/oauth/disconnect", _control(ws, _disconnect), methods=["POST"]),
    ]


def _page(ws: Workspace, answer: Callable[[Workspace, list[tuple[str, str]]], Response]) -> Callable[..., Any]:
    async def endpoint(request: HttpRequest) -> Response:
        sent = (await request.body()).decode("utf-8", "replace") if request.method == "POST" else request.url.query
        with ws.lock:
            try:
                return answer(ws, parse_qsl(sent, keep_blank_values=True))
            except OAuthError as error:
                return HTMLResponse(refusal_page(error.message), error.status)

    return endpoint


def _ask(ws: Workspace, sent: list[tuple[str, str]]) -> Response:
    asked = {name: value for name, value in sent if name in _ASKED}
    app, redirect_uri = _checked(ws, asked)
    for name, needed in (("response_type", "code"), ("owner", "user")):
        if asked.get(name) != needed:
            code = "unsupported_response_type" if name == "response_type" else "invalid_request"
            return _sent_back(redirect_uri, asked, {"error": code, "error_description": f"{name} must be {needed}"})
    open_to_all = [database for database in ws.databases.values() if database.shared and not database.deleted]
    return HTMLResponse(consent_page(app.name, ws.name, open_to_all, _people(ws), asked))


def _people(ws: Workspace) -> list[User]:
    """Who may grant access, the owner first."""
    return [ws.owner, *(user for user in ws.users.values() if user.kind == "person" and user is not ws.owner)]


def _decide(ws: Workspace, sent: list[tuple[str, str]]) -> Response:
    form = dict(sent)
    app, redirect_uri = _checked(ws, form)
    if form.get("decision") != "allow":
        return _sent_back(redirect_uri, form, {"error": "access_denied"})
    chosen = [value for name, value in sent if name == "database" and value in ws.databases]
    user = ws.users.get(form.get("user", ""), ws.owner)
    code = ws.oauth.authorise(app, user, chosen, form.get("redirect_uri"))
    return _sent_back(redirect_uri, form, {"code": code})


def _checked(ws: Workspace, asked: Mapping[str, str]) -> tuple[App, str]:
    """The app and where its browser goes back to; without both nobody is sent anywhere."""
    app = ws.oauth.apps.get(asked.get("client_id", ""))
    if app is None:
        raise OAuthError(400, "invalid_client", "Missing or unknown client_id.")
    if "redirect_uri" not in asked and len(app.redirect_uris) == 1:
        return app, app.redirect_uris[0]
    if asked.get("redirect_uri") not in app.redirect_uris:
        raise OAuthError(400, "invalid_request", "Missing or invalid redirect_uri: it is not registered.")
    return app, asked["redirect_uri"]


def _sent_back(redirect_uri: str, asked: Mapping[str, str], result: dict[str, str]) -> Response:
    query = urlencode(result | ({"state": asked["state"]} if "state" in asked else {}))
    return RedirectResponse(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}", 303)


def _endpoint(ws: Workspace, answer: Callable[[Workspace, App, dict[str, Any]], dict[str, Any]]) -> Callable[..., Any]:
    async def endpoint(request: HttpRequest) -> Response:
        body = await request.body()
        with ws.lock:
            request_id = ws.request_id()
            try:
                app = ws.oauth.authenticated(*_basic(request.headers.get("authorization", "")))
                result = answer(ws, app, _object(body)) | {"request_id": request_id}
            except OAuthError as error:
                return _refused(ws, error, request_id)
        return Response(orjson.dumps(result), headers={"content-type": _JSON, "x-notion-request-id": request_id})

    return endpoint


def _basic(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = password = ""
    if scheme.lower() != "basic" or not name:
        raise OAuthError(401, "invalid_client", "Client authentication failed.")
    return name, password


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise OAuthError(400, "invalid_request", "The body must be a JSON object.")
    return parsed


def _refused(ws: Workspace, error: OAuthError, request_id: str) -> Response:
    """Either of the two bodies that are documented (section 12)."""
    if ws.oauth.settings.error_body == "notion":
        body = NotionError(error.status, error.code, error.message).body(request_id)
    else:
        body = {"error": error.code, "error_description": error.message}
    headers = {"content-type": _JSON, "x-notion-request-id": request_id}
    return Response(orjson.dumps(body), error.status, headers)


def _token(ws: Workspace, app: App, body: dict[str, Any]) -> dict[str, Any]:
    kind = body.get("grant_type")
    if kind == "authorization_code":
        return ws.oauth.exchange(app, body.get("code"), body.get("redirect_uri"))
    if kind == "refresh_token":
        return ws.oauth.refresh(app, body.get("refresh_token"))
    raise OAuthError(400, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")


def _revoke(ws: Workspace, app: App, body: dict[str, Any]) -> dict[str, Any]:
    ws.oauth.revoke(app, body.get("token"))
    return {}


def _introspect(ws: Workspace, app: App, body: dict[str, Any]) -> dict[str, Any]:
    return ws.oauth.introspect(app, body.get("token"))


def _control(ws: Workspace, answer: Callable[[Workspace, Any], dict[str, Any]]) -> Callable[..., Any]:
    async def endpoint(request: HttpRequest) -> Response:
        body = await request.body()
        try:
            with ws.lock:
                result = answer(ws, orjson.loads(body) if body else {})
        except (ValueError, KeyError, TypeError) as error:
            return Response(orjson.dumps({"error": str(error)}), 400, media_type="application/json")
        return Response(orjson.dumps(result), media_type="application/json")

    return endpoint


def _state(ws: Workspace, body: Any) -> dict[str, Any]:
    """Without tokens."""
    grants = [
        {"bot_id": g.token.bot.id, "user": g.user.name, "ended": g.ended, "refreshes": g.refreshes}
        for g in ws.oauth.grants
    ]
    return {"settings": asdict(ws.oauth.settings), "grants": grants, "refresh_tokens_reused": ws.oauth.reused}


def _set(ws: Workspace, body: Any) -> dict[str, Any]:
    ws.oauth.settings.update(body)
    return _state(ws, body)


def _register(ws: Workspace, body: Any) -> dict[str, Any]:
    app = ws.oauth.register(body["client_id"], body["client_secret"], body["redirect_uris"], name=body.get("name"))
    return {"client_id": app.client_id, "redirect_uris": app.redirect_uris}


def _disconnect(ws: Workspace, body: Any) -> dict[str, Any]:
    return {"ended": ws.oauth.disconnect(body.get("bot_id"))}
