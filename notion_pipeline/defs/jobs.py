"""The jobs of a source: `S_sync` lists, then syncs what the listing selects; `S_full_sync` does so with FULL_TABLE."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from notion_pipeline.defs.assets import SYNC_TYPE_TAG, ForcedSyncType


def sync_jobs(source: str) -> list[UnresolvedAssetJobDefinition]:
    selection = dg.AssetSelection.assets([source, "databases"], [source, "database"])
    return [
        dg.define_asset_job(
            f"{source}_sync",
            selection,
            description="Lists the databases, then syncs every selected one. Launch it without a partition.",
        ),
        dg.define_asset_job(
            f"{source}_full_sync",
            selection,
            tags={SYNC_TYPE_TAG: ForcedSyncType.FULL_TABLE.value},
            description="The same as a full sync of every table: exact again, rows gone from Notion removed or marked.",
        ),
    ]
