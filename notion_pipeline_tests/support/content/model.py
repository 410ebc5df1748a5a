"""Random edits, syncs and reads of content in any order: `python -m notion_pipeline_tests.support.content.model`.

After each run of content every page of the table has its words, and they are Notion's, but for pages whose edits no row
shows: not synced since, edited in the trash, or edited without a stamp and not read again since.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click

from notion_pipeline.config.content import Chunks
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.content.blocks import Block
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline_tests.support.content.engine import ContentEngine
from notion_pipeline_tests.support.content.truth import chunk_differences, comment_differences
from notion_pipeline_tests.support.sync.engine import TOKEN
from notion_pipeline_tests.support.whole_way import SCHEMA

TYPES = ("paragraph", "toggle", "bulleted_list_item", "numbered_list_item", "quote", "callout", "to_do", "heading_2")
#: Types that hold others.
HOLDERS = ("toggle", "bulleted_list_item", "quote", "callout")


class ContentModel:
    """One database whose pages are edited, and what of its content may differ from Notion.

    Attributes:
        soft, hard: Pages of whose edits the next sync tells; of which only a full sync does.
        blind: Pages that changed without a stamp since they were last read for sure.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.workspace = Workspace(token=TOKEN)
        self.workspace.markdown_limit = self.random.choice((2, 5, 20_000))
        self.deleted_rows = self.random.choice(("remove", "mark"))
        self.source = self.workspace.add_database("Tasks", SCHEMA).data_source
        self.children: dict[str, Page] = {}
        self.soft: set[str] = set()
        self.hard: set[str] = set()
        self.blind: set[str] = set()
        self.tally: Counter[str] = Counter()
        self.problems: list[str] = []
        self.folder = folder

    def play(self, steps: int) -> None:
        """Edits, syncs and reads; at the end a full sync and a read of everything, after which nothing may differ."""
        edits: list[Callable[[], None]] = [
            *(self._add_row, self._add_block, self._add_block, self._edit_block, self._delete_block, self._move_block),
            *(self._trash, self._restore, self._rename, self._add_child, self._rename_child, self._hide_child),
            *(self._comment, self._wait, self._wait),
        ]
        with SandboxServer(self.workspace) as server:
            settings = {"deleted_rows": self.deleted_rows, "content": {"pages": False, "users": False, "chunks": True}}
            settings["content"] |= {"comments": True}
            self.engine = ContentEngine(self.workspace, server.url, self.folder, settings=settings)
            for _ in range(3):
                self._add_row()
            self._sync(full=True)
            for _ in range(steps):
                choice = self.random.random()
                if choice < 0.75:
                    self.random.choice(edits)()
                    self.tally["edits"] += 1
                elif choice < 0.87:
                    self._sync(full=self.random.random() < 0.3)
                else:
                    self._read(refresh=self.random.random() < 0.2)
            self.workspace.clock.advance(timedelta(hours=1))
            self._sync(full=True)
            self._read(refresh=True)
            if left := self.soft | self.hard | self.blind:
                live = {page.id for page in self.source.pages if page.live}
                self._expect(not left & live, f"never synced: {left & live}")

    # Runs

    def _sync(self, *, full: bool) -> None:
        outcome = self.engine.attempt("FULL_TABLE" if full else None)
        self._expect(outcome.success, f"rows: {outcome.reasons}")
        live = {page.id for page in self.source.pages if page.live}
        self.soft -= live
        if full:
            self.hard -= live
        self.tally["full" if full else "incremental"] += 1

    def _read(self, *, refresh: bool) -> None:
        outcome = self.engine.read_all(refresh=refresh)
        self._expect(outcome.success, f"content: {outcome.reasons}")
        if refresh:
            self.blind.clear()
        self.tally["refreshes" if refresh else "reads"] += 1
        self._compare(refreshed=refresh)

    def _compare(self, *, refreshed: bool) -> None:
        query, live = self.engine.query, {page.id: page for page in self.source.pages if page.live}
        here = " WHERE _deleted_at IS NULL" if self.deleted_rows == "mark" else ""
        rows = {row[0] for row in query(f"SELECT id FROM notion.tasks{here}")}
        marks = "_deleted_at" in {row[0] for row in query("SELECT column_name FROM (DESCRIBE notion.page_content)")}
        shown = " WHERE _deleted_at IS NULL" if marks else ""
        held = list(query(f"SELECT page_id, markdown FROM notion.page_content{shown}"))
        words = dict(held)
        self._expect(len(words) == len(held), "a page stands twice")
        self._expect(words.keys() <= rows, f"content without a row: {words.keys() - rows}")
        self._expect(not (rows & live.keys()) - words.keys(), f"no content: {(rows & live.keys()) - words.keys()}")
        for page_id in sorted((words.keys() & live.keys()) - self.soft - self.hard - self.blind):
            wanted = self.workspace.markdown(live[page_id])
            self._expect(words[page_id] == wanted, f"{page_id}: {words[page_id]!r} and not {wanted!r}")
            self.tally["compared"] += 1
        live_words = query(f"SELECT page_id, markdown FROM notion.page_content{shown} ORDER BY page_id")

        def only_live(sql: str) -> list[tuple[object, ...]]:
            return list(live_words) if "page_content" in sql else list(query(sql))

        for line in chunk_differences(only_live, Chunks()):
            self._expect(False, line)
        if refreshed and not marks and rows == live.keys():
            for line in comment_differences(query, self.workspace, (self.source,)):
                self._expect(False, line)

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(f"after {sum(self.tally.values())} steps: {problem}")

    # Edits

    def _touched(self, *pages: Page, stamped: bool = True) -> None:
        for page in pages:
            if not stamped:
                self.blind.add(page.id)
            elif page.live:
                self.soft.add(page.id)
            else:
                self.hard.add(page.id)

    def _page(self, *, live: bool = True) -> Page | None:
        found = [page for page in self.source.pages if page.live is live]
        return self.random.choice(found) if found else None

    def _block(self) -> tuple[Page, Block] | None:
        found = [
            (page, block)
            for page in self.source.pages
            if page.live
            for child in self.workspace.blocks_of(page)
            if isinstance(child, Block) and not child.in_trash
            for block in child.walk()
            if isinstance(block, Block) and not block.in_trash
        ]
        return self.random.choice(found) if found else None

    def _words(self) -> str:
        return f"Words {self.random.randrange(1_000_000)}"

    def _is_stamped(self) -> bool:
        return self.random.random() < 0.8

    def _add_row(self) -> None:
        self._touched(self.source.add_page({"Name": self._words()}, content=f"# Head\n{self._words()}"))

    def _add_block(self) -> None:
        page, found, stamped = self._page(), self._block(), self._is_stamped()
        if page is None:
            return
        parent: Page | Block = page
        if found is not None and found[1].type in HOLDERS and self.random.random() < 0.6:
            page, parent = found
        children = [self._words() for _ in range(self.random.randrange(3))]
        type_ = self.random.choice(TYPES)
        held = children if type_ in HOLDERS else []
        self.workspace.add_block(parent, type_, self._words(), children=held, stamps_page=stamped)
        self._touched(page, stamped=stamped)

    def _edit_block(self) -> None:
        if (found := self._block()) is not None and found[1].type != "code":
            stamped = self._is_stamped()
            self.workspace.edit_block(found[1], self._words(), stamps_page=stamped)
            self._touched(found[0], stamped=stamped)

    def _delete_block(self) -> None:
        if (found := self._block()) is not None:
            stamped = self._is_stamped()
            self.workspace.delete_block(found[1], for_good=self.random.random() < 0.5, stamps_page=stamped)
            self._touched(found[0], stamped=stamped)

    def _move_block(self) -> None:
        found, to = self._block(), self._page()
        if found is not None and to is not None:
            stamped = self._is_stamped()
            self.workspace.move_block(found[1], to, stamps_page=stamped)
            self._touched(found[0], to, stamped=stamped)

    def _trash(self) -> None:
        if (page := self._page()) is not None:
            self.workspace.trash(page)
            if page.id in self.soft:
                self.hard.add(page.id)

    def _restore(self) -> None:
        if (page := self._page(live=False)) is not None:
            self.workspace.restore(page)
            self.hard.add(page.id)

    def _rename(self) -> None:
        if (page := self._page()) is not None:
            self.workspace.edit_page(page, {"Name": self._words()})
            self._touched(page)

    def _add_child(self) -> None:
        if (page := self._page()) is not None:
            child = self.workspace.add_page(self._words(), parent=page)
            self.children[child.id] = page
            self._touched(page)

    def _child(self) -> Page | None:
        return self.workspace.pages[self.random.choice(sorted(self.children))] if self.children else None

    def _rename_child(self) -> None:
        """Its parent shows its title, and bears no stamp of that."""
        if (child := self._child()) is not None:
            self.workspace.edit_page(child, {"title": self._words()})
            self._touched(self.children[child.id], stamped=False)

    def _hide_child(self) -> None:
        if (child := self._child()) is not None:
            act = self.workspace.unshare_page if self.random.random() < 0.5 else self.workspace.share_page
            act(child)
            self._touched(self.children[child.id], stamped=False)

    def _comment(self) -> None:
        if (page := self._page()) is not None:
            self.workspace.add_comment(page, self._words())

    def _wait(self) -> None:
        self.workspace.clock.advance(timedelta(seconds=self.random.choice((1, 20, 70, 4_000))))


def play(games: int, steps: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """So many games; what was played, and the problems with the seed of their game."""
    tally: Counter[str] = Counter()
    problems = []
    for number in range(seed, seed + games):
        with tempfile.TemporaryDirectory() as folder:
            model = ContentModel(Path(folder), number)
            model.play(steps)
        tally += model.tally
        problems += [f"seed {number}, {line}" for line in model.problems]
    return tally, problems


@click.command()
@click.option("--games", default=100, show_default=True)
@click.option("--steps", default=80, show_default=True)
@click.option("--seed", default=0, show_default=True)
def command(games: int, steps: int, seed: int) -> None:
    """Plays, and prints what differed; exit 1 where anything did."""
    tally, problems = play(games, steps, seed)
    click.echo(str(dict(tally)))
    for line in problems[:20]:
        click.echo(line)
    if problems:
        raise SystemExit(1)


if __name__ == "__main__":
    command()
