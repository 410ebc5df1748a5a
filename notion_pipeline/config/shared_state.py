"""Where processes share their state: `state:` and `staging:` in sources.yaml, and the variables that win over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator

from notion_pipeline.bucket import S3, Bucket
from notion_pipeline.config.account import EnvReference
from notion_pipeline.config.fields.values import check_variable
from notion_pipeline.config.yaml_file import config_error, read_mapping
from notion_pipeline.errors import ConfigError
from notion_pipeline.messages import quoted
from notion_pipeline.project import Project
from notion_pipeline.redaction import keep_secret
from notion_pipeline.state.address import (
    PostgresAddress,
    is_postgres,
    is_url,
    postgres_address,
    secrets_in,
    without_secrets,
)
from notion_pipeline.state.folder import FolderState
from notion_pipeline.state.interface import State
from notion_pipeline.state.postgres import PostgresState

STATE_VARIABLE = "NOTION_PIPELINE_STATE"
STAGING_VARIABLE = "NOTION_PIPELINE_STAGING"
_ALLOWED = "allowed: a folder, postgresql://user@host/database, or {env: VARIABLE} where the address is a secret"


def parse_state(value: object) -> str | EnvReference | None:
    """The value of `state:`.

    Raises:
        ValueError: It is neither a folder nor an address of PostgreSQL, or has a password.
    """
    if value is None or isinstance(value, EnvReference):
        return value
    if isinstance(value, Mapping) and list(value) == ["env"] and isinstance(value["env"], str):
        return EnvReference(env=check_variable(value["env"].strip()))
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable():
        raise ValueError(_ALLOWED)
    if is_url(text):
        keep_secret(*(found := secrets_in(text)))
        if not is_postgres(text):
            raise ValueError(f"found {quoted(without_secrets(text))}, {_ALLOWED}")
        if found:
            raise ValueError(
                "a password does not belong in this file: put it into .env as PGPASSWORD=..., or the whole address as "
                f"{STATE_VARIABLE}=..., and take it out here"
            )
    return text


StateSetting = Annotated[
    str | EnvReference | None, PlainValidator(parse_state, json_schema_input_type=str | EnvReference | None)
]


def open_state(project: Project, named: str | EnvReference | None) -> State:
    """The shared state of a project; nothing is connected before it is used.

    Args:
        named: What sources.yaml says; NOTION_PIPELINE_STATE wins over it.

    Raises:
        ConfigError: It cannot be understood, or its variable is not set.
    """
    text, where = _place(project, named)
    if address := _address_in(text, where, project):
        return PostgresState(address)
    return FolderState(project.path(text) if text else project.home)


def project_state(project: Project) -> State:
    """The shared state as the project's sources file names it, whatever else stands there.

    Raises:
        ConfigError: As `open_state`, or the file cannot be read.
    """
    return open_state(project, _named_in_file(project))


def postgres_of(project: Project) -> PostgresAddress | None:
    """The PostgreSQL with the shared state; None where the state is a folder.

    Raises:
        ConfigError: As `project_state`.
    """
    return _address_in(*_place(project, _named_in_file(project)), project)


def _address_in(text: str, where: str, project: Project) -> PostgresAddress | None:
    """The address of a PostgreSQL; None for a folder."""
    if is_postgres(text):
        return postgres_address(text, project.environ)
    if is_url(text):
        keep_secret(*secrets_in(text))
        raise ConfigError(f"{where}: found {quoted(without_secrets(text))}, {_ALLOWED}.")
    return None


def _place(project: Project, named: str | EnvReference | None) -> tuple[str, str]:
    """Where the state is, and what says so; empty for the home."""
    if text := project.environ.get(STATE_VARIABLE, "").strip():
        return text, STATE_VARIABLE
    if not isinstance(named, EnvReference):
        return named or "", f"`state:` in {project.sources_label}"
    if text := project.environ.get(named.env, "").strip():
        return text, named.env
    raise ConfigError(
        f"{named.env} is not set.", hint=f"`state:` in {project.sources_label} says that it holds the address."
    )


def _named_in_file(project: Project) -> str | EnvReference | None:
    content = read_mapping(project.sources_file, project.sources_label) or {}
    try:
        return parse_state(content.get("state"))
    except ValueError as error:
        raise config_error(project.sources_label, [f"state: {error}"]) from None


def staging_folder(project: Project, named: str | None) -> Path:
    """The folder of reads in progress: the one that is named, or one of this home."""
    text = _staging(project, named)
    return project.path(text) if text and not _is_bucket(text) else project.home / "staging"


def staging_bucket(project: Project, named: str | None) -> Bucket | None:
    """The bucket with copies of reads in progress; None where none is named. Nothing is asked of it here.

    Raises:
        ConfigError: The package for S3 is not installed, or a variable AWS_… makes no sense.
    """
    text = _staging(project, named)
    return Bucket(text, project.environ) if _is_bucket(text) else None


def _staging(project: Project, named: str | None) -> str:
    """NOTION_PIPELINE_STAGING, else what sources.yaml says; empty for the home."""
    return project.environ.get(STAGING_VARIABLE, "").strip() or named or ""


def _is_bucket(text: str) -> bool:
    return text.startswith(S3)
