"""Where the project lives and what its environment says: the variables of the `.env`, and the paths they name.

Relative paths in variables start at the project root, as those in sources.yaml do, so that the same `.env` means
the same files from whichever folder a command, a schedule or the web server was started.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from dotenv import dotenv_values

from notion_pipeline.addresses import refuse_plain_http
from notion_pipeline.errors import ConfigError
from notion_pipeline.redaction import keep_secret

ROOT_MARK = "workspace.yaml"
DEFAULT_SOURCES_FILE = "sources.yaml"
DEFAULT_HOME = ".notion_pipeline"
DEFAULT_API_URL = "https://api.notion.com"

_SOURCES = "NOTION_PIPELINE_SOURCES"
_CATALOG = "NOTION_PIPELINE_CATALOG"
_DATA_PATH = "NOTION_PIPELINE_DATA_PATH"
_HOME = "NOTION_PIPELINE_HOME"
_API_URL = "NOTION_API_URL"
# Kept secret from the moment they are read, whether this process uses them or not.
_SECRETS = (
    *("NOTION_TOKEN", "NOTION_CLIENT_SECRET", "NOTION_PIPELINE_KEY"),
    *("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)


@dataclass(frozen=True)
class Project:
    """The folder of one project, and its environment.

    Attributes:
        root: The folder with workspace.yaml; absolute.
        environ: The variables of `.env` under the real ones. Hidden when printed, for it holds secrets.
        sources_file: The sources file, which need not exist.
        catalog_override: The catalog where NOTION_PIPELINE_CATALOG names one, as written there; checked.
        data_path_override: The folder of a lake where NOTION_PIPELINE_DATA_PATH names one.
        home: Token store, locks and staging; see private_files.
        api_url: Base URL of Notion's API, without a slash at the end.
    """

    root: Path
    environ: Mapping[str, str] = field(repr=False, hash=False)
    sources_file: Path
    catalog_override: str | None
    data_path_override: str | None
    home: Path
    api_url: str

    @property
    def sources_label(self) -> str:
        """The sources file as the user knows it, for messages."""
        return self.environ.get(_SOURCES) or DEFAULT_SOURCES_FILE

    @property
    def sources_file_is_required(self) -> bool:
        """Whether the user named the sources file, so that its absence is a mistake."""
        return bool(self.environ.get(_SOURCES))

    def path(self, text: str) -> Path:
        """A path as the user writes it, made absolute: `~` is the user's home, the rest starts at the root."""
        try:
            return self.root / Path(text).expanduser()
        except RuntimeError:  # `~someone` whom this machine does not know
            return self.root / text


class _Unshown(dict[str, str]):
    """Variables, tokens among them, that a report of a crash must not list."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


def find_project(start: Path | None = None, environ: Mapping[str, str] | None = None) -> Project:
    """The project round a folder: the nearest one upwards that holds workspace.yaml, else the folder itself.

    Args:
        start: The folder to search from; the current one by default.
        environ: The real variables, which win over those of `.env`; the process's own by default.

    Raises:
        ConfigError: `.env` or NOTION_API_URL cannot be understood, or the latter would carry the token in clear.
    """
    folder = (start or Path.cwd()).resolve()
    return project_at(
        next((place for place in (folder, *folder.parents) if (place / ROOT_MARK).is_file()), folder), environ
    )


def project_at(root: Path, environ: Mapping[str, str] | None = None) -> Project:
    """The project whose root is this folder; otherwise as `find_project`.

    Raises:
        ConfigError: As `find_project`.
    """
    merged = MappingProxyType(_Unshown({**_dotenv(root / ".env"), **(os.environ if environ is None else environ)}))
    keep_secret(*(merged[name].strip() for name in _SECRETS if name in merged))
    bare = Project(root, merged, root / DEFAULT_SOURCES_FILE, None, None, root / DEFAULT_HOME, DEFAULT_API_URL)
    return Project(
        root=root,
        environ=merged,
        sources_file=bare.path(bare.sources_label),
        catalog_override=merged.get(_CATALOG, "").strip() or None,
        data_path_override=merged.get(_DATA_PATH, "").strip() or None,
        home=bare.path(merged.get(_HOME) or DEFAULT_HOME),
        api_url=_api_url(merged.get(_API_URL) or DEFAULT_API_URL, merged),
    )


def _dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env`, values unchanged: a `$` in a token is no variable."""
    try:
        values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    else:
        return {name: value for name, value in values.items() if value is not None}
    raise ConfigError(f".env: {problem}.")


def _api_url(text: str, environ: Mapping[str, str]) -> str:
    url = text.strip().rstrip("/")
    # The value is not repeated: it may be a token that went into the wrong variable.
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigError(f"{_API_URL}: is no web address, allowed: one such as {DEFAULT_API_URL}.")
    if parts.path.endswith("/v1") or parts.query or parts.fragment:
        raise ConfigError(
            f"{_API_URL}: must be the address without /v1 and without a query, such as {DEFAULT_API_URL}."
        )
    refuse_plain_http(url, environ, where=_API_URL)
    return url
