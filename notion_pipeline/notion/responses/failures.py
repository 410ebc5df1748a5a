"""Turns a response that is not what was asked for into one of our errors, or into a reason to ask again.

It is an error of Notion's, or the answer of a proxy between here and Notion. Their text is quoted on one line, without
tokens.
"""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from notion_pipeline.errors import (
    AuthorizationError,
    InvalidCursorError,
    NotionNotFoundError,
    NotionRequestError,
    NotPermittedError,
    RetryableNotionError,
)
from notion_pipeline.notion.responses.retry_after import additional_data, wait_asked_for
from notion_pipeline.outside import shown_line
from notion_pipeline.redaction import REDACTED, redacted

LONGEST_QUOTE = 300  # characters of Notion's own message that an error of ours repeats
LONGEST_NAME = 80  # of its codes and ids
BLOCKED = "public_api_request_blocked"  # the rate limit that no waiting ends (notion-api.md section 11)
RATE_LIMITED = (429, 529)
# Under which Notion, or a gateway before it that gives up first, fails over a query that takes too long. A 529 is none
# of them: it says that Notion is busy with others.
MAY_BE_TOO_HEAVY = tuple(status for status in range(500, 600) if status != 529)
# Every other refusal may pass: 5xx, and 409, which a read meets only by bad luck.
NOT_REPEATED = tuple(status for status in range(400, 500) if status != 409)
BAD_CURSOR = "The start_cursor provided is invalid"
# What a status is where an error body came without one.
STATUS_OF_CODE = {
    "validation_error": 400,
    "unauthorized": 401,
    "restricted_resource": 403,
    "object_not_found": 404,
    "rate_limited": 429,
    "service_overload": 529,
}
#: The id of something else where a database's belongs: a page's in select, most often.
_WRONG_KIND = re.compile(r"is a [a-z ]+, not a database")
# Refusals that pass by themselves, whoever gives them.
_MAY_PASS = (408, 425, *RATE_LIMITED)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_LONGEST_HEAD = 65_536


class TransientFailure(RetryableNotionError):  # noqa: N818  (the error is what the last of them becomes)
    """One attempt that failed for a reason which may pass.

    Attributes:
        at_least_seconds: What the answer asked to wait; 0 where it did not.
        too_heavy: The server failed or ran out of time; over a query, a smaller page may get through.
    """

    at_least_seconds: float = 0.0
    too_heavy: bool = False


