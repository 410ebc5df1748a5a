"""The checks of `S/page_content`. A run of content reports what is new; they can also be run by themselves."""

from collections.abc import Iterator
from typing import Any, Optional

import dagster as dg

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.due.targets import content_targets
from notion_pipeline.catalog.content.quality import ContentQuality, content_quality
from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.checks.check_reports import CheckNews, check_result, short
from notion_pipeline.defs.dagster_internals import normalize_metadata, report_check_evaluation
from notion_pipeline.defs.resources import CatalogResource, LoadedProject, NotionResource, ResourceKeys
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.outside import shown_line
from notion_pipeline.redaction import traceback_text

ASSET = "page_content"
COMPLETE, UNIQUE = "complete", "unique"
DESCRIPTIONS = {
    COMPLETE: "Every page of the databases whose content is read has content. A page that a sync has just brought gets "
    "it from the next run of content.",
    UNIQUE: "No page has two rows of content.",
}
_SEVERITY = {COMPLETE: dg.AssetCheckSeverity.WARN, UNIQUE: dg.AssetCheckSeverity.ERROR}


def content_checks(
    source: Source,
    asset_keys: AssetKeys,
    given: Optional[LoadedProject],  # noqa: UP045
) -> list[dg.AssetsDefinition]:
    """The checks of page content, as one step; none where sources.yaml asks for no content.

    Args:
        given: The sources to run with; None has each run read sources.yaml anew.
    """
    if not source.reads_content:
        return []
    keys = ResourceKeys(source.name)

    @dg.multi_asset_check(
        name=f"{source.name}__content_checks",
        # Names of assets may be any text once translated: the asset gets its key below.
        specs=[dg.AssetCheckSpec(name, asset=ASSET, description=text) for name, text in DESCRIPTIONS.items()],
        can_subset=True,
        required_resource_keys={keys.notion, keys.catalog},
        description=f"Looks at the page content of source {source.name}, read-only.",
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        notion: NotionResource = getattr(context.resources, keys.notion)
        catalog: CatalogResource = getattr(context.resources, keys.catalog)
        try:
            current = notion.load(given).source(source.name)
            found = _look(catalog.catalog(context.log.warning), current)
        except NotionPipelineError as error:
            raise dg.Failure(f"What was read is committed. It could not be checked: {error}") from None
        for key in sorted(context.selected_asset_check_keys):
            yield check_result(_evaluation(asset_keys, key.name, found))

    return [checks.with_attributes(asset_key_replacements={dg.AssetKey(ASSET): _key(asset_keys)})]


def report_content_checks(
    context: dg.OutputContext,
    asset_keys: AssetKeys,
    catalog: Catalog,
    source: Source,
    *,
    changed: bool,
    step_fails: bool,
) -> None:
    """Checks what this step has committed, and reports what is new: a finding, or content that changed and passes.

    Args:
        changed: Whether the step changed any content.
        step_fails: The checks of this run that Dagster planned for after the step will not run.
    """
    try:
        keys = {name: dg.AssetCheckKey(_key(asset_keys), name) for name in DESCRIPTIONS}
        news = CheckNews(context, keys.values(), step_fails=step_fails)
        found = _look(catalog, source)
        for name, key in keys.items():
            result = _evaluation(asset_keys, name, found)
            if news.has(key, passes=result.passed, changed=changed):
                report_check_evaluation(context, result)
    except Exception as error:  # what was read is committed, or its own failure is the one to show
        context.log.warning(f"What was read is committed. It could not be checked:\n{traceback_text(error)}")


def _key(asset_keys: AssetKeys) -> dg.AssetKey:
    return asset_keys.key(asset_keys.free_name(ASSET))


def _look(catalog: Catalog, source: Source) -> Optional[ContentQuality]:  # noqa: UP045
    with catalog.reading() as connection:
        if connection is None:
            return None
        resolution, known = resolution_of_catalog(connection, source)
        chosen = [database for database in known.values() if database.selected]
        return content_quality(connection, source.name, content_targets(connection, resolution.source, chosen))


def _evaluation(
    asset_keys: AssetKeys,
    name: str,
    found: Optional[ContentQuality],  # noqa: UP045
) -> dg.AssetCheckEvaluation:
    finding, metadata = "", dict[str, Any]()
    if found is None:
        description = "No run has read any content yet."
    else:
        metadata["pages_checked"] = found.pages
        finding = (_missing if name == COMPLETE else _repeated)(found)
        description = short(finding) or f"{found.pages:,} pages looked at."
    return dg.AssetCheckEvaluation(
        passed=not finding,
        asset_key=_key(asset_keys),
        check_name=name,
        severity=_SEVERITY[name],
        metadata=normalize_metadata(metadata),
        description=description,
    )


def _missing(found: ContentQuality) -> str:
    if not found.missing:
        return ""
    named = "; ".join(f'"{shown_line(page.title)[:60] or "Untitled"}" ({page.page_id})' for page in found.missing_pages)
    return f"{found.missing:,} pages have no content; a run of content reads them. Among them: {named}."


def _repeated(found: ContentQuality) -> str:
    if not found.repeated:
        return ""
    return f"{found.repeated:,} pages have several rows of content. Among them: {', '.join(found.repeated_ids)}."
