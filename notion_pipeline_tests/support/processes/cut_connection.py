"""A proxy before PostgreSQL that cuts the connection of a lake's commit: before the server gets it, or its answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class CuttingProxy:
    """What a client sends and gets, passed on until a commit is cut.

    Args:
        loses: What is lost of the next commit that writes a snapshot: the `request`, or the `answer`.
    """

    def __init__(self, port: int, loses: Literal["request", "answer"]) -> None:
        self._server_port, self._loses = port, loses
        self.is_armed, self.cuts = False, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                _Passing(self, client, server, self._loses)

    def close(self) -> None:
        self._listener.close()


class _Passing:
    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket, loses: str) -> None:
        self._proxy, self._client, self._server, self._loses = proxy, client, server, loses
        self._writes = self._is_cut = False
        for work in (self._to_server, self._to_client):
            threading.Thread(target=work, daemon=True).start()

    def _to_server(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(1 << 16):
                self._writes = self._writes or b"ducklake_snapshot VALUES" in data
                if self._proxy.is_armed and self._writes and data.endswith(_COMMIT):
                    self._proxy.is_armed, self._is_cut = False, True
                    self._proxy.cuts += 1
                    if self._loses == "request":
                        break
                self._server.sendall(data)
        if not self._is_cut or self._loses == "request":
            self._close()

    def _to_client(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(1 << 16):
                if self._is_cut:
                    break
                self._client.sendall(data)
        self._close()

    def _close(self) -> None:
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def cutting_proxy(port: int, loses: Literal["request", "answer"]) -> Iterator[CuttingProxy]:
    """The proxy before a server's port; it cuts once it is armed."""
    proxy = CuttingProxy(port, loses)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
