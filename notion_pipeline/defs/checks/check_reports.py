"""How checks are told: as results of a step of their own, or as news by the step that has just filled an asset."""

from collections.abc import Collection

import dagster as dg

from notion_pipeline.defs.dagster_internals import AssetCheckExecutionRecordStatus

#: Dagster keeps the text of each evaluation for ever; the partition's page has the rest.
MOST_CHARACTERS = 700


def short(text: str) -> str:
    """A description of a check, of bounded length."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}… and more"


def check_result(found: dg.AssetCheckEvaluation) -> dg.AssetCheckResult:
    """An evaluation as the step of the check itself gives it."""
    return dg.AssetCheckResult(
        passed=found.passed,
        asset_key=found.asset_key,
        check_name=found.check_name,
        severity=found.severity,
        metadata=found.metadata,
        description=found.description,
    )


class CheckNews:
    """What of some checks a step that has filled their assets has to report.

    A check that passes again on what did not change is no news: in a large workspace such reports would take longer
    than the sync.

    Args:
        keys: The checks.
        step_fails: The checks of this run that Dagster planned for after the step will not run.
    """

    def __init__(self, context: dg.OutputContext, keys: Collection[dg.AssetCheckKey], *, step_fails: bool) -> None:
        step = context.step_context
        planned = set[dg.AssetCheckKey]() if step_fails else set(step.job_def.asset_layer.asset_graph.asset_check_keys)
        self._reported = set(keys) - planned
        storage = step.instance.event_log_storage
        latest = storage.get_latest_asset_check_execution_by_key(list(self._reported)) if self._reported else {}
        self._passing = {
            key for key, record in latest.items() if record.status == AssetCheckExecutionRecordStatus.SUCCEEDED
        }

    def has(self, key: dg.AssetCheckKey, *, passes: bool, changed: bool) -> bool:
        """Whether a check is to be reported.

        Args:
            changed: Whether what it looks at has changed.
        """
        return key in self._reported and (changed or not passes or key not in self._passing)
