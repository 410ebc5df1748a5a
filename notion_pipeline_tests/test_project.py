"""The project's root, its `.env`, and the paths that variables name."""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline.config.sources import Sources
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import find_project


@pytest.fixture
def root(tmp_path):
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    (folder / "workspace.yaml").touch()
    return folder


def test_root_is_the_nearest_folder_upwards_with_workspace_yaml(root):
    deep = root / "a" / "b"
    deep.mkdir(parents=True)
    assert find_project(deep, {}).root == root
    (root / "a" / "workspace.yaml").touch()
    assert find_project(deep, {}).root == root / "a"


def test_root_is_the_current_folder_where_no_workspace_yaml_is_above(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_project(environ={}).root == tmp_path.resolve()


def test_without_variables_everything_stands_in_the_root(root):
    project = find_project(root, {})
    assert project.sources_file == root / "sources.yaml"
    assert not project.sources_file_is_required
    assert project.catalog_override is None
    assert Sources().catalog_location(project) == root / "catalog.duckdb"
    assert Sources().publish_path(project) is None
    assert project.home == root / ".notion_pipeline"
    assert project.api_url == "https://api.notion.com"


def test_variables_name_other_places_and_the_catalog_variable_wins(root):
    environ = {
        "NOTION_PIPELINE_SOURCES": "other.yaml",
        "NOTION_PIPELINE_CATALOG": "data/notion.duckdb",
        "NOTION_PIPELINE_HOME": "/var/lib/notion",
        "NOTION_API_URL": "http://127.0.0.1:8080/",
    }
    project = find_project(root, environ)
    assert project.sources_file == root / "other.yaml"
    assert project.sources_file_is_required
    assert project.sources_label == "other.yaml"
    assert Sources(catalog="mine.duckdb").catalog_location(project) == root / "data" / "notion.duckdb"
    assert project.home == Path("/var/lib/notion")
    assert project.api_url == "http://127.0.0.1:8080"


def test_paths_of_sources_yaml_start_at_the_root_and_know_the_users_home(root, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    sources = Sources(catalog="data/x.duckdb", publish="~/published.duckdb")
    project = find_project(root, {})
    assert sources.catalog_location(project) == root / "data" / "x.duckdb"
    assert sources.publish_path(project) == Path("/home/someone/published.duckdb")


def test_empty_variables_are_as_good_as_none(root):
    project = find_project(root, {"NOTION_PIPELINE_SOURCES": "", "NOTION_PIPELINE_HOME": "", "NOTION_API_URL": ""})
    assert project == find_project(root, project.environ)
    assert project.home == root / ".notion_pipeline"
    assert not project.sources_file_is_required


def test_dotenv_is_read_and_real_variables_win(root):
    (root / ".env").write_text(
        "\ufeffNOTION_TOKEN='ntn_a$b${HOME}'\nexport NOTION_PIPELINE_HOME=home  # mine\nONE=1\nNOTHING\n", "utf-8"
    )
    project = find_project(root, {"ONE": "2"})
    assert project.environ == {"NOTION_TOKEN": "ntn_a$b${HOME}", "NOTION_PIPELINE_HOME": "home", "ONE": "2"}
    assert project.home == root / "home"


def test_the_process_environment_is_the_default(root, monkeypatch):
    monkeypatch.setenv("NOTION_PIPELINE_HOME", "elsewhere")
    assert find_project(root).home == root / "elsewhere"


def test_dotenv_that_is_no_text_is_named(root):
    (root / ".env").write_bytes(b"NOTION_TOKEN=\xff\xfe")
    with pytest.raises(ConfigError, match=r"^\.env: is not UTF-8 text\.$"):
        find_project(root, {})


def test_printing_a_project_shows_no_secret(root):
    assert "ntn_hidden" not in repr(find_project(root, {"NOTION_TOKEN": "ntn_hidden"}))


def test_a_project_cannot_be_changed(root):
    with pytest.raises(TypeError):
        find_project(root, {}).environ["NOTION_TOKEN"] = "x"


@pytest.mark.parametrize(
    "url",
    [
        "ntn_secretsecret",
        "api.notion.com",
        "ftp://x",
        "https://",
        "http://[x",
        "http://h:x",
        "http://h/v1",
        "http://h?a",
    ],
)
def test_an_api_url_that_is_none_is_refused_without_repeating_it(root, url):
    with pytest.raises(ConfigError, match=r"^NOTION_API_URL: ") as caught:
        find_project(root, {"NOTION_API_URL": url})
    assert "ntn_" not in str(caught.value)
