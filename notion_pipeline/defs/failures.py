"""Failures as people read them: of a step, in the text of Dagster's event; of a run, in mails and chats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import dagster as dg

from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.metadata import partition_path
from notion_pipeline.errors import NotionPipelineError, StagingError
from notion_pipeline.outside import markdown_link, markdown_text, shown, shown_line
from notion_pipeline.redaction import redact_error

INTERRUPTED = "Interrupted. What was read is kept, and the next sync goes on from there."
_INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


class as_failure:  # noqa: N801 - reads as the statement it is
    """Turns an error of ours into a failure of the step whose text is its message alone; hides secrets in others."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, NotionPipelineError):
            raise dg.Failure(str(error)) from None
        redact_error(error)


def failure_message(context: dg.RunFailureSensorContext) -> str:
    """The text for a mail, a chat or a webhook: the run, then the reason of each step that failed, ours word for word.

    Our reasons name each database with what to do; those of other steps are their innermost cause.
    """
    run = context.dagster_run
    reasons = [_reason(event) for event in context.get_step_failure_events()]
    # A run that never reached a step, or whose process was killed, has only the run's own word.
    words = "\n".join(filter(None, reasons)) or context.failure_event.message or "It ended without a word."
    return f"{run.job_name} failed (run {run.run_id}).\n{words}"


def step_reason(event: dg.DagsterEvent) -> str:
    """Why a step failed: our own words, that it was interrupted, or its innermost cause without the traceback."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    if is_interruption(data.error):
        return INTERRUPTED
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error is not None else ""


def is_interruption(error: Optional[Any]) -> bool:  # noqa: UP045
    """Whether an error that Dagster kept says that somebody ended the process."""
    while error is not None:
        if error.cls_name in _INTERRUPTIONS:
            return True
        error = error.cause
    return False


def _reason(event: dg.DagsterEvent) -> str:
    reason = step_reason(event)
    data = event.step_failure_data
    is_ours = data.user_failure_data is not None and data.user_failure_data.description
    return reason if is_ours or not reason else f"{event.step_key}: {reason}"


@dataclass(frozen=True)
class FailedDatabase:
    """A database that was not committed, or not whole, and why."""

    title: str
    errors: list[Exception]


def databases_failure(
    asset_keys: AssetKeys,
    failed: Mapping[str, FailedDatabase],
    partitions: Mapping[str, str],
    loaded: int,
    others: Sequence[NotionPipelineError],
) -> dg.Failure:
    """Names every database that failed and why; those that succeeded are committed.

    Args:
        failed: By database id.
        partitions: Partition key by database id.
    """
    lines = [database_reason(found.title, error) for found in failed.values() for error in found.errors]
    lines += [str(error) for error in others]
    if failed and (loaded or len(lines) > 1):
        count = len(failed) + loaded
        lines = [
            f"{len(failed)} of {count} databases of source {asset_keys.source} failed; the others are committed.",
            *lines,
        ]
    return dg.Failure(
        description="\n".join(lines),
        metadata={
            "failed_databases": dg.MetadataValue.md(
                "\n".join(_failed_line(asset_keys, key, partitions.get(key), found) for key, found in failed.items())
            )
        },
        allow_retries=any(isinstance(error, StagingError) for found in failed.values() for error in found.errors),
    )


def _failed_line(asset_keys: AssetKeys, key: str, partition: Optional[str], found: FailedDatabase) -> str:  # noqa: UP045
    # A name of the run's config that fits no database has no partition to link to.
    path = partition_path(asset_keys, partition) if partition else ""
    return f"- {markdown_link(found.title or 'Untitled', path)} `{key}`: " + markdown_text(str(found.errors[0]))


def database_reason(title: str, error: Exception) -> str:
    """Why a database failed, in a line; an error that nobody foresaw is named by its class."""
    if isinstance(error, NotionPipelineError):
        return str(error)
    return shown(f'"{shown_line(title)}": {type(error).__name__}: {error}')
