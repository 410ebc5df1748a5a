"""Handlers that write, so that the running sandbox can be changed by the public SDK.

Only as far as it takes to change rows and schemas: notion-api.md is about reading. Values are checked for their
form, read-only properties are refused.
"""

from __future__ import annotations

from typing import Any

from notion_pipeline.sandbox.http.handlers.calls import Call
from notion_pipeline.sandbox.model.errors import invalid, invalid_body, quoted
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.objects import Database, DataSource, Page, Property
from notion_pipeline.sandbox.model.richtext import plain_text, text
from notion_pipeline.sandbox.model.schema import OPTION_TYPES
from notion_pipeline.sandbox.model.values import READ_ONLY

_PAGE_KEYS = ("properties", "icon", "cover", "in_trash", "archived", "is_archived", "is_locked", "erase_content")
_CREATE_KEYS = ("parent", "properties", "icon", "cover", "children", "content", "markdown", "template", "position")
_SOURCE_KEYS = ("properties", "title", "description", "icon", "in_trash", "archived")
_DATABASE_KEYS = ("title", "description", "icon", "cover", "in_trash", "archived", "is_inline", "is_locked", "parent")


def create_page(call: Call) -> dict[str, Any]:
    """A row, made by the connection's bot."""
    body = call.json_body(_CREATE_KEYS)
    source = _parent_source(call, body.get("parent"))
    values = _values(source, body.get("properties") or {})
    page = call.ws.add_page(source, values, icon=body.get("icon"), cover=body.get("cover"), created_by=call.token.bot)
    return call.renderer.page(page)


def _parent_source(call: Call, parent: Any) -> DataSource:
    given = parent if isinstance(parent, dict) else {}
    source_id, database_id = dashed(given.get("data_source_id")), dashed(given.get("database_id"))
    if source_id is None and database_id is None:
        raise invalid_body("body.parent.data_source_id should be defined, instead was `undefined`.")
    if source_id is not None:
        source = call.ws.data_sources.get(source_id)
        if source is None or not call.token.sees(source.database):
            raise call.missing("data_source", source_id)
        return source
    database = call.ws.databases.get(str(database_id))
    if database is None or not call.token.sees(database):
        raise call.missing("database", str(database_id))
    return database.data_source


def update_page(call: Call) -> dict[str, Any]:
    """Properties, icon, cover and lock; trash and archive."""
    page = call.page()
    body = call.json_body(_PAGE_KEYS)
    fields = {key: body[key] for key in ("icon", "cover", "is_locked") if key in body}
    values = _page_values(page, body.get("properties") or {})
    if values or fields:
        call.ws.edit_page(page, values, edited_by=call.token.bot, **fields)
    _set_states(call, page, body)
    return call.renderer.page(page)


def _set_states(call: Call, page: Page, body: dict[str, Any]) -> None:
    trash = body.get("in_trash", body.get("archived"))
    archive = body.get("is_archived")
    if trash is not None and trash != page.in_trash:
        call.ws.trash(page) if trash else call.ws.restore(page)
    if archive is not None and archive != page.is_archived:
        call.ws.archive(page) if archive else call.ws.unarchive(page)


def _page_values(page: Page, given: dict[str, Any]) -> dict[str, Any]:
    if page.data_source is not None:
        return _values(page.data_source, given)
    return {name: plain_text(_rich_text(value, "title", name)) for name, value in given.items()}


def _values(source: DataSource, given: Any) -> dict[str, Any]:
    """The builder's values by property name, out of a request's by name or id."""
    if not isinstance(given, dict):
        raise invalid_body(f"body.properties should be an object, instead was `{quoted(given)}`.")
    values = {}
    for key, value in given.items():
        prop = source.find_property(key)
        if prop is None:
            raise invalid(f"{key} is not a property that exists.")
        if prop.type in READ_ONLY:
            raise invalid(f"{key} is a {prop.type} property, which cannot be set.")
        values[prop.name] = _value(prop, value, f"body.properties.{key}")
    return values


def _value(prop: Property, value: Any, path: str) -> Any:
    if not isinstance(value, dict) or prop.type not in value:
        raise invalid(f"{prop.name} is expected to be {prop.type}.")
    inner = value[prop.type]
    check = _FORMS.get(prop.type)
    if check is None:
        return inner
    try:
        return check(inner, path)
    except (TypeError, KeyError, AttributeError):
        raise invalid_body(f"{path}.{prop.type} is not of its type's form, was `{quoted(inner)}`.") from None


def _rich_text(value: Any, type_: str, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, dict) or type_ not in value:
        raise invalid(f"{name} is expected to be {type_}.")
    return _text_items(value[type_], name)


def _text_items(given: Any, path: str) -> list[dict[str, Any]]:
    return [_text_item(item, path) for item in given]


def _text_item(item: dict[str, Any], path: str) -> dict[str, Any]:
    """An item of a request holds less than one of an answer."""
    if "text" not in item:
        return {"plain_text": "", "href": None, **item, "annotations": text("")["annotations"]}
    content, link = item["text"]["content"], item["text"].get("link")
    if len(content) > 2000:  # section 11
        length = len(content)
        raise invalid_body(f"{path}.text.content.length should be ≤ `2000`, instead was `{length}`.")
    return text(content, link=link["url"] if link else None, **item.get("annotations", {}))


