"""Every fault at every request of a small sync: `python -m notion_pipeline_tests.support.sync.fault_matrix`.

A case: rows are edited, one request of the next sync goes wrong, what came of it is judged; then the fault is over and
one more sync must end in tables equal to Notion. Waits pass on a pretended clock.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import click

from notion_pipeline.errors import (
    AuthorizationError,
    NotionError,
    NotionNotFoundError,
    NotionPipelineError,
    NotionRequestError,
    RetryableNotionError,
)
from notion_pipeline.notion.retries import ATTEMPTS
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sync.engine import TOKEN, Engine, Outcome
from notion_pipeline_tests.support.sync.truth import differences

#: The two sides of what notion-api.md leaves open.
SIDES: dict[str, dict[str, Any]] = {
    "as assumed": {},
    "otherwise": {
        "is_archived_served": False,
        "trash_parameters": "ignore",
        "trashed_source_query": "rows",
        "trash_bumps": False,
        "archive_bumps": False,
        "back_relation_bumps": True,
        "fine_instants": True,
        "unstable_ties": True,
        "live_cursors": True,
        "short_pages": True,
        "cap_marks_exact_fit": True,
        "request_status_complete": True,
        "search_lists_trashed": False,
        "rollup_progress": "value_so_far",
        "raw_property_ids": True,
    },
}
#: Longer than any answer of the sandbox takes, and short enough to wait for a hundred times.
PATIENCE_SECONDS = 0.4


@dataclass
class World:
    """Two databases that are served and synced: one with an archived row, one with lists of more than 25 references."""

    engine: Engine
    tasks: Database
    links: Database
    full: bool
    archives: bool
    edits: int = 0

    @property
    def workspace(self) -> Workspace:
        return self.engine.workspace

    def edit(self) -> None:
        """Something to read in each database; in a full read rows come, go and move between the states too."""
        ws, tasks = self.workspace, self.tasks.data_source
        ws.clock.advance(timedelta(hours=1))
        self.edits += 1
        live = [page for page in tasks.pages if page.live]
        ws.edit_page(live[self.edits % 30], {"Effort": self.edits, "State": ("Open", "Done")[self.edits % 2]})
        ws.edit_page(self.links.data_source.pages[0], {"Name": f"Large {self.edits}"})
        tasks.add_page({"Name": f"New {self.edits}"})
        if self.full:
            ws.trash(live[-1])
        if self.full and self.archives:
            ws.archive(live[-2])
            ws.unarchive(next(page for page in tasks.pages if page.is_archived and not page.in_trash))
        ws.clock.advance(timedelta(hours=1))

    def differences(self, *databases: Database) -> list[str]:
        return [
            line
            for database in databases or (self.tasks, self.links)
            for line in differences(self.engine, self.workspace, database.data_source)
        ]

    def state(self, database: Database) -> tuple[Any, ...]:
        """All that a failed read must leave alone: the table cell by cell, and the bookmark."""
        table = f'SELECT * FROM notion."{database.title.lower()}" ORDER BY id'
        bookmark = "SELECT bookmark, columns, last_sync_at FROM _notion_pipeline.streams WHERE database_id = ?"
        return self.engine.query(table), self.engine.query(bookmark, [database.id])


@contextmanager
def world(folder: Path, *, full: bool, switches: dict[str, Any], at_once: int = 1) -> Iterator[World]:
    """A world that was synced once."""
    ws = Workspace(token=TOKEN)
    ws.switches.update(switches)
    schema = {"Name": "title", "Effort": "number", "State": {"type": "select", "options": ["Open", "Done"]}}
    tasks = ws.add_database("Tasks", schema)
    for number in range(36):
        tasks.data_source.add_page({"Name": f"Row {number}", "Effort": number, "State": "Open"})
    if ws.switches.is_archived_served:
        ws.archive(tasks.data_source.pages[0])
    related = {"type": "relation", "target": tasks}
    links = ws.add_database("Links", {"Name": "title", "Tasks": related, "Who": "people"})
    people = [ws.add_user(f"Person {number}") for number in range(27)]
    links.data_source.add_page({"Name": "Large", "Tasks": tasks.data_source.pages[1:31], "Who": people})
    links.data_source.add_page({"Name": "Small", "Tasks": tasks.data_source.pages[3:5]})
    ws.clock.advance(timedelta(hours=1))
    with SandboxServer(ws) as server:
        engine = Engine(ws, server.url, folder, settings={"limits": {"concurrent_requests": at_once}})
        made = World(engine, tasks, links, full, ws.switches.is_archived_served)
        first = engine.attempt()
        assert first.success, first.reasons
        yield made


# Faults

Make = Callable[[World, int], Fault]


def _nothing(_: World) -> None:
    return None


@dataclass(frozen=True)
class Kind:
    """A fault, and what must come of it.

    Attributes:
        make: The fault at the n-th request from now.
        error: What a database or the listing fails with; None where the sync must succeed.
        may_succeed: A fault at a request whose answer is not needed, or that means what it says, is no failure.
        at_least: Seconds that it makes the client wait.
        heal: Ends it.
        full_afterwards: What was read under it looks like any other content: only a full sync puts it right.
    """

    make: Make
    error: type[NotionPipelineError] | None = None
    may_succeed: bool = False
    at_least: float = 0.0
    heal: Callable[[World], None] = _nothing
    full_afterwards: bool = False


def scripted(kind: str, *, times: int = 1, **params: Any) -> Make:
    return lambda _, at: Fault(kind, at=at, times=times, **params)


class Stubborn(Fault):
    """Hits one request and its repeats, whatever else is asked meanwhile."""

    def due(self, line: str, page_size: int = 0, *, answered: bool) -> bool:
        hit = super().due(line, page_size, answered=answered)
        if hit and self.match is None:
            self.match = re.compile(re.escape(line) + "$")
        return hit


def eight_times(kind: str) -> Make:
    """As often as a request is tried."""
    return lambda _, at: Stubborn(kind, at=at, times=ATTEMPTS)


def status(number: int, code: str, message: str = "Not now.", **params: Any) -> Make:
    return scripted("status", status=number, code=code, message=message, **params)


def happening(change: Callable[[World], None]) -> Make:
    """A change of the workspace just before the request."""
    return lambda made, at: Fault("call", at=at, callable=lambda: change(made))


def _limited(reason: str, seconds: int) -> Kind:
    return Kind(scripted("rate_limit", reason=reason, retry_after=seconds), at_least=seconds)


def _delete(made: World, *, deleted: bool) -> None:
    made.links.deleted = deleted
    made.workspace.share(made.links)  # what is seen has changed


def _emptied(body: Any) -> None:
    body.clear()


def _revoke(made: World, *, revoked: bool) -> None:
    made.workspace.tokens[TOKEN].revoked = revoked


#: The sync goes through all the same.
PASSING: dict[str, Kind] = {
    "429 connection": _limited("public_api_request_rate_limit", 30),
    "429 workspace": _limited("public_api_space_request_rate_limit", 200),
    "429 endpoint": _limited("public_api_endpoint_rate_limit", 7),
    "429 of a reason not known yet": _limited("public_api_moon_phase_rate_limit", 11),
    "429 without Retry-After": Kind(status(429, "rate_limited"), at_least=1),
    "529": Kind(scripted("overload", retry_after=45), at_least=45),
    "500": Kind(status(500, "internal_server_error")),
    "502 HTML": Kind(scripted("html_502")),
    "503 with guidance": Kind(scripted("timeout_503")),
    "503 connection": Kind(status(503, "database_connection_unavailable")),
    "504": Kind(status(504, "gateway_timeout")),
    "404 HTML": Kind(scripted("status", status=404, html=True)),
    "hang": Kind(scripted("hang")),
    "reset": Kind(scripted("reset")),
    "cut body": Kind(scripted("cut_body")),
    "invalid JSON": Kind(scripted("invalid_json")),
    "200 with an error": Kind(scripted("error_200")),
    "200 with a 429": Kind(scripted("error_200", status=429, code="rate_limited"), at_least=1),
    "200 with nothing": Kind(lambda _, at: Fault("alter", at=at, callable=_emptied)),
}
#: Some database fails, or the listing.
LASTING: dict[str, Kind] = {
    "429 blocked": Kind(scripted("rate_limit", reason="public_api_request_blocked"), NotionRequestError),
    "400": Kind(status(400, "validation_error"), NotionRequestError),
    "403": Kind(status(403, "restricted_resource"), NotionRequestError),
    "401 once": Kind(scripted("unauthorized"), AuthorizationError),
    "401 from then on": Kind(
        happening(lambda made: _revoke(made, revoked=True)),
        AuthorizationError,
        heal=lambda made: _revoke(made, revoked=False),
    ),
    "404 once": Kind(status(404, "object_not_found"), NotionNotFoundError, may_succeed=True),
    "bad cursor": Kind(
        status(400, "validation_error", "The start_cursor provided is invalid: abc"),
        NotionRequestError,
        may_succeed=True,
    ),
    "500 eight times": Kind(eight_times("status"), RetryableNotionError),
    "reset eight times": Kind(eight_times("reset"), RetryableNotionError),
    "unshared": Kind(
        happening(lambda made: made.workspace.unshare(made.links)),
        NotionNotFoundError,
        may_succeed=True,
        heal=lambda made: made.workspace.share(made.links),
    ),
    "its target unshared": Kind(
        happening(lambda made: made.workspace.unshare(made.tasks)),
        NotionNotFoundError,
        may_succeed=True,
        heal=lambda made: made.workspace.share(made.tasks),
        full_afterwards=True,
    ),
    "deleted": Kind(
        happening(lambda made: _delete(made, deleted=True)),
        NotionNotFoundError,
        may_succeed=True,
        heal=lambda made: _delete(made, deleted=False),
    ),
    "trashed": Kind(
        happening(lambda made: made.workspace.trash_database(made.links)),
        NotionNotFoundError,
        may_succeed=True,
        heal=lambda made: made.workspace.restore_database(made.links),
    ),
}
KINDS = PASSING | LASTING


# Cases


@dataclass
class Tally:
    """What was survived."""

    faults: Counter[str] = field(default_factory=Counter)
    syncs: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = "; ".join(f"{name}: {hits}" for name, hits in self.faults.items())
        return (
            f"{sum(self.faults.values())} faults of {len(self.faults)} kinds in {self.syncs} syncs, "
            f"{len(self.problems)} problems. Faults by kind: {kinds}"
        )


class Matrix:
    """Faults against one world, which goes on from case to case."""

    def __init__(self, made: World, tally: Tally, label: str = "") -> None:
        self.world = made
        self.tally = tally
        self.label = label

    def undisturbed(self) -> int:
        """Requests of a sync that nothing disturbs."""
        self.world.edit()
        outcome = self._synced()
        self._expect(outcome.success, f"undisturbed: {outcome.reasons}")
        return len(outcome.requests)

    def case(self, name: str, at: int) -> bool:
        """One fault at one request; False where the sync has fewer requests."""
        kind, made = KINDS[name], self.world
        made.edit()
        before = {database.id: made.state(database) for database in (made.tasks, made.links)}
        fault = made.workspace.faults.add(kind.make(made, at))
        # A timeout only where it is wanted: the machine may be slow.
        made.engine.timeout = PATIENCE_SECONDS if name == "hang" else PATIENCE
        outcome = self._synced()
        made.workspace.faults.clear()
        self.tally.faults[name] += fault.fired
        where = f"{self.label} {name} at {at}"
        # A refusal of one value is counted, and ends nothing: the row is asked for again when it is read again.
        in_part = any("does not give all of property" in line for line in outcome.log)
        if in_part:
            self._expect(outcome.success, f"{where}: {outcome.reasons}")
        elif fault.fired:
            self._judge(where, kind, outcome, before)
        kind.heal(made)
        if kind.error is not None:
            self._follow_up(where, full=kind.full_afterwards or in_part)
        return bool(fault.fired)

    def every_request(self, shift: int, requests: int) -> None:
        """One sync in which every request fails once before it succeeds, each in another way."""
        made, names = self.world, list(PASSING)
        made.edit()
        # Requests are counted as they come: each second one is the repeat of the one before.
        planned = [
            (name, made.workspace.faults.add(PASSING[name].make(made, 2 * place + 1)))
            for place, name in ((place, names[(place + shift) % len(names)]) for place in range(requests))
        ]
        made.engine.timeout = PATIENCE_SECONDS
        outcome = self._synced()
        made.workspace.faults.clear()
        fired = sum(fault.fired for _, fault in planned)
        self.tally.faults.update({name: fault.fired for name, fault in planned})
        where = f"{self.label} every request, shifted by {shift}"
        self._expect(outcome.success, f"{where}: {outcome.reasons}")
        self._expect(fired >= requests - 1, f"{where}: {fired} of {requests} faults")
        slow = sum("Timeout" in line for line in outcome.log)
        # Rows that smaller pages bring in two answers cost one more, a catch-up, and the schema once more.
        sizes = [request.body["page_size"] for request in outcome.requests if request.path.endswith("/query")]
        split = 3 if min(sizes) < len(made.tasks.data_source.pages) else 0
        most = requests + fired + slow + split
        self._expect(len(outcome.requests) <= most, f"{where}: {len(outcome.requests)} requests, {most} at most")
        self.tally.problems += [f"{where}: {line}" for line in made.differences()]

    def _synced(self, *, full: bool = False) -> Outcome:
        self.tally.syncs += 1
        return self.world.engine.attempt("FULL_TABLE" if full or self.world.full else None)

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.tally.problems.append(problem)

    def _judge(self, where: str, kind: Kind, outcome: Outcome, before: dict[str, Any]) -> None:
        """Right outcome, right message, and no table that is neither the old one nor the new one."""
        made = self.world
        if kind.error is None:
            self._expect(outcome.success, f"{where}: {outcome.reasons}")
            self._expect(outcome.waited >= kind.at_least, f"{where}: waited {outcome.waited} s only")
        else:
            self._expect(kind.may_succeed or not outcome.success, f"{where}: no failure")
        for database_id, error in outcome.errors.items():
            self._judge_error(where, kind, database_id, error)
        landed = set(outcome.landed)
        for database in (made.tasks, made.links):
            if f"notion.{database.title.lower()}" not in landed:
                same = made.state(database) == before[database.id]
                self._expect(same, f"{where}: {database.title} was not landed and changed")
            elif made.workspace.tokens[TOKEN].sees(database) and made.workspace.tokens[TOKEN].sees(made.tasks):
                self.tally.problems += [f"{where}: {line}" for line in made.differences(database)]

    def _judge_error(self, where: str, kind: Kind, database_id: str, error: Exception) -> None:
        # What of the listing itself is missing is told of all its requests together.
        wanted = (kind.error or NotionPipelineError) if database_id else NotionError
        if not isinstance(error, wanted):
            self._expect(False, f"{where}: {type(error).__name__} {error}")
            return
        titles = {database.id: database.title for database in (self.world.tasks, self.world.links)}
        self._expect(bool(error.hint) and error.hint in str(error), f"{where}: no hint in {error}")
        self._expect('source "notion"' in str(error).lower(), f"{where}: no source in {error}")
        if database_id:
            named = f'"{titles[database_id]}" ({database_id})'
            self._expect(named in str(error), f"{where}: {named} is not named by {error}")

    def _follow_up(self, where: str, *, full: bool) -> None:
        """The fault is over: everything is there."""
        self.world.workspace.clock.advance(timedelta(hours=1))
        outcome = self._synced(full=full)
        self._expect(outcome.success, f"{where}, sync afterwards: {outcome.reasons}")
        self.tally.problems += [f"{where}, sync afterwards: {line}" for line in self.world.differences()]
        for file in self.world.engine.staged:
            self._expect(False, f"{where}: left {file.name}")


#: On which side, whether in full, and how many requests may be under way.
WAYS = (("as assumed", True, 1), ("as assumed", False, 8), ("otherwise", True, 8), ("otherwise", False, 1))


def whole(tally: Tally, kinds: tuple[str, ...], say: Callable[[str], None] = lambda _: None) -> None:
    """Every kind at every request, for full and incremental reads, on both sides of what is not known."""
    for side, full, at_once in WAYS:
        with (
            tempfile.TemporaryDirectory() as folder,
            world(Path(folder), full=full, switches=SIDES[side], at_once=at_once) as made,
        ):
            matrix = Matrix(made, tally, f"[{side}, {'full' if full else 'incremental'}, {at_once} at once]")
            for name in kinds:
                requests = next(at for at in count(1) if not matrix.case(name, at)) - 1
                say(f"{matrix.label} {name}: {requests} requests, {len(tally.problems)} problems so far")


@click.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="Only this kind; may be repeated.")
def command(kinds: tuple[str, ...]) -> None:
    """Prints what was survived; exit 1 where anything is not as it should be."""
    tally, began = Tally(), time.monotonic()
    whole(tally, kinds or tuple(KINDS), click.echo)
    click.echo(f"{tally} ({time.monotonic() - began:.0f} s)")
    for line in tally.problems[:40]:
        click.echo(line)
    if tally.problems:
        raise SystemExit(1)


if __name__ == "__main__":
    command()
