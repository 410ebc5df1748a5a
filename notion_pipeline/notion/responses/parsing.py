"""Parses a response: an answer of Notion's, one of our errors, or a reason to ask again (see `failures`).

A status counts as Notion's only with a Notion error body: proxies in between answer with HTML, with other JSON, or with
half a body, under any status (notion-api.md section 10). Knows nothing of connections or waiting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import orjson

from notion_pipeline.errors import (
    NotionRequestError,
)
from notion_pipeline.notion.responses.failures import LONGEST_NAME, not_notions, one_line, refuse
from notion_pipeline.notion.responses.retry_after import read_time
from notion_pipeline.rows.text.json_text import load_json
from notion_pipeline.rows.text.storable import storable


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
        refuse(response, body, subject)
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
        return load_json(content)
    except (ValueError, RecursionError):
        return None


def parse_storable(content: bytes) -> tuple[Any, int]:
    """The same with storable texts, and how many texts had to be changed for it."""
    try:
        return orjson.loads(content), 0
    except orjson.JSONDecodeError:
        return storable(parse_json(content))


def _is_notions(body: Any, is_list: bool) -> bool:
    if not isinstance(body, dict) or not isinstance(body.get("object"), str):
        return False
    return not is_list or isinstance(body.get("results"), list)
