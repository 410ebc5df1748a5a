"""Reads sources.yaml as YAML, and writes the messages about problems in it; `sources` says what its keys mean.

Every message is one line that names the file, the key path, what was found and what is allowed, so that it can be the
last line of Dagster's own output. A secret in the wrong place is never in a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from notion_pipeline.errors import ConfigError
from notion_pipeline.messages import nearest, quoted
from notion_pipeline.redaction import redacted

KeyPath = tuple["int | str", ...]

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_LONGEST_NAME = 40
_KINDS = {
    "string_type": "text, which in YAML may need quotes",
    "invalid_key": "keys that are text, which in YAML may need quotes",
    "int_type": "a whole number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}


def read_mapping(path: Path, label: str) -> dict[Any, Any] | None:
    """The content of the file, its dates still text; None if there is no such file.

    Raises:
        ConfigError: It cannot be read, is not YAML, has a key twice, or is not a mapping.
    """
    text = read_text(path, label)
    return None if text is None else parse_mapping(text, label)


def read_text(path: Path, label: str) -> str | None:
    """The file's text with its line ends; None if there is no such file.

    Raises:
        ConfigError: It cannot be read, or is not UTF-8.
    """
    try:
        found = path.stat()
        return _text(path, (found.st_ino, found.st_size, found.st_mtime_ns))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise config_error(label, [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise config_error(label, ["is not UTF-8 text"]) from None


@lru_cache(maxsize=8)
def _text(path: Path, _: tuple[int, int, int]) -> str:
    """The text of a file as it is now: what names the shared state is asked for beside the sources."""
    return path.read_bytes().decode("utf-8-sig")


def parse_mapping(text: str, label: str) -> dict[Any, Any]:
    """The content of a file's text, its dates still text.

    Raises:
        ConfigError: It is not YAML, has a key twice, or is not a mapping.
    """
    content = _parse(text, label)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise config_error(label, [f'must be a mapping with the key "sources", found {_kind(content)}'])
    return content


def config_error(label: str, problems: Sequence[str]) -> ConfigError:
    """One error on one line for all problems of one file."""
    problems_on_a_line = "; ".join(" ".join(problem.split()) for problem in problems)
    return ConfigError(redacted(f"{label}: {problems_on_a_line}."))


def problems_of(error: ValidationError, content: object, keys_at: Callable[[KeyPath], list[str]]) -> list[str]:
    """Each problem with its key path, in the order of the models.

    Args:
        error: The models' error.
        content: The content of the file, for the names of sources in key paths.
        keys_at: The valid keys of the mapping at a key path.
    """
    problems = []
    for entry in error.errors(include_url=False):
        path = tuple(entry["loc"])
        if entry["type"].startswith("union_tag") and isinstance(entry["input"], Mapping):
            path = (*path, "", "type")  # the empty key is where pydantic puts the kind of account
        elif entry["type"] == "invalid_key":
            path = path[:-1]
        where = key_path(path, content)
        what = _problem(entry["type"], entry, path, keys_at)
        problems.append(f"{where}: {what}" if where else what)
    return problems


def key_path(path: KeyPath, content: object) -> str:
    """A key path as people write it: `sources[0] (sales): streams["Tasks"].table`."""
    head, rest = "", _shown(path)
    if len(rest) > 1 and rest[0] == "sources" and isinstance(rest[1], int):
        head, rest = source_label(rest[1], _source_name(content, rest[1])), rest[2:]
    text = ""
    for place, key in enumerate(rest):
        if isinstance(key, int):
            text += f"[{key}]"
        elif place == 1 and rest[0] == "streams":
            text += f"[{quoted(key)}]"
        else:
            text += f".{key}" if text else key
    return f"{head}: {text}" if head and text else head or text


def source_label(index: int, name: object) -> str:
    """The first part of a key path into one source."""
    shown = isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST_NAME
    return f"sources[{index}] ({name})" if shown else f"sources[{index}]"


def _shown(path: KeyPath) -> KeyPath:
    """The key path as the file has it: without pydantic's marks for the kind of account and for keys."""
    if len(path) > 4 and path[2] == "account":
        path = (*path[:3], *path[4:])
    return tuple(key for key in path if key != "[key]")


def _source_name(content: object, index: int) -> object:
    try:
        return content["sources"][index]["name"]  # type: ignore[index]
    except (LookupError, TypeError):
        return None


def _problem(kind: str, entry: Mapping[str, Any], path: KeyPath, keys_at: Callable[[KeyPath], list[str]]) -> str:
    """What was found and what is allowed, for one error of pydantic's."""
    if kind == "value_error":
        return str(entry["ctx"]["error"])
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), keys_at(path[:-1]))
    if kind == "missing":
        return "missing"
    if kind.startswith("union_tag") and path[-1] == "type":
        found = f"found {quoted(entry['input']['type'])}" if "type" in entry["input"] else "missing"
        return f"{found}, allowed: token, oauth"
    return _expected(kind, entry.get("ctx", {}), entry["msg"]).format(found=_found(entry["input"], path))


def _unknown_key(key: str, keys: Sequence[str]) -> str:
    near = nearest(key, keys)
    return f'unknown key, nearest is "{near}"' if near else f"unknown key, allowed: {', '.join(keys)}"


def _expected(kind: str, context: Mapping[str, Any], message: str) -> str:
    """What is allowed, with `{found}` in place of what was found."""
    if kind in ("enum", "literal_error"):
        allowed = re.findall(r"'([^']*)'", context["expected"])
        text = f"found {{found}}, allowed: {', '.join(allowed)}"
    elif kind.startswith("union_tag"):
        text = "found {found}, allowed: a mapping with the key type"
    elif kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        text = f"found {{found}}, allowed: {bound}"
    elif kind in ("string_too_short", "too_short"):
        text = "must not be empty"
    elif kind in _KINDS:
        text = f"found {{found}}, allowed: {_KINDS[kind]}"
    else:
        text = "found {found}: " + message.replace("{", "{{").replace("}", "}}")
    return text


def _found(value: object, path: KeyPath) -> str:
    # The value of `account` may be a token that somebody put into the file by mistake.
    if "account" in path[2:3] and isinstance(value, str) and path[-1] != "type":
        return "text"
    return quoted(value)


def _kind(value: object) -> str:
    return quoted(value) if isinstance(value, (list, dict)) else "one value"


class _Loader(yaml.SafeLoader):
    """Plain YAML, except that a key given twice is an error, and dates stay text for the models to read."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own name for a table that nobody changes)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first_lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in first_lines:
                problem = f"the key {quoted(key.value)} is there already, in line {first_lines[key.value]}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            first_lines[key.value] = line
        return node


def _parse(text: str, label: str) -> object:
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (the loader is a safe one)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(filter(None, (error.context, error.problem))) or "not YAML"
        problem = f"line {mark.line + 1}, column {mark.column + 1}: {reason}" if mark else reason
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"line {line}: has a character that YAML does not allow"
    except (yaml.YAMLError, ValueError, RecursionError):
        problem = "has a value that is not YAML"
    raise config_error(label, [problem])
