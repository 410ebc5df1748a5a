"""API requests as the server received them, for tests to count and read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass
class Request:
    """One API request; its status is 0 while it is unanswered, or when the connection was dropped."""

    method: str
    path: str
    query: str
    body: Any
    version: str | None
    at: datetime
    status: int = 0
    token: str | None = None
