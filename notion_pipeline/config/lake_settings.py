"""How a lake is kept in shape: how far back it can be queried, and when its files are merged and cleaned up."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from notion_pipeline.config.fields.key_types import Crons, FrozenModel, Span, nothing_as

_NIGHTLY = ("30 3 * * *",)


class LakeSettings(FrozenModel):
    """`lake:` of sources.yaml; means nothing while the catalog is a DuckDB file."""

    keep: Span = Field(
        default=timedelta(days=7),
        description="How far back the lake can be queried; or never, to keep every version of every table.",
        json_schema_extra={"default": "7d"},
    )
    maintenance: Annotated[Crons, nothing_as(())] = Field(
        default=_NIGHTLY,
        description="When small files are merged and what `keep` no longer holds is removed: a cron or a list, in "
        "UTC; nothing for by hand alone.",
        json_schema_extra={"default": _NIGHTLY[0]},
    )
