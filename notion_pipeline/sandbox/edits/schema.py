"""Changes to a data source's properties; they move its own stamp, not the rows' (notion-api.md section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from notion_pipeline.sandbox.answers.plain import plain_value
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.model.objects import Database, DataSource, Property
from notion_pipeline.sandbox.model.options import Option
from notion_pipeline.sandbox.model.schema import FUNCTIONS, apply_spec, normalized
from notion_pipeline.sandbox.model.values import READ_ONLY, TEXT_TYPES, option_for

if TYPE_CHECKING:
    from notion_pipeline.sandbox.model.state.store import Store


def build(ws: Store, source: DataSource, schema: Mapping[str, Any]) -> None:
    """The first schema; every data source has one title property."""
    entries = {name: normalized(spec) for name, spec in schema.items()}
    if not any(entry["type"] == "title" for entry in entries.values()):
        entries = {"Name": {"type": "title"}, **entries}
    # Rollups refer to relations, so these are made first; the order shown is the one given.
    for name in sorted(entries, key=lambda name: entries[name]["type"] == "rollup"):
        _create(ws, source, name, entries[name])
    given = {name: source.properties.pop(name) for name in entries}
    source.properties = given | source.properties


def add(ws: Store, source: DataSource, name: str, spec: Any, now: datetime) -> Property:
    if name in source.properties:
        raise ValueError(f"property {name!r} exists")
    prop = _create(ws, source, name, normalized(spec))
    if prop.type == "unique_id":
        _number_rows(source, prop)
    _edited(ws, source, now)
    return prop


def _create(ws: Store, source: DataSource, name: str, entry: dict[str, Any]) -> Property:
    taken = {prop.id for prop in source.properties.values()}
    prop_id = "title" if entry["type"] == "title" else entry.get("id") or ws.ids.property_id(taken)
    prop = Property(prop_id, name, entry["type"])
    apply_spec(prop, entry, ws.ids)
    source.properties[name] = prop
    _wire(ws, source, prop, entry)
    return prop


def _wire(ws: Store, source: DataSource, prop: Property, entry: Mapping[str, Any]) -> None:
    if prop.type == "relation":
        _wire_relation(ws, source, prop, entry)
    elif prop.type == "rollup":
        wire_rollup(source, prop, entry["relation"], entry["property"], entry["function"])


def _wire_relation(ws: Store, source: DataSource, prop: Property, entry: Mapping[str, Any]) -> None:
    target = entry.get("target", "self")
    prop.target = source if target == "self" else target.data_source if isinstance(target, Database) else target
    back_name = entry.get("two_way")
    if not back_name or prop.target is None:
        return
    taken = {other.id for other in prop.target.properties.values()}
    back_id = entry.get("two_way_id") or ws.ids.property_id(taken)
    back = Property(back_id, back_name, "relation", target=source, synced=prop)
    prop.synced = back
    prop.target.properties[back_name] = back
    prop.target.revision += 1


def wire_rollup(source: DataSource, prop: Property, relation: str, rolled: str, function: str) -> None:
    """Point a rollup at a relation of its data source and at a property of the relation's target, by name or id."""
    through = source.find_property(relation)
    seen = through.target.find_property(rolled) if through is not None and through.target is not None else None
    if through is None or seen is None or function not in FUNCTIONS:
        raise ValueError(f"rollup {prop.name!r}: no such relation, property or function")
    prop.relation_id, prop.rolled_id, prop.function = through.id, seen.id, function
    prop.extra = {"relation_name": through.name, "rolled_name": seen.name}


def _number_rows(source: DataSource, prop: Property) -> None:
    for page in source.pages:
        page.own_values()[prop.id] = prop.next_number
        prop.next_number += 1


def rename(ws: Store, source: DataSource, old: str, new: str, now: datetime) -> None:
    """The id stays (section 2), and so do the order of the properties and what rollups refer to."""
    if new in source.properties:
        raise ValueError(f"property {new!r} exists")
    prop = source.properties[old]
    prop.name = new
    source.properties = {entry.name: entry for entry in source.properties.values()}
    for other_source in ws.data_sources.values():
        for other in other_source.properties.values():
            if other.type == "rollup":
                _follow_rename(other_source, other)
    _edited(ws, source, now)


