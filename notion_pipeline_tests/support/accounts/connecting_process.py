"""`notion-pipeline` in processes of its own, over a sandbox: what tests of connecting start from."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from notion_pipeline.sandbox.edits.oauth import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.ports import free_port


@dataclass
class Folder:
    """A project folder whose commands run as processes."""

    root: Path
    server: SandboxServer
    redirect_uri: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        (self.root / "workspace.yaml").touch()
        self.redirect_uri = self.redirect_uri or f"http://localhost:{free_port()}/oauth/callback"
        self.server.ws.oauth.register(SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, [self.redirect_uri])
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NOTION_", "DAGSTER_"))}
        self.environ = {
            **inherited,
            "NOTION_API_URL": self.server.url,
            "NOTION_CLIENT_ID": SANDBOX_CLIENT_ID,
            "NOTION_CLIENT_SECRET": SANDBOX_CLIENT_SECRET,
            "NOTION_REDIRECT_URI": self.redirect_uri,
            "BROWSER": "true",  # opens nothing, and says that it did
            "COLUMNS": "200",
            **self.environ,
        }

    def configure(self, workspace: str) -> None:
        (self.root / "sources.yaml").write_text(
            f"sources:\n  - name: notion\n    account: {{type: oauth, workspace: {workspace}}}\n"
        )

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "notion_pipeline.cli", *arguments],
            cwd=self.root,
            env=self.environ,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    @contextmanager
    def connecting(self, *options: str) -> Iterator[Connecting]:
        """`connect` while it waits for the browser."""
        process = subprocess.Popen(
            [sys.executable, "-m", "notion_pipeline.cli", "connect", *options],
            cwd=self.root,
            env={**self.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Connecting(process)
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


class Connecting:
    """A `connect` that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output = ""
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.url = self._until("/v1/oauth/authorize?").strip()
        self._until("Waiting for Notion")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _until(self, part: str) -> str:
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.output += line
            if part in line:
                return line
        raise AssertionError(self.output)

    def paste(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Exit code and everything that was printed."""
        code = self.process.wait(timeout=PATIENCE)
        self._thread.join(timeout=PATIENCE)
        while not self._lines.empty():
            self.output += self._lines.get() or ""
        return code, self.output
