"""The types of the keys in sources.yaml: how each value is checked, and how the JSON schema describes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from notion_pipeline.config.fields import values
from notion_pipeline.config.fields.catalog_location import check_catalog, check_data_path
from notion_pipeline.config.fields.cron import parse_crons


class FrozenModel(BaseModel):
    """Base of our models: an unknown key is an error."""

    # A ValidationError must not show its input: it may be a token in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def nothing_as(empty: object) -> BeforeValidator:
    """Makes a key without a value mean the same as no key."""
    return BeforeValidator(lambda value: empty if value is None else value)


Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Entry = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
CatalogText = Annotated[Text, AfterValidator(check_catalog)]
DataPath = Annotated[Text, AfterValidator(check_data_path)]
StoragePath = Annotated[Text, AfterValidator(values.check_storage)]
FilePath = Annotated[Text, AfterValidator(values.check_path)]
TableName = Annotated[Text, AfterValidator(values.check_table)]
TagKey = Annotated[Text, AfterValidator(values.check_tag_key)]
TagValue = Annotated[Text, AfterValidator(values.check_tag_value)]
Owners = Annotated[tuple[Annotated[Text, AfterValidator(values.check_owner)], ...], nothing_as(())]
Tags = Annotated[dict[TagKey, TagValue], nothing_as({})]
WholeNumber = Annotated[int, Field(strict=True)]
Crons = Annotated[tuple[str, ...], PlainValidator(parse_crons, json_schema_input_type=str | list[str] | None)]
StartDate = Annotated[
    datetime | None,
    PlainValidator(values.parse_start_date),
    WithJsonSchema({"type": ["string", "null"], "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
Span = Annotated[
    timedelta | None,
    PlainValidator(values.parse_span),
    WithJsonSchema({"type": "string", "pattern": r"^([1-9]\d{0,5} ?[dhm]|never)$"}),
]
