"""JSON as the catalog keeps it: stable, unsigned, and always a text that DuckDB takes."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.rows.text.json_text import dump_json, load_json, unsigned_url, valid_text

NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_value_comes_back_as_it_was(value: Any) -> None:
    assert json.loads(dump_json(value)) == value


@given(JSON)
def test_slow_writer_writes_what_orjson_writes(value: Any) -> None:
    """The half pair sends the whole value the slow way; what it stands beside must not look different for it."""
    try:
        quick = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return
    assert dump_json([value, "\ud83d"]) == b"[" + quick + ',"\ufffd"]'.encode()


def test_keys_are_sorted_at_every_level() -> None:
    assert dump_json({"b": {"d": 1, "c": 2}, "a": 0}) == b'{"a":0,"b":{"c":2,"d":1}}'


@pytest.mark.parametrize("beside", ["", "\ud83d"])
def test_signature_and_expiry_are_left_out_at_any_depth(beside: str) -> None:
    file = {"url": "https://x/a?sig=1#p", "expiry_time": "2026-07-05T11:00:00.000Z"}
    value = {"P": [{"name": beside, "type": "file", "file": file}, {"other": file}], "url": "https://x?kept"}
    assert json.loads(dump_json(value)) == {
        "P": [
            {"name": valid_text(beside), "type": "file", "file": {"url": "https://x/a"}},
            {"other": {"url": "https://x/a"}},
        ],
        "url": "https://x?kept",
    }
    assert "expiry_time" in file


def test_hosted_file_without_expiry_time_is_unsigned_too() -> None:
    assert dump_json({"type": "file", "file": {"url": "https://x/a?sig=1"}}) == (
        b'{"file":{"url":"https://x/a"},"type":"file"}'
    )


@pytest.mark.parametrize("value", [{"type": "file", "file": "?"}, {"type": "file"}, {"file": {"url": "a?b"}}])
def test_what_only_looks_like_a_file_is_kept(value: Any) -> None:
    assert json.loads(dump_json(value)) == value


def test_numbers_that_no_float_holds_stay_as_sent() -> None:
    text = b'{"a":1e999,"b":-1e999,"c":1,"d":' + b"9" * 5000 + b"}"
    assert dump_json(load_json(text)) == text


@pytest.mark.parametrize("digits", ["-9223372036854775808", "18446744073709551615", "18446744073709551616", "1" * 30])
def test_integers_are_read_alike_beside_a_number_that_no_float_holds(digits: str) -> None:
    assert load_json(f"[{digits},1e999]")[0] == orjson.loads(digits)
    assert type(load_json(f"[{digits},1e999]")[0]) is type(orjson.loads(digits))


def test_text_with_half_a_pair_is_mended_and_whole_pairs_stay() -> None:
    assert valid_text("a\ud83db😀") == "a\ufffdb😀"
    assert dump_json({"\udc00": "😀"}) == '{"\ufffd":"😀"}'.encode()


@pytest.mark.parametrize("url", ["https://x/a", "https://x/a?b", "https://x/a#b", "https://x/a?b#c", "https://x/a#b?c"])
def test_unsigned_url(url: str) -> None:
    assert unsigned_url(url) == "https://x/a"
