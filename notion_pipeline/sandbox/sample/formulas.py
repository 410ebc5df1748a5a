"""What the sample's formulas compute, by the name that its files give them: a page and the story's last day in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline.sandbox.model.values import UNSUPPORTED


def _effort_in_days(page: Page, *, today: date) -> float | None:
    points = page["Points"]
    return None if points is None else points * 0.75


def _overdue(page: Page, *, today: date) -> bool:
    due = _day(page["Due"])
    return due is not None and due < today and page["Status"] not in ("Done", "Dropped")


def _label(page: Page, *, today: date) -> str:
    return f"{page['Priority'] or '⚪'} · {page['Status'] or 'no status'}"


def _review_on(page: Page, *, today: date) -> date | None:
    return _days_after(page["Due"], 7)


def _verdict(page: Page, *, today: date) -> float | str | bool | date | None:
    points = page["Points"]
    if points is None:
        return "not estimated"
    if page["Reviewed"]:
        return True
    return _day(page["Due"]) if points > 3 else points


def _chain_of_blockers(page: Page, *, today: date) -> Any:
    blockers = len(page["Blocked by"] or [])
    return UNSUPPORTED if blockers > 1 else blockers


def _budget_left(page: Page, *, today: date) -> float | None:
    budget, spent = page["Budget"], page["Spent"]
    return None if budget is None or spent is None else round(budget - spent, 2)


def _health(page: Page, *, today: date) -> str:
    return "🔴 over" if (_budget_left(page, today=today) or 0) < 0 else "🟢 fine"


def _on_track(page: Page, *, today: date) -> bool:
    return (page["Progress"] or 0) >= 0.7


def _weighted(page: Page, *, today: date) -> float | None:
    return _product(page["Amount"], page["Probability"])


def _stock_value(page: Page, *, today: date) -> float | None:
    return _product(page["Price"], page["In stock"])


def _reorder(page: Page, *, today: date) -> bool:
    return (page["In stock"] or 0) <= (page["Reorder at"] or 0)


def _greeting(page: Page, *, today: date) -> str | None:
    return f"Dear {page['Contact']}" if page["Contact"] else None


def _gross(page: Page, *, today: date) -> float:
    return round((page["Net"] or 0) * (1 + (page["VAT"] or 0)), 2)


def _payable_until(page: Page, *, today: date) -> date | None:
    return _days_after(page["Issued"], 30)


def _years_here(page: Page, *, today: date) -> int | None:
    started = page["Started"]
    return None if started is None else today.year - int(started[:4])


def _formula(page: Page, *, today: date) -> float | None:
    return None if page["order"] is None else page["order"] * 2


def _vote_count(page: Page, *, today: date) -> int:
    return 0


def _day(start: str | None) -> date | None:
    return None if start is None else date.fromisoformat(start[:10])


def _days_after(start: str | None, days: int) -> date | None:
    day = _day(start)
    return None if day is None else day + timedelta(days=days)


def _product(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one * other, 2)


FORMULAS: Final[dict[str, Callable[..., Any]]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        *(_effort_in_days, _overdue, _label, _review_on, _verdict, _chain_of_blockers, _budget_left, _health),
        *(_on_track, _weighted, _stock_value, _reorder, _greeting, _gross, _payable_until, _years_here),
        *(_formula, _vote_count),
    )
}
