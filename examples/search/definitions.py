"""notion_pipeline's definitions and the search, in one code location."""

import dagster as dg

from examples.search.embeddings import chunk_vectors
from notion_pipeline import definitions as notion

defs = dg.Definitions.merge(
    notion.defs,
    dg.Definitions(
        assets=[chunk_vectors],
        sensors=[
            dg.AutomationConditionSensorDefinition(
                "search_automation",
                target=dg.AssetSelection.groups("search"),
                default_status=dg.DefaultSensorStatus.RUNNING,
            )
        ],
    ),
)
