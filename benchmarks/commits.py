"""How long a commit takes: `python -m benchmarks.commits`."""

from __future__ import annotations

import json

from benchmarks.command import run_alone
from benchmarks.project import environment, new_project, run_measured
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, bounded, shown

FIRST_SECONDS = 15.0
MERGE_SECONDS = 2.0


def run(*, quick: bool) -> Findings:
    """A first commit of all that Notion lets a database hold, the merge of a thousand edits, and a full read again."""
    size, edited = (500, 20) if quick else (250_000, 1_000)
    rows = []
    counts = {}
    with Server(Contents(size)) as server, new_project() as project:
        for name, sync_type, bound in (
            (f"first commit of {size:,} rows", "FULL_TABLE", FIRST_SECONDS),
            (f"merge of {edited:,} edited rows", "INCREMENTAL", MERGE_SECONDS),
            ("full read in which nothing changed", "FULL_TABLE", FIRST_SECONDS),
        ):
            server.forget_requests()
            if sync_type == "INCREMENTAL":
                server.edit_rows(edited)
            variables = environment(project.folder, server)
            cost = run_measured(project.folder, variables, "benchmarks.commits_process", sync_type)
            loaded = json.loads((project.folder / "loaded.json").read_text(encoding="utf-8"))
            changed = loaded["inserted"] + loaded["updated"]
            counts[name] = changed
            rows.append(
                (
                    name,
                    f"{changed:,}",
                    *bounded(loaded["seconds"], bound, "s"),
                    shown(loaded["cpu_seconds"], "s"),
                    shown(cost.megabytes, "MB"),
                )
            )
    return Findings(
        title="Commit",
        command="python -m benchmarks.commits",
        meaning="The transaction alone, of rows that were read before and lie on disk; without Dagster. The peak "
        "memory is that of the whole process, reading included.",
        columns=("", "rows written", "commit", "bound", "ratio", "CPU", "peak memory"),
        rows=rows,
        counts=counts,
    )


if __name__ == "__main__":
    run_alone(run)
