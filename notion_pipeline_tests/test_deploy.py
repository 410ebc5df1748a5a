"""What deploy/ has for containers: it fits the schemas, and its services work as processes on a real PostgreSQL."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from notion_pipeline.cli import main
from notion_pipeline.defs.account_tags import ACCOUNT_TAG, CONTENT_ACCOUNT_TAG
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.ports import free_port
from notion_pipeline_tests.support.postgres import NOT_INSTALLED, postgres, programs, query
from notion_pipeline_tests.support.production import Services, Webserver

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "deploy" / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "docker-compose.yaml").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/kubernetes/values.yaml").read_text(encoding="utf-8"))
#: Dagster makes them, and the image has them.
LOG_FOLDERS = ("logs", ".logs_queue")
OURS = ("code-server", "webserver", "daemon")
SCHEDULED = """
sources:
  - name: notion
    account: {type: token, token: {env: NOTION_TOKEN}}
    schedule: "* * * * *"
"""


def installed(name: str, extra: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(name) is None, reason=f"the extra `{extra}` is not installed")


@installed("check_jsonschema", "dev")
def test_compose_file_fits_its_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(DOCKER / "docker-compose.yaml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_dockerfile_has_no_findings() -> None:
    done = subprocess.run(["hadolint", str(DOCKER / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_image_has_what_is_copied_into_it_and_ignores_the_rest() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*)$", (DOCKER / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    sources = {name for line in copied for name in line.split()[:-1] if not name.startswith("--")}
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert f"/opt/dagster/{{{','.join(LOG_FOLDERS)}}}" in (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert all((ROOT / name).exists() for name in sources)


def test_no_secret_is_in_the_files_and_only_the_code_server_has_tokens() -> None:
    assert [name for name in OURS if "secrets" in COMPOSE["services"][name]] == ["code-server"]
    for name in OURS:
        assert COMPOSE["services"][name]["environment"]["DAGSTER_PG_PASSWORD"].startswith("${DAGSTER_PG_PASSWORD:?")
    text = yaml.safe_dump(VALUES)
    assert "postgresqlPassword" not in text
    assert "NOTION_TOKEN" not in text


def test_both_queues_have_the_limits_of_accounts() -> None:
    instance = yaml.safe_load((DOCKER / "dagster.yaml").read_text(encoding="utf-8"))
    limits = instance["concurrency"]["runs"]["tag_concurrency_limits"]
    assert [limit["key"] for limit in limits] == [ACCOUNT_TAG, CONTENT_ACCOUNT_TAG]
    queue = VALUES["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["tagConcurrencyLimits"] == limits
    assert queue["maxConcurrentRuns"] == instance["concurrency"]["runs"]["max_concurrent_runs"]


@installed("dagster_k8s", "kubernetes")
def test_run_launcher_of_the_values_makes_a_job() -> None:
    """The chart hands these settings to K8sRunLauncher under Dagster's names; the pod has volume and secrets."""
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job

    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    names = {"containerConfig": "container_config", "podSpecConfig": "pod_spec_config"}
    context = K8sContainerContext.create_from_config(
        {
            "k8s": {
                "image_pull_policy": launcher["imagePullPolicy"],
                "env_secrets": [secret["name"] for secret in deployment["envSecrets"]],
                "volumes": deployment["volumes"],
                "volume_mounts": deployment["volumeMounts"],
                "run_k8s_config": {names[key]: value for key, value in launcher["runK8sConfig"].items()},
            }
        }
    )
    image = "{repository}:{tag}".format(**deployment["image"])
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(job_image=image, dagster_home=VALUES["global"]["dagsterHome"]),
        args=["dagster", "api", "execute_run"],
        job_name="run",
        user_defined_k8s_config=context.run_k8s_config,
    )
    pod = job.spec.template.spec
    (container,) = pod.containers
    assert container.image == image
    assert {mount.mount_path for mount in container.volume_mounts} >= {"/data", "/srv/notion/sources.yaml"}
    assert [source.secret_ref.name for source in container.env_from if source.secret_ref] == ["notion-tokens"]
    assert pod.termination_grace_period_seconds == 120
    assert pod.security_context.fs_group == 10001


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    project = tmp_path / "project"
    result = CliRunner().invoke(main, ["init", str(project)])
    assert result.exit_code == 0, result.output
    shutil.rmtree(project / ".dagster")
    (project / ".env").unlink()
    started = Services(project, tmp_path)
    try:
        yield started
    finally:
        started.end()


@pytest.mark.slow
@installed("dagster_postgres", "postgres")
@pytest.mark.skipif(programs() is None, reason=NOT_INSTALLED)
def test_services_sync_by_schedule_with_dagster_in_postgres(
    workspace: Workspace, sandbox: SandboxServer, tmp_path: Path, services: Services
) -> None:
    """The commands, variables and files of the compose file without containers: other folders, hosts and ports."""
    workspace.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "Task 1"})
    project, home, data = tmp_path / "project", tmp_path / "dagster", tmp_path / "data"
    data.mkdir()
    shutil.copytree(DOCKER, home, ignore=shutil.ignore_patterns("Dockerfile*", "docker-compose.yaml"))
    for name in LOG_FOLDERS:
        (home / name).mkdir()
    code, web = free_port(), free_port()
    found = yaml.safe_load((home / "workspace.yaml").read_text(encoding="utf-8"))
    found["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": code}
    (home / "workspace.yaml").write_text(yaml.safe_dump(found), encoding="utf-8")
    (project / "sources.yaml").write_text(SCHEDULED, encoding="utf-8")
    tokens = f"NOTION_API_URL={sandbox.url}\nNOTION_TOKEN={workspace.token.value}\n"
    (project / ".env").write_text(tokens, encoding="utf-8")
    before = {path: sorted(entry.name for entry in path.iterdir()) for path in (project, home)}

    with postgres() as port:
        query(port, "CREATE ROLE dagster LOGIN")
        query(port, "CREATE DATABASE dagster OWNER dagster")
        for name in OURS:
            service = COMPOSE["services"][name]
            environ = {key: value.replace("/data", str(data)) for key, value in service["environment"].items()}
            environ |= {
                "DAGSTER_PG_HOST": "127.0.0.1",
                "DAGSTER_PG_PORT": str(port),
                "DAGSTER_PG_PASSWORD": "unused",
                "DAGSTER_HOME": str(home),
                "NOTION_PIPELINE_CATALOG": str(data / "catalog.duckdb"),
                "NOTION_PIPELINE_HOME": str(data / "state"),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            words = service["command"].replace("/opt/dagster", str(home)).replace("--port 4000", f"--port {code}")
            services.start(name, shlex.split(words.replace("--port 3000", f"--port {web}")), environ)
        ui = Webserver(web)
        services.wait_for(lambda: "SUCCESS" in ui.runs(by_schedule=True))
        services.wait_for(lambda: ui.defines("notion/tasks"))
        tags = query(port, f"SELECT DISTINCT value FROM run_tags WHERE key = '{ACCOUNT_TAG}'", "dagster")
        assert len(tags) == 1
        assert workspace.token.value not in tags[0]
        services.end()
    assert (data / "catalog.duckdb").exists()
    # Both are read-only in a container.
    assert {path: sorted(entry.name for entry in path.iterdir()) for path in (project, home)} == before
