"""Merges the value that a page showed with its property items into the fuller of the two; nothing shown is lost.

Items hold no groups, users in them may be partial, and there may be fewer items than the page showed (notion-api.md
section 7). Each function returns the merged value, and whether the items lacked anything that the page showed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from notion_pipeline.rows.properties import decode_id
from notion_pipeline.rows.text.json_text import dump_json

Merged = tuple[Any, bool]
NOT_COMPUTED = ("unsupported", "incomplete")
#: Rollup functions that give the items themselves; for the rest the last page's aggregate is the value.
_ITEMS_ARE_THE_VALUE = ("show_original", "show_unique")
#: Of these an item holds a single one, and a value a list of them.
_SINGLE_IN_ITEM = ("title", "rich_text", "people", "relation")
_USERS = ("people", "created_by", "last_edited_by")


def merged_list(kind: str, shown: Any, items: Sequence[dict[str, Any]]) -> Merged:
    """A value that is a list, of a property of this type."""
    given = _entries(kind, items)
    if not isinstance(shown, list):
        return given or shown, False
    if kind in ("title", "rich_text"):
        return _merged_text(shown, given)
    if kind in ("people", "relation"):
        return _merged_objects(shown, given)
    return (given, False) if len(given) >= len(shown) else (shown, True)


def merged_rollup(
    shown: Any, items: Sequence[dict[str, Any]], aggregate: Any, config: dict[str, Any], *, relation_is_cut: bool
) -> Merged:
    """A rollup: Notion's own aggregate, or the items where they are the values that it shows.

    Args:
        shown: As the page has it.
        aggregate: Of the last answer.
        relation_is_cut: Whether the page's value is computed over a part of its relation only.
    """
    found = dict(aggregate) if isinstance(aggregate, dict) else {"type": "incomplete", "incomplete": {}}
    function = found.get("function") or config.get("function")
    if function in _ITEMS_ARE_THE_VALUE and found.get("type") in ("array", "unsupported"):
        array = shown.get("array") if isinstance(shown, dict) else None
        array = array if isinstance(array, list) else []
        named = {"function": function} if function else {}
        # What Notion calls unsupported is taken from items only where they go on with what the page shows.
        if not _are_references(array, items, config) and (found["type"] == "array" or _go_on(array, items)):
            entries, lacking = _merged_array(array, items, unique=function == "show_unique")
            return {"type": "array", "array": entries, **named}, lacking
        if found["type"] == "array":
            found = {"type": "incomplete", "incomplete": {}, **named}
    is_value = isinstance(shown, dict) and shown.get("type") not in (*NOT_COMPUTED, None)
    if found.get("type") in NOT_COMPUTED and is_value and not relation_is_cut:
        return shown, True
    return found, False


def _entries(kind: str, items: Iterable[dict[str, Any]]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        value = item.get(kind)
        found += value if isinstance(value, list) else [] if value is None else [value]
    return found


def _merged_objects(shown: list[Any], given: list[Any]) -> Merged:
    """Users, groups and pages by their ids: in the items' order where they have all, else the page's come first."""
    by_id = {_id(entry): entry for entry in shown if _id(entry)}
    ours = {_id(entry): entry for entry in given if _id(entry)}
    odd = [entry for entry in (*shown, *given) if not _id(entry)]
    if by_id.keys() <= ours.keys():
        merged = {key: fuller(by_id.get(key), entry) for key, entry in ours.items()}
    else:
        merged = {key: fuller(entry, ours.get(key)) for key, entry in by_id.items()}
        merged.update({key: entry for key, entry in ours.items() if key not in by_id})
    lacking = any(merged[key] != ours.get(key) for key in by_id)
    return [*merged.values(), *odd], lacking


def _merged_text(shown: list[Any], given: list[Any]) -> Merged:
    """The items' text with what the page knows of its mentions; the page's where the items' is the shorter one."""
    mentions = {_key("rich_text", entry): entry for entry in shown if _is_mention(entry)}
    filled = [_fuller_mention(mentions.get(_key("rich_text", entry)), entry) for entry in given]
    has_all = _covers("rich_text", shown, given)
    if has_all or (len(filled) >= len(shown) and len(_plain(filled)) >= len(_plain(shown))):
        return filled, not has_all or filled != given
    return shown, True


def _fuller_mention(shown: Any, given: Any) -> Any:
    if not _is_mention(shown) or not _is_mention(given):
        return given
    # Without a name the text of the mention is somebody without a name as well.
    names = [_named(entry) for entry in (shown, given)]
    return fuller(given, shown) if names == [True, False] else fuller(shown, given)


def _named(entry: dict[str, Any]) -> bool:
    mention = entry.get("mention")
    user = mention.get("user") if isinstance(mention, dict) else None
    return isinstance(user, dict) and bool(user.get("name"))


