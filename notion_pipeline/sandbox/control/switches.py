"""What notion-api.md marks as unverified, conflicting or a matter of configuration: one switch each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal


@dataclass
class Switches:
    """Positions in which the sandbox can stand; the sync must be right in all of them.

    Attributes:
        is_archived_served: The query's `is_archived` works; False answers 400 naming it (section 4).
        trash_parameters: What `in_trash` and `archived` in a query do: refused with 400, or ignored (section 4).
        trashed_source_query: A query on a trashed data source: "not_found", or "rows" as if it lived (section 4).
        trash_bumps: Trashing and restoring a page moves its last_edited_time (section 2).
        archive_bumps: Archiving and unarchiving does (section 2).
        back_relation_bumps: Editing one side of a two-way relation moves the other page's stamp (section 2).
        schema_edit_bumps_rows: A schema change moves the rows' stamps (section 2 assumes no).
        fine_instants: Filters and sorts see the stored instant, finer than the floored stamp (section 2).
        unstable_ties: Rows with equal sort keys come in another order in every query session (section 14, 16).
        live_cursors: A cursor goes on after the last row seen, on current data; else on a snapshot (section 14, 16).
        short_pages: Answers hold fewer rows or blocks than asked for, now and then no row (section 3).
        cursor_lifetime_seconds: Cursors older than this are refused; None keeps them (section 3: undocumented).
        cap_marks_exact_fit: A query with exactly as many rows as the cap counts as capped (section 3).
        request_status_complete: Ordinary answers say `{"type": "complete"}`, as the types allow (section 3).
        search_lag_seconds: Objects created, edited or shared less than this ago are not found (section 8).
        search_gaps: Ids (database, data source or page) that search never finds (section 8).
        search_lists_trashed: Trashed data sources are listed without asking for trash (section 8).
        rollup_over_25: What rows show for rollups over more than 25 references (section 7).
        rollup_progress: The aggregate of property item pages before the last (section 7).
        uncomputed_items: What the items of rollups are that property items do not compute: references to the related
            pages, or the values themselves (section 7: the "underlying property items").
        missing_property: The item of a property that is not there: 404 by the docs, 400 live (section 7).
        partial_item_users: People in property items are ids alone (section 6: users may be partial).
        trashed_relations_hidden: Relations leave out pages in the trash (not documented).
        synced_copy_children: Children asked for by the id of a synced block's copy: those of the original, or 404 (not
            documented; notion-api-additions.md section 2).
        raw_property_ids: Schemas show property ids decoded (section 2: samples mix both forms).
    """

    is_archived_served: bool = True
    trash_parameters: Literal["refuse", "ignore"] = "refuse"
    trashed_source_query: Literal["not_found", "rows"] = "not_found"
    trash_bumps: bool = True
    archive_bumps: bool = True
    back_relation_bumps: bool = False
    schema_edit_bumps_rows: bool = False
    fine_instants: bool = False
    unstable_ties: bool = False
    live_cursors: bool = False
    short_pages: bool = False
    cursor_lifetime_seconds: float | None = None
    cap_marks_exact_fit: bool = False
    request_status_complete: bool = False
    search_lag_seconds: float = 0.0
    search_gaps: set[str] = field(default_factory=set)
    search_lists_trashed: bool = True
    rollup_over_25: Literal["first_25", "full", "incomplete", "unsupported"] = "first_25"
    rollup_progress: Literal["incomplete", "value_so_far"] = "incomplete"
    uncomputed_items: Literal["relations", "values"] = "relations"
    missing_property: Literal["not_found", "validation_error"] = "not_found"
    partial_item_users: bool = False
    trashed_relations_hidden: bool = True
    synced_copy_children: Literal["original", "not_found"] = "original"
    raw_property_ids: bool = False

    def update(self, changes: dict[str, Any]) -> None:
        """Set several switches by name.

        Raises:
            ValueError: No switch has that name.
        """
        known = {item.name for item in fields(self)}
        if unknown := sorted(set(changes) - known):
            raise ValueError(f"no such switch: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        for name, value in changes.items():
            setattr(self, name, set(value) if name == "search_gaps" else value)

    def as_dict(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)} | {
            "search_gaps": sorted(self.search_gaps)
        }
