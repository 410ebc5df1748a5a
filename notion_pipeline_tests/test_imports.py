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
DAGSTER = ("", "defs", "component", "definitions", "cli")
#: Which room may import which; the root's modules (errors, messages, project…) may be imported by all. A room's name
#: is its folder's; `root` stands for the modules that lie in none.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "root": (),
    "state": ("root",),
    "rows.text": ("root",),
    "rows": ("root", "rows.text"),
    "config.fields": ("root", "rows.text"),
    "config": ("root", "state", "rows", "config.fields"),
    "notion.responses": ("root", "rows.text"),
    "notion.limits": ("root", "state"),
    "notion": ("root", "notion.responses", "notion.limits"),
    "accounts.stores": ("root", "state", "config"),
    "accounts": ("root", "state", "config", "notion.responses", "notion.limits", "notion", "accounts.stores"),
    "listing": ("root", "state", "rows.text", "rows", "config", "notion.responses", "notion"),
    "listing.changes": ("root", "state", "rows.text", "config.fields", "config", "notion", "listing"),
    "extraction.windows": ("root", "rows.text", "rows", "notion.responses", "notion"),
    "extraction.references": ("root", "rows.text", "rows", "notion.responses", "notion"),
    "extraction": ("root", "rows", "notion", "extraction.windows", "extraction.references"),
    "content.files": ("root", "rows.text", "notion"),
    "content": (
        *("root", "rows.text", "rows", "config", "notion.responses", "notion.limits", "notion", "listing"),
        *("listing.changes", "content.files"),
    ),
    "catalog": ("root", "rows"),
    "catalog.state": ("root", "catalog"),
    "catalog.connection": ("root", "config.fields", "catalog"),
    "catalog.additions": ("root", "catalog", "catalog.connection"),
    "catalog.listing": (
        *("root", "rows.text", "rows", "config", "listing", "catalog", "catalog.state", "catalog.connection"),
        *("catalog.additions",),
    ),
    "catalog.content.tables": ("root", "catalog", "catalog.state"),
    "catalog.load": (
        *("root", "rows.text", "rows", "config", "extraction.references", "extraction", "catalog"),
        *("catalog.state", "catalog.connection", "catalog.additions", "catalog.listing"),
        *("catalog.content.tables", "catalog.content"),
    ),
    "catalog.read": (
        *("root", "state", "rows", "listing", "extraction", "catalog", "catalog.state", "catalog.connection"),
        *("catalog.listing",),
    ),
    "catalog.views": ("root", "rows", "catalog", "catalog.state", "catalog.connection"),
    "catalog.content.due": (
        *("root", "config", "listing", "content", "catalog", "catalog.state", "catalog.content.tables"),
    ),
    "catalog.content.files": (
        *("root", "content.files", "content", "catalog", "catalog.state", "catalog.content.tables"),
        *("catalog.content.due",),
    ),
    "catalog.content": (
        *("root", "config", "listing", "content", "catalog", "catalog.state", "catalog.content.tables"),
        *("catalog.content.due", "catalog.content.files"),
    ),
    "catalog.upkeep": ("root", "rows", "catalog", "catalog.state", "catalog.connection", "catalog.views"),
    "catalog.migrate": ("root", "config.fields", "catalog", "catalog.connection", "catalog.additions"),
    "sync.run": ("root", "state", "config", "extraction.windows", "extraction", "catalog.state"),
    "sync.data_source": (
        *("root", "state", "rows.text", "rows", "config", "notion", "listing", "extraction", "catalog.state"),
        *("sync.run",),
    ),
    "sync": (
        *("root", "state", "rows", "config", "notion.limits", "notion", "listing", "extraction.windows"),
        *("extraction", "catalog", "catalog.state", "catalog.connection", "sync.run", "sync.data_source"),
    ),
    "defs": (
        *("root", "state", "config.fields", "config", "notion.limits", "notion", "accounts", "listing"),
        *("listing.changes", "extraction", "content.files", "content", "catalog", "catalog.state"),
        *("catalog.connection", "catalog.listing", "catalog.content.tables", "catalog.load", "catalog.read"),
        *("catalog.views", "catalog.content.due", "catalog.content.files", "catalog.content"),
        *("catalog.upkeep", "sync.run", "sync"),
    ),
    "component": ("root", "state", "rows", "config", "catalog.connection", "catalog.read", "defs"),
    "definitions": ("root", "defs"),
    "the public face": ("root", "config", "defs", "component"),
    "cli": (
        *("root", "config.fields", "config", "notion", "accounts", "listing", "catalog.connection"),
        *("catalog.read", "catalog.content", "sync"),
    ),
    "cli.runs": ("root", "config", "catalog.read", "sync.run", "defs", "cli"),
    "cli.wizard": ("root", "rows", "config.fields", "config", "accounts.stores", "accounts", "listing", "cli"),
    "cli.commands": (
        *("root", "rows", "config", "accounts.stores", "accounts", "listing", "catalog", "catalog.connection"),
        *("catalog.listing", "catalog.load", "catalog.read", "catalog.views", "catalog.content"),
        *("catalog.upkeep", "sync", "defs", "cli", "cli.runs", "cli.wizard", "sandbox.edits", "sandbox.http"),
        *("sandbox.sample",),
    ),
    "cli.commands.sources": (
        *("root", "state", "config.fields", "config", "accounts.stores", "accounts", "listing.changes"),
        "catalog.state",
        *("catalog.connection", "catalog.listing", "catalog.content.tables", "catalog.read", "catalog.views"),
        *("catalog.upkeep", "defs", "cli", "cli.runs", "cli.wizard", "cli.commands"),
    ),
    "cli.commands.catalog": (
        *("root", "config.fields", "config", "listing", "listing.changes"),
        *("catalog", "catalog.state", "catalog.connection"),
        *("catalog.listing", "catalog.content.tables", "catalog.read", "catalog.views", "catalog.migrate"),
        *("defs", "cli", "cli.runs", "cli.commands.sources"),
    ),
    "sandbox": (),
    "sandbox.control": (),
    "sandbox.model": (),
    "sandbox.model.content": ("sandbox.model",),
    "sandbox.model.state": ("sandbox.control", "sandbox.model", "sandbox.model.content"),
    "sandbox.answers": ("sandbox.model", "sandbox.model.content", "sandbox.model.state"),
    "sandbox.edits": (
        *("sandbox.control", "sandbox.model", "sandbox.model.content", "sandbox.model.state"),
        *("sandbox.answers",),
    ),
    "sandbox.http.handlers": (
        *("sandbox.model", "sandbox.model.content", "sandbox.model.state", "sandbox.answers", "sandbox.edits"),
    ),
    "sandbox.http": (
        *("sandbox.control", "sandbox.model", "sandbox.model.content", "sandbox.model.state"),
        *("sandbox.answers", "sandbox.edits", "sandbox.http.handlers"),
    ),
    "sandbox.sample": ("sandbox.model", "sandbox.model.content", "sandbox.edits"),
}
#: Rooms whose folders are one room here.
WITH_THEIR_FOLDERS = ("defs",)


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


