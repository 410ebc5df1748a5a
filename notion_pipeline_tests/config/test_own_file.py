"""The sources.yaml that is kept in the repository."""

from __future__ import annotations

import re
from pathlib import Path

from notion_pipeline.config.account import EnvReference
from notion_pipeline.config.sources import Limits, OAuthAccount, Source, Sources, StreamSettings, TokenAccount, Watch

REPOSITORY = Path(__file__).parents[2]


def uncommented(text):
    """The example with every commented key switched on."""
    return re.sub(r"(?m)^( *)# (?= *(?:- )?\"?\w+\"?:)", r"\1", text)


def keys_of(node):
    if isinstance(node, dict):
        return set(node) | {key for value in node.values() for key in keys_of(value)}
    return {key for value in node for key in keys_of(value)} if isinstance(node, list) else set()


def test_the_sources_yaml_of_the_repository_means_the_default(load):
    text = (REPOSITORY / "sources.yaml").read_text("utf-8")
    assert load(text) == Sources(sources=(Source(name="notion", account=TokenAccount()),))
    assert text.startswith("# yaml-language-server: $schema=notion_pipeline/sources.schema.json\n")


def test_the_sources_yaml_of_the_repository_holds_with_every_comment_switched_on(load):
    text = uncommented((REPOSITORY / "sources.yaml").read_text("utf-8"))
    sources = load(text)
    assert [source.name for source in sources.sources] == ["notion", "partners"]
    shown = keys_of(sources.model_dump(exclude_unset=True))
    models = (Sources, Source, StreamSettings, Watch, Limits, TokenAccount, OAuthAccount, EnvReference)
    # model_dump shows tuples; the sources are looked at one by one.
    for source in sources.sources:
        shown |= keys_of(source.model_dump(exclude_unset=True))
    # What a lake has and a DuckDB file has not is in docs/lake.md.
    assert {key for model in models for key in model.model_fields} - {"data_path", "lake"} <= shown
