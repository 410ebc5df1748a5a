"""notion_pipeline's definitions and the published tables, in one code location."""

import dagster as dg

from examples.warehouse.publish import warehouse
from notion_pipeline import definitions as notion

defs = dg.Definitions.merge(
    notion.defs,
    warehouse(notion.defs),
    dg.Definitions(
        sensors=[
            dg.AutomationConditionSensorDefinition(
                "warehouse_automation",
                target=dg.AssetSelection.groups("warehouse"),
                default_status=dg.DefaultSensorStatus.RUNNING,
            )
        ]
    ),
)
