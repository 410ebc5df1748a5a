"""Runs a job in a process of its own, as a schedule would: `python -m benchmarks.job_process JOB`."""

from __future__ import annotations

import sys

from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import find_project


def main() -> None:
    """Runs the job that is the argument, in the project of the current folder."""
    project = find_project()
    with project_instance(project) as instance:
        job = build_definitions(project).resolve_job_def(sys.argv[1])
        if not job.execute_in_process(instance=instance).success:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
