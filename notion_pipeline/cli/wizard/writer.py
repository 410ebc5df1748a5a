"""Writes one source into sources.yaml and leaves everything else in the file as its owner wrote it.

Databases are named by id with the title as a comment, since a change of the title in Notion would silently deselect
them. The new text is parsed before it replaces the file: it must say what was meant, and no more.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from notion_pipeline.cli.wizard.commented_yaml import node, put, read_yaml, scalar, settle_end, yaml_text
from notion_pipeline.config.sources import parse_sources
from notion_pipeline.config.yaml_file import parse_mapping, read_mapping, read_text
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import Project

#: The first lines of a new file; the path is right in a clone of this repository.
_HEAD = "# yaml-language-server: $schema=notion_pipeline/sources.schema.json\n"


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
    content, indent, offset = read_yaml(text)
    if content.get("sources") is None:
        content["sources"] = CommentedSeq()
    settle_end(content["sources"])
    present = next((source for source in content["sources"] if source.get("name") == entry.name), None)
    if present is None:
        present = CommentedMap(name=scalar(entry.name))
        content["sources"].append(present)
    for key, value in entry.values.items():
        _set(present, key, value, entry.titles)
    return (_HEAD if text is None else "") + yaml_text(content, indent, offset)


def _set(owner: CommentedMap, key: str, value: Any, titles: Mapping[str, str]) -> None:
    """Sets a key, or takes it out; within `content` only what differs is touched, so that comments stay there."""
    present = owner.get(key)
    if value is None:
        owner.pop(key, None)
    elif key == "content" and isinstance(present, CommentedMap) and isinstance(value, Mapping):
        for name in [name for name in present if name not in value]:
            present.pop(name)
        for name, inner in value.items():
            if present.get(name) != inner:
                # Comments have no place in a mapping on one line.
                put(present, name, node(name, inner, {} if present.fa.flow_style() else titles))
    else:
        put(owner, key, node(key, value, {} if owner.fa.flow_style() else titles))


def write(project: Project, entry: SourceEntry) -> None:
    """Puts a source into the project's file, by rename.

    Raises:
        ConfigError: The file would not say what was meant, and stays as it was; or it cannot be written.
    """
    path, label = project.sources_file, project.sources_label
    before = read_text(path, label)
    try:
        text = text_with(entry, before)
    except YAMLError as error:
        raise ConfigError(f"{label} cannot be changed by a program: {' '.join(str(error).split())}") from None
    if before is not None and "\r\n" in before:
        text = text.replace("\n", "\r\n")
    _replace(path, text, label, expected=_expected(parse_mapping(before or "", label), entry))


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


def rename(project: Project, old: str, new: str) -> None:
    """Gives a source in the project's file another name, by rename of the file.

    Raises:
        ConfigError: The new name may not be, or the file cannot be changed; it stays as it was.
    """
    path, label = project.sources_file, project.sources_label
    before = read_text(path, label) or ""
    try:
        content, indent, offset = read_yaml(before)
    except YAMLError as error:
        raise ConfigError(f"{label} cannot be changed by a program: {' '.join(str(error).split())}") from None
    for source in content.get("sources") or ():
        if source.get("name") == old:
            source["name"] = scalar(new)
    text = yaml_text(content, indent, offset)
    expected = parse_mapping(before, label)
    sources = [{**entry, "name": new} if entry.get("name") == old else entry for entry in expected.get("sources") or ()]
    _replace(
        path,
        text.replace("\n", "\r\n") if "\r\n" in before else text,
        label,
        expected={**expected, "sources": sources},
    )
