"""Addresses of hosted files, signed for an hour, in the form of S3 (notion-api-additions.md section 6)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from notion_pipeline.sandbox.model.clock import milli_stamp
from notion_pipeline.sandbox.model.content.files import HostedFile
from notion_pipeline.sandbox.model.state.store import Store

_LIFETIME = timedelta(hours=1)
_DATE = "%Y%m%dT%H%M%SZ"


def signed(ws: Store, file: HostedFile) -> dict[str, str]:
    """URL and expiry time; the signature is another one at each read."""
    now = ws.clock.now()
    path = f"/files/{ws.id}/{file.id}/{quote(file.name, safe='')}"
    date, salt = f"{now:{_DATE}}", f"{ws.next_seq():x}"
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires={_LIFETIME.seconds}"
        f"&X-Amz-Security-Token={salt}&X-Amz-Signature={_signature(ws, file.id, date, salt)}"
    )
    return {"url": f"{ws.files_origin}{path}?{query}", "expiry_time": milli_stamp(now + _LIFETIME)}


def refusal(ws: Store, file: HostedFile, query: Mapping[str, str]) -> tuple[str, str] | None:
    """S3's code and message where the query does not open the file now."""
    date, salt = query.get("X-Amz-Date", ""), query.get("X-Amz-Security-Token", "")
    if "X-Amz-Signature" not in query:
        return "AccessDenied", "Access Denied"
    if query["X-Amz-Signature"] != _signature(ws, file.id, date, salt):
        return "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
    signed_at = datetime.strptime(date, _DATE).replace(tzinfo=timezone.utc)
    return ("AccessDenied", "Request has expired") if ws.clock.now() >= signed_at + _LIFETIME else None


def _signature(ws: Store, file_id: str, date: str, salt: str) -> str:
    return hashlib.sha256(f"{ws.id}/{file_id}/{date}/{salt}".encode()).hexdigest()
