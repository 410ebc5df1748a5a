"""Where the shared state is: the text of `state:` and NOTION_PIPELINE_STATE, and what of it may be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from notion_pipeline.redaction import keep_secret

_POSTGRES = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9]+)?://", re.IGNORECASE)
#: An address whose slashes were forgotten is no folder either.
_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|postgres(?:ql)?(?:\+[a-z0-9]+)?:", re.IGNORECASE)
_SECRET_SETTINGS = ("password", "sslpassword")


@dataclass(frozen=True)
class PostgresAddress:
    """A PostgreSQL, and how it is reached.

    Attributes:
        url: As libpq takes it; it may hold a password.
        label: The URL without what is secret in it.
        password, passfile: Where the URL has none; empty leaves them to libpq.
    """

    url: str = field(repr=False)
    label: str
    password: str = field(default="", repr=False)
    passfile: str = ""


def is_url(text: str) -> bool:
    """Whether the text is an address and no path."""
    return _ANY_SCHEME.match(text) is not None


def is_postgres(text: str) -> bool:
    return _POSTGRES.match(text) is not None


def secrets_in(url: str) -> list[str]:
    """The passwords in a URL, as they stand there and as they are meant."""
    before_query, _, query = url.partition("://")[2].partition("?")
    found: list[str] = []
    for text in (before_query, f"{before_query}?{query}"):  # somebody's password may have a question mark
        written = text.rpartition("@")[0].partition(":")[2]
        found += [written, unquote(written)] if written else []
    found += [value for name, value in parse_qsl(query) if name in _SECRET_SETTINGS and value]
    return list(dict.fromkeys(found))


def without_secrets(url: str) -> str:
    """The URL as it may be shown: scheme, user, hosts, database."""
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        return f"{url.partition(':')[0]}:…"
    user, at, where = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{where.partition('?')[0]}"


def postgres_address(url: str, environ: Mapping[str, str]) -> PostgresAddress:
    """The address in a URL; its passwords are kept out of messages from now on.

    Args:
        environ: Its PGPASSWORD and PGPASSFILE count where the URL has no password.
    """
    password = environ.get("PGPASSWORD", "")
    keep_secret(*secrets_in(url), password)
    return PostgresAddress(
        "postgresql://" + url.partition("://")[2], without_secrets(url), password, environ.get("PGPASSFILE", "")
    )
