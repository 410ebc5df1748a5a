"""Runs of a project's definitions in one Dagster instance, and what their events say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterInstance

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database

LISTING = dg.AssetKey(["notion", "databases"])
CONTENT = dg.AssetKey(["notion", "database"])
PARTITIONS = "notion_databases"


@dataclass
class Runs:
    """Starts runs as Dagster's own launchers do, and reads their events."""

    project: Project
    instance: DagsterInstance

    def assets(
        self,
        *keys: dg.AssetKey,
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
        checks: bool = False,
        **config: Any,
    ) -> dg.ExecuteInProcessResult:
        """Materializes assets, as the UI and `dagster asset materialize` do.

        Args:
            checks: Checks of the assets are part of the run, as in the UI.
            config: That of `notion/database`.
        """
        job = build_definitions(self.project).resolve_implicit_global_asset_job_def()
        wanted = {key for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key in keys}
        subset = job.get_subset(asset_selection=set(keys), asset_check_selection=wanted if checks else None)
        return self._run(subset, partition, tags, config)

    def job(
        self, name: str = "notion_sync", *, tags: Mapping[str, str] | None = None, **config: Any
    ) -> dg.ExecuteInProcessResult:
        """Launches a job without a partition."""
        return self._run(build_definitions(self.project).resolve_job_def(name), None, tags, config)

    def range(self, first: str, last: str, **config: Any) -> dg.ExecuteInProcessResult:
        """Materializes a range of partitions in one run."""
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        return self.assets(CONTENT, tags=tags, **config)

    def retry(self, failed: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> dg.JobExecutionResult:
        """Re-executes the notion_sync job from its failure, as the UI does."""
        here = os.getcwd()  # noqa: PTH109 - where the job is rebuilt
        os.chdir(self.project.root)
        try:
            return dg.execute_job(
                dg.reconstructable(notion_sync),
                instance=self.instance,
                reexecution_options=dg.ReexecutionOptions.from_failure(failed.run_id, self.instance),
            )
        finally:
            os.chdir(here)

    def partitions(self) -> list[str]:
        return list(self.instance.get_dynamic_partitions(PARTITIONS))

    def materialized(self, run_id: str, key: dg.AssetKey = CONTENT) -> list[str | None]:
        """The partition of each materialization event of an asset in a run, None where it names none."""
        return [event.partition for event in self.materializations(run_id, key)]

    def materializations(self, run_id: str, key: dg.AssetKey = CONTENT) -> list[dg.AssetMaterialization]:
        records = self.instance.get_records_for_run(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
        found = [record.asset_materialization for record in records]
        return [event for event in found if event is not None and event.asset_key == key]

    def metadata(self, run_id: str, partition: str | None, key: dg.AssetKey = CONTENT) -> dict[str, Any]:
        """Values of the one materialization of a partition in a run."""
        (event,) = (event for event in self.materializations(run_id, key) if event.partition == partition)
        return {name: value.value for name, value in event.metadata.items()}

    def statuses(self) -> dict[str, str]:
        """What the UI shows of each partition: MATERIALIZED, FAILED or nothing."""
        found = self.instance.get_status_by_partition(
            CONTENT, self.partitions(), dg.DynamicPartitionsDefinition(name=PARTITIONS)
        )
        return {key: status.value for key, status in (found or {}).items() if status is not None}

    def failure(self, run_id: str) -> str:
        """The description that the UI shows of the failed step."""
        records = self.instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE).records
        (event,) = (record.event_log_entry.dagster_event for record in records)
        assert event is not None
        data = event.step_failure_data
        assert data.user_failure_data is not None, data.error
        return str(data.user_failure_data.description)

    def log(self, run_id: str) -> str:
        return "\n".join(entry.user_message for entry in self.instance.all_logs(run_id))

    def _run(
        self, job: dg.JobDefinition, partition: str | None, tags: Mapping[str, str] | None, config: Mapping[str, Any]
    ) -> dg.ExecuteInProcessResult:
        return job.execute_in_process(
            run_config={"ops": {"notion__database": {"config": dict(config)}}} if config else None,
            instance=self.instance,
            partition_key=partition,
            tags=dict(tags or {}),
            raise_on_error=False,
        )


def notion_sync() -> dg.JobDefinition:
    """The job of the project in the current folder, for processes and re-executions that must build it anew."""
    return build_definitions(find_project()).resolve_job_def("notion_sync")


def refuse(workspace: Workspace, database: Database, times: int = 1000) -> None:
    """Notion refuses to give a database's rows, in a way that no client tries again."""
    workspace.faults.add(
        Fault(
            "status",
            match=f"POST /v1/data_sources/{database.data_source.id}/query",
            times=times,
            status=403,
            code="restricted_resource",
            message="Not for you.",
        )
    )
