"""Every error the pipeline raises, sorted by what the reader does next.

NotionPipelineError
├── ConfigError                 mend sources.yaml or the environment
├── NotionError                 Notion said no, or said nothing
│   ├── AuthorizationError      connect the account again, or mend the token
│   ├── NotionRequestError      the question or the access is wrong
│   │   ├── NotPermittedError       give the connection the capability, in its settings in Notion
│   │   ├── NotionNotFoundError     share the database, or take it out of sources.yaml
│   │   │   └── NotionInTrashError  restore it in Notion, or take it out of sources.yaml
│   │   └── InvalidCursorError      the listing starts again
│   ├── InvalidIdError          an id in an answer is none; see who answered
│   ├── RetryableNotionError    already tried; try later
│   └── UnboundedAnswerError    it does not end: look at who answers in Notion's place
├── NothingSharedError          share a database with the connection
├── ContentError                pages whose content could not be read; that of the others is committed
├── ExtractionError             the read of one data source cannot be finished; its table is unchanged
│   └── IncompleteExtractError  more pages than Notion gives; split them, or narrow the start date
├── StagingError                no room or no right to write under NOTION_PIPELINE_HOME, or in the bucket of staging:
│   └── StateError              the PostgreSQL that holds the state; see that it runs and takes its user
└── CatalogError                the catalog cannot be read or written
    ├── CatalogBusyError        another process holds it; wait
    └── CatalogMemoryError      too little memory for its rows

Facts are attributes, so that callers need not parse text. `about` puts the source and the database on an error
where they are known; the message then names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from notion_pipeline.outside import shown, shown_line
from notion_pipeline.redaction import redacted


class NotionPipelineError(Exception):
    """What happened, to which source and database, and what to do next.

    Attributes:
        message: What happened.
        hint: What to do next; empty where the message says it.
        source: Name of the source in sources.yaml, once known.
        database: `"Title" (id)` of the database, once known.
    """

    def __init__(self, message: str, *, hint: str = "", source: str | None = None, database: str | None = None) -> None:
        # Whatever a message was made of: no error of ours shows a secret or steers a terminal, wherever it ends up.
        self.message = shown(redacted(message))
        self.hint = shown(redacted(hint))
        super().__init__(self.message)
        self.source = source
        self.database = database

    def __str__(self) -> str:
        where = [
            part
            for part in (
                f"database {shown_line(self.database)}" if self.database else "",
                f'source "{self.source}"' if self.source else "",
            )
            if part
        ]
        text = f"{', '.join(where)}: {self.message}" if where else self.message
        text = text[:1].upper() + text[1:] if where else text
        return f"{text} {self.hint}" if self.hint else text


class ConfigError(NotionPipelineError):
    """sources.yaml or the environment asks for something that cannot be."""


class NotionError(NotionPipelineError):
    """An answer of Notion, or the lack of one, that ends a request.

    Attributes:
        status: HTTP status, None where no answer came.
        code: Notion's error code (`object_not_found`), None where the body was not Notion's.
        request_id: Notion's id of the request, for its support.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        source: str | None = None,
        database: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, source=source, database=database)
        self.status = status
        self.code = code
        self.request_id = request_id


class AuthorizationError(NotionError):
    """The token is missing, wrong, expired or revoked."""


class NotionRequestError(NotionError):
    """Notion refuses this question; asking again would not help."""


class NotPermittedError(NotionRequestError):
    """403: the connection lacks a capability."""


class NotionNotFoundError(NotionRequestError):
    """404: absent or not shared with the connection, which Notion does not tell apart."""


class NotionInTrashError(NotionNotFoundError):
    """It is in Notion's trash: its id still answers, and nothing else does."""


class InvalidCursorError(NotionRequestError):
    """400 over a page cursor: start this listing again (notion-api.md section 3)."""


class RetryableNotionError(NotionError):
    """Notion failed or could not be reached, attempt after attempt."""


class InvalidIdError(NotionError):
    """An answer names something by an id that Notion does not give, and that may lead anywhere."""


class UnboundedAnswerError(NotionError):
    """An answer, or a listing, that is longer than any of Notion's can be."""


class NothingSharedError(NotionPipelineError):
    """The account is there, and no database can be seen through it."""


class ContentError(NotionPipelineError):
    """Content of pages that could not be read. What the catalog had of them stays."""


class DownloadError(NotionPipelineError):
    """A hosted file that could not be downloaded or stored.

    Attributes:
        status: HTTP status, None where no answer came.
        size: Bytes of a file that is larger than what is kept; None for every other reason.
    """

    def __init__(self, message: str, *, hint: str = "", status: int | None = None, size: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.size = size


class ExtractionError(NotionPipelineError):
    """A read that cannot be finished. The table stays as it was."""


class IncompleteExtractError(ExtractionError):
    """More pages share one minute than a query gives, and nothing splits them."""


class StagingError(NotionPipelineError):
    """The files of a read in progress cannot be kept."""


class StateError(StagingError):
    """The PostgreSQL in which processes share their state cannot be used, or a lock in it was lost."""


class CatalogError(NotionPipelineError):
    """The catalog cannot be opened, read or written. What it held is untouched."""


class CatalogBusyError(CatalogError):
    """Another process held the catalog for longer than we wait."""


class CatalogConflictError(CatalogError):
    """Another commit to a lake came first, and changed the same tables. Nothing of this one was written."""


class CatalogUnreachableError(CatalogError):
    """The server that keeps a lake went away, for longer than we wait."""


class CatalogMemoryError(CatalogError):
    """DuckDB had too little memory for what it was to write."""


_Error = TypeVar("_Error", bound=NotionPipelineError)


def located(error: _Error, *, source: str | None = None, database: str | None = None) -> _Error:
    """The error with the source and the database on it that it does not name yet.

    A copy where something is added: several tasks may hold one error, as those that waited for the same refresh of a
    token do, and each tells of its own database.
    """
    if (error.source or not source) and (error.database or not database):
        return error
    own = copied(error)
    own.source, own.database = error.source or source, error.database or database
    return own


def copied(error: _Error) -> _Error:
    """The same error once more, with its traceback and its causes."""
    # By hand: copy() would call the class with the message alone, which not every subclass need take.
    own = type(error).__new__(type(error), *error.args)
    own.__dict__.update(error.__dict__)
    own.__cause__, own.__context__ = error.__cause__, error.__context__
    own.__suppress_context__ = error.__suppress_context__
    return own.with_traceback(error.__traceback__)


@contextmanager
def error_context(*, source: str | None = None, database: str | None = None) -> Iterator[None]:
    """Puts the source and the database on any error of ours that passes through and does not name them yet."""
    try:
        yield
    except NotionPipelineError as error:
        own = located(error, source=source, database=database)
        if own is error:
            raise
        raise own from own.__cause__
