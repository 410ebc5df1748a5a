"""Long-running processes of a project, ended with all that they started, and the webserver asked as a browser asks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from notion_pipeline_tests.support.patience import PATIENCE

_RUNS = "{ runsOrError { ... on Runs { results { status jobName tags { key value } } } } }"
_ASSETS = "{ assetsOrError { ... on AssetConnection { nodes { key { path } definition { id } } } } }"


class Services:
    """Processes in one folder, each with a process group and a log of its own."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._folder = folder
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        with (self._logs / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=self._folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self) -> str:
        return "\n".join(f"== {name}\n{(self._logs / f'{name}.log').read_text()[-6000:]}" for name in self._processes)

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Waits until something is so, while every process lives."""
        give_up_at = time.monotonic() + 3 * PATIENCE
        while not what():
            assert time.monotonic() < give_up_at, self.log()
            assert all(process.poll() is None for process in self._processes.values()), self.log()
            time.sleep(0.5)

    def end(self) -> None:
        """Ends them as systemd does: all that a service started is told to end, and killed where it does not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._processes.values():
                try:
                    os.killpg(process.pid, number)
                except ProcessLookupError:
                    continue
            for process in self._processes.values():
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    continue


class Webserver:
    """The GraphQL of a webserver on this machine."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str) -> dict[str, Any]:
        """What it answers; nothing while it does not listen."""
        request = urllib.request.Request(
            self._url, json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                answer = json.load(response)
        except (urllib.error.URLError, ConnectionError):
            return {}
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def runs(self, *, by_schedule: bool = False) -> list[str]:
        """The status of each run, or of those that a schedule asked for, the newest first."""
        found = self.ask(_RUNS).get("runsOrError", {}).get("results", [])
        tags = [{tag["key"] for tag in run["tags"]} for run in found]
        return [
            run["status"]
            for run, keys in zip(found, tags, strict=True)
            if not by_schedule or "dagster/schedule_name" in keys
        ]

    def defines(self, *keys: str) -> bool:
        """Whether these assets have definitions, and so have all others that it shows."""
        found = self.assets()
        return set(keys) <= set(found) and all(found.values())

    def assets(self) -> dict[str, bool]:
        """Every asset that it shows, and whether it has a definition."""
        found = self.ask(_ASSETS).get("assetsOrError", {}).get("nodes", [])
        return {"/".join(node["key"]["path"]): node["definition"] is not None for node in found}