def imports(module: str) -> set[str]:
    """Full names of what a module imports, also in functions and for type checkers."""
    package = module if file_of(module).name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(parsed(file_of(module))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(part for part in ("notion_pipeline", *above, base) if part)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    """The modules of ours among them."""
    known = set(modules())
    names = {name.removeprefix("notion_pipeline.") for name in imports(module)}
    return (names & known) - {module}


def part_of(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def room_of(module: str) -> str:
    """The room that a module lies in. `definitions` and the package's own `__init__` are each a room of their own."""
    if module in ("", "definitions"):
        return module or "the public face"
    parts = module.split(".")
    folders = parts if file_of(module).name == "__init__.py" else parts[:-1]
    return ".".join(folders[:1] if part_of(module) in WITH_THEIR_FOLDERS else folders) or "root"


def test_every_module_is_in_a_room_of_the_table() -> None:
    assert {room_of(module) for module in modules()} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_imports_what_the_table_allows(room: str) -> None:
    """What only type checkers read counts as well."""
    for module in modules():
        if room_of(module) == room:
            assert {room_of(name) for name in ours(module) if name} <= {room, *MAY_IMPORT[room]}, module


def test_the_table_has_no_circle() -> None:
    left = {room: set(others) for room, others in MAY_IMPORT.items()}
    while free := {room for room, others in left.items() if not others & left.keys()}:
        left = {room: others for room, others in left.items() if room not in free}
    assert not left


def test_contributing_draws_every_room() -> None:
    page = (ROOT.parent / "docs" / "contributing.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `")}
    for room in set(MAY_IMPORT) - {"root", "the public face"}:
        outer, *inner = room.split(".")
        assert {f"`{name}`" for name in inner} <= {f"`{name}`" for name in rows[outer].split("`")[1::2]}, room


def test_every_room_says_what_comes_in_what_goes_out_and_what_it_may_import() -> None:
    for module in modules():
        if module and file_of(module).name == "__init__.py":
            said = (ast.get_docstring(parsed(file_of(module))) or "").lower()
            assert all(word in said for word in ("in:", "out:", "import")), module


def test_only_the_shell_imports_dagster() -> None:
    for module in modules():
        if part_of(module) not in DAGSTER:
            assert not {name for name in imports(module) if part_of(name).startswith("dagster")}, module


def test_what_dagster_keeps_private_is_imported_in_one_file() -> None:
    for module in modules():
        private = {name for name in imports(module) if name.startswith("dagster") and "._" in name}
        assert not private or module == "defs.dagster_internals", module


def test_only_notion_and_accounts_import_the_http_library() -> None:
    """Another one would take its place there, and nowhere else."""
    for module in modules():
        if part_of(module) not in ("notion", "accounts", "sandbox"):
            assert not {name for name in imports(module) if part_of(name) in ("httpx", "httpcore")}, module


def test_nothing_below_imports_the_shell() -> None:
    for module in modules():
        if part_of(module) not in DAGSTER:
            assert not {name for name in ours(module) if part_of(name) in DAGSTER}, module


def test_defs_import_neither_definitions_nor_the_command_line() -> None:
    for module in modules():
        if part_of(module) == "defs":
            assert not {name for name in ours(module) if part_of(name) in ("definitions", "cli")}, module


def test_commands_open_the_catalog_in_one_place() -> None:
    def opens(module: str) -> bool:
        calls = (node for node in ast.walk(parsed(file_of(module))) if isinstance(node, ast.Call))
        return any(isinstance(call.func, ast.Name) and call.func.id == "Catalog" for call in calls)

    assert {module for module in modules() if part_of(module) == "cli" and opens(module)} == {"cli.catalog"}


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
    graph = {module: ours(module) for module in modules()}
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


def test_no_test_patches_a_constant() -> None:
    """What a test must vary is an argument."""
    for file in Path(__file__).parent.rglob("*.py"):
        assert not set(patched_constants(parsed(file))), file


def patched_constants(tree: ast.Module) -> Iterator[str]:
    """Names in capitals that a file sets on a module, by `monkeypatch.setattr` and its like or by an assignment."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "attr" in node.func.attr:
            texts = (given.value for given in node.args[:2] if isinstance(given, ast.Constant))
            names = [text.rpartition(".")[2] for text in texts if isinstance(text, str)]
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.attr for target in targets if isinstance(target, ast.Attribute)]
        yield from (name for name in names if name.isupper())
