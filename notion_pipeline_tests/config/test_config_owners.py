"""Owners and tags of sources and streams: what Dagster takes, and what it refuses is refused here first."""

from __future__ import annotations

import dagster as dg
import pytest

from notion_pipeline.config.sources import (
    Source,
    parse_sources,
)
from notion_pipeline.errors import ConfigError

ID = "1f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"


def described(**more: object) -> Source:
    return parse_sources({"sources": [{"name": "notion", "account": {"type": "token"}, **more}]}).sources[0]


OWNERS = ["ana@example.com", "team:sales", "a.b+c@mail.example.co.uk"]
NO_OWNERS = ["ana", "team:", "ana@example", "@example.com", "ana@example.com, ben@example.com", ""]
TAGS = [{"domain": "sales"}, {"team/tier": "1.0"}, {"label": ""}, {"a" * 63: "b" * 63}]
NO_TAGS = [{"cost center": "x"}, {"a": "b c"}, {"a/b/c": "x"}, {"": "x"}, {"a" * 64: "x"}, {"a": "b" * 64}]


@pytest.mark.parametrize("owner", OWNERS)
def test_owner_that_dagster_takes(owner: str) -> None:
    assert described(owners=[owner]).owners == (owner,)
    assert dg.AssetSpec("x", owners=[owner])


@pytest.mark.parametrize("owner", NO_OWNERS)
def test_owner_that_dagster_refuses_is_named_with_its_key(owner: str) -> None:
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        dg.AssetSpec("x", owners=[owner])
    with pytest.raises(
        ConfigError, match=r"sources\[0\] \(notion\): owners\[0\]: found .*, allowed: an e-mail address"
    ):
        described(owners=[owner])


@pytest.mark.parametrize("tags", TAGS)
def test_tags_that_dagster_takes(tags: dict[str, str]) -> None:
    assert described(tags=tags).tags == tags
    assert dg.AssetSpec("x", tags=tags)


@pytest.mark.parametrize("tags", NO_TAGS)
def test_tags_that_dagster_refuses_are_named_with_their_key(tags: dict[str, str]) -> None:
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        dg.AssetSpec("x", tags=tags)
    with pytest.raises(ConfigError, match=r"sources\[0\] \(notion\): tags.*: found .*, allowed: at most 63"):
        described(tags=tags)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"dagster/kind/x": ""}, r'tags\.dagster/kind/x: found "dagster/kind/x", must not begin with "dagster/"'),
        ({"tier": 1}, r"tags\.tier: found 1, allowed: text, which in YAML may need quotes"),
    ],
)
def test_tags_that_are_none_of_ours(tags: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        described(tags=tags)


def test_stream_has_owners_and_tags_of_its_source_or_its_own() -> None:
    source = described(
        owners=["team:all"],
        tags={"domain": "all", "tier": "1"},
        streams={"Deals": {"owners": ["team:sales"], "tags": {"domain": "sales"}}},
    )
    assert source.settings_for(ID, "Deals").owners == ("team:sales",)
    assert source.settings_for(ID, "Deals").tags == {"domain": "sales", "tier": "1"}
    assert (source.settings_for(ID, "Other").owners, source.settings_for(ID, "Other").tags) == (
        source.owners,
        source.tags,
    )
