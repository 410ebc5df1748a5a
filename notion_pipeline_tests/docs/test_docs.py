"""What README and docs say is so: their commands, queries, Python and sources.yaml are run against the sandbox."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

from notion_pipeline import errors
from notion_pipeline.cli import COMMANDS
from notion_pipeline.cli.project_template import demo_environment
from notion_pipeline.config.sources import Source, Sources, parse_sources
from notion_pipeline.sandbox.edits.oauth import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.sample import SAMPLE_TOKEN, sample_workspace
from notion_pipeline_tests.support.command_reference import reference
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.ports import free_port
from notion_pipeline_tests.support.processes.host_project import make_host

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
#: Pages that begin before there is a project.
FROM_NOTHING = {"README.md", "docs/index.md"}

#: A section that is about somebody else's Dagster project.
ELSEWHERE = "In a project you have already"

#: Lines of shell that are not run here, and why.
NOT_RUN = {
    r"python3 -m venv .*": "the demo's and the tests' own line; .ci/run runs it, test_demo what it comes to",
    r"source \.venv/bin/activate": "the environment of the tests is active",
    r"notion-pipeline demo": "test_demo runs it",
    r"notion-pipeline sandbox .*": "it serves until Ctrl-C; test_cli and .ci/wheel run it",
    r"dagster dev": "it serves until Ctrl-C; test_demo and test_browser run it",
    r"dagster dev -m examples\..*": "it serves until Ctrl-C; test_warehouse_example runs its assets",
    r"dagster code-server start .*": "it serves until Ctrl-C; test_production runs it",
    r"dagster-webserver .*": "it serves until Ctrl-C; test_production runs it",
    r"dagster-daemon run .*": "it runs until Ctrl-C; test_production runs it",
    r"notion-pipeline migrate-catalog .*ducklake:.*": "it takes PostgreSQL and a bucket; test_migrate_catalog runs it",
    r"sudo .*": "it changes the machine; test_production runs what the services run",
    r"pip install --upgrade notion-pipeline": "it would replace what is tested; .ci/wheel installs the wheel",
    r"pip install 'notion-pipeline\[\w+\]'": "it would replace what is tested",
    r"export NOTION_(PIPELINE|S3)_.*": "there are no such servers; test_shared_tokens and test_deploy start some",
    r"docker .*|kubectl .*|helm .*": "there are no containers here; test_deploy runs what they run",
    r"export D.*": "for lines that are not run",
    r"dagster job launch --job lake_maintenance": "the projects here have no lake; test_lake_files runs the job",
    r"duckdb -readonly -ui .*": "it opens a browser and fetches DuckDB's extension for it",
    r"\.venv/bin/.*|bash \.ci/run": "the checkout's own checks; .ci/run makes them",
}
#: Programs of other packages: their lines run where these are, which .ci/wheel sees to.
FOREIGN = ("duckdb", "dbt", "dg")
#: What a person types, or a browser does.
TYPED = {
    "notion-pipeline connect --token": "printf '%s\\n' \"$NOTION_TOKEN\" | notion-pipeline connect --token",
    "notion-pipeline rename-source notion company": "notion-pipeline rename-source notion company --yes",
    "notion-pipeline remove-source company": "sed -i 's/name: company/name: other/' sources.yaml\n"
    "notion-pipeline remove-source company --yes",
    'notion-pipeline disconnect "Fernweh Outdoor GmbH"': "notion-pipeline connect\n"
    'notion-pipeline disconnect "Fernweh Outdoor GmbH"',
}


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page, those in lists too."""
    return blocks_in(page.read_text(encoding="utf-8"), language)


def blocks_in(text: str, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def shell_lines(text: str) -> list[str]:
    return [line for block in blocks_in(text, "sh") for line in block.splitlines() if line.strip()]


def sections(page: Path) -> list[str]:
    """What is under each heading: two of them may be two ways to one end."""
    return re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)


def why_not(line: str) -> str | None:
    return next((reason for pattern, reason in NOT_RUN.items() if re.fullmatch(pattern, line)), None)


CONTENT = """
sources:
  - name: notion
    account: {type: token}
    content: {select: [Support tickets], chunks: true, comments: page, pages: false}
"""


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A user's variables, the sample workspace served, and a browser that allows."""
    workspace = sample_workspace(token=SAMPLE_TOKEN, clock_runs=True)
    redirect_uri = f"http://localhost:{free_port()}/oauth/callback"
    workspace.oauth.register(SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, [redirect_uri])
    with SandboxServer(workspace) as server:
        yield {
            **demo_environment(),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path_factory.mktemp("home")),
            "BROWSER": f"{sys.executable} -m notion_pipeline_tests.support.accounts.allowing_browser %s &",
            "NOTION_API_URL": server.url,
            "NOTION_TOKEN": SAMPLE_TOKEN,
            "NOTION_CLIENT_ID": SANDBOX_CLIENT_ID,
            "NOTION_CLIENT_SECRET": SANDBOX_CLIENT_SECRET,
            "NOTION_REDIRECT_URI": redirect_uri,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }


