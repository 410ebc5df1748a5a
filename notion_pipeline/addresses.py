"""Which addresses are of this machine, and which may be spoken to without encryption."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from notion_pipeline.errors import ConfigError

PLAIN_HTTP = "NOTION_PIPELINE_PLAIN_HTTP"


def is_this_machine(host: str) -> bool:
    """Whether a host is loopback, by name or by number."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")


def refuse_plain_http(url: str, environ: Mapping[str, str], *, where: str = "NOTION_API_URL") -> None:
    """Keeps tokens off the network in clear, but to hosts that the environment names.

    Raises:
        ConfigError: The address is http, of another machine, and its host is not named in NOTION_PIPELINE_PLAIN_HTTP.
    """
    parts = urlsplit(url.strip())
    host = parts.hostname or ""
    named = {name.strip().lower() for name in environ.get(PLAIN_HTTP, "").split(",")}
    if parts.scheme.lower() == "http" and not is_this_machine(host) and host not in named:
        # The host alone: the rest of the address may hold a password.
        raise ConfigError(
            f"{where}: http:// to {host} would send the token over the network in clear.",
            hint=f"Use https://, or name the host in {PLAIN_HTTP}={host} if everything on the way there is yours.",
        )
