"""The DAGSTER_HOME of a project: its folder `.dagster`, named by `.env`.

`dagster-daemon`, `dagster job launch` and others refuse to start without DAGSTER_HOME, and Dagster wants an absolute
path. It is not the project's folder itself, where Dagster would leave folders of its own; a link in `.dagster` leads to
the project's dagster.yaml. Neither goes into git: `init` makes them in a clone, and mends `.env` after a move.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from notion_pipeline.private_files import write_private

FOLDER = ".dagster"
ENV_FILE = ".env"
_SETTINGS = "dagster.yaml"
_ABOUT = "# Private; it stays out of git. .env.example shows what else can stand here.\n"
#: Above our line, and by this we know it again.
_MARK = "# Where Dagster's settings and runs are. `notion-pipeline init .` mends this line after a move or a copy."
_OURS = re.compile(rf"^{re.escape(_MARK)}\nDAGSTER_HOME=.*$", re.MULTILINE)
_ANY = re.compile(r"^\s*(export\s+)?DAGSTER_HOME\s*=", re.MULTILINE)


def set_dagster_home(root: Path) -> list[str]:
    """Makes the folder, its link and the line of `.env`, each where it is missing.

    A DAGSTER_HOME that the user wrote there himself stays.

    Returns:
        What was made or mended, as paths below the root.

    Raises:
        OSError: One of them cannot be written.
    """
    made = []
    home = root.resolve() / FOLDER
    home.mkdir(exist_ok=True)
    link = home / _SETTINGS
    if not link.exists() and not link.is_symlink():
        link.symlink_to(Path("..") / _SETTINGS)
        made.append(f"{FOLDER}/{_SETTINGS}")
    env_file = root / ENV_FILE
    exists = env_file.exists()
    before = env_file.read_text(encoding="utf-8") if exists else _ABOUT
    after = _with_home(before, home)
    if after != before:
        write_private(env_file.resolve(), after.encode("utf-8"))
        made.append(f"DAGSTER_HOME in {ENV_FILE}" if exists else ENV_FILE)
    return made


def _with_home(text: str, home: Path) -> str:
    ours = f"{_MARK}\nDAGSTER_HOME={shlex.quote(str(home))}"
    if _OURS.search(text):
        return _OURS.sub(lambda _: ours, text, count=1)
    if _ANY.search(text):
        return text
    return text + ("" if not text or text.endswith("\n") else "\n") + ours + "\n"
