"""Who may import whom: read from the import lines alone, so that a wrong one is found before it is run."""

from __future__ import annotations

import ast
import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import notion_pipeline

ROOT = Path(notion_pipeline.__file__).parent
#: Modules and packages that may know Dagster.
DAGSTER = ("defs", "definitions", "cli")
#: What each part of the engine may import of ours beside `errors`; a package stands for all its modules.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "outside": (),
    "addresses": (),
    "errors": ("outside", "redaction"),
    "together": (),
    "memory": (),
    "windows": (),
    "schema_changes": (),
    "json_text": (),
    "instants": (),
    "redaction": ("outside",),
    "spelling": (),
    "selection": ("notion_ids", "spelling", "wording"),
    "properties": ("json_text", "spelling"),
    "arrow_columns": ("json_text",),
    "property_values": ("arrow_columns", "properties", "instants", "json_text"),
    "computed_values": ("arrow_columns", "property_values", "properties", "json_text"),
    "users_seen": ("property_values",),
    "rows": ("arrow_columns", "computed_values", "property_values", "properties", "storable", "users_seen"),
    "naming": ("properties", "rows"),
    "notion_ids": (),
    "private_files": (),
    "locks": ("notion_ids", "private_files"),
    "staging": (
        "arrow_columns",
        "notion_ids",
        "private_files",
    ),
    "governor": ("private_files",),
    "storable": ("json_text",),
    "bodies": (),
    "endless": (),
    "uninterrupted": (),
    "answers": ("outside", "redaction", "storable"),
    "connection": ("addresses", "bodies", "redaction"),
    "client": ("answers", "bodies", "connection", "governor", "notion_ids"),
    "splitting": ("client", "properties", "windows"),
    "open_windows": ("client", "windows"),
    "window_query": ("client", "endless", "windows"),
    "crew": (),
    "formula_inputs": ("properties",),
    "reference_merge": ("json_text", "properties"),
    "references": ("client", "endless", "formula_inputs", "properties", "reference_merge", "together"),
    "extraction": (
        *("client", "crew", "endless", "notion_ids", "open_windows", "properties", "references", "rows", "splitting"),
        *("staging", "window_query", "windows"),
    ),
    "extract": ("extraction", "rows", "staging"),
    "listing": ("client", "endless", "instants", "notion_ids", "together"),
    "resolution": ("config", "listing", "naming", "properties", "selection", "wording"),
    "changes": ("changes_cursor", "client", "instants", "listing_file", "notion_ids"),
    "changes_cursor": ("instants",),
    "committed_file": ("private_files",),
    "source_files": ("config_values",),
    "outstanding": ("changes_cursor", "config", "listing_file"),
    "read_plan": ("catalog", "properties", "schema_changes"),
    "catalog": (
        *(
            "arrow_columns",
            "computed_values",
            "config",
            "extract",
            "formula_inputs",
            "instants",
            "json_text",
            "listing",
            "naming",
            "properties",
        ),
        *("memory", "outside", "resolution", "rows", "selection", "staging", "synced_tables"),
    ),
    "synced_tables": ("private_files",),
    "targets": ("outside",),
    "data_source_read": (
        *(
            "catalog",
            "client",
            "config",
            "crew",
            "extract",
            "extraction",
            "instants",
            "progress",
            "properties",
            "read_plan",
            "rows",
        ),
        *("resolution", "schema_changes", "staging", "targets"),
    ),
    "sync": (
        *(
            "catalog",
            "client",
            "crew",
            "data_source_read",
            "extract",
            "listing",
            "locks",
            "progress",
            "resolution",
            "selection",
            "targets",
        ),
    ),
}


def modules() -> list[str]:
    """Every module of the package, dotted, without the package's own name."""
    return sorted(module_name(file) for file in ROOT.rglob("*.py"))


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split(".")) if module else ROOT
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def parsed(file: Path) -> ast.Module:
    """A file's syntax tree. Python 3.11 counts the parser's depth for all threads of a process together, so that one
    left by another test may upset it for a moment (python/cpython#106905)."""
    for _ in range(100):
        with contextlib.suppress(SystemError):
            return ast.parse(file.read_text(encoding="utf-8"))
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(module: str, *, at_import: bool = False) -> set[str]:
    """Full names of what a module imports.

    Args:
        at_import: Only what is imported as the module is loaded, not in functions nor for type checkers.
    """
    tree = parsed(file_of(module))
    nodes = loaded(tree.body) if at_import else ast.walk(tree)
    package = module if file_of(module).name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(part for part in ("notion_pipeline", *above, base) if part)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def loaded(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from loaded([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from loaded(node.body)


def ours(module: str, *, at_import: bool = False) -> set[str]:
    """The modules of ours among them."""
    known = set(modules())
    names = {name.removeprefix("notion_pipeline.") for name in imports(module, at_import=at_import)}
    return (names & known) - {module}


def part_of(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def test_every_engine_module_is_in_the_list_or_is_none() -> None:
    assert set(MAY_IMPORT) <= {part_of(module) for module in modules()}


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_engine_imports_what_the_list_allows(part: str) -> None:
    allowed = {part, "errors", *MAY_IMPORT[part]}
    for module in modules():
        if part_of(module) == part:
            assert {part_of(name) for name in ours(module)} <= allowed, module


def test_only_the_shell_imports_dagster() -> None:
    for module in modules():
        if part_of(module) not in DAGSTER:
            assert not {name for name in imports(module) if part_of(name).startswith("dagster")}, module


def test_nothing_below_imports_the_shell() -> None:
    for module in modules():
        if part_of(module) not in DAGSTER:
            assert not {name for name in ours(module) if part_of(name) in DAGSTER}, module


def test_defs_import_neither_definitions_nor_the_command_line() -> None:
    for module in modules():
        if part_of(module) == "defs":
            assert not {name for name in ours(module) if part_of(name) in ("definitions", "cli")}, module


def test_defs_do_not_postpone_annotations() -> None:
    """Dagster's decorators read them."""
    for module in modules():
        if part_of(module) == "defs":
            assert "__future__" not in imports(module), module


def test_sandbox_and_pipeline_know_nothing_of_each_other() -> None:
    """A pretend Notion that shared our constants would share our mistakes."""
    for module in modules():
        if part_of(module) == "sandbox":
            assert {part_of(name) for name in ours(module)} <= {"sandbox", ""}, module
        elif part_of(module) != "cli":
            assert not {name for name in ours(module) if part_of(name) == "sandbox"}, module


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: ours(module, at_import=True) for module in modules()}
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module in finished:
            return
        for other in graph[module]:
            # A package's own __init__ is loaded before its modules in any case.
            if not module.startswith(f"{other}.") and not other.startswith(f"{module}."):
                visit(other, (*path, module))
        finished.add(module)

    for module in graph:
        visit(module, ())


def test_no_module_is_called_for_what_has_no_name() -> None:
    assert not {module.split(".")[-1] for module in modules()} & {"utils", "util", "helpers", "common", "misc"}
