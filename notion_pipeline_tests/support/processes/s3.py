"""A server that speaks S3 on loopback, for as long as a block lasts."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import httpx
import pytest

from notion_pipeline.bucket import Bucket


@dataclass(frozen=True)
class S3Place:
    """An empty bucket.

    Attributes:
        url: Of a folder in it, `s3://…`.
        environ: The variables by which it is reached.
    """

    url: str
    environ: Mapping[str, str]

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.url, self.environ)

    @property
    def keys(self) -> list[str]:
        """Of all objects in the folder."""
        return [found.key for found in self.bucket.list("")]


@contextmanager
def s3_place(name: str = "kept") -> Iterator[S3Place]:
    """An empty bucket on a server of its own; skips the test where what it takes is not installed."""
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    server_of = pytest.importorskip("moto.server", reason="moto, which speaks S3 here, is not installed")
    # It would load this at its first answer, in a thread where a warning of another library becomes an error of ours.
    importlib.import_module("moto.s3.responses")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        # Its state is the process's.
        assert httpx.post(f"{endpoint}/moto-api/reset", trust_env=False).is_success
        assert httpx.put(f"{endpoint}/{name}", trust_env=False).is_success
        environ = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        yield S3Place(f"s3://{name}/folder", MappingProxyType(environ))
    finally:
        server.stop()
