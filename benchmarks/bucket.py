"""A bucket for the benchmarks: moto's S3 server in a process of its own, which keeps all in memory."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count

import httpx

_STARTS_WITHIN = 60.0
_SERVER = "import sys; from moto.server import main; main(['-p', sys.argv[1]])"


@dataclass(frozen=True)
class Bucket:
    """An S3 server.

    Attributes:
        variables: What a process needs to reach it.
    """

    endpoint: str
    variables: Mapping[str, str]
    _numbers: Iterator[int]

    def new(self) -> str:
        """A folder in a bucket of its own."""
        name = f"bucket-{next(self._numbers)}"
        httpx.put(f"{self.endpoint}/{name}", trust_env=False).raise_for_status()
        return f"s3://{name}/lake"


def missing() -> str | None:
    """What stands in the way of a server; None where nothing does."""
    if find_spec("moto") is None:
        return "moto, which speaks S3, is not installed (the extra `dev`)"
    return None


@contextmanager
def bucket() -> Iterator[Bucket]:
    """A server that ends with the context."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = str(listening.getsockname()[1])
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", _SERVER, port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        give_up_at = time.monotonic() + _STARTS_WITHIN
        while not _answers(endpoint):
            if server.poll() is not None or time.monotonic() > give_up_at:
                raise SystemExit("moto's server does not start.")
            time.sleep(0.1)
        variables = {
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "",
            "AWS_REGION": "us-east-1",
        }
        yield Bucket(endpoint, variables, count(1))
    finally:
        server.terminate()
        server.wait(timeout=_STARTS_WITHIN)


def _answers(endpoint: str) -> bool:
    try:
        return httpx.get(f"{endpoint}/moto-api/", trust_env=False).is_success
    except httpx.TransportError:
        return False
