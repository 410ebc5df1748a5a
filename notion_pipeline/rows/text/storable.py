r"""Makes the texts of an answer storable. This is the one place that does, while answers are parsed.

JSON can spell half of a surrogate pair (`"\ud83d"`), for example in a text that was cut in the middle of an emoji. It
is not a character: UTF-8, and so DuckDB, Arrow and SQLite, cannot hold it. Here it becomes U+FFFD, in names and keys as
in values, and is counted. Everything else stays, even NUL, which all of them can hold.
"""

from __future__ import annotations

from typing import Any

from notion_pipeline.rows.text.json_text import valid_text

#: Key under which a result of a list has the number of its replaced texts. Notion's keys have no dot.
TEXTS_REPLACED = "notion_pipeline.texts_replaced"


def storable(value: Any) -> tuple[Any, int]:
    """Parsed JSON with storable texts, changed in place if possible; and how many texts were replaced.

    In a list answer, each result with replaced texts also gets their number, under TEXTS_REPLACED.
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
    """Without recursion: by a stack of the containers still to search."""
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
    """Keeps the order. Keys that become equal get further U+FFFD, in the same way in every answer."""
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
