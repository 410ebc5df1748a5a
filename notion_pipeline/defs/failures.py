"""What a failed run says to people: the databases, the reasons and the cures, for Dagster's run failure sensors."""

import dagster as dg


def failure_message(context: dg.RunFailureSensorContext) -> str:
    """The text for a mail, a chat or a webhook: the run, then the reason of each step that failed, ours word for word.

    Our reasons name each database with what to do; those of other steps are their innermost cause.
    """
    run = context.dagster_run
    reasons = [_reason(event) for event in context.get_step_failure_events()]
    # A run that never reached a step, or whose process was killed, has only the run's own word.
    words = "\n".join(filter(None, reasons)) or context.failure_event.message or "It ended without a word."
    return f"{run.job_name} failed (run {run.run_id}).\n{words}"


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {error.message.strip()}" if error is not None else ""
