"""Handlers for users: the connection's own, the list of members and bots, and one by its id."""

from __future__ import annotations

from typing import Any

from notion_pipeline.sandbox.http.handlers.calls import Call, listing, sliced
from notion_pipeline.sandbox.model.errors import restricted

_UPLOAD_LIMIT = 5_242_880


def me(call: Call) -> dict[str, Any]:
    """The connection's own bot, and with it the workspace (section 9); a personal token gives its person."""
    token, ws = call.token, call.ws
    if token.personal:
        return call.renderer.user(token.bot.id)
    owner: dict[str, Any] = {"type": "workspace", "workspace": True}
    if token.owner is not None:
        owner = {"type": "user", "user": call.renderer.user(token.owner.id)}
    bot = {
        "owner": owner,
        "workspace_name": ws.name,
        "workspace_id": ws.id,
        "workspace_limits": {"max_file_upload_size_in_bytes": _UPLOAD_LIMIT},
    }
    user = token.bot
    return {"object": "user", "id": user.id, "name": user.name, "avatar_url": None, "type": "bot", "bot": bot}


def users(call: Call) -> dict[str, Any]:
    """Members and bots. No order is promised: by id, so that nobody can lean on it."""
    _require_users(call)
    if call.token.personal:
        raise restricted("list users")
    listed = sorted(user.id for user in call.ws.users.values() if not user.guest)
    part, cursor = sliced(call, "user", listed)
    return listing("user", [call.renderer.user(user_id) for user_id in part], cursor)


def user(call: Call) -> dict[str, Any]:
    """Also a guest."""
    _require_users(call)
    user_id = call.path_id("user_id")
    if user_id not in call.ws.users:
        raise call.missing("user", user_id)
    return call.renderer.user(user_id)


def _require_users(call: Call) -> None:
    if call.token.user_information == "none":
        raise restricted("read user information")
