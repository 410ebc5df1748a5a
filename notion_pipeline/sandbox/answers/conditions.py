"""One condition of a filter leaf, by property type (notion-api.md section 4, the table of conditions)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from notion_pipeline.sandbox.answers.dates import COMPARISONS, SPANS, Span, comparison_span, named_span, start_instant
from notion_pipeline.sandbox.model.errors import NotionError, invalid_body, quoted
from notion_pipeline.sandbox.model.ids import dashed

#: Whether a plain value fulfils the condition.
Test = Callable[[Any], bool]

_EMPTINESS = ("is_empty", "is_not_empty")


def compile_condition(type_: str, condition: Any, path: str, now: datetime) -> Test:
    """The test of `{"<type>": condition}`.

    Raises:
        NotionError: 400 where the type has no such condition or the value does not fit it.
    """
    if type_ in ("formula", "rollup"):
        return _WRAPPERS[type_](condition, path, now)
    if type_ == "verification":
        return _verification(condition, path)
    if type_ == "date":
        return date_test(condition, path, now)
    operators = _OPERATORS.get(type_)
    if operators is None:
        raise invalid_body(f"{path} is not a type that can be filtered.")
    operator, value = single(condition, path)
    if operator in _EMPTINESS and type_ != "checkbox":
        return _emptiness(operator, value, path)
    if operator not in operators:
        raise _unknown(operator, path)
    _check_value(type_, operator, value, path)
    return operators[operator](value)


def single(condition: Any, path: str) -> tuple[str, Any]:
    """The operator and its value."""
    if not isinstance(condition, dict) or len(condition) != 1:
        raise invalid_body(f"{path} should be an object with one condition, instead was `{quoted(condition)}`.")
    return next(iter(condition.items()))


def date_condition(condition: Any, path: str, now: datetime) -> Span | bool:
    """The span of a date condition; True for `is_empty`, False for `is_not_empty`."""
    operator, value = single(condition, path)
    if operator in _EMPTINESS:
        _emptiness(operator, value, path)
        return operator == "is_empty"
    if operator in SPANS:
        if value != {}:
            raise invalid_body(f"{path}.{operator} should be an empty object, instead was `{quoted(value)}`.")
        return named_span(operator, now)
    if operator not in COMPARISONS:
        raise _unknown(operator, path)
    try:
        return comparison_span(operator, value, now)
    except (ValueError, TypeError, AttributeError):
        problem = f"{path}.{operator} should be a valid ISO 8601 date string, instead was `{quoted(value)}`."
        raise invalid_body(problem) from None


def date_test(condition: Any, path: str, now: datetime) -> Test:
    found = date_condition(condition, path, now)
    if isinstance(found, bool):
        return lambda start: (start is None) == found

    def fits(start: Any) -> bool:
        moment = start_instant(start) if start is not None else None
        return moment is not None and found.holds(moment)

    return fits


def _unknown(operator: str, path: str) -> NotionError:
    return invalid_body(f"{path}.{operator} should be not present.")


def _emptiness(operator: str, value: Any, path: str) -> Test:
    if value is not True:
        raise invalid_body(f"{path}.{operator} should be `true`, instead was `{quoted(value)}`.")
    wanted = operator == "is_empty"
    return lambda held: _is_empty(held) == wanted


def _is_empty(held: Any) -> bool:
    return held is None or held in ("", [])


def _check_value(type_: str, operator: str, value: Any, path: str) -> None:
    allowed, words = _VALUES[type_]
    many = type_ in ("select", "status", "multi_select") and isinstance(value, list)
    fits = all(isinstance(entry, str) for entry in value) if many else isinstance(value, allowed)
    if not fits or (isinstance(value, bool) and bool not in allowed):
        raise invalid_body(f"{path}.{operator} should be {words}, instead was `{quoted(value)}`.")


def _text(compare: Callable[[str, str], bool]) -> Callable[[str], Test]:
    return lambda value: lambda held: compare(held or "", value)


def _number(compare: Callable[[float, float], bool]) -> Callable[[float], Test]:
    return lambda value: lambda held: isinstance(held, (int, float)) and compare(held, value)


def _choices(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _either(value: Any) -> Test:
    wanted = _choices(value)
    return lambda held: held in wanted


def _neither(value: Any) -> Test:
    wanted = _choices(value)
    return lambda held: held not in wanted


def _holds(value: Any) -> Test:
    wanted = set(map(_canonical, _choices(value)))
    return lambda held: not wanted.isdisjoint(_members(held))


def _lacks(value: Any) -> Test:
    wanted = set(map(_canonical, _choices(value)))
    return lambda held: wanted.isdisjoint(_members(held))


def _canonical(value: str) -> str:
    return dashed(value) or value


def _members(held: Any) -> list[str]:
    return held if isinstance(held, list) else [] if held is None else [held]


def _folded(compare: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    return lambda held, value: compare(held.casefold(), value.casefold())


_TEXT: dict[str, Callable[[Any], Test]] = {
    "equals": _text(lambda held, value: held == value),
    "does_not_equal": _text(lambda held, value: held != value),
    "contains": _text(_folded(lambda held, value: value in held)),
    "does_not_contain": _text(_folded(lambda held, value: value not in held)),
    "starts_with": _text(_folded(str.startswith)),
    "ends_with": _text(_folded(str.endswith)),
}
_NUMBER: dict[str, Callable[[Any], Test]] = {
    "equals": _number(lambda held, value: held == value),
    "does_not_equal": lambda value: lambda held: held != value,
    "greater_than": _number(lambda held, value: held > value),
    "less_than": _number(lambda held, value: held < value),
    "greater_than_or_equal_to": _number(lambda held, value: held >= value),
    "less_than_or_equal_to": _number(lambda held, value: held <= value),
}
_CHECKBOX: dict[str, Callable[[Any], Test]] = {
    "equals": lambda value: lambda held: bool(held) == value,
    "does_not_equal": lambda value: lambda held: bool(held) != value,
}
_CHOICE: dict[str, Callable[[Any], Test]] = {"equals": _either, "does_not_equal": _neither}
_MEMBER: dict[str, Callable[[Any], Test]] = {"contains": _holds, "does_not_contain": _lacks}
_OPERATORS: dict[str, dict[str, Callable[[Any], Test]]] = {
    **dict.fromkeys(("title", "rich_text", "url", "email", "phone_number"), _TEXT),
    **dict.fromkeys(("number", "unique_id"), _NUMBER),
    "checkbox": _CHECKBOX,
    **dict.fromkeys(("select", "status"), _CHOICE),
    # `me` is in no list of ids, as with internal tokens (section 4).
    **dict.fromkeys(("multi_select", "people", "created_by", "last_edited_by", "relation"), _MEMBER),
    "files": {},
}
_VALUES: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(_OPERATORS, ((str,), "a string")),
    **dict.fromkeys(("number", "unique_id"), ((int, float), "a number")),
    "checkbox": ((bool,), "a boolean"),
}


def _formula(condition: Any, path: str, now: datetime) -> Test:
    kind, inner = single(condition, path)
    if kind not in ("string", "checkbox", "number", "date"):
        raise _unknown(kind, path)
    test = compile_condition("rich_text" if kind == "string" else kind, inner, f"{path}.{kind}", now)
    expected: tuple[type, ...] = {"string": (str,), "checkbox": (bool,), "number": (int, float), "date": (str,)}[kind]
    return lambda held: test(held if held is None or isinstance(held, expected) else None)


def _rollup(condition: Any, path: str, now: datetime) -> Test:
    kind, inner = single(condition, path)
    if kind in ("number", "date"):
        return compile_condition(kind, inner, f"{path}.{kind}", now)
    if kind not in ("any", "every", "none"):
        raise _unknown(kind, path)
    type_, member = single(inner, f"{path}.{kind}")
    test = compile_condition(type_, member, f"{path}.{kind}.{type_}", now)
    quantifier: Callable[[Any], bool] = all if kind == "every" else any
    wanted = kind != "none"
    return lambda held: quantifier(test(entry) for entry in _members(held)) == wanted


def _verification(condition: Any, path: str) -> Test:
    operator, value = single(condition, path)
    if operator not in ("status", "does_not_equal") or value not in ("verified", "expired", "none"):
        raise _unknown(operator, path)
    wanted = operator == "status"

    def fits(held: Any) -> bool:
        state = held["state"] if held else "unverified"
        return bool(("none" if state == "unverified" else state) == value) == wanted

    return fits


_WRAPPERS: dict[str, Callable[[Any, str, datetime], Test]] = {"formula": _formula, "rollup": _rollup}
