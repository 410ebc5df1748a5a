"""Drives a command in a real pseudo-terminal, as a person at the keyboard does."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from types import TracebackType

import pexpect
import pyte

from notion_pipeline_tests.support.patience import PATIENCE

DOWN, ENTER, SPACE, CTRL_A, CTRL_C, TAB, ESCAPE = "\x1b[B", "\r", " ", "\x01", "\x03", "\t", "\x1b"
_CONTROL = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78])")


class _Feed:
    """What the command writes, on its way to the screen."""

    def __init__(self, stream: pyte.Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.feed(text)

    def flush(self) -> None:
        """Nothing is held back."""


class Terminal:
    """A command of ours in a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str, columns: int = 160) -> None:
        self._process = pexpect.spawn(
            sys.executable,
            ["-m", "notion_pipeline.cli", *arguments],
            cwd=str(folder),
            env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns)},  # type: ignore[arg-type]
            dimensions=(50, columns),
            encoding="utf-8",
            timeout=PATIENCE,
        )
        self._seen = ""
        self._screen = pyte.Screen(columns, 50)
        # Asked where its cursor stands, a terminal answers.
        self._screen.write_process_input = self._process.send
        self._process.logfile_read = _Feed(pyte.Stream(self._screen))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.close(force=True)

    def sees(self, text: str) -> None:
        """Waits until the text was written since the last answer; a terminal may colour any part of it."""
        between = r"(?:\x1b\[[0-9;?]*[A-Za-z])*"
        pattern = between.join(re.escape(char) for char in text)
        self._process.expect(pattern)
        self._seen += self._process.before + self._process.after

    @property
    def screen(self) -> str:
        """What stands on the screen, wrapped lines as one."""
        return " ".join(" ".join(self._screen.display).split())

    def accepts(self, *questions: str) -> None:
        """Presses Enter at each of these questions, in whatever order they come, until the command ends."""
        between = r"(?:\x1b\[[0-9;?]*[A-Za-z])*"
        patterns = [between.join(re.escape(char) for char in question) for question in questions]
        while self._process.expect([pexpect.EOF, *patterns]):
            self._seen += self._process.before + self._process.after
            self.types(ENTER)
        self._seen += self._process.before

    def shows(self, text: str) -> None:
        """Waits until the text stands on the screen: what changes in place is not written whole."""
        deadline = time.monotonic() + PATIENCE
        while text not in "\n".join(self._screen.display) and text not in self.screen:
            assert time.monotonic() < deadline, "\n".join(self._screen.display)
            self._process.expect([pexpect.TIMEOUT, "\x00"], timeout=0.05)

    def types(self, *keys: str) -> None:
        for key in keys:
            self._process.send(key)

    def answers(self, question: str, *keys: str) -> None:
        """Waits for a question and answers it."""
        self.sees(question)
        self.types(*keys, ENTER)

    def ends(self) -> tuple[int, str]:
        """Exit code and all that was written, without what moves the cursor and colours the text."""
        self._process.expect(pexpect.EOF)
        self._seen += self._process.before
        self._process.close()
        return int(self._process.exitstatus or 0), _CONTROL.sub("", self._seen)
