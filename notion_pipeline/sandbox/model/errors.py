"""Notion's error bodies (notion-api.md sections 1, 4, 10 and 11)."""

from __future__ import annotations

from typing import Any

import orjson


class NotionError(Exception):
    """An error answer; raised anywhere below a request handler."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        additional_data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.additional_data, self.headers = additional_data, headers or {}

    def body(self, request_id: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "object": "error",
            "status": self.status,
            "code": self.code,
            "message": self.message,
        }
        if self.additional_data:
            body["additional_data"] = self.additional_data
        return body | {"request_id": request_id}


def invalid(message: str) -> NotionError:
    return NotionError(400, "validation_error", message)


def invalid_body(problem: str) -> NotionError:
    return invalid(f"body failed validation: {problem}")


def quoted(value: Any) -> str:
    """A value of a request as a message repeats it: JSON."""
    return orjson.dumps(value).decode()


def invalid_url() -> NotionError:
    """Also for unknown paths: 400, not 404 (section 10)."""
    return NotionError(400, "invalid_request_url", "Invalid request URL.")


def unauthorized() -> NotionError:
    return NotionError(401, "unauthorized", "API token is invalid.")


def restricted(capability: str) -> NotionError:
    return NotionError(403, "restricted_resource", f"Insufficient permissions for this endpoint: {capability}.")


def bad_cursor(cursor: object) -> NotionError:
    return invalid(f"The start_cursor provided is invalid: {cursor}")


def not_found(kind: str, object_id: str, integration_name: str, integration_id: str) -> NotionError:
    """Absent or not shared: the same words (section 10)."""
    return NotionError(
        404,
        "object_not_found",
        f"Could not find {kind} with ID: {object_id}. Make sure the relevant pages and databases are shared with "
        f'your integration "{integration_name}".',
        {"integration_id": integration_id},
    )


def wrong_kind(object_id: str, kind: str, wanted: str) -> NotionError:
    """The id of a page where one of a database belongs, or the other way round: 400, not 404 (section 10)."""
    return invalid(
        f"Provided ID {object_id} is a {kind}, not a {wanted}. Use the retrieve {kind} API instead: "
        f"https://developers.notion.com/reference/retrieve-a-{kind}."
    )


def rate_limited(reason: str, retry_after: int) -> NotionError:
    data: dict[str, Any] = {"rate_limit_reason": reason, "retry_after": str(retry_after)}
    message = "You have been rate limited. Please try again in a few minutes."
    return NotionError(429, "rate_limited", message, data, {"Retry-After": str(retry_after)})


def overloaded(retry_after: int) -> NotionError:
    message = "Notion is temporarily overloaded. Please try again later."
    return NotionError(529, "service_overload", message, None, {"Retry-After": str(retry_after)})


def datastore_timeout() -> NotionError:
    """Section 4, at the end."""
    return NotionError(
        503,
        "service_unavailable",
        "Public API data source query is temporarily unavailable due to backend datastore timeouts. "
        "Please retry with exponential backoff and a smaller request.",
        {
            "endpoint_name": "public_queryDataSource",
            "notion_error_name": "PgPoolWaitConnectionTimeout",
            "retry_guidance": [
                "Use exponential backoff with jitter",
                "Reduce page_size",
                "Narrow query filters/sorts",
            ],
        },
    )
