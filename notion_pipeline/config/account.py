"""How Notion is reached: an account's keys in sources.yaml, and the token of an internal connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from notion_pipeline.config.fields.key_types import Entry, FrozenModel, Text
from notion_pipeline.config.fields.values import check_variable
from notion_pipeline.errors import ConfigError
from notion_pipeline.redaction import is_token

if TYPE_CHECKING:
    from notion_pipeline.project import Project

DEFAULT_TOKEN_VARIABLE = "NOTION_TOKEN"  # noqa: S105  (the name of a variable, no token)
_CONNECTIONS_PAGE = "https://www.notion.so/profile/integrations"


def _no_literal_token(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(  # noqa: TRY004  (pydantic takes no TypeError for a finding)
            f"a token does not belong in this file: put {DEFAULT_TOKEN_VARIABLE}=... into .env, "
            f"and {{env: {DEFAULT_TOKEN_VARIABLE}}} here"
        )
    return value


def _account_type(value: object) -> str | None:
    if isinstance(value, Mapping):
        kind = value.get("type", "token" if "token" in value else None)
    else:
        kind = getattr(value, "type", None)
    return kind if isinstance(kind, str) else None


class EnvReference(FrozenModel):
    """The environment variable that holds a secret."""

    env: Annotated[Text, AfterValidator(check_variable)] = Field(
        description="Name of the variable, in the environment or in .env."
    )


class TokenAccount(FrozenModel):
    """An internal connection, or a personal access token."""

    type: Literal["token"] = Field(default="token", description="Reads with a token of yours.")
    token: Annotated[EnvReference, BeforeValidator(_no_literal_token)] = Field(
        default=EnvReference(env=DEFAULT_TOKEN_VARIABLE),
        description="Where the token is; the token itself never stands in this file.",
    )


class OAuthAccount(FrozenModel):
    """A workspace that was authorised with `notion-pipeline connect`."""

    type: Literal["oauth"] = Field(description="Reads a workspace that was authorised in the browser.")
    workspace: Entry = Field(description="The workspace's name or id.")


Account = Annotated[
    Annotated[TokenAccount, Tag("token")] | Annotated[OAuthAccount, Tag("oauth")], Discriminator(_account_type)
]


def resolve_token(account: TokenAccount, project: Project, source_name: str) -> str:
    """The token of an account, from the environment or `.env`, without blanks around it.

    Raises:
        ConfigError: The variable is unset or empty, or its value cannot be a token. The value is not in the message.
    """
    variable = account.token.env
    token = project.environ.get(variable, "").strip()
    env_file = project.root / ".env"
    if not token:
        raise ConfigError(
            f"{variable} is not set.",
            hint=f"Create a connection at {_CONNECTIONS_PAGE}, share your databases with it, and "
            f"put its token into {env_file} as {variable}=...",
            source=source_name,
        )
    if not is_token(token):
        raise ConfigError(
            f"{variable} holds no token: there are blanks, quotes or characters in it that tokens do not have.",
            hint=f"Copy the token again from {_CONNECTIONS_PAGE}.",
            source=source_name,
        )
    return token