def _number(given: Any, path: str) -> Any:
    if given is not None and (isinstance(given, bool) or not isinstance(given, (int, float))):
        raise invalid_body(f"{path}.number should be a number, instead was `{quoted(given)}`.")
    return given


def _checkbox(given: Any, path: str) -> bool:
    if not isinstance(given, bool):
        raise invalid_body(f"{path}.checkbox should be a boolean, instead was `{quoted(given)}`.")
    return given


def _date(given: Any, path: str) -> Any:
    if given is not None and not isinstance(given["start"], str):
        raise invalid_body(f"{path}.date.start should be a string.")
    return given


def _people(given: Any, path: str) -> list[Any]:
    return [entry if entry.get("object") == "group" else str(dashed(entry["id"])) for entry in given]


def _relation(given: Any, path: str) -> list[str]:
    return [str(dashed(entry["id"])) for entry in given]


def _files(given: Any, path: str) -> list[dict[str, str]]:
    return [{"name": entry["name"], "url": entry["external"]["url"]} for entry in given]


_FORMS = {
    "title": _text_items,
    "rich_text": _text_items,
    "number": _number,
    "checkbox": _checkbox,
    "date": _date,
    "people": _people,
    "relation": _relation,
    "files": _files,
}


def update_data_source(call: Call) -> dict[str, Any]:
    """Title, trash, and properties: null removes, `name` renames, a type adds or retypes."""
    source = call.data_source()
    body = call.json_body(_SOURCE_KEYS)
    for key, spec in (body.get("properties") or {}).items():
        _update_property(source, key, spec)
    with call.ws.changing() as now:
        if "title" in body:
            source.name, source.last_edited_time = plain_text(_text_items(body["title"], "body.title")), now
        if "icon" in body:
            source.icon, source.last_edited_time = body["icon"], now
        if (trash := body.get("in_trash", body.get("archived"))) is not None:
            source.trashed, source.last_edited_time = trash, now
    return call.renderer.data_source(source)


def _update_property(source: DataSource, key: str, spec: Any) -> None:
    prop = source.find_property(key)
    try:
        if prop is None:
            source.add_property(key, _builder_spec(source, spec or {}))
        elif spec is None:
            source.remove_property(prop.name)
        else:
            _change_property(source, prop, dict(spec))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise invalid_body(f"body.properties.{key} is not a change that can be made: {error}.") from None


def _change_property(source: DataSource, prop: Property, spec: dict[str, Any]) -> None:
    new_name = spec.pop("name", prop.name)
    given = {key: value for key, value in spec.items() if key not in ("id", "type", "description")}
    if prop.type in OPTION_TYPES and prop.type in given:
        _set_options(source, prop, given[prop.type].get("options") or [])
    elif given:
        source.retype_property(prop.name, _builder_spec(source, spec))
    if new_name != prop.name:
        source.rename_property(prop.name, new_name)


def _set_options(source: DataSource, prop: Property, options: list[dict[str, Any]]) -> None:
    """The list as it shall be: known ids keep their option, names not yet there are added, the rest goes."""
    wanted: set[str] = set()
    for entry in options:
        found = prop.option_by_id(entry["id"]) if "id" in entry else prop.option_named(entry["name"])
        if found is None:
            source.add_option(prop.name, entry["name"])
        elif entry.get("name", found.name) != found.name:
            source.rename_option(prop.name, found.name, entry["name"])
        wanted.add(entry.get("name") or (found.name if found else ""))
    for name in [option.name for option in prop.options if option.name not in wanted]:
        source.remove_option(prop.name, name)


def _builder_spec(source: DataSource, spec: dict[str, Any]) -> dict[str, Any]:
    """A request's property configuration in the builder's form."""
    type_ = spec.get("type") or next(key for key in spec if key not in ("id", "name", "description"))
    config = spec.get(type_) or {}
    built: dict[str, Any] = {"type": type_, "description": spec.get("description")}
    if type_ in OPTION_TYPES:
        built["options"] = config.get("options") or None
    elif type_ == "relation":
        built["target"] = source.workspace.data_sources[str(dashed(config["data_source_id"]))]
        if "dual_property" in config:
            built["two_way"] = config["dual_property"].get("synced_property_name") or f"Related to {source.name}"
    elif type_ == "rollup":
        built["relation"] = config.get("relation_property_id") or config["relation_property_name"]
        built["property"] = config.get("rollup_property_id") or config["rollup_property_name"]
        built["function"] = config["function"]
    return built | {key: config[key] for key in ("format", "expression", "prefix") if key in config}


def update_database(call: Call) -> dict[str, Any]:
    database: Database = call.database()
    body = call.json_body(_DATABASE_KEYS)
    if "title" in body:
        call.ws.rename_database(database, plain_text(_text_items(body["title"], "body.title")))
    if (trash := body.get("in_trash", body.get("archived"))) is not None and trash != database.in_trash:
        call.ws.trash_database(database, in_trash=trash)
    if "icon" in body:
        # Leaves last_edited_time alone (section 2, recorded).
        database.icon = body["icon"]
    if "cover" in body:
        database.cover = body["cover"]
    if "description" in body:
        database.description = plain_text(_text_items(body["description"], "body.description"))
    return call.renderer.database(database)
