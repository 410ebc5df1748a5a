"""The sample workspace: two years of an invented company that sells tents, in eighteen databases.

In: the files of `data/`. Out: a `Workspace` that `sandbox` serves and `demo` reads. Its rows are for people to read,
and it holds whatever makes reading Notion hard: every property type, names that SQL dislikes, scripts from right to
left, references beyond 25, rows archived and in the trash, two databases of one title and one of none, and a database
that is not shared. Pages hold nested blocks and files, one of them more than an answer shows, some are not shared. May
import `model`, `model.content` and `edits`.
"""

from __future__ import annotations

from notion_pipeline.sandbox.sample.company import SAMPLE_TOKEN, STORY_ENDS, sample_workspace
from notion_pipeline.sandbox.sample.texts import row_id

__all__ = ["SAMPLE_TOKEN", "STORY_ENDS", "row_id", "sample_workspace"]
