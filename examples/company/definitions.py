"""notion_pipeline's definitions and the company's, in one code location."""

import dagster as dg

from examples.company.alerts import alerts
from examples.company.reports import deals_count, tasks_by_status
from examples.company.triggers import crm_export, notion_after_crm_export
from notion_pipeline import definitions as notion

defs = dg.Definitions.merge(
    # By its module: Dagster takes a module with two Definitions in it for a mistake.
    notion.defs,
    dg.Definitions(
        assets=[deals_count, tasks_by_status, crm_export],
        sensors=[
            notion_after_crm_export,
            # Dagster's own automation sensor is stopped until somebody starts it; this one runs.
            dg.AutomationConditionSensorDefinition(
                "automation",
                target=dg.AssetSelection.groups("company"),
                default_status=dg.DefaultSensorStatus.RUNNING,
            ),
            *alerts(),
        ],
    ),
)
