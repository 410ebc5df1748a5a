"""Times as people say them, as crons that sources.yaml takes."""

from __future__ import annotations

import pytest

from notion_pipeline.cli.wizard.schedule_input import daily, local_time_zone, parse_times, weekly
from notion_pipeline.config.fields.cron import check_cron


@pytest.mark.parametrize(
    ("times", "crons"),
    [
        ("06:00", ["0 6 * * *"]),
        ("6:05", ["5 6 * * *"]),
        ("18:00, 06:00; 12:00", ["0 6,12,18 * * *"]),
        ("06:00 18:30", ["0 6 * * *", "30 18 * * *"]),
    ],
)
def test_times_of_day_are_as_few_crons_as_can_be(times: str, crons: list[str]) -> None:
    assert daily(parse_times(times)) == crons
    assert [check_cron(cron) for cron in crons] == crons


@pytest.mark.parametrize(
    ("text", "cron"), [("mon 06:30", "30 6 * * 1"), ("Sunday 3:00", "0 3 * * 0"), ("SAT 23:59", "59 23 * * 6")]
)
def test_day_of_the_week(text: str, cron: str) -> None:
    assert weekly(text) == check_cron(cron)


@pytest.mark.parametrize("text", ["", "24:00", "6", "6:5", "06:00,", "noon"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed"):
        parse_times(text)


@pytest.mark.parametrize("text", ["", "06:00", "m 06:00", "mon", "monday at 6"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed"):
        weekly(text)


def test_time_zone_of_the_machine_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    assert local_time_zone() == "Europe/Paris"
    monkeypatch.setenv("TZ", "nonsense")
    assert local_time_zone()
