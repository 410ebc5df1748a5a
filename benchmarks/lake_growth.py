"""What a lake costs as accounts are added, each as large as Notion allows: `python -m benchmarks.lake_growth`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil

from benchmarks.command import run_alone
from benchmarks.lakehouse import Files, Lake, lakehouse, missing
from benchmarks.project import new_project
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, shown
from benchmarks.wall_time import REQUESTS_PER_MINUTE
from benchmarks.workers import Together, sync_together

COLUMNS = (
    *("", "rows written", "requests", "wall", "CPU", "peak memory of each", "commits"),
    *("files", "Parquet", "in PostgreSQL"),
)
_ACCOUNTS = 10
#: Accounts that are synced at the same time, in turn: as many at most as the machine has processors.
_STEPS = ((1,), (2,), (3, 4))
_EDITS = 1_000


@dataclass(frozen=True)
class Held:
    """What the lake has after a step."""

    files: Files
    megabytes: float

    @classmethod
    def by(cls, lake: Lake) -> Held:
        return cls(lake.files(), lake.megabytes())

    def cells(self) -> tuple[str, str, str]:
        return f"{self.files.number:,}", shown(self.files.megabytes, "MB"), shown(self.megabytes, "MB")


@dataclass
class Measured:
    """The first syncs of the accounts that were synced, added up."""

    accounts: int = 0
    requests: int = 0
    cpu_seconds: float = 0.0
    megabytes: float = 0.0


def run(*, quick: bool) -> Findings:
    """Full databases into one lake until ten minutes are up, then edits, then upkeep; ten accounts are calculated."""
    rows, edits = (300, 20) if quick else (250_000, _EDITS)
    steps = _STEPS[:2] if quick else _STEPS
    if reason := missing():
        line = (f"not measured: {reason}", *[""] * (len(COLUMNS) - 1))
        return _findings([line], {}, "")
    with Server(Contents(rows)) as server, lakehouse() as house:
        lake = house.new_lake()
        empty = lake.server.megabytes("postgres")
        table, measured = _first_syncs(server, lake, steps, rows)
        first = Held.by(lake)
        table.append(_edited(server, lake, steps, edits))
        edited = Held.by(lake)
        with new_project(source="account1", variables=lake.variables()) as project:
            cost = project.run_job(server, "lake_maintenance")
        kept = Held.by(lake)
        table.append(
            (
                *("`lake_maintenance`", "", "", shown(cost.seconds, "s"), shown(cost.cpu_seconds, "s")),
                *(shown(cost.megabytes, "MB"), "", *kept.cells()),
            )
        )
    table.append(_calculated(measured, first, rows))
    counts = {
        "accounts": measured.accounts,
        "requests": measured.requests,
        "files after the first syncs": first.files.number,
        "files after edits": edited.files.number,
        "files after maintenance": kept.files.number,
    }
    return _findings(table, counts, calculation(measured, first, empty, rows))


def _first_syncs(
    server: Server, lake: Lake, steps: Sequence[Sequence[int]], rows: int
) -> tuple[list[tuple[str, ...]], Measured]:
    table = []
    measured = Measured()
    for accounts in steps:
        server.forget_requests()
        found = sync_together(server, lake, accounts)
        requests = server.requests().all
        table.append(_line(f"first sync of {_names(accounts)}", rows * len(accounts), requests, found, Held.by(lake)))
        measured.accounts += len(accounts)
        measured.requests += requests
        measured.cpu_seconds += sum(cost.cpu_seconds for cost in found.costs)
        measured.megabytes = max(measured.megabytes, *(cost.megabytes for cost in found.costs))
    return table, measured


def _edited(server: Server, lake: Lake, steps: Sequence[Sequence[int]], edits: int) -> tuple[str, ...]:
    """All accounts once more, after edits that each of them sees."""
    server.forget_requests()
    server.edit_rows(edits)
    server.forget_requests()
    done = [sync_together(server, lake, accounts) for accounts in steps]
    found = Together(
        sum(step.seconds for step in done),
        max(step.busy for step in done),
        list(chain.from_iterable(step.costs for step in done)),
        list(chain.from_iterable(step.commits for step in done)),
    )
    accounts = list(chain.from_iterable(steps))
    name = f"{edits:,} edits in each of {len(accounts)} accounts"
    return _line(name, edits * len(accounts), server.requests().all, found, Held.by(lake))


def _line(name: str, rows: int, requests: int, found: Together, held: Held) -> tuple[str, ...]:
    return (
        *(name, f"{rows:,}", f"{requests:,}", shown(found.seconds, "s")),
        shown(sum(cost.cpu_seconds for cost in found.costs), "s"),
        shown(max(cost.megabytes for cost in found.costs), "MB"),
        shown(sum(found.committing), "s"),
        *held.cells(),
    )


def _names(accounts: Sequence[int]) -> str:
    if len(accounts) == 1:
        return f"account {accounts[0]}"
    return f"accounts {' and '.join(map(str, accounts))}, at the same time"


def _calculated(measured: Measured, first: Held, rows: int) -> tuple[str, ...]:
    """Ten accounts, by the average of those that were measured."""
    times = _ACCOUNTS / measured.accounts
    return (
        *(f"first sync of {_ACCOUNTS} accounts, calculated", f"{rows * _ACCOUNTS:,}"),
        *(f"{measured.requests * times:,.0f}", "", shown(measured.cpu_seconds * times, "s")),
        *(shown(measured.megabytes, "MB"), "", f"{first.files.number * times:,.0f}"),
        *(shown(first.files.megabytes * times, "MB"), ""),
    )


def calculation(measured: Measured, first: Held, empty: float, rows: int) -> str:
    """How the figures of ten accounts come about, in sentences."""
    accounts = measured.accounts
    requests = measured.requests / accounts
    minutes = requests / REQUESTS_PER_MINUTE
    cpu = measured.cpu_seconds / accounts
    megabytes = first.files.megabytes / accounts
    metadata = (first.megabytes - empty) / accounts
    answers = ceil(rows / 100)
    return (
        f"Calculated from the average of {accounts} accounts. Requests: {rows:,} rows / 100 an answer = {answers:,}, "
        f"and {requests - answers:,.0f} for the listing, the schema, archived rows and the edges of windows, make "
        f"{requests:,.0f} an account, {requests * _ACCOUNTS:,.0f} for {_ACCOUNTS}. Time: Notion gives an account "
        f"{REQUESTS_PER_MINUTE} requests a minute, so that its first sync takes {requests:,.0f} / "
        f"{REQUESTS_PER_MINUTE} = {minutes:.1f} minutes; {_ACCOUNTS} workers at the same time take no longer, one "
        f"worker after the other {minutes * _ACCOUNTS:.0f} minutes. Processors: {cpu:.1f} s an account over "
        f"{minutes:.1f} minutes is {cpu / minutes / 60:.0%} of one, so that one carries about "
        f"{max(int(minutes * 60 / cpu), 1)} accounts at Notion's pace. Disk: {megabytes:,.1f} MB of Parquet an account "
        f"x {_ACCOUNTS} = {megabytes * _ACCOUNTS:,.0f} MB. PostgreSQL: {first.megabytes:,.1f} MB with {accounts} "
        f"accounts, of which {empty:,.1f} MB are an empty database: at most {metadata:,.1f} MB an account. Files: "
        f"{first.files.number / accounts:,.1f} an account x {_ACCOUNTS} = "
        f"{first.files.number / accounts * _ACCOUNTS:,.0f}, before `lake_maintenance`."
    )


def _findings(table: Sequence[tuple[str, ...]], counts: dict[str, int], calculation: str) -> Findings:
    meaning = (
        "Each account has one database of the size shown, which is the most that Notion allows, and a worker with a "
        "home of its own; without latency or budget; all write into one lake on PostgreSQL, files in a folder. "
        "`commits` is the time of all transactions. `files` and `Parquet` are those of the present version, deleted "
        "rows among them; what `lake_maintenance` replaced lies on disk for a day more, or as long as `keep` says. "
        f"All lines but that of {_ACCOUNTS} accounts were measured."
    )
    return Findings(
        title="Growth of a lake",
        command="python -m benchmarks lake_growth",
        meaning=f"{meaning} {calculation}".strip(),
        columns=COLUMNS,
        rows=table,
        counts=counts,
    )


if __name__ == "__main__":
    run_alone(run)
