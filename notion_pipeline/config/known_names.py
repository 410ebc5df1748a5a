"""What the names in sources.yaml were found to mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class KnownNames:
    """The ids that the names in one source were found to mean. An id stays the same when its name changes in Notion.

    Attributes:
        databases: Database ids by key of sources.yaml (`select`, `deselect` or `streams`) and entry.
        properties: Property ids by database id and mark of the name (`properties.name_mark`); and by data source id
            and mark, since a data source may move to another database.
        moved: By database id: ids of properties that moved here with their data source, and that the settings of its
            former database exclude.
    """

    databases: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    properties: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    moved: Mapping[str, frozenset[str]] = field(default_factory=dict)
