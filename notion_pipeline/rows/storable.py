r"""Where text from outside becomes storable: the one place, as answers are parsed.

JSON can spell half of a surrogate pair (`"\ud83d"`), as a text has it that was cut in the middle of an emoji. That is
no character: UTF-8, and with it DuckDB, Arrow and SQLite, cannot hold it. It becomes U+FFFD here, in names and keys as
in values, and is counted. Everything else stays, NUL included, which all of them hold.
"""

from __future__ import annotations

from typing import Any

from notion_pipeline.rows.json_text import valid_text

#: Under which a result of a list says how many of its texts were replaced. No key of Notion's has a dot.
TEXTS_REPLACED = "notion_pipeline.texts_replaced"


def storable(value: Any) -> tuple[Any, int]:
    """Parsed JSON with storable texts, changed in place where it can be; how many texts were replaced.

    Where the value is a list answer, each of its results that held such texts says how many, under TEXTS_REPLACED.
    """
    results = value.get("results") if type(value) is dict else None
    if type(results) is not list:
        return _replaced(value)
    count = 0
    for position, result in enumerate(results):
        results[position], found = _replaced(result)
        if found and type(result) is dict:
            result[TEXTS_REPLACED] = found
        count += found
    value["results"] = []
    rest, found = _replaced(value)
    rest["results"] = results
    return rest, count + found


def _replaced(value: Any) -> tuple[Any, int]:
    """Without recursion: a stack of the containers still to look at."""
    holder = [value]
    stack: list[Any] = [holder]
    count = 0
    while stack:
        container = stack.pop()
        if type(container) is dict:
            count += _replace_keys(container)
        for key, item in list(container.items() if type(container) is dict else enumerate(container)):
            if type(item) is str:
                text = valid_text(item)
                if text != item:
                    container[key] = text
                    count += 1
            elif type(item) is dict or type(item) is list:
                stack.append(item)
    return holder[0], count


def _replace_keys(container: dict[str, Any]) -> int:
    """In their order; keys that become equal are told apart by further U+FFFD, in the same way in every answer."""
    odd = sorted(key for key in container if valid_text(key) != key)
    if not odd:
        return 0
    names: dict[str, str] = {}
    taken = {key for key in container if valid_text(key) == key}
    for key in odd:
        name = valid_text(key)
        while name in taken:
            name += "\ufffd"
        names[key] = name
        taken.add(name)
    items = [(names.get(key, key), item) for key, item in container.items()]
    container.clear()
    container.update(items)
    return len(odd)
