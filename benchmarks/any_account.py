"""Accounts for the benchmarks: a token that begins with the sandbox's own sees what that one sees.

So one server, whose rows are rendered once, serves as many accounts as there are workers.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

_HEADER = b"authorization"


class AnyAccount:
    """Gives each request the token that the sandbox knows.

    Args:
        app: What serves that token.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._known = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(name, self._value(name, value)) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)

    def _value(self, name: bytes, value: bytes) -> bytes:
        return self._known if name == _HEADER and value.startswith(self._known) else value
