"""The jobs of a source: `S_sync` lists, then syncs what the listing selects; `S_full_sync` does so with FULL_TABLE."""

import dagster as dg

from notion_pipeline.config.sources import Source
from notion_pipeline.defs.assets import SYNC_TYPE_TAG, ForcedSyncType
from notion_pipeline.defs.dagster_internals import UnresolvedAssetJobDefinition


def sync_jobs(source: Source) -> list[UnresolvedAssetJobDefinition]:
    name = source.name
    described = f"{source.description}: " if source.description else ""
    selection = dg.AssetSelection.assets([name, "databases"], [name, "database"])
    return [
        dg.define_asset_job(
            f"{name}_sync",
            selection,
            description=f"{described}lists the databases, then syncs every selected one, or those of the config's "
            "`databases`. Launch it without a partition, and confirm that when asked.",
        ),
        dg.define_asset_job(
            f"{name}_full_sync",
            selection,
            tags={SYNC_TYPE_TAG: ForcedSyncType.FULL_TABLE.value},
            description=f"{described}the same as a full sync of every table: exact again, rows gone from Notion "
            "removed or marked.",
        ),
    ]
