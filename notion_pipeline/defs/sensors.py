"""`S_changes`: asks for a sync of just the databases that were edited or newly shared, at two requests a quiet tick."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from notion_pipeline.changes import ChangesCursor, look
from notion_pipeline.config import Source, Watch
from notion_pipeline.defs.assets import SENSOR_TRIGGER, TRIGGER_TAG
from notion_pipeline.defs.liveness import unfinished_run
from notion_pipeline.defs.resources import NotionResource
from notion_pipeline.errors import RetryableNotionError
from notion_pipeline.listing_file import listed_ids

#: Dagster gives a tick a minute; a look that takes longer is carried on by the next.
LOOK_SECONDS = 15.0
TICK_SECONDS = 40.0
#: Notion not answering is a skipped tick for so long, then a failed one.
PATIENCE_SECONDS = 1800.0


def changes_sensor(source: Source, home: Path) -> dg.SensorDefinition:
    """The sensor of a source; running where sources.yaml has `watch`, else there and stopped."""
    watch = source.watch or Watch()
    described = f"{source.description}: " if source.description else ""

    @dg.sensor(
        name=f"{source.name}_changes",
        job_name=f"{source.name}_sync",
        minimum_interval_seconds=watch.every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if source.watch else dg.DefaultSensorStatus.STOPPED,
        description=f"{described}looks at what was edited last and syncs the databases concerned, newly shared ones "
        "included.",
        owners=list(source.owners),
    )
    def changes(context: dg.SensorEvaluationContext, notion: NotionResource) -> dg.SensorResult:
        cursor = ChangesCursor.load(context.cursor)
        # The first look notes what there is; what was edited before it, the first run reads.
        is_first = not cursor.started
        reason = _look(context, source, notion, cursor)
        if reason:
            return dg.SensorResult(skip_reason=reason, cursor=cursor.dump())
        return _request(context, source, cursor, home, everything=is_first)

    return changes


def _look(context: dg.SensorEvaluationContext, source: Source, notion: NotionResource, cursor: ChangesCursor) -> str:
    """Looks at Notion; why not, where it does not answer."""
    selected, others, databases = listed_ids(notion.project.home, source.name)

    async def looked() -> str:
        async with notion.client(source, context.log.info) as client:
            return await asyncio.wait_for(
                look(client, cursor, ignored=others - selected, databases=databases, seconds=LOOK_SECONDS),
                TICK_SECONDS,
            )

    try:
        if problem := asyncio.run(looked()):
            context.log.warning(f"Not everything could be looked at: {problem}")
    except (RetryableNotionError, asyncio.TimeoutError) as error:
        cursor.failing_since = cursor.failing_since or time.time()
        lasted = time.time() - cursor.failing_since
        if lasted > PATIENCE_SECONDS:
            raise
        return f"Notion did not answer ({str(error) or 'out of time'}); for {lasted / 60:.0f} minutes now."
    cursor.failing_since = None
    return ""


def _request(
    context: dg.SensorEvaluationContext, source: Source, cursor: ChangesCursor, home: Path, *, everything: bool
) -> dg.SensorResult:
    """One run for all that is due; none while one works, so that a burst of edits becomes one run."""
    if not everything and not cursor.pending:
        return dg.SensorResult(skip_reason="Nothing was edited since the last look.", cursor=cursor.dump())
    job = f"{source.name}_sync"
    if not everything:
        running = unfinished_run(context.instance, job, home)
        if running is not None:
            reason = f"{len(cursor.pending)} databases are due; run {running.run_id} of {job} is not finished yet."
            return dg.SensorResult(skip_reason=reason, cursor=cursor.dump())
    wanted, cursor.pending = list(cursor.pending), []
    request = dg.RunRequest(
        run_config={} if everything else _run_config(source, wanted), tags={TRIGGER_TAG: SENSOR_TRIGGER}
    )
    return dg.SensorResult(run_requests=[request], cursor=cursor.dump())


def _run_config(source: Source, databases: list[str]) -> Mapping[str, Any]:
    return {"ops": {f"{source.name}__database": {"config": {"databases": databases}}}}
