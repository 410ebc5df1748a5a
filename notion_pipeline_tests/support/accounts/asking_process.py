"""A process of a project that asks Notion whose token it has, once for each line of its input.

Before each line it says `ready`: the account is loaded, and whatever happens to its token now, it has the old one. Then
it says what Notion answered (`user`), or its own error.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from notion_pipeline.accounts.credentials import credential_of, open_client
from notion_pipeline.config.sources import load_sources
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.project import find_project


class AskingProcess:
    """One such process, in a project folder with a home of its own."""

    def __init__(self, root: Path, sources: str, environ: dict[str, str]) -> None:
        root.mkdir()
        (root / "workspace.yaml").touch()
        (root / "sources.yaml").write_text(sources)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NOTION_", "DAGSTER_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "notion_pipeline_tests.support.accounts.asking_process"],
            cwd=root,
            env={**inherited, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []

    def wait_until_ready(self) -> None:
        assert self._line() == "ready"

    def ask(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("ask\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """What it says next; nothing where it was killed."""
        return self._line()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")


def main() -> None:
    project = find_project()
    source = load_sources(project).source("notion")
    while True:
        credential = credential_of(source, project)
        print("ready", flush=True)
        if not sys.stdin.readline():
            return

        async def ask() -> str:
            async with open_client(credential, project, source=source.name) as client:  # noqa: B023 - called at once
                return str((await client.me()).body["object"])

        try:
            said = asyncio.run(ask())
        except NotionPipelineError as error:
            said = " ".join(str(error).split())
        print(said, flush=True)


if __name__ == "__main__":
    main()
