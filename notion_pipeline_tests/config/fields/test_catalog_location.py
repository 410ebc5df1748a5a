"""Where the catalog is, as sources.yaml and the environment say it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from notion_pipeline.config.fields.catalog_location import Lake, check_catalog, location_of
from notion_pipeline.config.sources import load_sources
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import Project, project_at

PASSWORD = "s3cret-pass"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., object]:
    """The location in a sources.yaml of these lines, under these variables."""

    def location(text: str, **environ: str) -> object:
        (tmp_path / "sources.yaml").write_text(f"{text}\nsources: [{{name: notion, account: {{type: token}}}}]\n")
        project: Project = project_at(tmp_path, environ)
        return load_sources(project).catalog_location(project)

    return location


def test_file_is_a_path_from_the_root_on(load: Callable[..., object], tmp_path: Path) -> None:
    assert load("catalog: data/x.duckdb") == tmp_path / "data" / "x.duckdb"


@pytest.mark.parametrize(
    "text",
    [
        "ducklake:postgres:dbname=lake host=db user=notion",
        "ducklake:postgres:postgresql://notion@db/lake",
        "ducklake:postgresql://notion@db/lake",
        "DuckLake:postgres://notion@db/lake",
    ],
)
def test_lake_on_postgresql(load: Callable[..., object], tmp_path: Path, text: str) -> None:
    found = load(f'catalog: "{text}"\ndata_path: files', PGPASSWORD=PASSWORD)
    assert isinstance(found, Lake)
    assert found.file is None
    assert found.metadata.startswith("postgres:")
    assert found.data_path == str(tmp_path / "files")
    assert found.environ["PGPASSWORD"] == PASSWORD
    assert PASSWORD not in f"{found!r} {found}"


def test_lake_in_a_file_and_in_a_bucket(load: Callable[..., object], tmp_path: Path) -> None:
    assert load("catalog: ducklake:x.ducklake") == Lake(str(tmp_path / "x.ducklake"))
    assert load("catalog: ducklake:x.ducklake\ndata_path: s3://bucket/notion") == Lake(
        str(tmp_path / "x.ducklake"), "s3://bucket/notion"
    )


def test_the_variables_win(load: Callable[..., object], tmp_path: Path) -> None:
    found = load(
        "catalog: mine.duckdb",
        NOTION_PIPELINE_CATALOG="ducklake:postgres:dbname=lake",
        NOTION_PIPELINE_DATA_PATH="/mnt/files",
    )
    assert found == Lake("postgres:dbname=lake", "/mnt/files")


@pytest.mark.parametrize(
    "server",
    [
        f"postgresql://notion:{PASSWORD}@db/lake",
        f"dbname=lake password={PASSWORD}",
        f"dbname=lake password = '{PASSWORD}'",
        f"postgresql://notion@db/lake?password={PASSWORD}",
    ],
)
def test_password_is_refused_and_not_repeated(load: Callable[..., object], server: str) -> None:
    for lines, environ in (
        (f'catalog: "ducklake:postgres:{server}"\ndata_path: x', {}),
        ("", {"NOTION_PIPELINE_CATALOG": f"ducklake:postgres:{server}", "NOTION_PIPELINE_DATA_PATH": "x"}),
    ):
        with pytest.raises(ConfigError, match="PGPASSWORD") as refused:
            load(lines, **environ)
        assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("catalog: ducklake:postgres:dbname=lake", "data_path: is missing"),
        ("catalog: x.duckdb\ndata_path: files", "data_path: is for a lake"),
        ("catalog: ducklake:x\npublish: y.duckdb", "publish: copies only a DuckDB file"),
        ("catalog: 'ducklake:'", "allowed"),
        ("catalog: 'ducklake:postgres:'", "without its database"),
        ("catalog: md:sales", "allowed: the path of a DuckDB file"),
        ("catalog: ducklake:x\ndata_path: gs://bucket/x", "allowed: a folder, or s3://bucket/folder"),
    ],
)
def test_mistake_is_named(load: Callable[..., object], lines: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(lines)


def test_path_with_a_colon_late_in_it_is_a_path() -> None:
    assert check_catalog("data/a:b.duckdb") == "data/a:b.duckdb"
    assert location_of("x.duckdb", None, Path) == Path("x.duckdb")
