"""A project from sources.yaml to a DuckDB query, through Dagster in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg

from notion_pipeline.catalog.sql import quote
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import Project
from notion_pipeline.sandbox.control.requests import Request
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.catalog import catalogs

#: Of a database of tasks.
SCHEMA = {"Name": "title", "Effort": "number", "State": {"type": "select", "options": ["Open", "Done"]}}
#: Requests for rows, and an answer that no client asks for again.
QUERY = r"POST .*/query$"
REFUSAL = {"status": 400, "code": "invalid_request", "message": "Not now."}


@dataclass
class Run:
    """What one run did: whether it succeeded, what it logged, and which requests it made."""

    success: bool
    log: str
    requests: list[Request]

    @property
    def queries(self) -> list[Request]:
        return [request for request in self.requests if request.path.endswith("/query")]

    def asked(self, part: str) -> int:
        """How many requests had this in `METHOD /path`."""
        return sum(1 for request in self.requests if part in f"{request.method} {request.path}")


@dataclass
class Pipeline:
    """Runs a project's jobs and looks into its catalog. One Dagster instance throughout, as in a deployment."""

    project: Project
    workspace: Workspace
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    def configure(self, text: str) -> None:
        """Writes sources.yaml."""
        (self.project.root / "sources.yaml").write_text(text, encoding="utf-8")

    def sync(
        self,
        job: str = "notion_sync",
        *,
        partition: str | None = None,
        asset: str = "database",
        only: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Run:
        """One run of a job; it never raises for what the job does.

        Args:
            partition: Materializes this key of an asset alone, instead of running the job.
            asset: The asset of that partition.
            only: Titles or ids, for the run config `databases`.
            config: Run config by op.
        """
        definitions = self.definitions()
        before = len(self.workspace.requests)
        if partition is not None:
            job_def = definitions.resolve_implicit_job_def_def_for_assets([dg.AssetKey(["notion", asset])])
            assert job_def is not None
        else:
            job_def = definitions.resolve_job_def(job)
        ops = {"notion__database": {"databases": list(only)}} if only else dict(config or {})
        result = job_def.execute_in_process(
            run_config={"ops": {op: {"config": dict(given)} for op, given in ops.items()}},
            instance=self.instance,
            partition_key=partition,
            tags=dict(tags or {}),
            raise_on_error=False,
        )
        return Run(result.success, self._log(result.run_id), self.workspace.requests[before:])

    def definitions(self) -> dg.Definitions:
        return build_definitions(self.project)

    def _log(self, run_id: str) -> str:
        """Every line of the run, failures with their description and their causes."""
        lines = []
        for entry in self.instance.all_logs(run_id):
            lines.append(entry.message or entry.user_message)
            data = entry.dagster_event.event_specific_data if entry.dagster_event else None
            error = getattr(data, "error", None)
            while error is not None:
                lines.append(error.message)
                error = error.cause
            if (failure := getattr(data, "user_failure_data", None)) is not None:
                lines.append(failure.description or "")
        return "\n".join(lines)

    def partitioned(self, source: str = "notion") -> set[str]:
        """Ids of the databases that have a partition; a key that is no database's stands for itself."""
        rows = self.query(f"SELECT id, data_sources FROM {quote(source, 'databases')}")
        ids = {member["table_name"]: key for key, members in rows for member in members or []}
        return {ids.get(key, key) for key in self.instance.get_dynamic_partitions(f"{source}_databases")}

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of the catalog, times in UTC."""
        with catalogs.reading(self.project.root) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql, list(parameters)).fetchall()

    def change(self, sql: str) -> None:
        """Changes the catalog behind the pipeline's back."""
        with catalogs.changing(self.project.root) as connection:
            connection.execute(sql)

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return self.query(sql, parameters)[0][0]

    def count(self, table: str, schema: str = "notion") -> int:
        return int(self.value(f"SELECT count(*) FROM {quote(schema, table)}"))

    def ids(self, table: str, schema: str = "notion") -> set[str]:
        return {row[0] for row in self.query(f"SELECT id FROM {quote(schema, table)}")}

    def last_sync(self) -> dict[str, Any]:
        """The newest line of history, by column."""
        with catalogs.reading(self.project.root) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute("SELECT * FROM _notion_pipeline.syncs ORDER BY finished_at DESC LIMIT 1")
            names = [column[0] for column in found.description or []]
            return dict(zip(names, found.fetchall()[0], strict=True))


def tasks_in(workspace: Workspace, rows: int = 5, title: str = "Tasks") -> DataSource:
    """A data source whose rows are older than any lookback."""
    source = workspace.add_database(title, SCHEMA).data_source
    for number in range(rows):
        source.add_page({"Name": f"Row {number}", "Effort": number, "State": "Open"})
    later(workspace, hours=1)
    return source


def later(workspace: Workspace, **span: float) -> None:
    workspace.clock.advance(timedelta(**span))


def synced(pipeline: Pipeline, *args: Any, **given: Any) -> Run:
    run = pipeline.sync(*args, **given)
    assert run.success, run.log[-4000:]
    return run
