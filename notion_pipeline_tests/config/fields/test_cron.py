"""Crons: what passes here runs in Dagster."""

from __future__ import annotations

import pytest
from dagster._utils.schedules import is_valid_cron_string
from hypothesis import given, settings
from hypothesis import strategies as st

from notion_pipeline.config.fields.cron import check_cron, parse_crons

WELL_FORMED = [
    "0 6 * * *",
    "*/15 * * * *",
    "0 9-17/2 * * mon-fri",
    "5,35 22-2 1 jan,JUL *",
    "0 0 L * ?",
    "0 0 * * fri#2",
    "0 0 * * L5",
    "0 0 29 2 *",
    "0 0 31 1,4 *",
    "0 0 25/3 * 7",
    "0  6 * *\t*",
    "@daily",
    "@Hourly",
]


@pytest.mark.parametrize("cron", WELL_FORMED)
def test_well_formed_crons_pass_here_and_in_dagster(cron):
    assert is_valid_cron_string(check_cron(cron))


def number_or(highest, *words):
    numbers = st.integers(0, highest).map(str)
    value = numbers | st.sampled_from(words) if words else numbers
    part = st.one_of(
        value,
        st.just("*"),
        st.tuples(value, value).map("-".join),
        st.tuples(st.just("*"), numbers).map("/".join),
        st.tuples(value, numbers).map("/".join),
        st.tuples(value, value, numbers).map("{0[0]}-{0[1]}/{0[2]}".format),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


ANY_CRON = st.tuples(
    number_or(61),
    number_or(25),
    number_or(32, "l", "?"),
    number_or(13, "jan", "feb", "dec", "foo"),
    number_or(8, "sun", "sat", "l5", "fri#2", "1#6", "?"),
).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(ANY_CRON)
def test_dagster_takes_every_cron_that_passes(cron):
    try:
        checked = check_cron(cron)
    except ValueError:
        return
    assert is_valid_cron_string(checked)


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("0 6 * *", 'found "0 6 * *", 4 fields; allowed: five, minute hour day month weekday'),
        ("0 0 6 * * *", "6 fields"),
        ("", "0 fields"),
        ("daily", "1 field;"),
        ("75 6 * * *", 'where "75" is no minute; allowed: 0 to 59'),
        ("0 6 0 * *", 'where "0" is no day of month; allowed: 1 to 31'),
        ("0 6 * foo *", "is no month; allowed: 1 to 12 or jan, feb"),
        ("*/0 * * * *", "has a step of 0"),
        ("*-5 * * * *", 'where "*-5" is no minute'),
        ("0,, * * * *", 'where "" is no minute'),
        ("0 0 30 2 *", "a day that no such month has"),
        ("0 0 31 4,6,feb *", "a day that no such month has"),
    ],
)
def test_a_cron_that_cannot_run_is_refused_with_the_reason(cron, reason):
    with pytest.raises(ValueError, match=r"^found ") as caught:
        check_cron(cron)
    assert reason in str(caught.value)


def test_a_schedule_is_nothing_one_cron_or_several():
    assert parse_crons(None) == ()
    assert parse_crons("0 6 * * *") == ("0 6 * * *",)
    assert parse_crons(["0 6 * * *", "@daily"]) == ("0 6 * * *", "@daily")
    for other in (False, 6, [6], {"cron": "0 6 * * *"}):
        with pytest.raises(ValueError, match='allowed: a cron such as "0 6'):
            parse_crons(other)
