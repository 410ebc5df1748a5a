"""What came back over HTTP, judged: an answer of Notion's, an error of ours, or a reason to ask again.

A status counts as Notion's only with a Notion error body: proxies in between answer with HTML, with other JSON, or
with half of a body, under any status (notion-api.md section 10). Knows nothing of connections or waiting.
"""

from __future__ import annotations

import html
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx
import orjson

from notion_pipeline.errors import (
    AuthorizationError,
    InvalidCursorError,
    NotionNotFoundError,
    NotionRequestError,
    RetryableNotionError,
)
from notion_pipeline.outside import shown_line
from notion_pipeline.redaction import REDACTED, redacted
from notion_pipeline.rows.storable import storable

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
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_UNREADABLE_TIME = (ValueError, TypeError, IndexError, OverflowError)


@dataclass(frozen=True, slots=True)
class Answer:
    """One object of Notion's.

    Attributes:
        body: The parsed JSON, never an error. A number that no float holds is an `orjson.Fragment` of it as sent;
            texts are storable, and a result of a list says under TEXTS_REPLACED how many of its own had to be made so.
        server_time: Notion's clock when it answered, aware UTC; None where it did not say.
        texts_replaced: Of all the body.
    """

    body: dict[str, Any]
    server_time: datetime | None
    texts_replaced: int = 0


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


def parse_response(response: httpx.Response, subject: str, *, is_list: bool = False) -> Answer:
    """The answer in a response that was read whole.

    Args:
        response: With its body.
        subject: What was asked for, in the words of a message (`data source 1f0c…`).
        is_list: Only a list of results will do.

    Raises:
        TransientFailure: The body is not Notion's, or Notion failed.
        RateLimited: Notion asks for a pause.
        AuthorizationError, NotionRequestError: Notion said no; asking again would not help.
    """
    body, texts_replaced = parse_storable(response.content)
    if isinstance(body, dict) and body.get("object") == "error":
        _refuse(response, body, subject)
    if not response.is_success or not _is_notions(body, is_list):
        raise not_notions(response, subject)
    return Answer(body, read_time(response.headers.get("date")), texts_replaced)


def objects_of(body: Mapping[str, Any], subject: str) -> list[dict[str, Any]]:
    """The results of a list, each an object of Notion's: one that is left out in silence would be lost.

    Args:
        subject: What was asked for, in the words of a message.

    Raises:
        NotionRequestError: One is no object.
    """
    results: list[Any] = body.get("results") or []
    for result in results:
        if not is_object(result):
            raise no_object(result, subject)
    return results


def is_object(found: object) -> bool:
    """Whether something in an answer is an object of Notion's, of any type."""
    return isinstance(found, dict) and isinstance(found.get("object"), str)


def no_object(found: object, subject: str) -> NotionRequestError:
    """The error about a list that holds something else than objects."""
    return NotionRequestError(
        f"The answer about {subject} is not as Notion's are: its results hold {quoted_result(found)}.",
        hint="Check that NOTION_API_URL, and whatever stands between, is Notion's; then sync again.",
        status=200,
    )


def quoted_result(found: object) -> str:
    """Something in the results of a list, as a message shows it."""
    return one_line(json.dumps(found, ensure_ascii=False, default=str), limit=LONGEST_NAME)


def parse_json(content: bytes) -> Any:
    """The JSON value of a body, None where it is no JSON (`null` is no answer either); texts as they are spelt."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # orjson also refuses what is JSON: half of a surrogate pair, and numbers beyond a double.
        return _parse_patiently(content)


def parse_storable(content: bytes) -> tuple[Any, int]:
    """The same with storable texts, and how many had to be made so: what everything but a look at its kind takes."""
    try:
        return orjson.loads(content), 0
    except orjson.JSONDecodeError:
        return storable(_parse_patiently(content))


def read_time(header: str | None) -> datetime | None:
    """The moment in an HTTP date, aware UTC; None where there is none."""
    try:
        moment = parsedate_to_datetime(header or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except _UNREADABLE_TIME:
        return None


def wait_asked_for(headers: Mapping[str, str], body: Mapping[str, Any] | None = None) -> float | None:
    """Seconds to wait by Retry-After, else by the body's `additional_data.retry_after` (notion-api.md section 11).

    A date counts from the answer's own Date, since only Notion's clock is behind both. None where nothing readable
    and above zero is said: an answer that says "at once", again and again, must not make a busy loop.
    """
    served_at = read_time(headers.get("date"))
    for said in (headers.get("retry-after"), _additional(body or {}).get("retry_after")):
        seconds = _seconds(said, served_at)
        if seconds is not None and seconds > 0:
            return seconds
    return None


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
        rate_limit_reason=one_line(_text(_additional(body).get("rate_limit_reason")), credential, LONGEST_NAME),
    )


def _refuse(response: httpx.Response, body: dict[str, Any], subject: str) -> NoReturn:
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
        return NotionRequestError(
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


def _is_notions(body: Any, is_list: bool) -> bool:
    if not isinstance(body, dict) or not isinstance(body.get("object"), str):
        return False
    return not is_list or isinstance(body.get("results"), list)


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


def _additional(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("additional_data")
    return found if isinstance(found, dict) else {}


def _seconds(said: object, served_at: datetime | None) -> float | None:
    text = str(said).strip() if isinstance(said, (str, int, float)) else ""
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    until = read_time(text) if text else None
    if until is None:
        return None
    return until.timestamp() - (served_at.timestamp() if served_at else time.time())


def _parse_patiently(content: bytes) -> Any:
    try:
        return json.loads(
            # Damaged bytes are asked for again; halves of surrogate pairs would come again.
            content.decode(errors="surrogatepass"),
            parse_float=_parse_number,
            parse_int=_parse_int,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError):
        return None


def _parse_number(text: str) -> Any:
    number = float(text)
    return number if math.isfinite(number) else orjson.Fragment(text.encode())


def _parse_int(text: str) -> Any:
    # As orjson: whole numbers of 64 bits are int, longer ones float.
    if len(text) > 20:
        return _parse_number(text)
    number = int(text)
    return number if -(2**63) <= number < 2**64 else float(number)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
