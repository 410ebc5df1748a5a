"""Buckets of S3, or of a store that speaks it; and small objects in one.

Keys, region and endpoint come from the environment (AWS_…), as for a lake's `data_path`.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, TypeVar

from notion_pipeline.errors import ConfigError, StagingError
from notion_pipeline.outside import web_address
from notion_pipeline.redaction import keep_secret

S3 = "s3://"
_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION")
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
#: A store that is away is found out within seconds: whoever asks has something better to do.
_CLIENT = {"connect_timeout": "3s", "timeout": "20s"}
_RETRIES = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
#: The parts of an error that help: the request, what came of it, and the code in the store's answer.
_FAILED_REQUEST = re.compile(r"Error performing (?P<request>\S+ \S+) in .*? - (?P<reason>[^\n<]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")

_Answer = TypeVar("_Answer")


def s3_store(
    url: str, environ: Mapping[str, str], *, what: str, client_options: Mapping[str, Any], **options: Any
) -> Any:
    """A bucket, or a folder in one, as obstore takes it.

    Args:
        url: `s3://bucket/folder`.
        environ: Variables with what is secret; they win over those of the process.
        what: What goes there, for errors.
        options: More of obstore's.

    Raises:
        ConfigError: The package for S3 is not installed, or a variable makes no sense to it.
    """
    try:
        obstore: Any = import_module("obstore")
        store: Any = import_module("obstore.store")
    except ImportError:
        raise ConfigError(
            f"{what} go to {url}, and the package for S3 is not installed.",
            hint="Install it: `pip install 'notion-pipeline[s3]'`.",
        ) from None
    # obstore would look there itself, but for the endpoint.
    environ = {**os.environ, **environ}
    keep_secret(*(environ[name] for name in _SECRETS if environ.get(name)))
    config = {name.lower(): value for name in _VARIABLES if (value := environ.get(name, "").strip())}
    endpoint = (environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or "").strip()
    if endpoint:
        if not web_address(endpoint):
            raise ConfigError(
                f"The bucket {url} cannot be used: AWS_ENDPOINT_URL holds no address.",
                hint="Write it as https://host, or take it out for Amazon's own S3.",
            )
        config["aws_endpoint"] = endpoint
    client = {**client_options, "allow_http": endpoint.lower().startswith("http://")}
    try:
        return store.S3Store.from_url(url, config=config, client_options=client, **options)
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise ConfigError(
            f"The bucket {url} cannot be used: {_reason(error)}.", hint="See the variables AWS_… ."
        ) from None


@dataclass(frozen=True)
class BucketObject:
    """An object as a listing shows it.

    Attributes:
        key: From the address of the bucket on.
        size: In bytes.
        modified: By the clock of the store.
    """

    key: str
    size: int
    modified: datetime


class Bucket:
    """A bucket, or a folder in one. Any thread may use it.

    Every method raises StagingError where the store refuses or cannot be reached.

    Args:
        url: `s3://bucket/folder`.
        environ: Variables with what is secret.

    Raises:
        ConfigError: The package for S3 is not installed, or a variable makes no sense to it.
    """

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        self.url = url
        self._store = s3_store(url, environ, what="Reads in progress", client_options=_CLIENT, retry_config=_RETRIES)
        self._obstore: Any = import_module("obstore")

    def put(self, key: str, data: bytes) -> None:
        """Writes an object, in place of one that is there: readers see the one or the other, whole."""
        self._asked(lambda: self._obstore.put(self._store, key, data, use_multipart=False))

    def get(self, key: str) -> bytes | None:
        """An object; None where there is none."""
        try:
            return self._asked(lambda: bytes(self._obstore.get(self._store, key).bytes()), FileNotFoundError)
        except FileNotFoundError:
            return None

    def list(self, folder: str) -> list[BucketObject]:
        """The objects below a folder."""

        def listed() -> list[BucketObject]:
            return [
                BucketObject(found["path"], int(found["size"]), found["last_modified"])
                for chunk in self._obstore.list(self._store, folder or None)
                for found in chunk
            ]

        return self._asked(listed)

    def remove(self, keys: Collection[str]) -> None:
        """Removes objects; one that is not there is no matter."""
        if keys:
            self._asked(lambda: self._obstore.delete(self._store, list(keys)))

    def try_out(self) -> None:
        """Writes, lists, reads and removes an object."""
        folder, data = f".check-{secrets.token_hex(4)}", secrets.token_bytes(16)
        key = f"{folder}/object"
        self.put(key, data)
        try:
            if [found.key for found in self.list(folder)] != [key] or self.get(key) != data:
                raise self._refused("what was written does not come back")
        finally:
            self.remove([key])

    def _asked(self, ask: Callable[[], _Answer], let_through: type[Exception] | tuple[()] = ()) -> _Answer:
        try:
            return ask()
        except let_through:
            raise
        except (self._obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise self._refused(_reason(error)) from None

    def _refused(self, reason: str) -> StagingError:
        return StagingError(
            f"The bucket {self.url} cannot be used: {reason}.",
            hint="See that it exists, that AWS_ENDPOINT_URL and AWS_REGION are right, and that the key in "
            "AWS_ACCESS_KEY_ID may list, read, write and remove objects there.",
        )


def _reason(error: Exception) -> str:
    text = str(error).strip()
    if (found := _FAILED_REQUEST.search(text)) is None:
        return (text.splitlines() or [type(error).__name__])[0][:300].rstrip(". ")
    code = _CODE.search(text)
    parts = [found["request"], found["reason"].strip(" :."), code[1] if code else ""]
    return ": ".join(filter(None, parts))[:300]
