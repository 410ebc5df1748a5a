"""Reads and writes YAML with its comments, quotes and indentation; sets values without moving a comment."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml as plain_yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken
from ruamel.yaml.util import load_yaml_guess_indent

from notion_pipeline.outside import shown_line

_LONGEST_COMMENT = 60
_SIMPLE = re.compile(r"\w[\w/.-]*( [\w/.-]+)*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
#: Keys whose value is written on one line, as in the examples of sources.yaml.
_ON_ONE_LINE = ("account", "watch", "limits")


def read_yaml(text: str | None) -> tuple[CommentedMap, int, int]:
    """The content with its comments, and how its lists are indented."""
    if text is None or not text.strip():
        return CommentedMap(), 4, 2
    _, indent, offset = load_yaml_guess_indent(text)
    content = _yaml().load(text)
    if content is None:  # comments alone
        content = CommentedMap()
        content.yaml_set_start_comment(text.replace("# ", "", 1).rstrip("\n"))
    return content, indent or 4, offset if offset is not None else 2


def yaml_text(content: CommentedMap, indent: int, offset: int) -> str:
    """The content as YAML, its lists indented as `read_yaml` found them."""
    writer = _yaml()
    writer.indent(mapping=2, sequence=max(indent, offset + 2), offset=offset)
    stream = io.StringIO()
    writer.dump(content, stream)
    return stream.getvalue()


class _TimesAreText(VersionedResolver):
    """Leaves dates as they are written; our own reader takes their text."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        return super().resolve(kind, "text", implicit) if str(tag) == _TIMESTAMP else tag


def _yaml() -> YAML:
    found = YAML()
    found.Resolver = _TimesAreText
    found.preserve_quotes = True
    found.width = 100_000
    found.allow_unicode = True
    return found


def put(source: CommentedMap, key: str, node: Any) -> None:
    """Sets a key. A new one comes after the others and before the comments that follow them."""
    if key in source:
        comment = source.ca.items.get(key)
        source[key] = node
        if comment is not None and not source.ca.items.get(key):
            source.ca.items[key] = comment
        return
    last = next(reversed(source), None)
    source[key] = node
    token = _end_token(source, last) if last is not None else None
    if token is None:
        return
    head, _, rest = token.value.partition("\n")
    if rest:
        token.value = f"{head}\n"
        _append_comment(source, key, rest)


def _end_token(source: CommentedMap, key: str) -> CommentToken | None:
    """The comment at the end of a key's value."""
    owner, place = _last_line(source, key)
    tokens = [token for token in owner.ca.items.get(place) or () if isinstance(token, CommentToken)]
    return tokens[-1] if tokens else None


def _last_line(source: CommentedMap, key: str) -> tuple[Any, Any]:
    """The mapping or list, and its key or index, of the last line of a key's value."""
    owner: Any = source
    place: Any = key
    while isinstance(owner[place], (CommentedMap, CommentedSeq)) and _is_block(owner[place]):
        owner = owner[place]
        place = next(reversed(owner)) if isinstance(owner, CommentedMap) else len(owner) - 1
    return owner, place


def _is_block(node: CommentedMap | CommentedSeq) -> bool:
    return len(node) > 0 and not node.fa.flow_style()


def settle_end(sources: CommentedSeq) -> None:
    """Attaches comments at the end of the list to the last source, so that they stay there when another follows."""
    if not sources or not sources.ca.end or not sources[-1]:
        return
    lines = "".join(f"{' ' * token.start_mark.column}{token.value}" for token in sources.ca.end)
    sources.ca.end = []
    _append_comment(sources[-1], next(reversed(sources[-1])), lines)


def _append_comment(source: CommentedMap, key: str, lines: str) -> None:
    """Puts whole lines of comments below a key's value."""
    owner, place = _last_line(source, key)
    position = 0 if isinstance(owner, CommentedSeq) else 2
    items = owner.ca.items.setdefault(place, [None] * 4)
    if isinstance(items[position], CommentToken):
        items[position].value = items[position].value.rstrip("\n") + f"\n{lines}"
    else:
        items[position] = CommentToken(f"\n{lines}", CommentMark(0), None)


def node(key: str, value: Any, titles: Mapping[str, str]) -> Any:
    """A value as it is to be written."""
    if key == "streams":
        return _streams(value, titles)
    if key == "content" and isinstance(value, Mapping):
        return CommentedMap({name: node(name, entry, titles) for name, entry in value.items()})
    if isinstance(value, Mapping):
        found = CommentedMap({name: node("", entry, {}) for name, entry in value.items()})
        if key in _ON_ONE_LINE or not key:
            found.fa.set_flow_style()
        return found
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _list(key, value, titles)
    return scalar(value)


def _list(key: str, values: Sequence[Any], titles: Mapping[str, str]) -> CommentedSeq:
    found = CommentedSeq([node("", value, {}) for value in values])
    named = [(place, titles[value]) for place, value in enumerate(values) if value in titles]
    if not named:
        found.fa.set_flow_style()
    for place, title in named:
        found.yaml_add_eol_comment(_comment(title), place, column=0)
    return found


def _streams(streams: Mapping[str, Any], titles: Mapping[str, str]) -> CommentedMap:
    found = CommentedMap()
    for key, settings in streams.items():
        found[scalar(key)] = node("", settings, {})
        if key in titles:
            found.yaml_add_eol_comment(_comment(titles[key]), key, column=0)
    return found


def _comment(title: str) -> str:
    """A title as a comment may hold it: on one line, of bounded length."""
    line = shown_line(title) or "Untitled"
    return line if len(line) <= _LONGEST_COMMENT else f"{line[: _LONGEST_COMMENT - 1]}…"


def scalar(value: Any) -> Any:
    """Text in quotes, except simple words that YAML 1.1, which our own reader reads, takes for text as well."""
    if not isinstance(value, str) or _DATE.fullmatch(value):
        return value
    if not _SIMPLE.fullmatch(value):
        return DoubleQuotedScalarString(value)
    try:
        is_plain = plain_yaml.safe_load(value) == value
    except plain_yaml.YAMLError:
        is_plain = False
    return value if is_plain else DoubleQuotedScalarString(value)
