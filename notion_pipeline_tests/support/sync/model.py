"""Random edits and syncs against a plain model: `python -m notion_pipeline_tests.support.sync.model --examples 300`.

The model knows what the rules of a sync promise and nothing of how they are kept. What Notion itself cannot tell (a row
restored without a new stamp), and what changed while a read was under way, may be either way until a later sync.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import click
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import Page, Property
from notion_pipeline_tests.support.sync.engine import AFTER_COMMIT, BEFORE_COMMIT, TOKEN, Engine, Outcome
from notion_pipeline_tests.support.sync.fault_matrix import SIDES
from notion_pipeline_tests.support.sync.truth import differences, recorded, row_differences, rows_by_id

NAMES = ("Effort", "effort", "State", "Größe", "_synced_at", "id", "Effort removed", "2nd", "Owner")
OPTIONS = ("Red", "Green", "Blue")
TYPES: tuple[Any, ...] = (
    *("number", "rich_text", "checkbox", "url", "date"),
    *({"type": kind, "options": OPTIONS} for kind in ("select", "multi_select", "status")),
)
VALUES: dict[str, Callable[[int], Any]] = {
    "title": lambda n: f"Row {n}",
    "rich_text": lambda n: "words " * n,
    "number": lambda n: None if n == 0 else n / 4,
    "checkbox": lambda n: n % 2 == 0,
    "url": lambda n: None if n == 0 else f"https://example.com/{n}",
    "date": lambda n: None if n == 0 else f"2026-01-0{n}",
    "select": lambda n: None if n == 0 else OPTIONS[n % 3],
    "status": lambda n: OPTIONS[n % 3],
    "multi_select": lambda n: list(OPTIONS[: n % 4]),
}
COMPUTED: tuple[Callable[[Page], Any], ...] = (
    lambda page: float(len(page.title)),
    lambda page: page.title if "3" in page.title else len(page.title),
    lambda page: None if "1" in page.title else "2" in page.title,
)
TROUBLE = ("", "", "", "", "refused", "dropped", BEFORE_COMMIT, AFTER_COMMIT)
PLACES = st.integers(0, 50)
SMALL = st.integers(0, 5)
SCHEMA_EDITS = ("add", "rename", "swap", "remove", "replace", "retype", "option", "option")


class SyncMachine(RuleBasedStateMachine):
    """One database, its table, and what of the table is known to be so.

    Attributes:
        content: By page id the page as the table must hold it; None where the table may hold one of several versions.
        soft, hard: Pages of which the next sync may still find out; of which only a full sync can.
        pending: Whether a read was begun and not landed; what changes from then on may be seen or not.
        schema_met: Whether the schema was edited while a read was under way that has not landed.
        schema_open: Pages that may look as before such an edit, until the next sync.
    """

    tally: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.workspace = Workspace(token=TOKEN)
        self.server = SandboxServer(self.workspace)
        self.server.__enter__()
        self.content: dict[str, dict[str, Any] | None] = {}
        self.soft: set[str] = set()
        self.hard: set[str] = set()
        self.touched_soft: set[str] = set()
        self.touched_hard: set[str] = set()
        self.pending = False
        self.quiet = False
        self.schema: dict[str, Any] | None = None
        self.schema_touched = False
        self.schema_met = False
        self.schema_open: set[str] = set()

    def teardown(self) -> None:
        """At the end a full sync that nothing precedes makes the table exact."""
        try:
            if hasattr(self, "engine"):
                self._settle()
        finally:
            self.server.__exit__(None, None, None)
            self.directory.cleanup()

    @initialize(
        sync_type=st.sampled_from(["INCREMENTAL", "INCREMENTAL", "INCREMENTAL", "FULL_TABLE"]),
        deleted_rows=st.sampled_from(["remove", "mark"]),
        side=st.sampled_from(sorted(SIDES)),
        computed=st.sampled_from(COMPUTED),
        rows=st.integers(0, 6),
    )
    def begin(self, sync_type: str, deleted_rows: str, side: str, computed: Callable[[Page], Any], rows: int) -> None:
        self.workspace.switches.update(SIDES[side])
        given = {"sync_type": sync_type, "deleted_rows": deleted_rows}
        self.always_full, self.mark = sync_type == "FULL_TABLE", deleted_rows == "mark"
        self.engine = Engine(self.workspace, self.server.url, Path(self.directory.name), settings=given)
        formula = {"type": "formula", "expression": "?", "compute": computed, "result_type": "number"}
        schema = {"Name": "title", "Effort": "number", "State": TYPES[5], "Formula": formula}
        self.source = self.workspace.add_database("Tasks", schema).data_source
        for number in range(rows):
            self.source.add_page({"Name": f"Row {number}", "Effort": number})

    # Edits

    @rule(place=PLACES, number=SMALL, change=st.sampled_from(["create", "edit", "edit", "leave", "come_back"]))
    def edit_rows(self, place: int, number: int, change: str) -> None:
        getattr(self, f"_{change}")(place, number)

    @rule(place=PLACES, number=SMALL, change=st.sampled_from(["create", "edit", "leave", "come_back"]))
    def edit_rows_and_wait(self, place: int, number: int, change: str) -> None:
        getattr(self, f"_{change}")(place, number)
        self.workspace.clock.advance(timedelta(seconds=(1, 40, 600, 90_000)[number % 4]))

    @rule(
        place=PLACES,
        other=PLACES,
        name=st.sampled_from(NAMES),
        kind=st.sampled_from(TYPES),
        change=st.sampled_from(SCHEMA_EDITS),
    )
    def edit_schema(self, place: int, other: int, name: str, kind: Any, change: str) -> None:
        if self._edit_schema(place, other, name, kind, change):
            self.tally["schema edits"] += 1
            self.schema_touched, self.quiet = True, False

    def _edit_schema(self, place: int, other: int, name: str, kind: Any, change: str) -> bool:
        """Whether that was possible."""
        prop = list(self.source.properties.values())[place % len(self.source.properties)]
        if change == "add" and name not in self.source.properties and len(self.source.properties) < 8:
            self.source.add_property(name, kind)
        elif change == "rename" and name not in self.source.properties:
            self.source.rename_property(prop.name, name)
        elif change == "swap":
            self._swap_names(prop, list(self.source.properties.values())[other % len(self.source.properties)])
        elif change in ("remove", "replace", "retype") and prop.type not in ("title", "formula"):
            self._change_property(prop, kind, change)
        elif change == "option" and prop.options:
            self._change_options(prop, other)
        else:
            return False
        return True

    def _create(self, place: int, number: int) -> None:
        page = self.source.add_page({self._title().name: f"Row {number}", **self._values(number)})
        self._touch(page, soft=True)

    def _edit(self, place: int, number: int) -> None:
        if (page := self._page(place, lambda page: page.live)) is not None:
            self.workspace.edit_page(page, {self._title().name: f"Edited {number}", **self._values(number)})
            self._touch(page, soft=True)

    def _leave(self, place: int, number: int) -> None:
        if (page := self._page(place, lambda page: page.live)) is not None:
            getattr(self.workspace, ("trash", "archive", "delete")[number % 3])(page)
            self._touch(page, soft=False)

    def _come_back(self, place: int, number: int) -> None:
        if (page := self._page(place, lambda page: page.in_trash or page.is_archived)) is not None:
            (self.workspace.restore if page.in_trash else self.workspace.unarchive)(page)
            self._touch(page, soft=self.workspace.switches.trash_bumps)

    def _swap_names(self, prop: Property, other: Property) -> None:
        one, two = prop.name, other.name
        if one != two:
            self.source.rename_property(one, "between")
            self.source.rename_property(two, one)
            self.source.rename_property("between", two)

    def _change_property(self, prop: Property, kind: Any, change: str) -> None:
        if change == "retype":
            self.source.retype_property(prop.name, kind)
            return
        self.source.remove_property(prop.name)
        if change == "replace":
            self.source.add_property(prop.name, kind)

    def _change_options(self, prop: Property, number: int) -> None:
        found = prop.options[number % len(prop.options)].name
        if number % 3 == 0:
            self.source.add_option(prop.name, f"{found} {len(prop.options)}")
        elif number % 3 == 1 or len(prop.options) == 1:
            self.source.rename_option(prop.name, found, f"{found}!")
        else:
            self.source.remove_option(prop.name, found)

    # Syncs

    @rule()
    def sync_undisturbed(self) -> None:
        if self.quiet:
            self._sync_again()
        else:
            self._sync(full=False, trouble="", at=1, meanwhile=0, schema_edit="")

    @rule(
        full=st.sampled_from([False, False, True]),
        trouble=st.sampled_from(TROUBLE),
        at=st.integers(1, 8),
        meanwhile=SMALL,
        schema_edit=st.sampled_from(["", "", *SCHEMA_EDITS]),
    )
    def sync(self, full: bool, trouble: str, at: int, meanwhile: int, schema_edit: str) -> None:
        """A run that may fail, or die, or meet edits on its way, of rows and of the schema."""
        self._sync(full=full, trouble=trouble, at=at, meanwhile=meanwhile, schema_edit=schema_edit)

    def _sync(self, *, full: bool, trouble: str, at: int, meanwhile: int, schema_edit: str) -> None:
        self.workspace.clock.advance(timedelta(minutes=1))
        before = self._table()
        planned = self._plan(trouble, at, meanwhile, schema_edit)
        dies = trouble if trouble in (BEFORE_COMMIT, AFTER_COMMIT) else ""
        was_pending, self.pending = self.pending, True
        outcome = self.engine.attempt("FULL_TABLE" if full else None, dies=dies)
        self.workspace.faults.clear()
        self.tally[trouble if any(fault.fired for fault in planned) or dies else "syncs"] += 1
        if not outcome.landed:
            assert trouble in ("refused", "dropped", BEFORE_COMMIT), outcome.reasons
            assert self._table() == before
            self.quiet = False
            return
        # What refuses search leaves the listing incomplete: everything known is synced, and the run says so.
        assert outcome.success or "search did not come to its end" in str(outcome.reasons), outcome.reasons
        self._landed(full, outcome, was_pending=was_pending)

    def _sync_again(self) -> None:
        """Nothing was edited: nothing changes."""
        before = self._table()
        self.workspace.clock.advance(timedelta(minutes=3))
        outcome = self.engine.attempt()
        assert outcome.success, outcome.reasons
        landed = outcome.landed["notion.tasks"]
        assert (landed.rows_inserted, landed.rows_updated, landed.rows_removed) == (0, 0, 0)
        assert self._table() == before
        self.tally["quiet syncs"] += 1

    # What is so

    def _plan(self, trouble: str, at: int, meanwhile: int, schema_edit: str) -> list[Fault]:
        faults = []
        if trouble == "refused":
            faults.append(Fault("status", at=at, status=400, code="invalid_request", message="Not now."))
        if trouble == "dropped":
            faults.append(Fault("reset", at=at, times=8))
        for fault in faults:
            self.workspace.faults.add(fault)
        if meanwhile:
            change = Fault("call", at=meanwhile + 2, callable=lambda: self._meanwhile(meanwhile, schema_edit))
            self.workspace.faults.add(change)
        return faults

    def _meanwhile(self, number: int, schema_edit: str) -> None:
        self.workspace.clock.advance(timedelta(seconds=30))
        for change in (self._create, self._edit, self._leave, self._come_back):
            change(number * 7, number)
        if schema_edit and self._edit_schema(number * 5, number * 3, NAMES[number], TYPES[number], schema_edit):
            self.tally["schema edits meanwhile"] += 1
            self.schema_met, self.quiet = True, False

    def _landed(self, full: bool, outcome: Outcome, *, was_pending: bool) -> None:
        """Judges the table and takes from it what is known from now on."""
        _, columns = recorded(self.engine, self.source)
        if self.schema_met or self.schema_open:
            is_full = full or self.always_full or self._was_read_in_full()
        else:
            is_full = full or self.always_full or self._schema_moved()
        self.schema_open = {page.id for page in self.source.pages} if self.schema_met else set()
        self.schema_met = False
        if self.schema_touched and (not is_full or was_pending):
            self.hard |= {page.id for page in self.source.pages}
            self.touched_hard |= {page.id for page in self.source.pages}
        if is_full:
            self.hard = set()
        self.soft, self.hard = set(self.touched_soft), self.hard | self.touched_hard
        truth = {page["id"]: page for page in self.workspace.rows(self.source)}
        rows = {key: row for key, row in self._rows().items() if row.get("_deleted_at") is None}
        self._judge(rows, self._expected(truth, full=is_full), columns)
        self.content = {key: self._known(key, truth) for key in rows}
        self.quiet = not (self._open or self.touched_soft or self.touched_hard)
        self.schema, self.schema_touched = self._schema(), False
        self.touched_soft, self.touched_hard, self.pending = set(), set(), False
        self.tally["full" if is_full else "incremental"] += 1
        if is_full and self.quiet and not self.mark and self.workspace.switches.is_archived_served:
            assert differences(self.engine, self.workspace, self.source) == []

    def _expected(self, truth: dict[str, Any], *, full: bool) -> dict[str, dict[str, Any] | None]:
        """The pages that the table must hold; with None as content where several versions would do."""
        served = self.workspace.switches.is_archived_served
        expected: dict[str, dict[str, Any] | None] = {} if full else dict(self.content)
        for page_id, page in truth.items():
            if not page["is_archived"] or (full and served):
                expected[page_id] = page
        return expected

    def _known(self, page_id: str, truth: dict[str, Any]) -> dict[str, Any] | None:
        if page_id in self._open:
            return None
        page = truth.get(page_id)
        if page is not None and not page["is_archived"]:
            return dict(page)
        return self.expected_now.get(page_id)

    def _judge(
        self,
        rows: dict[str, dict[str, Any]],
        expected: dict[str, dict[str, Any] | None],
        columns: list[dict[str, Any]],
    ) -> None:
        self.expected_now = expected
        open_ones = self._open
        assert sorted(rows.keys() - open_ones) == sorted(expected.keys() - open_ones)
        kinds = {column["property_id"]: _kinds(column["duckdb_type"]) for column in columns}
        for page_id in rows.keys() - open_ones:
            page = expected[page_id]
            if page is not None:
                assert row_differences(rows[page_id], page, columns, kinds) == []

    def _settle(self) -> None:
        """Two full syncs: the first may land what is pending."""
        for _ in range(2):
            self.workspace.clock.advance(timedelta(hours=1))
            outcome = self.engine.attempt("FULL_TABLE")
            assert outcome.success, outcome.reasons
        self.soft = self.hard = self.schema_open = set()
        _, columns = recorded(self.engine, self.source)
        truth = {page["id"]: page for page in self.workspace.rows(self.source)}
        rows = {key: row for key, row in self._rows().items() if row.get("_deleted_at") is None}
        self._judge(rows, self._expected(truth, full=True), columns)
        assert not self.engine.staged
        self.tally["examples"] += 1

    # Parts

    def _touch(self, page: Page, *, soft: bool) -> None:
        """A change of a page: the next sync finds it, or, where it moves no stamp or hides the page, may not."""
        self.tally["edits"] += 1
        self.quiet = False
        if soft and page.live:
            self.hard.discard(page.id)
        elif page.live:
            self.hard.add(page.id)
        if self.pending:
            (self.touched_soft if soft else self.touched_hard).add(page.id)

    @property
    def _open(self) -> set[str]:
        """Pages that the table may hold in one of several versions."""
        return self.soft | self.hard | self.schema_open

    def _was_read_in_full(self) -> bool:
        """What the last sync did, where it depends on when it met an edit of the schema."""
        return self.engine.query("SELECT read FROM _notion_pipeline.syncs ORDER BY finished_at DESC LIMIT 1") == [
            ("full",)
        ]

    def _schema(self) -> dict[str, Any]:
        return {
            prop.id: (prop.name, prop.type, {option.id: option.name for option in prop.options})
            for prop in self.source.properties.values()
        }

    def _schema_moved(self) -> bool:
        """Whether rows may look otherwise than under the schema of the sync before."""
        if self.schema is None:
            return True
        now = self._schema()
        if now.keys() != self.schema.keys():
            return True
        return any(
            before[:2] != now[key][:2] or not before[2].items() <= now[key][2].items()
            for key, before in self.schema.items()
        )

    def _page(self, place: int, fits: Callable[[Page], bool]) -> Page | None:
        found = [page for page in self.source.pages if fits(page) and not page.gone]
        return found[place % len(found)] if found else None

    def _title(self) -> Property:
        return next(prop for prop in self.source.properties.values() if prop.type == "title")

    def _values(self, number: int) -> dict[str, Any]:
        return {
            prop.name: VALUES[prop.type]((number + place) % 6)
            for place, prop in enumerate(self.source.properties.values())
            if prop.type in VALUES and prop.type != "title"
        }

    def _table(self) -> list[tuple[Any, ...]]:
        if self.engine.catalog.version() is None or "tasks" not in self.engine.tables():
            return []
        return self.engine.query("SELECT * FROM notion.tasks ORDER BY id")

    def _rows(self) -> dict[str, dict[str, Any]]:
        return rows_by_id(self.engine, "tasks")


def _kinds(duckdb_type: str) -> set[str]:
    """Kinds of results that a formula's column of this type holds."""
    found = {"DOUBLE": {"number"}, "BOOLEAN": {"boolean"}, "VARCHAR": {"string", "number"}}
    return found.get(duckdb_type, {"date"})


def play(examples: int, *, steps: int, derandomize: bool) -> Counter[str]:
    """Plays so many games; what was survived."""
    tally: ClassVar[Counter[str]] = Counter()
    machine = type("Counted", (SyncMachine,), {"tally": tally})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=derandomize,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return tally


@click.command()
@click.option("--examples", default=300, show_default=True)
@click.option("--steps", default=40, show_default=True)
def command(examples: int, steps: int) -> None:
    """Plays EXAMPLES games and prints what was survived; fails with the shortest game that goes wrong."""
    began = time.monotonic()
    tally = play(examples, steps=steps, derandomize=False)
    counts = ", ".join(f"{count} {name or 'syncs'}" for name, count in sorted(tally.items()))
    click.echo(f"{counts} ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    command()
