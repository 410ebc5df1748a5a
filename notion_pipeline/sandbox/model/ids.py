"""Ids as Notion writes them, deterministic by seed: UUIDs, property ids, option ids, encodings."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Container
from functools import lru_cache
from urllib.parse import quote, unquote

# Notion's property ids are four characters out of this range, reserved ones of URLs included (notion-api.md section 2).
_ID_CHARACTERS = [chr(code) for code in range(58, 127)]
_UUID = re.compile(r"^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$", re.IGNORECASE)


class IdSource:
    """Ids that are the same in every run with the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same ids in every run

    def uuid(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def property_id(self, taken: Container[str]) -> str:
        while True:
            candidate = "".join(self._random.choices(_ID_CHARACTERS, k=4))
            if candidate not in taken:
                return candidate

    def option_id(self) -> str:
        """Option ids are UUIDs or four characters (notion-api.md section 2); both come up here."""
        return self.uuid() if self._random.random() < 0.5 else self.property_id(())


def dashed(value: object) -> str | None:
    """The id in its canonical form, or None where the value is no UUID."""
    if not isinstance(value, str) or not _UUID.match(value):
        return None
    return str(uuid.UUID(value))


@lru_cache(maxsize=10_000)
def encode_property_id(property_id: str) -> str:
    """The id as page values show it: what encodeURIComponent gives."""
    return quote(property_id, safe="!~*'()")


def decode_property_id(property_id: str) -> str:
    return unquote(property_id)


def page_url(title: str, object_id: str) -> str:
    slug = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in title).split())
    return f"https://app.notion.com/p/{slug + '-' if slug else ''}{object_id.replace('-', '')}"
