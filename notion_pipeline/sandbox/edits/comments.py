"""Comments: add, edit and delete them, resolve their discussions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from notion_pipeline.sandbox.model.clock import as_instant
from notion_pipeline.sandbox.model.content.comments import Comment
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline.sandbox.model.richtext import Item, rich_text
from notion_pipeline.sandbox.model.state.store import Store
from notion_pipeline.sandbox.model.users import User


class CommentEdits(Store):
    """The changes to a workspace's comments. None of them moves a page's last_edited_time."""

    def add_comment(
        self,
        parent: Page | str,
        text: str | Iterable[Item],
        discussion_id: str | None = None,
        *,
        by: User | None = None,
        display_name: str | None = None,
        attachments: Sequence[tuple[str, str]] = (),
        created_at: datetime | str | None = None,
    ) -> Comment:
        """Comment on a page or on a block, given by its id; a new discussion unless one is named.

        Args:
            display_name: A name of the comment's own ("custom"); else its author's.
            attachments: Category ("image", "pdf", ...) and path of each hosted file.

        Raises:
            KeyError: There is no such page or block.
        """
        with self.changing() as now:
            parent_id = parent.id if isinstance(parent, Page) else parent
            page = self.page_of_block(parent_id)
            if page is None:
                raise KeyError(parent_id)
            author = by or self.owner
            kind = "integration" if author.kind == "bot" else "user"
            shown = ("custom", display_name) if display_name is not None else (kind, author.name)
            at = as_instant(created_at) if created_at else now
            discussion = discussion_id or self.ids.uuid()
            comment = Comment(
                self.ids.uuid(), parent_id, page.id, discussion, at, at, author.id, rich_text(text), shown, attachments
            )
            self.comments[comment.id] = comment
            return comment

    def edit_comment(self, comment: Comment | str, text: str | Iterable[Item]) -> None:
        with self.changing() as now:
            found = self.comments[comment.id if isinstance(comment, Comment) else comment]
            found.rich_text, found.last_edited_time = rich_text(text), now

    def resolve_discussion(self, discussion_id: str) -> None:
        """Resolve a discussion: the API does not give its comments any longer."""
        with self.changing():
            self.resolved_discussions.add(discussion_id)

    def reopen_discussion(self, discussion_id: str) -> None:
        with self.changing():
            self.resolved_discussions.discard(discussion_id)

    def delete_comment(self, comment: Comment | str) -> None:
        """Delete a comment; a discussion is gone with its last one."""
        with self.changing():
            del self.comments[comment.id if isinstance(comment, Comment) else comment]
