"""The JSON schema of sources.yaml, which editors complete and check by: that of the models, each key described."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from notion_pipeline.config.sources import schema_text

REPOSITORY = Path(__file__).parents[2]


def test_the_schema_of_the_repository_is_that_of_the_models() -> None:
    kept = (REPOSITORY / "notion_pipeline" / "sources.schema.json").read_text("utf-8")
    assert kept == schema_text(), (
        "write it again: python -m notion_pipeline.config.sources > notion_pipeline/sources.schema.json"
    )


def test_every_key_of_the_schema_has_a_description() -> None:
    schema = json.loads(schema_text())
    for model in [schema, *schema["$defs"].values()]:
        for key, described in model.get("properties", {}).items():
            # One that only says the same as its model is left out by pydantic.
            assert described.get("description") or "$ref" in described, key


def test_the_module_prints_the_schema() -> None:
    printed = subprocess.run(
        [sys.executable, "-W", "error", "-m", "notion_pipeline.config.sources"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == schema_text()