class RateLimited(Exception):  # noqa: N818  (not an error: the request is sent again after the wait)
    """Notion asks for a pause: 429 or 529.

    Attributes:
        seconds: How long, None where the answer does not say.
        reason: Notion's `rate_limit_reason`, or its error code.
    """

    def __init__(self, seconds: float | None, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


def one_line(text: object, credential: str = "", limit: int = LONGEST_QUOTE) -> str:
    """Text of a stranger on one line, cut to `limit`, without anything that looks like a token."""
    line = shown_line(str(text))
    line = redacted(line.replace(credential, REDACTED) if credential else line)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def request_credential(request: httpx.Request) -> str:
    """What no message may repeat: the token that a request carried, empty where it carried none."""
    header: str = request.headers.get("authorization", "")
    return header.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An error body, ready to be put into a message."""

    subject: str
    status: int
    code: str
    quote: str
    request_id: str
    rate_limit_reason: str

    def __str__(self) -> str:
        parts = [f"{self.status} {self.code}".strip()]
        if self.quote:
            parts.append(f'"{self.quote}"')
        if self.request_id:
            parts.append(f"request {self.request_id}")
        return ", ".join(parts)

    @property
    def facts(self) -> dict[str, Any]:
        return {"status": self.status, "code": self.code or None, "request_id": self.request_id or None}


def _read_refusal(response: httpx.Response, body: dict[str, Any], subject: str) -> _Refusal:
    credential = request_credential(response.request)
    return _Refusal(
        subject=subject,
        status=_status(response, body),
        code=one_line(_text(body.get("code")), credential, LONGEST_NAME),
        quote=one_line(_text(body.get("message")), credential),
        request_id=_request_id(response, body),
        rate_limit_reason=one_line(_text(additional_data(body).get("rate_limit_reason")), credential, LONGEST_NAME),
    )


def refuse(response: httpx.Response, body: dict[str, Any], subject: str) -> NoReturn:
    said = _read_refusal(response, body, subject)
    if BLOCKED in (said.code, said.rate_limit_reason):
        raise NotionRequestError(
            f"Notion has blocked the requests of this connection ({subject}): {said}.",
            hint="Waiting does not end this: ask Notion's support, then sync again.",
            **said.facts,
        )
    if said.status in RATE_LIMITED:
        raise RateLimited(
            wait_asked_for(response.headers, body), said.rate_limit_reason or said.code or str(said.status)
        )
    if said.status in NOT_REPEATED:
        raise _final_error(said)
    failure = TransientFailure(f"Notion failed over {subject}: {said}", **said.facts)
    failure.too_heavy = said.status in MAY_BE_TOO_HEAVY
    failure.at_least_seconds = wait_asked_for(response.headers) or 0.0
    raise failure


def _final_error(said: _Refusal) -> AuthorizationError | NotionRequestError:
    if said.status == 401:
        return AuthorizationError(
            f"Notion does not accept the token of the connection ({said.subject}): {said}.",
            hint="Put the token that the connection has now where the source reads it: into NOTION_TOKEN, or into the "
            "variable that sources.yaml names.",
            **said.facts,
        )
    if said.status == 404:
        return NotionNotFoundError(
            f"Notion hides {said.subject}: {said}.",
            hint="Share the database with the connection, or take it out of sources.yaml.",
            **said.facts,
        )
    if said.status == 403:
        return NotPermittedError(
            f"The connection may not read {said.subject}: {said}.",
            hint='Give it the capability "Read content" in its settings in Notion, then sync again.',
            **said.facts,
        )
    if said.status == 400 and said.code == "validation_error" and said.quote.startswith(BAD_CURSOR):
        return InvalidCursorError(
            f"Notion does not know the page cursor of {said.subject} any more: {said}.",
            hint="Sync again: the listing starts over.",
            **said.facts,
        )
    return NotionRequestError(
        f"Notion refuses the request for {said.subject}: {said}.", hint=_hint_of_refusal(said), **said.facts
    )


def _hint_of_refusal(said: _Refusal) -> str:
    if said.code == "invalid_request_url":
        return "Check NOTION_API_URL: it is the base URL, without /v1."
    if _WRONG_KIND.search(said.quote):
        return (
            "Name a database by its own id: open it in Notion as a full page and copy its link; the id stands before "
            "`?v=`."
        )
    return "Asking again does not help."


def not_notions(response: httpx.Response, subject: str) -> TransientFailure:
    """What is said of an answer that somebody between here and Notion gave, by what it says of itself."""
    credential = request_credential(response.request)
    kind = one_line(response.headers.get("content-type", "of no type"), credential, LONGEST_NAME)
    title = one_line(_page_title(response.content), credential, LONGEST_NAME)
    ray = one_line(response.headers.get("cf-ray", ""), credential, LONGEST_NAME)
    parts = [
        f"HTTP {response.status_code}",
        *([f'titled "{title}"'] if title else []),
        *([f"cf-ray {ray}"] if ray else []),
        f"{len(response.content)} bytes, {kind}",
    ]
    hint = ""
    if response.is_redirect:
        hint = "Check NOTION_API_URL: it redirects, which is not followed."
    elif response.is_client_error and response.status_code not in _MAY_PASS:
        hint = (
            f"Whatever answers in Notion's place, a proxy or a firewall, keeps this machine from "
            f"{one_line(response.request.url.host)}: ask who runs it to let it through"
            + (f", naming cf-ray {ray}." if ray else ", or check the proxy's settings and NOTION_API_URL.")
        )
    failure = TransientFailure(
        f"The answer about {subject} is not of Notion's API: {', '.join(parts)}",
        hint=hint,
        status=response.status_code,
        request_id=_request_id(response, {}) or None,
    )
    failure.too_heavy = response.status_code in MAY_BE_TOO_HEAVY
    failure.at_least_seconds = wait_asked_for(response.headers) or 0.0
    return failure


def _page_title(content: bytes) -> str:
    """The title of an HTML page, empty where it has none."""
    found = _TITLE.search(content[:_LONGEST_HEAD])
    return html.unescape(found[1].decode("utf-8", "replace")) if found else ""


def _request_id(response: httpx.Response, body: dict[str, Any]) -> str:
    found = _text(body.get("request_id")) or response.headers.get("x-notion-request-id", "")
    return one_line(found, request_credential(response.request), LONGEST_NAME)


def _status(response: httpx.Response, body: dict[str, Any]) -> int:
    """The HTTP status; where that claims success, the error body's own."""
    if not response.is_success:
        return response.status_code
    said = body.get("status")
    if isinstance(said, int) and 400 <= said <= 599:
        return said
    return STATUS_OF_CODE.get(_text(body.get("code")), response.status_code)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def unreachable(error: Exception, request: httpx.Request, subject: str, base_url: str) -> TransientFailure:
    """What is said of a request that got no answer."""
    detail = one_line(f"{type(error).__name__}: {error}".rstrip(": "), request_credential(request))
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)):
        return TransientFailure(
            f"Notion could not be reached at {base_url} for {subject} ({detail})",
            hint="Check the network and NOTION_API_URL, then try again: a read goes on where it stopped.",
        )
    failure = TransientFailure(f"The connection to Notion failed over {subject} ({detail})")
    failure.too_heavy = isinstance(error, (httpx.ReadTimeout, asyncio.TimeoutError))
    return failure
