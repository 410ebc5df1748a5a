"""Query filters: checked to Notion's grammar, then compiled (notion-api.md section 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from notion_pipeline.sandbox.answers.conditions import Test, compile_condition, date_condition
from notion_pipeline.sandbox.answers.dates import ALWAYS, Span
from notion_pipeline.sandbox.answers.plain import plain_value
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.model.errors import invalid, invalid_body, quoted
from notion_pipeline.sandbox.model.objects import DataSource, Page, Property
from notion_pipeline.sandbox.model.state.store import Store

Row: TypeAlias = "Page | DataSource"
Predicate = Callable[[Row], bool]
TIMESTAMPS = ("created_time", "last_edited_time")
#: Stands for a query without a filter.
ALL = object()
#: Conditions that one filter holds at most.
_MOST_LEAVES = 100


@dataclass(frozen=True)
class Compiled:
    """A filter: the span of creation it needs, and what else a row must fulfil."""

    created: Span = ALWAYS
    tests: tuple[Predicate, ...] = ()

    def fits(self, row: Row) -> bool:
        return all(test(row) for test in self.tests)


class FilterCompiler:
    """Compiles filters on one data source, as one connection sees it."""

    def __init__(self, ws: Store, source: DataSource, renderer: Renderer) -> None:
        self._source, self._renderer = source, renderer
        self._fine = ws.switches.fine_instants
        self._now = ws.clock.now()

    def compile(self, filter_: Any) -> Compiled:
        """The filter of a query body; `ALL` fits every row.

        Raises:
            NotionError: 400 where Notion would not take it.
        """
        if filter_ is ALL:
            return Compiled()
        if (count := _leaves(filter_)) > _MOST_LEAVES:
            raise invalid_body(f"body.filter should hold at most `{_MOST_LEAVES}` conditions, instead was `{count}`.")
        leaves = filter_["and"] if isinstance(filter_, dict) and isinstance(filter_.get("and"), list) else [filter_]
        test = self._node(filter_, "body.filter", 0)
        spans = [span for leaf in leaves if (span := self._created_span(leaf)) is not None]
        if not spans:
            return Compiled(tests=(test,))
        created = ALWAYS
        for span in spans:
            created = created.meet(span if self._fine else span.of_floored())
        rest = [leaf for leaf in leaves if self._created_span(leaf) is None]
        return Compiled(created, tuple(self._node(leaf, "body.filter", 1) for leaf in rest))

    def _created_span(self, leaf: Any) -> Span | None:
        """The span of a leaf on created_time, by which rows are ordered: they are found without testing each."""
        if not isinstance(leaf, dict) or leaf.get("timestamp") != "created_time":
            return None
        found = date_condition(leaf["created_time"], "body.filter", self._now)
        return found if isinstance(found, Span) else None

    def _node(self, node: Any, path: str, depth: int) -> Predicate:
        if not isinstance(node, dict):
            raise invalid_body(f"{path} should be an object, instead was `{quoted(node)}`.")
        compound = [key for key in ("and", "or") if key in node]
        if not compound:
            return self._leaf(node, path)
        if len(node) != 1:
            raise invalid_body(f"{path} should hold either `and` or `or` alone.")
        return self._compound(compound[0], node[compound[0]], path, depth)

    def _compound(self, word: str, members: Any, path: str, depth: int) -> Predicate:
        # The top level may hold one further level of groups, and these leaves only (section 4).
        if depth > 1:
            raise invalid_body(f"{path} should not be nested more than two levels deep.")
        if not isinstance(members, list):
            raise invalid_body(f"{path}.{word} should be an array, instead was `{quoted(members)}`.")
        tests = [self._node(member, f"{path}.{word}[{n}]", depth + 1) for n, member in enumerate(members)]
        if word == "and":
            return lambda row: all(test(row) for test in tests)
        return lambda row: any(test(row) for test in tests)

    def _leaf(self, leaf: Mapping[str, Any], path: str) -> Predicate:
        if "timestamp" in leaf:
            return self._timestamp_leaf(leaf, path)
        name = leaf.get("property")
        if not isinstance(name, str):
            raise invalid_body(f"{path}.property should be defined, instead was `undefined`.")
        prop = self._source.find_property(name)
        if prop is None:
            raise invalid(f"Could not find property with name or id: {name}")
        keys = [key for key in leaf if key not in ("property", "type")]
        if keys != [prop.type]:
            raise invalid(f"database property {prop.type} does not match filter {', '.join(keys) or 'undefined'}")
        return self._property_leaf(prop, leaf[prop.type], f"{path}.{prop.type}")

    def _timestamp_leaf(self, leaf: Mapping[str, Any], path: str) -> Predicate:
        name = leaf["timestamp"]
        if name not in TIMESTAMPS:
            known = " or ".join(f"`{known}`" for known in TIMESTAMPS)
            raise invalid_body(f"{path}.timestamp should be {known}, instead was `{quoted(name)}`.")
        if keys := [key for key in leaf if key not in ("timestamp", "type", name)]:
            raise invalid_body(f"{path}.{keys[0]} should be not present.")
        if name not in leaf:
            raise invalid_body(f"{path}.{name} should be defined, instead was `undefined`.")
        return self._stamp_test(name, leaf[name], f"{path}.{name}")

    def _stamp_test(self, name: str, condition: Any, path: str) -> Predicate:
        found = date_condition(condition, path, self._now)
        if isinstance(found, bool):  # is_empty, is_not_empty: a stamp is never empty
            return lambda row: not found
        span = found if self._fine else found.of_floored()
        start, end = span.start, span.end
        if name == "created_time":
            return lambda row: start <= row.created_time < end
        return lambda row: start <= row.last_edited_time < end

    def _property_leaf(self, prop: Property, condition: Any, path: str) -> Predicate:
        if prop.type in TIMESTAMPS:
            return self._stamp_test(prop.type, condition, path)
        test = compile_condition(prop.type, condition, path, self._now)
        return self._on_value(prop, test)

    def _on_value(self, prop: Property, test: Test) -> Predicate:
        renderer = self._renderer
        absent = False if prop.type == "checkbox" else None

        def fits(row: Row) -> bool:
            # A data source among a wiki's rows has no values.
            return test(plain_value(renderer, row, prop) if isinstance(row, Page) else absent)

        return fits


def _leaves(node: Any) -> int:
    """How many conditions a filter holds."""
    groups = [node[word] for word in ("and", "or") if isinstance(node, dict) and isinstance(node.get(word), list)]
    return sum(_leaves(member) for group in groups for member in group) if groups else 1


def instant(row: Row, name: str, *, fine: bool) -> datetime:
    """A row's stamp as filters and sorts see it (section 2: stored finer or not is open)."""
    moment = row.created_time if name == "created_time" else row.last_edited_time
    return moment if fine else moment.replace(second=0, microsecond=0)
