"""The loopback server that the browser comes back to: for one authorisation, then gone."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from types import TracebackType
from typing import Any
from urllib.parse import SplitResult, urlsplit

from notion_pipeline.accounts.callback_pages import Reply, elsewhere
from notion_pipeline.errors import ConfigError

# A browser opens connections that it may never use.
IDLE_SECONDS = 10.0
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # The address holds the code: it must not be kept, nor told to anyone.
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def can_be_served(redirect_uri: str) -> bool:
    """Whether the redirect URI is plain HTTP on this machine's loopback."""
    try:
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and bool(_addresses(parts)) and parts.port != 0
    except ValueError:
        return False


def _addresses(parts: SplitResult) -> list[str]:
    host = parts.hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return ["127.0.0.1", "::1"]  # a browser may try either first
    try:
        return [host] if ip_address(host).is_loopback else []
    except ValueError:
        return []


class CallbackServer:
    """Listens while entered.

    Args:
        redirect_uri: One that can be served.
        answer: Gives the page for a query string.
    """

    def __init__(self, redirect_uri: str, answer: Callable[[str], Reply]) -> None:
        self._parts = urlsplit(redirect_uri)
        self._answer = answer
        self._servers: list[_Server] = []
        self._threads: list[threading.Thread] = []
        self.done = threading.Event()

    def __enter__(self) -> CallbackServer:
        """Starts to listen.

        Raises:
            ConfigError: The port is taken, or may not be used.
        """
        port = self._parts.port or 80
        for address in _addresses(self._parts):
            try:
                self._servers.append(_Server(address, port, self._reply, self.done.set))
            except OSError as error:
                # A machine without IPv6 is served by IPv4 alone; a port that somebody holds is none of ours.
                if self._servers and error.errno != errno.EADDRINUSE:
                    continue
                self.close()
                raise _port_problem(port, error) from None
        for server in self._servers:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="notion-callback", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every connection and thread."""
        for server in self._servers:
            if self._threads:
                server.shutdown()
            server.hang_up()
            server.server_close()
        for thread in self._threads:
            thread.join()
        self._servers, self._threads = [], []

    def _reply(self, path: str, host: str) -> Reply:
        asked = urlsplit(path)
        # Another name for this address would be a page elsewhere that had its name pointed here.
        if asked.path != (self._parts.path or "/") or not _is_loopback_name(host):
            return elsewhere(self._parts.path or "/")
        return self._answer(asked.query)


def _is_loopback_name(host: str) -> bool:
    try:
        return bool(_addresses(urlsplit(f"//{host}")))
    except ValueError:
        return False


def _port_problem(port: int, error: OSError) -> ConfigError:
    taken = error.errno == errno.EADDRINUSE
    reason = "is in use, perhaps by another connect" if taken else f"cannot be used ({error.strerror})"
    return ConfigError(
        f"Port {port}, which Notion sends the browser back to, {reason}.",
        hint="Free it; or register another redirect URI with the connection and put it into NOTION_REDIRECT_URI; or "
        "use --no-browser and paste the address that the browser ends at.",
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined when the server closes

    def __init__(self, address: str, port: int, reply: Callable[[str, str], Reply], done: Callable[[], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.reply, self.done = reply, done
        self._open: set[socket.socket] = set()
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Without HTTPServer's look-up of the host's name, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends connections that wait for nothing."""
        for request in list(self._open):
            try:
                request.shutdown(socket.SHUT_RD)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = IDLE_SECONDS
    server: _Server
    server_version = "notion-pipeline"
    sys_version = ""

    def do_GET(self) -> None:
        reply = self.server.reply(self.path, self.headers.get("host", ""))
        content = reply.html().encode()
        self.send_response(HTTPStatus(reply.status))
        for name, value in {**HEADERS, "Content-Length": str(len(content)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
        if reply.ends:
            self.server.done()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Nothing: the address holds the code."""