def fuller(shown: Any, given: Any) -> Any:
    """The given value, with what only the one shown has."""
    if isinstance(shown, dict) and isinstance(given, dict):
        return {**shown, **given, **{key: fuller(shown[key], given[key]) for key in shown.keys() & given.keys()}}
    return shown if given is None or given in ("", [], {}) else given


def _merged_array(array: list[Any], items: Sequence[dict[str, Any]], *, unique: bool) -> tuple[list[Any], bool]:
    """The items as a rollup's array holds them: list types hold a list of the one value."""
    singles = [single for entry in array for single in _singles(entry)]
    users = {_key(kind, value): value for kind, value in singles if kind in _USERS}
    given = [(kind, value) for item in items for kind, value in _singles(item)]
    filled = [(kind, fuller(users.get(_key(kind, value)), value) if kind in _USERS else value) for kind, value in given]
    left = Counter(_key(*single) for single in given)
    missing = [single for single in singles if not _taken(left, _key(*single))]
    if missing:
        rest = Counter(_key(*single) for single in singles)
        known = {_key(*single): single for single in filled}
        filled = [
            *(known.get(_key(*single), single) for single in singles),
            *(single for single in filled if not _taken(rest, _key(*single))),
        ]
    if unique:
        filled = list({_key(*single): single for single in filled}.values())
        missing = [single for single in missing if _key(*single) not in {_key(*other) for other in given}]
    entries = [{"type": kind, kind: [value] if kind in _SINGLE_IN_ITEM else value} for kind, value in filled]
    return entries, bool(missing) or (not unique and [value for _, value in filled] != [value for _, value in given])


def _taken(left: Counter[Hashable], key: Hashable) -> bool:
    """Takes one of what is left; whether there was one."""
    left[key] -= 1
    return left[key] >= 0


def _go_on(array: list[Any], items: Sequence[dict[str, Any]]) -> bool:
    """Whether items are of the types that the page's array holds, and hold all of it; of groups items know nothing."""
    shown = [single for entry in array for single in _singles(entry) if not _is_group(single[1])]
    given = [single for item in items for single in _singles(item)]
    kinds = {str(entry.get("type")) for entry in array if isinstance(entry, dict)}
    keys = {_key(*single) for single in given}
    return bool(shown) and {kind for kind, _ in given} <= kinds and all(_key(*single) in keys for single in shown)


def _are_references(array: list[Any], items: Sequence[dict[str, Any]], config: dict[str, Any]) -> bool:
    """Whether items are the related pages and not what a rollup shows of them."""
    kinds = {str(entry.get("type")) for entry in array if isinstance(entry, dict)}
    given = {str(item.get("type")) for item in items}
    if kinds:
        return bool(given) and given.isdisjoint(kinds | set(NOT_COMPUTED))
    relation = decode_id(str(config.get("relation_property_id")))
    return given == {"relation"} and all(decode_id(str(item.get("id"))) == relation for item in items)


def _singles(entry: Any) -> list[tuple[str, Any]]:
    kind = str(entry.get("type")) if isinstance(entry, dict) else ""
    value = entry.get(kind) if kind else entry
    return [(kind, single) for single in value] if kind in _SINGLE_IN_ITEM and type(value) is list else [(kind, value)]


def _covers(kind: str, shown: Iterable[Any], given: Iterable[Any]) -> bool:
    wanted, there = (Counter(_key(kind, entry) for entry in entries) for entries in (shown, given))
    return all(there[key] >= number for key, number in wanted.items())


def _key(kind: str, value: Any) -> Hashable:
    """By which a value is known again in another answer: a person by id, whatever else is told of them."""
    if kind in (*_USERS, "relation") and _id(value):
        return kind, _id(value)
    if kind in ("title", "rich_text") and isinstance(value, dict):
        if not _is_mention(value):
            return "text", dump_json([value.get("type"), value.get("plain_text")])
        mention = value["mention"]
        target = mention.get(mention.get("type")) if isinstance(mention.get("type"), str) else None
        return "mention", _id(target) or dump_json(mention)
    return kind, dump_json(value)


def _is_mention(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "mention" and isinstance(entry.get("mention"), dict)


def _is_group(value: Any) -> bool:
    return isinstance(value, dict) and value.get("object") == "group"


def _id(value: Any) -> str | None:
    found = value.get("id") if isinstance(value, dict) else None
    return found.replace("-", "").lower() if isinstance(found, str) else None


def _plain(entries: Iterable[Any]) -> str:
    texts = [entry.get("plain_text") for entry in entries if isinstance(entry, dict)]
    return "".join(text for text in texts if isinstance(text, str))
