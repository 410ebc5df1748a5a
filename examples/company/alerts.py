"""Failures that reach people, by webhook and by mail; each stands only where its variables are set.

`failure_message` names the databases, the reasons and the hints. Slack takes the webhook as it is (an incoming webhook
of Slack's reads `text`), or by `make_slack_on_run_failure_sensor(text_fn=failure_message, ...)` of dagster-slack.
"""

import os

import dagster as dg
import httpx

from notion_pipeline import failure_message


def alerts() -> list[dg.SensorDefinition]:
    found: list[dg.SensorDefinition] = []
    if os.environ.get("ALERT_WEBHOOK"):
        found.append(webhook_on_failure)
    if os.environ.get("ALERT_MAIL_TO"):
        found.append(mail_on_failure())
    return found


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=30)
def webhook_on_failure(context: dg.RunFailureSensorContext) -> None:
    """Posts `{"text": ...}`; what fails here, Dagster tries again with the next tick."""
    answer = httpx.post(os.environ["ALERT_WEBHOOK"], json={"text": failure_message(context)}, timeout=10)
    answer.raise_for_status()


def mail_on_failure() -> dg.SensorDefinition:
    """Dagster's own sensor for mail, with our text in its body."""
    return dg.make_email_on_run_failure_sensor(
        email_from=os.environ["ALERT_MAIL_FROM"],
        email_password=os.environ["ALERT_MAIL_PASSWORD"],
        email_to=os.environ["ALERT_MAIL_TO"].split(","),
        email_body_fn=lambda context: failure_message(context).replace("\n", "<br>"),
        email_subject_fn=lambda context: f"Dagster: {context.dagster_run.job_name} failed",
        smtp_host=os.environ["ALERT_MAIL_HOST"],
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
