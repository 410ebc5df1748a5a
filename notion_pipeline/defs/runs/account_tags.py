"""Run tags that name the account of a source, by which Dagster's queue can limit the runs of an account.

The account is named as far as it is known while definitions load, without a request and without the token store:

- A token in the environment or in `.env`: by a hash from which the token cannot be told. Sources share it whose
  variables hold the same token.
- A variable that is not set, as where `connect --token` stored the token: by the variable's name.
- An account that was authorised in the browser: by the workspace as sources.yaml names it.
"""

from collections.abc import Mapping

from notion_pipeline.config.account import OAuthAccount
from notion_pipeline.config.sources import Source
from notion_pipeline.notion.limits.rate_limiter import account_key

#: On runs of jobs that sync tables.
ACCOUNT_TAG = "notion_pipeline/account"
#: On runs of jobs that read content: a key of its own, so that they may run beside those of tables.
CONTENT_ACCOUNT_TAG = "notion_pipeline/content_account"


def known_account(source: Source, environ: Mapping[str, str]) -> str:
    """What names a source's account in the tags of its runs; never a secret.

    Args:
        environ: The project's variables, those of `.env` included.
    """
    if isinstance(source.account, OAuthAccount):
        return source.account.workspace.strip()
    variable = source.account.token.env
    token = environ.get(variable, "").strip()
    return account_key(token) if token else variable
