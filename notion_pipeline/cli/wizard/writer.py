"""Writes one source into sources.yaml, with everything else in the file left as its owner wrote it.

Databases are named by id with the title as a comment, since a title that is changed in Notion would deselect them
without a word. What is written is read again before it takes the file's place: it must say what was meant, and no
more.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml as plain_yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken
from ruamel.yaml.util import load_yaml_guess_indent

from notion_pipeline.config.sources import parse_sources
from notion_pipeline.config.yaml_file import read_mapping
from notion_pipeline.errors import ConfigError
from notion_pipeline.outside import shown_line
from notion_pipeline.project import Project

#: Of a new file; the path is that of a project that is a clone of this repository.
_HEAD = "# yaml-language-server: $schema=notion_pipeline/sources.schema.json\n"
_LONGEST_COMMENT = 60
_SIMPLE = re.compile(r"\w[\w/.-]*( [\w/.-]+)*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
#: What stands on one line, as it does in the examples of sources.yaml.
_ON_ONE_LINE = ("account", "watch", "limits")


@dataclass(frozen=True)
class SourceEntry:
    """One source as it goes into the file.

    Attributes:
        values: Keys of the source in the order in which they are written; None takes a key out.
        titles: Title by database id, for the comments.
    """

    name: str
    values: Mapping[str, Any]
    titles: Mapping[str, str] = field(default_factory=dict)


def text_with(entry: SourceEntry, text: str | None) -> str:
    """The text of sources.yaml with a source added, or changed where it is there; None is a file to be made.

    A key of the source that is not in `values` stays as it is.
    """
    content, indent, offset = _read(text)
    if content.get("sources") is None:
        content["sources"] = CommentedSeq()
    _settle_end(content["sources"])
    present = next((source for source in content["sources"] if source.get("name") == entry.name), None)
    if present is None:
        present = CommentedMap(name=_scalar(entry.name))
        content["sources"].append(present)
    for key, value in entry.values.items():
        if value is None:
            present.pop(key, None)
        else:
            _put(present, key, _node(key, value, entry.titles))
    return (_HEAD if text is None else "") + _written(content, indent, offset)


def write(project: Project, entry: SourceEntry) -> None:
    """Puts a source into the project's file, by rename.

    Raises:
        ConfigError: The file would not say what was meant, and stays as it was; or it cannot be written.
    """
    path, label = project.sources_file, project.sources_label
    before = path.read_bytes().decode("utf-8-sig") if path.exists() else None
    try:
        text = text_with(entry, before)
    except YAMLError as error:
        raise ConfigError(f"{label} cannot be changed by a program: {' '.join(str(error).split())}") from None
    if before is not None and "\r\n" in before:
        text = text.replace("\n", "\r\n")
    _replace(path, text, label, expected=_expected(read_mapping(path, label) or {}, entry))


def _expected(content: Mapping[str, Any], entry: SourceEntry) -> dict[str, Any]:
    """What the file must hold afterwards, as plain values."""
    kept = {key: value for key, value in entry.values.items() if value is not None}
    sources = [dict(source) for source in content.get("sources") or []]
    for source in sources:
        if source.get("name") == entry.name:
            for key in entry.values:
                source.pop(key, None)
            source.update(kept)
            break
    else:
        sources.append({"name": entry.name, **kept})
    return {**content, "sources": sources}


def _replace(path: Path, text: str, label: str, *, expected: Mapping[str, Any]) -> None:
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ConfigError(f"{label} cannot be written: {error.strerror}.") from None
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        found = read_mapping(temporary, label)
        parse_sources(found, label)
        if found != expected:
            raise ConfigError(
                f"{label} is written in a way that cannot be changed without changing what else it says.",
                hint="Add the source by hand; `notion-pipeline add --dry-run` prints it.",
            )
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
        temporary.chmod(mode)
        # A link stays one: its target is what is replaced.
        temporary.replace(path.resolve())
    except OSError as error:
        raise ConfigError(f"{label} cannot be written: {error.strerror}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _read(text: str | None) -> tuple[CommentedMap, int, int]:
    """The content with its comments, and how its lists are indented."""
    if text is None or not text.strip():
        return CommentedMap(), 4, 2
    _, indent, offset = load_yaml_guess_indent(text)
    content = _yaml().load(text)
    if content is None:  # comments alone
        content = CommentedMap()
        content.yaml_set_start_comment(text.replace("# ", "", 1).rstrip("\n"))
    return content, indent or 4, offset if offset is not None else 2


def _written(content: CommentedMap, indent: int, offset: int) -> str:
    writer = _yaml()
    writer.indent(mapping=2, sequence=max(indent, offset + 2), offset=offset)
    stream = io.StringIO()
    writer.dump(content, stream)
    return stream.getvalue()


class _TimesAreText(VersionedResolver):
    """Dates stay as they are written; our own reader wants their text."""

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


def _put(source: CommentedMap, key: str, node: Any) -> None:
    """Sets a key. A new one stands after the others and before the comments that follow them."""
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
    """Whose entry stands in the last line of a key's value: where it is a block, the block's own last."""
    owner: Any = source
    place: Any = key
    while isinstance(owner[place], (CommentedMap, CommentedSeq)) and _is_block(owner[place]):
        owner = owner[place]
        place = next(reversed(owner)) if isinstance(owner, CommentedMap) else len(owner) - 1
    return owner, place


def _is_block(node: CommentedMap | CommentedSeq) -> bool:
    return len(node) > 0 and not node.fa.flow_style()


def _settle_end(sources: CommentedSeq) -> None:
    """Hangs comments at the end of the list at the last source, so that they stay there when another follows."""
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


def _node(key: str, value: Any, titles: Mapping[str, str]) -> Any:
    """A value as it is to be written."""
    if key == "streams":
        return _streams(value, titles)
    if isinstance(value, Mapping):
        found = CommentedMap({name: _node("", entry, {}) for name, entry in value.items()})
        if key in _ON_ONE_LINE or not key:
            found.fa.set_flow_style()
        return found
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _list(key, value, titles)
    return _scalar(value)


def _list(key: str, values: Sequence[Any], titles: Mapping[str, str]) -> CommentedSeq:
    found = CommentedSeq([_node("", value, {}) for value in values])
    named = [(place, titles[value]) for place, value in enumerate(values) if value in titles]
    if not named:
        found.fa.set_flow_style()
    for place, title in named:
        found.yaml_add_eol_comment(_comment(title), place, column=0)
    return found


def _streams(streams: Mapping[str, Any], titles: Mapping[str, str]) -> CommentedMap:
    found = CommentedMap()
    for key, settings in streams.items():
        found[_scalar(key)] = _node("", settings, {})
        if key in titles:
            found.yaml_add_eol_comment(_comment(titles[key]), key, column=0)
    return found


def _comment(title: str) -> str:
    """A title as a comment may hold it: on one line, of bounded length."""
    line = shown_line(title) or "Untitled"
    return line if len(line) <= _LONGEST_COMMENT else f"{line[: _LONGEST_COMMENT - 1]}…"


def _scalar(value: Any) -> Any:
    """Text in quotes, but for simple words that our own reader, which reads YAML 1.1, takes for nothing else."""
    if not isinstance(value, str) or _DATE.fullmatch(value):
        return value
    if not _SIMPLE.fullmatch(value):
        return DoubleQuotedScalarString(value)
    try:
        is_plain = plain_yaml.safe_load(value) == value
    except plain_yaml.YAMLError:
        is_plain = False
    return value if is_plain else DoubleQuotedScalarString(value)


def rename(project: Project, old: str, new: str) -> None:
    """Gives a source in the project's file another name, by rename of the file.

    Raises:
        ConfigError: The new name may not be, or the file cannot be changed; it stays as it was.
    """
    path, label = project.sources_file, project.sources_label
    try:
        before = path.read_bytes().decode("utf-8-sig")
        content, indent, offset = _read(before)
    except OSError as error:
        raise ConfigError(f"{label} cannot be read: {error.strerror}.") from None
    except YAMLError as error:
        raise ConfigError(f"{label} cannot be changed by a program: {' '.join(str(error).split())}") from None
    for source in content.get("sources") or ():
        if source.get("name") == old:
            source["name"] = _scalar(new)
    text = _written(content, indent, offset)
    expected = read_mapping(path, label) or {}
    sources = [{**entry, "name": new} if entry.get("name") == old else entry for entry in expected.get("sources") or ()]
    _replace(
        path,
        text.replace("\n", "\r\n") if "\r\n" in before else text,
        label,
        expected={**expected, "sources": sources},
    )
