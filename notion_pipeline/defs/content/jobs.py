"""The job that reads content, and its schedule: apart from those of tables, which stay fresh while it runs."""

import dagster as dg

from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.dagster_internals import UnresolvedAssetJobDefinition
from notion_pipeline.defs.runs.account_tags import CONTENT_ACCOUNT_TAG


def content_keys(source: Source, asset_keys: AssetKeys) -> dict[str, dg.AssetKey]:
    """The assets that the job fills, by op."""
    asked_for = {
        "content": source.reads_content,
        "pages": source.reads_standalone_pages,
        "users": source.reads_users,
        "comments": source.reads_comments,
        "files": source.keeps_files,
    }
    return {
        f"{source.name}__{name}": asset_keys.key(asset_keys.free_name(name))
        for name, is_asked_for in asked_for.items()
        if is_asked_for
    }


def content_jobs(source: Source, asset_keys: AssetKeys, account: str) -> list[UnresolvedAssetJobDefinition]:
    """`S_content`, where there is content to read.

    Args:
        account: Names the source's account in the tags of the runs.
    """
    if not source.reads_content:
        return []
    described = f"{source.description}. " if source.description else ""
    return [
        dg.define_asset_job(
            f"{source.name}_content",
            dg.AssetSelection.assets(*content_keys(source, asset_keys).values()),
            tags={CONTENT_ACCOUNT_TAG: account},
            description=f"{described}Reads the words: content of the pages that were edited, and what sources.yaml "
            "asks for beside it.",
            executor_def=dg.in_process_executor,
        )
    ]
