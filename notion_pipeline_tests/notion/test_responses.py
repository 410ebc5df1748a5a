"""What is read out of a response: times, waits, JSON, and the message of an error."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import orjson
import pytest

from notion_pipeline.notion.responses.failures import one_line
from notion_pipeline.notion.responses.parsing import parse_json
from notion_pipeline.notion.responses.retry_after import read_time, wait_asked_for
from notion_pipeline_tests.support.scripted_client import (
    DATE,
    TOKEN,
    error,
    play,
    query,
)


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        (DATE, datetime(2026, 3, 3, 10, 15, 30, tzinfo=timezone.utc)),
        ("Tue, 03 Mar 2026 12:15:30 +0200", datetime(2026, 3, 3, 10, 15, 30, tzinfo=timezone.utc)),
        ("Tue, 03 Mar 2026 10:15:30 -0000", datetime(2026, 3, 3, 10, 15, 30, tzinfo=timezone.utc)),
        ("soon", None),
        ("", None),
        (None, None),
        ("Tue, 99 Mar 99999 10:15:30 GMT", None),
    ],
)
def test_server_time_is_aware_utc_or_none(header: str | None, moment: datetime | None) -> None:
    assert read_time(header) == moment


@pytest.mark.parametrize(
    ("headers", "additional", "seconds"),
    [
        ({"retry-after": "12"}, None, 12),
        ({"retry-after": " 12 "}, None, 12),
        ({"retry-after": "1.5"}, None, 1.5),
        ({"retry-after": "Tue, 03 Mar 2026 10:16:00 GMT", "date": DATE}, None, 30),
        ({"retry-after": "Tue, 03 Mar 2026 10:15:00 GMT", "date": DATE}, None, None),
        ({"retry-after": "-5"}, {"retry_after": "7"}, 7),
        ({"retry-after": "0"}, None, None),
        ({"retry-after": "soon"}, {"retry_after": 7}, 7),
        ({"retry-after": "inf"}, None, None),
        ({"retry-after": "9" * 400}, None, None),
        ({"retry-after": "1e3"}, None, None),
        ({}, {"retry_after": "12"}, 12),
        ({}, {"retry_after": ["12"]}, None),
        ({}, {"retry_after": True}, None),
        ({}, "nonsense", None),
        ({}, None, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], additional: Any, seconds: float | None) -> None:
    assert wait_asked_for(headers, {"additional_data": additional}) == seconds


def test_message_of_notion_is_quoted_on_one_line_and_cut() -> None:
    caught, _ = play([error(400, "validation_error", "body failed\n\x1b[31m" + "x" * 5000)], query)
    text = str(caught)
    assert len(text) < 500
    assert text.isprintable()
    assert one_line("a" * 299 + TOKEN, TOKEN).count("this") == 0


def test_json_is_kept_where_the_fast_parser_gives_up() -> None:
    body = parse_json(b'{"surrogate":"\\ud800","huge":1e400,"low":-1E+999,"long":' + b"9" * 5000 + b',"n":12,"f":1.5}')
    assert body["surrogate"] == "\ud800"
    assert (body["n"], body["f"]) == (12, 1.5)
    assert orjson.dumps([body["huge"], body["low"], body["long"]]) == b"[1e400,-1E+999," + b"9" * 5000 + b"]"


def test_patient_parser_reads_numbers_as_the_fast_one() -> None:
    numbers = b"[0,-1,1.0,1e5,18446744073709551615,18446744073709551616,-9223372036854775809,123456789012345678901234]"
    patient = parse_json(b'["\\udfff",' + numbers + b"]")[1]
    assert patient == orjson.loads(numbers)
    assert [type(number) for number in patient] == [type(number) for number in orjson.loads(numbers)]


@pytest.mark.parametrize("content", [b"", b"{", b"NaN", b'["\\ud800",Infinity]', b"<html>", b"\xff", b"[" * 200_000])
def test_what_is_no_json_is_none(content: bytes) -> None:
    assert parse_json(content) is None
