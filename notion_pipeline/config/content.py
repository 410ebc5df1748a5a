"""What is read of the words: page content, comments, files. Nothing of it is read unless sources.yaml asks."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from notion_pipeline.config.fields import values
from notion_pipeline.config.fields.key_types import Crons, Entry, FrozenModel, Span, Text, WholeNumber

MEGABYTE = 1024 * 1024
#: The key of `Content.select` where its names are resolved beside those of the source.
CONTENT_SELECT = "content.select"


#: A run a day finds it passed, however early in the day the run comes.
_HALF_A_DAY = timedelta(hours=12)


class Comments(str, Enum):
    """Which comments are read."""

    PAGE = "page"
    INLINE = "inline"

    def __str__(self) -> str:
        return self.value


class Chunks(FrozenModel):
    """How content is cut into pieces for search and for language models."""

    max_characters: WholeNumber = Field(default=2_000, ge=100, le=100_000, description="The most that a chunk holds.")
    overlap: WholeNumber = Field(
        default=0, ge=0, le=10_000, description="How many characters of a chunk the next one may repeat."
    )

    @model_validator(mode="after")
    def _overlap_leaves_room(self) -> Chunks:
        if self.overlap > self.max_characters // 2:
            raise ValueError("overlap must be at most half of max_characters")
        return self


class Files(FrozenModel):
    """Where hosted files are kept, since their addresses in Notion expire within an hour."""

    download_to: Annotated[Text, AfterValidator(values.check_storage)] = Field(
        description="A folder, relative ones from the project root on, or s3://bucket/folder."
    )
    max_megabytes: WholeNumber = Field(default=100, ge=1, description="Larger files are listed and not downloaded.")


def _switch(value: object) -> object:
    """`true` stands for what a section holds by default, `false` for nothing."""
    return None if value is False else {} if value is True else value


def _comments(value: object) -> object:
    return None if value is False else Comments.PAGE if value is True else value


ChunksSwitch = Annotated[Chunks | None, BeforeValidator(_switch, json_schema_input_type=Chunks | bool | None)]
CommentsSwitch = Annotated[Comments | None, BeforeValidator(_comments, json_schema_input_type=Comments | bool | None)]
FilesSwitch = Annotated[Files | None, BeforeValidator(lambda value: None if value is False else value)]

_REFRESH = "Age at which content is read again though its page shows no edit, such as 30d; or never."
_CHUNKS = "Cut content into chunks (S.page_chunks): true, or max_characters and overlap."
_COMMENTS_EVERY = (
    "Age at which the comments of a page are read again though it shows no edit, since a comment stamps nothing."
)
_COMMENTS = "Read open comments (S.comments): true or page, one request a page; inline, one a block as well."
_FILES = "Download hosted files (S.files)."


class Content(FrozenModel):
    """What is read of the pages themselves."""

    select: tuple[Entry, ...] = Field(
        default=("*",), description="Databases whose pages' content is read, named as in the source's select."
    )
    refresh_every: Span = Field(default=timedelta(days=30), description=_REFRESH, json_schema_extra={"default": "30d"})
    pages: bool = Field(default=True, description="Read the pages that are in no database as well (S.pages).")
    users: bool = Field(default=True, description="Read all members, and the guests that rows show (S.users).")
    users_every: Span = Field(
        default=_HALF_A_DAY,
        description="Age at which the users are listed again, such as 12h; or never.",
        json_schema_extra={"default": "12h"},
    )
    chunks: ChunksSwitch = Field(default=None, description=_CHUNKS)
    comments: CommentsSwitch = Field(default=None, description=_COMMENTS)
    comments_every: Span = Field(default=_HALF_A_DAY, description=_COMMENTS_EVERY, json_schema_extra={"default": "12h"})
    files: FilesSwitch = Field(default=None, description=_FILES)
    schedule: Crons = Field(default=(), description="When to read content: a cron or a list of crons.")


class StreamContent(FrozenModel):
    """What differs for the content of one stream; a key that is left out is the source's."""

    select: bool = Field(default=True, description="Whether the content of these pages is read.")
    refresh_every: Span = Field(default=None, description=_REFRESH)
    chunks: ChunksSwitch = Field(default=None, description=_CHUNKS)
    comments: CommentsSwitch = Field(default=None, description=_COMMENTS)
    comments_every: Span = Field(default=None, description=_COMMENTS_EVERY)
    files: FilesSwitch = Field(default=None, description=_FILES)

    def over(self, content: Content) -> Content:
        """The source's settings with those of the stream in their place."""
        return content.model_copy(update={name: getattr(self, name) for name in self.model_fields_set - {"select"}})


def _stream_switch(value: Any) -> Any:
    return {"select": value} if isinstance(value, bool) else value


ContentSwitch = Annotated[Content | None, BeforeValidator(_switch, json_schema_input_type=Content | bool | None)]
StreamContentSwitch = Annotated[
    StreamContent | None, BeforeValidator(_stream_switch, json_schema_input_type=StreamContent | bool | None)
]
