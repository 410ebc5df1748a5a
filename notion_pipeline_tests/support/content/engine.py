"""Reads of content without Dagster and without waiting: what the three ops prepare, and what the IO manager stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg

from notion_pipeline.catalog.content.due.targets import content_targets
from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.config.sources import parse_sources
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.content.comments import prepare_comments, store_comments
from notion_pipeline.defs.content.reads import start_reads
from notion_pipeline.defs.content.store import store_content
from notion_pipeline.defs.content.unpartitioned import ContentRun, RefreshConfig
from notion_pipeline.defs.content.users import prepare_users, store_users
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.notion.limits.turns import Turns
from notion_pipeline.project import project_at
from notion_pipeline.sandbox.control.requests import Request
from notion_pipeline_tests.support.sync.engine import Engine


@dataclass
class ContentOutcome:
    """What one run of the job came to: errors by asset, requests, log, metadata by asset."""

    errors: dict[str, NotionPipelineError] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        return not self.errors

    @property
    def reasons(self) -> str:
        return "\n".join(f"{asset}: {error}" for asset, error in self.errors.items())


@dataclass
class ContentEngine(Engine):
    """An engine that reads content too; `settings` have to ask for it."""

    def read_all(self, *, refresh: bool = False) -> ContentOutcome:
        """Page content, then comments, then users, as far as the settings ask for them."""
        outcome = ContentOutcome()
        requests, lines = len(self.workspace.requests), len(self.lines)
        run, config = self._content_run(), RefreshConfig(refresh=refresh)
        content = run.source.content
        steps: dict[str, Callable[[dg.OutputContext], None]] = {
            "page_content": lambda context: store_content(
                context, self.catalog, self._content_reads(run, refresh=refresh)
            )
        }
        if content is not None and content.comments is not None:
            steps["comments"] = lambda context: store_comments(context, self.catalog, prepare_comments(run, config))
        if content is not None and content.users:
            steps["users"] = lambda context: store_users(context, self.catalog, prepare_users(run, config))
        for asset, step in steps.items():
            outcome.metadata[asset] = {}
            try:
                step(self._context(outcome.metadata[asset]))
            except NotionPipelineError as error:
                outcome.errors[asset] = error
        outcome.requests = self.workspace.requests[requests:]
        outcome.log = self.lines[lines:]
        return outcome

    def _content_run(self) -> ContentRun:
        entry = {"name": "notion", "account": {"type": "token"}, **self.settings}
        with self.catalog.reading() as connection:
            resolution, known = resolution_of_catalog(connection, parse_sources({"sources": [entry]}).sources[0])
        turns = Turns(self.state, "account")

        async def wait_turn() -> None:
            await turns.wait_for_tables(self.lines.append)

        run = SimpleNamespace(
            source=resolution.source,
            databases=tuple(database for database in known.values() if database.selected),
            catalog=self.catalog,
            asset_keys=AssetKeys("notion"),
            turns=turns,
            log=self.lines.append,
            client=self._client,
            wait_turn=wait_turn,
        )
        return cast(ContentRun, run)

    def _content_reads(self, run: ContentRun, *, refresh: bool) -> Any:
        with self.catalog.reading() as connection:
            targets = content_targets(connection, run.source, run.databases, refresh_all=refresh)
        return start_reads(
            self._client,
            self.catalog,
            run.source,
            run.asset_keys,
            targets,
            project=project_at(self.folder),
            turns=run.turns,
            log=self.lines.append,
        )

    def _context(self, metadata: dict[str, Any]) -> dg.OutputContext:
        instance = SimpleNamespace(report_dagster_event=lambda *_, **__: None)
        step = SimpleNamespace(job_name="job", run_id="run", step=SimpleNamespace(key="step"), instance=instance)
        context = SimpleNamespace(
            log=SimpleNamespace(info=self.lines.append, warning=self.lines.append),
            has_asset_partitions=False,
            log_event=lambda _: None,
            add_output_metadata=metadata.update,
            step_context=step,
        )
        return cast(dg.OutputContext, context)