def _follow_rename(source: DataSource, rollup: Property) -> None:
    through = source.property_by_id(rollup.relation_id)
    seen = through.target.property_by_id(rollup.rolled_id) if through and through.target else None
    if through is not None and seen is not None:
        rollup.extra = {"relation_name": through.name, "rolled_name": seen.name}


def remove(ws: Store, source: DataSource, name: str, now: datetime) -> None:
    """The column goes with its values; the other side of a two-way relation stays as a one-way relation."""
    prop = source.properties[name]
    if prop.type == "title":
        raise ValueError("the title property cannot be removed")
    del source.properties[name]
    for page in source.pages:
        if prop.id in page.values:
            page.own_values().pop(prop.id, None)
    if prop.synced is not None:
        prop.synced.synced = None
    _edited(ws, source, now)


def retype(ws: Store, source: DataSource, name: str, spec: Any, now: datetime) -> None:
    """The id stays; values are carried over where text or a number can be read out of them, else emptied."""
    prop = source.properties[name]
    entry = normalized(spec)
    renderer = Renderer(ws, ws.token, truncate=False)
    before = {page.id: plain_value(renderer, page, prop) for page in source.pages}
    if prop.synced is not None:
        prop.synced.synced = None
    prop.synced = prop.target = None
    prop.options, prop.groups = [], []
    apply_spec(prop, entry, ws.ids)
    _wire(ws, source, prop, entry)
    for page in source.pages:
        converted = _converted(prop, before[page.id], ws)
        if converted is None:
            page.own_values().pop(prop.id, None)
        else:
            page.own_values()[prop.id] = converted
    if prop.type == "unique_id":
        _number_rows(source, prop)
    _edited(ws, source, now)


def _converted(prop: Property, plain: Any, ws: Store) -> Any:
    words = [str(entry) for entry in plain] if isinstance(plain, list) else [] if plain is None else [str(plain)]
    if not words or prop.type in READ_ONLY:
        return None
    if prop.type in (*TEXT_TYPES, "url", "email", "phone_number"):
        return ", ".join(words)
    if prop.type == "number":
        try:
            return float(words[0])
        except ValueError:
            return None
    if prop.type in ("select", "status"):
        return option_for(prop, words[0], ws.ids).id
    if prop.type == "multi_select":
        return [option_for(prop, word, ws.ids).id for word in words]
    return None


def set_prefix(ws: Store, source: DataSource, name: str, prefix: str | None, now: datetime) -> None:
    """Every row shows its number with the new prefix."""
    source.properties[name].prefix = prefix
    _edited(ws, source, now)


def move(ws: Store, source: DataSource, database: Database, now: datetime) -> None:
    """Moves a data source, with its id and its rows, to another database."""
    source.database.data_sources.remove(source)
    source.database.last_edited_time = database.last_edited_time = now
    database.data_sources.append(source)
    source.database = database
    _edited(ws, source, now)


def add_option(ws: Store, source: DataSource, name: str, option: str, now: datetime) -> None:
    source.properties[name].options.append(Option(ws.ids.option_id(), option, group=1))
    _edited(ws, source, now)


def rename_option(ws: Store, source: DataSource, name: str, old: str, new: str, now: datetime) -> None:  # noqa: PLR0917
    """The option's id stays (section 2); every row that has it shows the new name."""
    found = source.properties[name].option_named(old)
    if found is None:
        raise ValueError(f"property {name!r} has no option {old!r}")
    found.name = new
    _edited(ws, source, now)


def remove_option(ws: Store, source: DataSource, name: str, option: str, now: datetime) -> None:
    """The option goes, and with it the value of the rows that had it."""
    prop = source.properties[name]
    found = prop.option_named(option)
    if found is None:
        raise ValueError(f"property {name!r} has no option {option!r}")
    prop.options.remove(found)
    for page in source.pages:
        value = page.values.get(prop.id)
        if value == found.id:
            page.own_values()[prop.id] = None
        elif isinstance(value, list) and found.id in value:
            page.own_values()[prop.id] = [entry for entry in value if entry != found.id]
    _edited(ws, source, now)


def _edited(ws: Store, source: DataSource, now: datetime) -> None:
    source.last_edited_time = now
    for other in ws.data_sources.values():
        other.revision += 1
    if ws.switches.schema_edit_bumps_rows:
        for page in source.pages:
            page.last_edited_time = now
