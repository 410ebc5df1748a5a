"""Holds answers of the sandbox to the TypeScript types of Notion's official SDK, by JSON Schema made from them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import run_installed
from notion_pipeline_tests.support.sandbox.node_packages import node, node_folder

SDK = "@notionhq/client@5.26.0"
PROGRAMS = Path(__file__).parent / "javascript"
_TOOLS = ("typescript@5.9.3", "ts-json-schema-generator@2.4.0", "ajv@8.20.0")
_TYPES = (
    *("PageObjectResponse", "DataSourceObjectResponse", "DatabaseObjectResponse", "QueryDataSourceResponse"),
    *("SearchResponse", "GetPagePropertyResponse", "UserObjectResponse", "ListUsersResponse", "BlockObjectResponse"),
    *("ListBlockChildrenResponse", "CommentObjectResponse", "ListCommentsResponse", "GetPageMarkdownResponse"),
    "ListDataSourceTemplatesResponse",
)
_SCHEMA = "schema.json"
_COMPILER_OPTIONS = {
    "module": "nodenext", "moduleResolution": "nodenext", "target": "es2022", "strict": True, "skipLibCheck": True
}  # fmt: skip
#: Property types that real schemas contain although the SDK's union of property configurations leaves them out.
_UNTYPED_CONFIGS = ("button", "verification", "place", "location", "last_visited_time")
_LATEST = "2026-03-11"


@dataclass(frozen=True)
class Answer:
    """An object that the server gave, and the type that it must have."""

    type: str
    label: str
    value: Any


@dataclass(frozen=True)
class Report:
    """What the types say of the answers.

    Attributes:
        counts: How many answers were checked, by type.
        failures: Missing and mistyped fields, in words.
        extras: Names of fields that the types do not have.
    """

    counts: dict[str, int]
    failures: list[str]
    extras: set[str]


def checked(answers: Iterable[Answer], version: str, folder: Path) -> Report:
    """Checks every answer of a server of this API version; the test is skipped where Node or the SDK is missing."""
    tools = node_folder("sdk_types_5.26.0", SDK, *_TOOLS, complete=_make_schema)
    lines = folder / "answers.jsonl"
    with lines.open("w", encoding="utf-8") as written:
        for answer in answers:
            value = _typed(answer.value)
            written.write(json.dumps({"type": answer.type, "label": answer.label, "value": value}) + "\n")
    relaxed = "1" if version == _LATEST else "0"  # since then `archived` is served no more, which the types still have
    command = [node(), str(PROGRAMS / "validate_types.mjs"), str(tools / _SCHEMA), relaxed, str(tools)]
    with lines.open(encoding="utf-8") as given:
        done = subprocess.run(command, stdin=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    failures = [f"{entry['type']} [{entry['label']}] {entry['error']}" for entry in found["failures"]]
    counts = {type_: count["checked"] for type_, count in found["counts"].items()}
    return Report(counts, failures, {key.rpartition("/")[2] for key in found["extras"]})


def _make_schema(folder: Path) -> None:
    """Generates the JSON Schema of the types, once."""
    if (folder / _SCHEMA).is_file():
        return
    fields = "\n".join(f"  {name}: {name}" for name in _TYPES)
    (folder / "entry.ts").write_text(
        f'import type {{ {", ".join(_TYPES)} }} from "@notionhq/client/build/src/api-endpoints"\n'
        f"export interface Everything {{\n{fields}\n}}\n",
        encoding="utf-8",
    )
    settings = {"compilerOptions": _COMPILER_OPTIONS, "files": ["entry.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    generator = folder / "node_modules/ts-json-schema-generator/bin/ts-json-schema-generator.js"
    options = ("-p", "entry.ts", "-f", "tsconfig.json", "-t", "Everything", "-e", "all", "--no-type-check")
    run_installed([node(), str(generator), *options, "-o", f"{_SCHEMA}.part"], folder)
    (folder / f"{_SCHEMA}.part").rename(folder / _SCHEMA)


def _typed(value: Any) -> Any:
    """The value without the property configurations that the types do not know."""
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("results"), list):
        return {**value, "results": [_typed(entry) for entry in value["results"]]}
    if value.get("object") != "data_source":
        return value
    known = {name: prop for name, prop in value["properties"].items() if prop["type"] not in _UNTYPED_CONFIGS}
    return {**value, "properties": known}
