"""The attributes of the component: the keys of a source, checked by the models of sources.yaml, and its own few."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components import AssetAttributesModel, DefsStateConfigArgs
from dagster_duckdb import DuckDBResource
from pydantic import ConfigDict, Field

from notion_pipeline.config.sources import Source, Sources
from notion_pipeline.project import DEFAULT_HOME

#: A template that is an environment variable and nothing else.
_VARIABLE = re.compile(r"\s*\{\{\s*env(?:\.(\w+)|\(\s*['\"](\w+)['\"]\s*\))\s*\}\}\s*")
_TEMPLATE = {"type": "string", "pattern": r"\{\{"}


class SourceAttributes(dg.Model):
    """What may stand under `attributes`, beside the keys of a source."""

    # Templates are resolved before the keys of the source are checked. A token in the wrong place is not shown.
    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    home: str = Field(
        default=DEFAULT_HOME,
        description="State folder, from the project root on: accounts, locks, reads in progress. It may be shared.",
    )
    translation: AssetAttributesModel | str | None = Field(  # type: ignore[valid-type]
        default=None,
        description="Asset keys, groups, owners, tags and descriptions of your own. Templates see `source`, `table`, "
        "`title`, all of these and more as `data`, and our asset as `spec`.",
    )
    defs_state: DefsStateConfigArgs = Field(
        default=DefsStateConfigArgs.local_filesystem(),
        description="Where the list of tables is kept: `management_type`, `key` and `refresh_if_dev`.",
    )

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The JSON schema for editors and `dg check yaml`, with the keys of the source."""
        own = super().model_json_schema(*args, **kwargs)
        given = Sources.model_json_schema()
        definitions = {**given.get("$defs", {}), **own.get("$defs", {})}
        source = definitions.pop(Source.__name__)
        shared = {key: value for key, value in given["properties"].items() if key != "sources"}
        schema: dict[str, Any] = _with_templates(
            {
                **own,
                "properties": {**source["properties"], **shared, **own["properties"]},
                "required": [key for key in source.get("required", ()) if key != "name"],
                "additionalProperties": False,
                "$defs": definitions,
            }
        )
        return schema


def _with_templates(schema: Any) -> Any:
    """The schema, in which a template may stand for any value."""
    if isinstance(schema, list):
        return [_with_templates(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            wrap = _or_template if key == "properties" else _with_templates
            found[key] = {name: wrap(entry) for name, entry in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            found[key] = _or_template(value)
        else:
            found[key] = _with_templates(value) if key in ("anyOf", "oneOf", "allOf") else value
    return found


def _or_template(schema: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    return {**shown, "anyOf": [_with_templates(schema), _TEMPLATE]}


def resolve_source(
    attributes: SourceAttributes, resolve: Callable[[str], Any], name: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """The keys of the source with their templates resolved, and the secrets that stood in them, by variable.

    A token that is an environment variable is looked up when it is used, as `{env: NAME}` is.

    Args:
        resolve: Resolves one template.
        name: Name of the source where the attributes have none.
    """
    raw = dict(attributes.model_extra or {})
    secrets: dict[str, str] = {}
    account = raw.get("account")
    if isinstance(account, dict) and isinstance(token := account.get("token"), str) and "{{" in token:
        found = _VARIABLE.fullmatch(token)
        value = dg.EnvVar(found[1] or found[2]) if found else resolve(token)
        if isinstance(value, dg.EnvVar):
            variable = value.env_var_name
        else:
            variable = f"NOTION_PIPELINE_TOKEN_{name.upper()}"
            secrets[variable] = str(value or "")
        raw["account"] = {**account, "token": {"env": variable}}
    return {"name": name, **_resolved(raw, resolve)}, secrets


def _resolved(value: Any, resolve: Callable[[str], Any]) -> Any:
    """A value with its templates resolved. Other text stays text: Dagster would make a number of the title 2026."""
    if isinstance(value, dict):
        return {key: _resolved(entry, resolve) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_resolved(entry, resolve) for entry in value]
    if isinstance(value, str) and "{{" in value:
        return _resolved(resolve(value), lambda text: text)
    # Dagster's YAML makes dates of what looks like one; our models read them as text.
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def state_place(state: object, environ: Mapping[str, str]) -> str:
    """Where the attribute `state` says that the shared state is; empty for the home, and for what is no place."""
    if isinstance(state, Mapping):
        return environ.get(str(state.get("env")), "")
    return state if isinstance(state, str) else ""


def database_of(catalog: object) -> object:
    """The file of a `DuckDBResource` of the host's; a path as it is."""
    return catalog.database if isinstance(catalog, DuckDBResource) else catalog
