"""The services of deploy/docker as processes of this machine: their commands and variables, other folders and ports."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from notion_pipeline_tests.support.ports import free_port
from notion_pipeline_tests.support.processes.postgres import query
from notion_pipeline_tests.support.processes.production import Services, Webserver

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "deploy" / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "docker-compose.yaml").read_text(encoding="utf-8"))
#: Dagster makes them, and the image has them.
LOG_FOLDERS = ("logs", ".logs_queue")
SECRETS = {"DAGSTER_PG_PASSWORD": "unused-password", "NOTION_S3_SECRET": "unused-secret"}


@dataclass
class ComposeProcesses:
    """The image's folders, laid under `folder`, and the processes that are started in them.

    Attributes:
        project: What is /srv/notion in the image.
        folder: Holds what are /data and /opt/dagster there.
        postgres_port: Of a server with the user and the database of the compose file.
    """

    services: Services
    project: Path
    folder: Path
    postgres_port: int
    ports: dict[str, int] = field(
        default_factory=lambda: {name: free_port() for name in ("code", "web", "redis", "s3")}
    )

    def __post_init__(self) -> None:
        self.home, self.data = self.folder / "dagster", self.folder / "data"
        self.data.mkdir()
        shutil.copytree(DOCKER, self.home, ignore=shutil.ignore_patterns("Dockerfile*", "docker-compose.yaml"))
        for name in LOG_FOLDERS:
            (self.home / name).mkdir()
        found = yaml.safe_load((self.home / "workspace.yaml").read_text(encoding="utf-8"))
        found["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": self.ports["code"]}
        (self.home / "workspace.yaml").write_text(yaml.safe_dump(found), encoding="utf-8")
        query(self.postgres_port, "CREATE ROLE dagster LOGIN")
        query(self.postgres_port, "CREATE DATABASE dagster OWNER dagster")

    @property
    def ui(self) -> Webserver:
        return Webserver(self.ports["web"])

    def environ(self, name: str) -> dict[str, str]:
        """The variables of a service, as the image and the compose file give them."""
        given = COMPOSE["services"][name].get("environment", {})
        return {
            **{key: self._here(value) for key, value in given.items()},
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(self.postgres_port),
            "DAGSTER_HOME": str(self.home),
            "NOTION_PIPELINE_CATALOG": str(self.data / "catalog.duckdb"),
            "NOTION_PIPELINE_HOME": str(self.data / "state"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PYTHONPATH": f"{self.home}:{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, name: str, *options: str, instance: str = "", changed: Mapping[str, str] | None = None) -> None:
        """Starts a service; options come after its command, and an instance tells apart those that run twice."""
        service = COMPOSE["services"][name]
        words = [*service.get("entrypoint", []), *shlex.split(self._here(service["command"]))]
        self.services.start(f"{name}{instance}", [*words, *options], {**self.environ(name), **(changed or {})})

    def _here(self, text: str) -> str:
        """A text of the compose file with what is elsewhere here."""
        text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: SECRETS[found[1]], text)
        code, web, redis, s3 = (self.ports[name] for name in ("code", "web", "redis", "s3"))
        for there, here in {
            "/opt/dagster": str(self.home),
            "/data": str(self.data),
            "/buckets": str(self.folder / "buckets"),
            "--port 4000": f"--port {code}",
            "--port 3000": f"--port {web}",
            "--port 6379": f"--port {redis}",
            "--addr :8333": f"--addr 127.0.0.1:{s3}",
            "//s3:8333": f"//127.0.0.1:{s3}",
            "//redis:6379": f"//127.0.0.1:{redis}",
            "@postgres:5432": f"@127.0.0.1:{self.postgres_port}",
        }.items():
            text = text.replace(there, here)
        return text
