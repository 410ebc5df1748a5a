"""Relations whose target the connection cannot see: Notion shows them as empty (notion-api.md section 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from notion_pipeline.catalog.state import StreamState
from notion_pipeline.errors import InvalidIdError, NotionError, NotionNotFoundError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.rows.properties import Property
from notion_pipeline.sync.run.context import RunContext


def relation_targets(properties: Sequence[Property], data_source_id: str) -> dict[str, str]:
    """The other data sources that relations of this one point to, by property id."""
    return {
        prop.id: target
        for prop in properties
        if prop.type == "relation"
        and isinstance(target := prop.config.get("data_source_id"), str)
        and target != data_source_id
    }


class RelationTargets:
    """The relations of one data source, and which of their targets can be seen; each target is asked for once a run."""

    def __init__(
        self, context: RunContext, client: NotionClient, data_source_id: str, properties: Sequence[Property]
    ) -> None:
        self._context = context
        self._client = client
        self._names = {prop.id: prop.name for prop in properties}
        self._targets = relation_targets(properties, data_source_id)

    def known(self, state: StreamState) -> tuple[dict[str, str], dict[str, str]]:
        """What the catalog knows, without what this run has seen since; costs no request. As `find_out` gives it."""
        visible = self._context.visible
        return (
            {key: target for key, target in state.hidden_relations.items() if not visible.get(target)},
            {key: why for key, why in state.unclear_relations.items() if not visible.get(self._targets.get(key, ""))},
        )

    async def find_out(self, say: Callable[[str], None]) -> tuple[dict[str, str], dict[str, str]]:
        """Asks for each target that is not known yet. One that Notion refuses to tell of is logged and fails nothing.

        Returns:
            Hidden targets by property id; and why Notion would not say, by property id.
        """
        hidden, unclear = {}, {}
        for key, target in self._targets.items():
            await self._find_out(target)
            if target in self._context.unclear:
                unclear[key] = self._context.unclear[target]
                say(
                    f'the target of relation "{self._names[key]}" could not be looked at ({unclear[key]}); where it is '
                    "not shared with the connection, Notion shows the relation as empty."
                )
            elif not self._context.visible[target]:
                hidden[key] = target
                say(
                    f'relation "{self._names[key]}" points to a data source that is not shared with the '
                    "connection, so Notion shows it as empty."
                )
        return hidden, unclear

    async def _find_out(self, data_source_id: str) -> None:
        visible, unclear = self._context.visible, self._context.unclear
        if data_source_id in visible or data_source_id in unclear:
            return
        try:
            await self._client.data_source(data_source_id)
        except (NotionNotFoundError, InvalidIdError):
            visible[data_source_id] = False
        except NotionError as error:
            unclear[data_source_id] = error.message
        else:
            visible[data_source_id] = True
