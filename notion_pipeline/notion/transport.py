"""The HTTP connection to Notion: base URL, credential, proxies, timeouts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator

import httpx

from notion_pipeline.addresses import is_this_machine
from notion_pipeline.errors import AuthorizationError, ConfigError
from notion_pipeline.notion.responses.bodies import bound_answers, bound_token_answer
from notion_pipeline.redaction import Secret, is_token

NOTION_VERSION = "2026-03-11"
HEADERS = {
    "Notion-Version": NOTION_VERSION,
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": "notion-pipeline",
}
CONNECT_SECONDS = 10.0
#: Notion itself gives up after 60 (notion-api.md section 10): who stops waiting before may lose a pair of tokens.
BLOCKING_SECONDS = 70.0
KEEP_ALIVE_SECONDS = 30.0


class BearerAuth(httpx.Auth):
    """A token that stays as it is, in the Authorization header and nowhere else."""

    def __init__(self, token: str) -> None:
        self._token = Secret(token.strip())

    def __repr__(self) -> str:
        return "BearerAuth(***)"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Puts the token on the request.

        Raises:
            AuthorizationError: There is none, or it holds what no HTTP header may.
        """
        token = self._token.reveal()
        if not is_token(token):
            raise AuthorizationError(
                "The Notion token is empty or holds spaces or other characters that no token has.",
                hint="Copy it again: into NOTION_TOKEN, or the variable that sources.yaml names.",
            )
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


def http_client(
    auth: httpx.Auth,
    base_url: str,
    *,
    connections: int,
    timeout: float,
    longest_answer: int,
    transport: httpx.AsyncBaseTransport | None,
    before_request: Callable[[httpx.Request], Awaitable[None]],
) -> httpx.AsyncClient:
    """An HTTP client that speaks as the pipeline: version header, kept connections, no redirects.

    Args:
        auth: Puts the credential on each request.
        base_url: As `checked_base_url` gave it.
        connections: Open at once, and kept.
        timeout: Seconds without a byte before a request is given up.
        longest_answer: Bytes of a body, unpacked; a longer one is refused.
        transport: Instead of the network.
        before_request: Is called as each request goes out.

    Raises:
        ConfigError: The proxy of the environment cannot be used.
    """
    try:
        return httpx.AsyncClient(
            auth=auth,
            headers=HEADERS,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            limits=httpx.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            ),
            follow_redirects=False,
            event_hooks={"request": [before_request], "response": [bound_answers(longest_answer)]},
            transport=transport,
            # A proxy of the environment cannot reach this machine's own sandbox.
            trust_env=not is_this_machine(httpx.URL(base_url).host),
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise _bad_proxy(error) from None


def file_client(base_url: str, *, connections: int, timeout: float) -> httpx.AsyncClient:
    """An HTTP client for signed addresses of files: neither a credential nor Notion's headers go there.

    Args:
        base_url: Of Notion's API; a sandbox hosts its files there as well.

    Raises:
        ConfigError: The proxy of the environment cannot be used.
    """
    try:
        return httpx.AsyncClient(
            # Bytes as they are: packed ones would be of another length.
            headers={"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": HEADERS["User-Agent"]},
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=not is_this_machine(httpx.URL(base_url).host),
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise _bad_proxy(error) from None


def blocking_client(base_url: str) -> httpx.Client:
    """An HTTP client for single requests outside of an event loop.

    Raises:
        ConfigError: The proxy of the environment cannot be used.
    """
    try:
        return httpx.Client(
            headers=HEADERS,
            timeout=httpx.Timeout(BLOCKING_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            event_hooks={"response": [bound_token_answer]},
            trust_env=not is_this_machine(httpx.URL(base_url).host),
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise _bad_proxy(error) from None


def checked_base_url(base_url: str) -> str:
    """The base URL without its last slash; never quoted in the error, since it may hold a password."""
    try:
        url = httpx.URL(base_url.strip())
        url.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        raise _bad_base_url("is no URL") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise _bad_base_url("must begin with https:// or http:// and name a host")
    if url.userinfo or url.query or url.fragment:
        raise _bad_base_url("must not hold a user, a query or a fragment")
    trimmed = str(url).rstrip("/")
    if trimmed.endswith("/v1"):
        raise _bad_base_url("must be the base URL, without /v1")
    return trimmed


def _bad_proxy(error: Exception) -> ConfigError:
    return ConfigError(
        f"The proxy that the environment names cannot be used ({type(error).__name__}).",
        hint="Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY.",
    )


def _bad_base_url(objection: str) -> ConfigError:
    return ConfigError(f"NOTION_API_URL {objection}.", hint="Without it, https://api.notion.com is asked.")
