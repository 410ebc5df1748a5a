"""Every fault at every request of a small run of content: `python -m notion_pipeline_tests.support.content.faults`.

A case: pages, comments and users change and the rows are synced, one request of the run of content goes wrong, what
came of it is judged; then the fault is over, and one more run must end equal to Notion.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import click

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline_tests.support.content.engine import ContentEngine, ContentOutcome
from notion_pipeline_tests.support.content.truth import comment_differences, content_differences
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sync.engine import TOKEN
from notion_pipeline_tests.support.sync.fault_matrix import (
    LASTING,
    PASSING,
    PATIENCE_SECONDS,
    Make,
    eight_times,
    scripted,
    status,
)
from notion_pipeline_tests.support.whole_way import SCHEMA

#: Answers that never come cost real time, which a busy machine makes long: they are left to the long form.
QUICK = tuple(name for name in PASSING if name != "hang")
#: Faults that end the page, or what is asked for; all are over with the next run.
LASTING_FAULTS: dict[str, Make] = {
    "429 blocked": scripted("rate_limit", reason="public_api_request_blocked"),
    "400": status(400, "validation_error"),
    "403": status(403, "restricted_resource"),
    "401 once": scripted("unauthorized"),
    "404 once": status(404, "object_not_found"),
    "500 eight times": eight_times("status"),
    "reset eight times": eight_times("reset"),
}
assert LASTING_FAULTS.keys() <= LASTING.keys()
#: What these say of a part is believed until its page is read again: it is not shared, or of a kind that is not served.
BELIEVED_OF_PARTS = ("400", "404 once")
_CONTENT = {"pages": False, "comments": True, "comments_every": "never", "users_every": "never"}


@dataclass
class ContentTally:
    """What was survived."""

    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.faults.total()} faults of {len(self.faults)} kinds, {len(self.problems)} problems"


@dataclass
class ContentWorld:
    """Three pages that were read once: plain words, parts that are cut off, comments; guests edit them."""

    engine: ContentEngine
    source: DataSource
    tally: ContentTally = field(default_factory=ContentTally)
    edits: int = 0

    @property
    def workspace(self) -> Workspace:
        return self.engine.workspace

    def edit(self) -> None:
        """Something new of each kind, and its rows synced."""
        ws, pages = self.workspace, self.source.pages
        self.edits += 1
        ws.clock.advance(timedelta(hours=1))
        guest = ws.add_user(f"Guest {self.edits}", guest=True)
        for page in pages:
            ws.edit_block(ws.blocks_of(page)[-1].id, f"Words {self.edits}")
            ws.edit_page(page, {"Effort": self.edits}, edited_by=guest)
        ws.add_comment(pages[2], f"Comment {self.edits}")
        self.sync_rows()

    def sync_rows(self) -> None:
        """The rows as they are an hour after their last edit."""
        self.workspace.clock.advance(timedelta(hours=1))
        outcome = self.engine.attempt()
        self.expect(outcome.success, f"rows: {outcome.reasons}")

    def undisturbed(self) -> int:
        """Requests of a run that nothing disturbs."""
        self.edit()
        outcome = self.engine.read_all()
        self.expect(outcome.success, f"undisturbed: {outcome.reasons}")
        self.compare("undisturbed")
        return len(outcome.requests)

    def every_request(self, shift: int, requests: int, names: tuple[str, ...] = QUICK) -> None:
        """One run in which every request fails once before it succeeds, each in another way."""
        self.edit()
        # Requests are counted as they come: each second one is the repeat of the one before.
        planned = {
            place: self.workspace.faults.add(self._passing(names[(place + shift) % len(names)], 2 * place + 1))
            for place in range(requests)
        }
        self.engine.timeout = PATIENCE_SECONDS if "hang" in names else PATIENCE
        outcome = self.engine.read_all()
        self.workspace.faults.clear()
        for place, fault in planned.items():
            self.tally.faults[names[(place + shift) % len(names)]] += fault.fired
        where = f"every request, shifted by {shift}"
        self.expect(outcome.success, f"{where}: {outcome.reasons}")
        self.expect(all(fault.fired for fault in planned.values()), f"{where}: faults that hit nothing")
        self.compare(where)

    def case(self, name: str, at: int) -> bool:
        """A fault that lasts for one run, at one request; False where the run has fewer requests."""
        self.edit()
        before = dict(self.engine.query("SELECT page_id, markdown FROM notion.page_content"))
        begun = len(self.workspace.requests)
        fault = self.workspace.faults.add(LASTING_FAULTS[name](None, at))  # type: ignore[arg-type]
        self.engine.timeout = PATIENCE
        outcome = self.engine.read_all()
        self.workspace.faults.clear()
        self.tally.faults[name] += fault.fired
        if not fault.fired:
            return False
        path = self.workspace.requests[begun + at - 1].path
        self._judge(f"{name} at {at} ({path})", name, path, outcome, before)
        return True

    def compare(self, where: str) -> None:
        """All is as in Notion."""
        found = content_differences(self.engine.query, self.workspace, (self.source,))
        found += comment_differences(self.engine.query, self.workspace, (self.source,))
        known = {row[0] for row in self.engine.query("SELECT id FROM notion.users WHERE name IS NOT NULL")}
        found += [f"user {user} is missing" for user in self.workspace.users.keys() - known]
        self.tally.problems += [f"{where}: {line}" for line in found]

    def expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.tally.problems.append(problem)

    def _passing(self, name: str, at: int) -> Fault:
        return PASSING[name].make(None, at)  # type: ignore[arg-type]

    def _judge(self, where: str, name: str, path: str, outcome: ContentOutcome, before: dict[str, str]) -> None:
        pages = {page.id: page for page in self.source.pages}
        hit = pages.get(path.split("/")[3]) if path.endswith("/markdown") else None
        is_part = path.endswith("/markdown") and hit is None
        held = dict(self.engine.query("SELECT page_id, markdown FROM notion.page_content"))
        ends_all = name == "403" and path.endswith("/markdown")
        for page_id, page in pages.items():
            is_new = held[page_id] == self.workspace.markdown(page)
            if is_part and self.source.pages[1] is page and name in BELIEVED_OF_PARTS:
                self.expect("<unknown" in held[page_id], f"{where}: the part is not marked")
            elif page is hit or (is_part and self.source.pages[1] is page) or ends_all:
                self.expect(is_new or held[page_id] == before[page_id], f"{where}: neither the old words nor the new")
            else:
                self.expect(is_new, f"{where}: {page.title} is not as in Notion")
        if hit is not None and not ends_all and name != "404 once":
            self._expect_named(where, outcome, hit)
        if ends_all:
            self.expect("page_content" in outcome.errors, f"{where}: no failure")
        again = self.engine.read_all(refresh=is_part and name in BELIEVED_OF_PARTS)
        if not path.startswith("/v1/users"):
            self.expect(again.success, f"{where}, afterwards: {again.reasons}")
        else:
            again = self.engine.read_all()
            self.expect(again.success, f"{where}, after two more runs: {again.reasons}")
        self.compare(f"{where}, afterwards")

    def _expect_named(self, where: str, outcome: ContentOutcome, page: Page) -> None:
        reason = str(outcome.errors.get("page_content", ""))
        self.expect(re.search(rf'"{re.escape(page.title)}" \({page.id}\)', reason) is not None, f"{where}: {reason}")
        self.expect(f"1 of {len(self.source.pages)} pages" in reason, f"{where}: {reason}")


@contextmanager
def content_world(folder: Path, *, at_once: int = 1) -> Iterator[ContentWorld]:
    """A world that was synced and read once."""
    ws = Workspace(token=TOKEN)
    ws.markdown_limit = 3
    source = ws.add_database("Tasks", SCHEMA).data_source
    for title in ("Plain", "Long", "Discussed"):
        page = source.add_page({"Name": title}, content=f"# {title}\nSome words.")
        if title == "Long":
            ws.add_block(page, "toggle", "Part", children=["a", "b"])
        ws.add_block(page, "paragraph", "Words 0")
    ws.add_comment(source.pages[2], "Comment 0")
    ws.clock.advance(timedelta(hours=1))
    with SandboxServer(ws) as server:
        settings: dict[str, Any] = {"limits": {"concurrent_requests": at_once}, "content": _CONTENT}
        made = ContentWorld(ContentEngine(ws, server.url, folder, settings=settings), source)
        first = made.engine.attempt()
        assert first.success, first.reasons
        begun = made.engine.read_all()
        assert begun.success, begun.reasons
        yield made


@click.command()
def command() -> None:
    """Prints what was survived; exit 1 where anything is not as it should be."""
    with tempfile.TemporaryDirectory() as folder, content_world(Path(folder)) as made:
        requests = made.undisturbed()
        for shift in range(len(PASSING)):
            made.every_request(shift, requests, tuple(PASSING))
        for name in LASTING_FAULTS:
            last = next(at for at in count(1) if not made.case(name, at)) - 1
            click.echo(f"{name}: {last} requests, {made.tally}")
    click.echo(made.tally)
    for line in made.tally.problems[:40]:
        click.echo(line)
    if made.tally.problems:
        raise SystemExit(1)


if __name__ == "__main__":
    command()