@pytest.fixture(scope="module")
def synced(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `init` lays it down, synced, with views."""
    folder = tmp_path_factory.mktemp("docs") / "company"
    run("notion-pipeline init company\ncd company\nnotion-pipeline sync\nnotion-pipeline views", folder.parent, environ)
    return folder


@pytest.fixture(scope="module")
def with_content(synced: Path, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with the content of one database, its chunks and comments, and the users."""
    folder = tmp_path_factory.mktemp("content") / "company"
    shutil.copytree(synced, folder)
    (folder / "sources.yaml").write_text(CONTENT, encoding="utf-8")
    run(
        "notion-pipeline sync --content\nnotion-pipeline views",
        folder,
        environ,
    )
    return folder


@pytest.fixture
def project_of(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The project that a page is about."""
    return lambda name: request.getfixturevalue("with_content" if name == "docs/content.md" else "synced")


def run(script: str, folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=4 * PATIENCE,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_commands_run(name: str, project_of: Callable[[str], Path], environ: dict[str, str], tmp_path: Path) -> None:
    page = ROOT / name
    for number, section in enumerate(sections(page)):
        lines = [TYPED.get(line, line) for line in shell_lines(section) if why_not(line) is None]
        present = [line for line in lines if line.split()[0] not in FOREIGN or shutil.which(line.split()[0])]
        if not present:
            continue
        folder = tmp_path / str(number)
        if name in FROM_NOTHING:
            folder.mkdir()
        elif section.startswith(ELSEWHERE):
            make_host(folder)
        else:
            shutil.copytree(project_of(name), folder)
            write_files(page, folder)
        # That of an `init` project needs no path; one of somebody else's is installed, as a rule.
        run("\n".join(present), folder, {**environ, "PYTHONPATH": f"{ROOT}:{folder / 'src'}"})


def write_files(page: Path, folder: Path) -> None:
    """The files that a page shows, each of which begins with its name."""
    for block in (*blocks(page, "yaml"), *blocks(page, "text")):
        if match := re.match(r"(?:#|--) (analytics/[\w./]+)\n", block):
            (folder / match[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / match[1]).write_text(block, encoding="utf-8")


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_what_is_not_run_is_there(pattern: str) -> None:
    """The list of exceptions stays as short as it can be."""
    assert any(re.fullmatch(pattern, line) for page in PAGES for line in shell_lines(page.read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_python_runs(name: str, project_of: Callable[[str], Path], environ: dict[str, str]) -> None:
    for code in blocks(ROOT / name, "python"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=project_of(name),
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_queries_answer(name: str, project_of: Callable[[str], Path]) -> None:
    with duckdb.connect(str(project_of(name) / "catalog.duckdb"), read_only=True) as catalog:
        for query in (query for block in blocks(ROOT / name, "sql") for query in block.split(";") if query.strip()):
            assert catalog.execute(query).fetchall(), query


@pytest.mark.parametrize("name", NAMES)
def test_sources_files_are_valid(name: str) -> None:
    for block in blocks(ROOT / name, "yaml"):
        content = yaml.safe_load(block)
        assert isinstance(content, dict)
        if "sources" in content:
            parse_sources(content)


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "troubleshooting" / "index.html").exists()


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    again = "write it again: python -m notion_pipeline_tests.support.command_reference > docs/commands.md"
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == reference(), again


def test_every_command_is_used_on_a_page_of_its_own_subject() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "commands.md")
    assert {name for name in COMMANDS if f"notion-pipeline {name}" not in text} == set()


def test_every_error_class_has_its_place() -> None:
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    classes = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert len(classes) > 10
    assert {name for name in classes if name not in text} == set()


def test_every_key_of_sources_yaml_is_explained() -> None:
    section = (DOCS / "sources.md").read_text(encoding="utf-8").split("## Key by key")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [*Sources.model_fields, *Source.model_fields]


def test_every_variable_is_explained() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "notion_pipeline").rglob("*.py"))
    variables = set(re.findall(r'"(NOTION_(?!VERSION)[A-Z_]+)"', code))
    assert len(variables) > 4
    section = (DOCS / "sources.md").read_text(encoding="utf-8").split("## Variables")[1]
    assert {name for name in variables if f"`{name}`" not in section} == set()


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target


def test_the_first_table_stands_on_the_first_two_screens() -> None:
    head = (ROOT / "README.md").read_text(encoding="utf-8").split("notion-pipeline sync\n")[0]
    assert len(head.splitlines()) <= 80
