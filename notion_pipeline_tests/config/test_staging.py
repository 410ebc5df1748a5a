"""Where reads in progress are: `staging:` in sources.yaml, and NOTION_PIPELINE_STAGING, which wins over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from notion_pipeline.config.source_files import files_of, remove_files, rename_files
from notion_pipeline.config.sources import load_sources
from notion_pipeline.errors import ConfigError, StagingError
from notion_pipeline.project import Project, project_at
from notion_pipeline.state.folder import FolderState
from notion_pipeline_tests.support.processes.s3 import S3Place, s3_place

VARIABLE = "NOTION_PIPELINE_STAGING"


@pytest.fixture
def place() -> Iterator[S3Place]:
    with s3_place() as found:
        yield found


def project(root: Path, text: str = "", **environ: str) -> Project:
    if text:
        (root / "sources.yaml").write_text(text, encoding="utf-8")
    return project_at(root, environ)


@pytest.mark.parametrize(
    ("text", "environ", "folder", "url"),
    [
        ("", {}, ".notion_pipeline/staging", ""),
        ("staging: shared", {}, "shared", ""),
        ("staging: shared", {VARIABLE: "mine"}, "mine", ""),
        ("staging: s3://bucket/folder/", {}, ".notion_pipeline/staging", "s3://bucket/folder"),
        ("staging: shared", {VARIABLE: "s3://bucket"}, ".notion_pipeline/staging", "s3://bucket"),
        ("staging: s3://bucket", {VARIABLE: "shared"}, "shared", ""),
    ],
)
def test_reads_are_in_a_folder_or_of_this_home_with_copies_in_a_bucket(
    tmp_path: Path, text: str, environ: dict[str, str], folder: str, url: str
) -> None:
    found = project(tmp_path, text, **environ)
    sources = load_sources(found)
    assert sources.staging_path(found) == tmp_path / folder
    bucket = sources.staging_bucket(found)
    assert (bucket.url if bucket is not None else "") == url


@pytest.mark.parametrize(
    ("text", "environ", "reason"),
    [
        ("staging: gs://bucket/x", {}, 'staging: found "gs://bucket/x", allowed: a folder, or s3://bucket/folder'),
        ("staging: s3://Bucket_/x", {}, 'staging: found "s3://Bucket_/x", allowed: s3://bucket/folder'),
        ("staging: s3://key:hidden@host/x", {}, "with the key in the environment and not here"),
        ("", {VARIABLE: "gs://bucket/x"}, f'{VARIABLE}: found "gs://bucket/x"'),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str, environ: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_sources(project(tmp_path, text, **environ))
    assert reason in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_what_is_kept_of_a_source_is_found_and_removed_in_the_bucket_too(tmp_path: Path, place: S3Place) -> None:
    state, bucket = FolderState(tmp_path), place.bucket
    for source in ("old", "older", "other"):
        bucket.put(f"{source}/db/ds/one/manifest.json", b"{}")
    assert files_of(state, tmp_path / "staging", "old", bucket) == [f"{place.url}/old"]
    rename_files(state, tmp_path / "staging", "old", "new", bucket)
    remove_files(state, tmp_path / "staging", "other", bucket)
    assert place.keys == ["older/db/ds/one/manifest.json"]


def test_bucket_that_is_away_keeps_a_source_from_being_removed(tmp_path: Path, place: S3Place) -> None:
    (tmp_path / "staging" / "old").mkdir(parents=True)
    away = load_sources(found := project(tmp_path, "staging: s3://missing", **place.environ)).staging_bucket(found)
    with pytest.raises(StagingError, match="s3://missing"):
        remove_files(FolderState(tmp_path), tmp_path / "staging", "old", away)
    assert (tmp_path / "staging" / "old").exists()
