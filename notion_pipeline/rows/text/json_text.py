"""Reads JSON, and writes it for the catalog: sorted keys, no signed URLs, and nothing that DuckDB refuses.

Unchanged rows must stay equal. So keys are sorted, and the parts that Notion signs for every answer are left out: the
query of a hosted file's URL and its `expiry_time` (notion-api.md section 6). orjson does the work, and Python where
orjson gives up: halves of surrogate pairs, integers beyond 64 bits, nesting beyond 254 levels.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import orjson

# As orjson writes them. Inside a text the quotes would be escaped.
_SIGNED_MARKS = (b'"expiry_time":', b'"type":"file"')
_DIGITS_OF_64_BITS = 20
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def valid_text(text: str) -> str:
    """The text with U+FFFD for halves of surrogate pairs, which neither UTF-8 nor DuckDB's JSON can hold."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def unsigned_url(url: str) -> str:
    """The URL of a hosted file without query and fragment, which differ in every answer."""
    return url.partition("?")[0].partition("#")[0]


def dump_json(value: Any) -> bytes:
    """The value as UTF-8 JSON, keys sorted, signed queries and expiry times left out. It may hold `orjson.Fragment`."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        if _SIGNED_MARKS[0] in text or _SIGNED_MARKS[1] in text:
            text = orjson.dumps(_unsigned(value), option=orjson.OPT_SORT_KEYS)
    except (TypeError, RecursionError):
        text = _written(value)
    return text


def load_json(text: bytes | str) -> Any:
    """The value of a JSON text. Halves of surrogate pairs stay; a number that no float holds is an `orjson.Fragment`.

    Raises:
        ValueError: The text is not JSON.
        RecursionError: It nests deeper than Python can go.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # orjson also refuses JSON: halves of surrogate pairs, and numbers beyond a double.
        return json.loads(
            text if isinstance(text, str) else text.decode(errors="surrogatepass"),
            parse_float=_float_or_fragment,
            parse_int=_int_or_fragment,
            parse_constant=_refuse_constant,
        )


def _float_or_fragment(digits: str) -> float | orjson.Fragment:
    number = float(digits)
    return number if math.isfinite(number) else orjson.Fragment(digits)


def _int_or_fragment(digits: str) -> int | float | orjson.Fragment:
    # As orjson: a float beyond 64 bits. The length is tested first, since Python reads no integer of 4,300 digits.
    if len(digits) <= _DIGITS_OF_64_BITS and -(2**63) <= (number := int(digits)) < 2**64:
        return number
    return _float_or_fragment(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unsigned(value: Any) -> Any:
    """The value itself if nothing in it is signed, else a copy without the signed parts."""
    is_dict = type(value) is dict
    changed: dict[Any, Any] = {}
    for key, item in value.items() if is_dict else enumerate(value):
        if item and (type(item) is dict or type(item) is list):
            new = _unsigned(item)
            if new is not item:
                changed[key] = new
    if is_dict:
        return _unsigned_file({**value, **changed} if changed else value)
    return [changed.get(position, item) for position, item in enumerate(value)] if changed else value


def _unsigned_file(value: dict[str, Any]) -> dict[str, Any]:
    if "expiry_time" in value:
        value = {key: item for key, item in value.items() if key != "expiry_time"}
        if type(value.get("url")) is str:
            value["url"] = unsigned_url(value["url"])
    if value.get("type") == "file":
        file = value.get("file")
        if type(file) is dict and type(file.get("url")) is str:
            value = {**value, "file": {**file, "url": unsigned_url(file["url"])}}
    return value


class _Token(bytes):
    """JSON that is already written, among values still to write."""

    __slots__ = ()


def _written(value: Any) -> bytes:
    """Writes what orjson cannot, without recursion: by a stack of values and the tokens between them."""
    out: list[bytes] = []
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        if type(item) is _Token:
            out.append(item)
        elif type(item) is dict:
            stack.extend(reversed(_dict_parts(_unsigned_file(item))))
        elif type(item) is list:
            parts = [part for entry in item for part in (_Token(b","), entry)]
            stack.extend(reversed([_Token(b"["), *parts[1:], _Token(b"]")]))
        else:
            out.append(_scalar(item))
    return b"".join(out)


def _dict_parts(value: dict[str, Any]) -> list[Any]:
    parts = [
        part
        for key, item in sorted((valid_text(key), item) for key, item in value.items())
        for part in (_Token(b","), _Token(orjson.dumps(key) + b":"), item)
    ]
    return [_Token(b"{"), *parts[1:], _Token(b"}")]


def _scalar(value: Any) -> bytes:
    if type(value) is str:
        return orjson.dumps(valid_text(value))
    if type(value) is int:
        return str(value).encode()
    return orjson.dumps(value)
