"""The house: imports point down only, and no room outgrows its purpose."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "logmetrics"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Each part may import those of lower levels, itself, and its own level's names listed here.
LEVELS = {
    "__init__": 0,
    "errors": 0,
    "inbox": 1,
    "present": 1,
    "config": 1,
    "formats": 2,
    "store": 2,
    "rules": 2,
    "packs": 2,
    "sources": 3,
    "serve": 3,
    "replay": 5,
    "authoring": 5,
    "engine": 4,
    "service": 5,
    "doctor": 5,
    "cli": 6,
    "__main__": 7,
}
SIDEWAYS = {("rules", "formats"), ("rules", "store"), ("doctor", "replay"), ("doctor", "authoring")}
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports(path: Path) -> set[str]:
    """The parts of logmetrics that *path* imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names = [node.module or ""]
            if node.module == "logmetrics":
                names = [f"logmetrics.{alias.name}" for alias in node.names if (PACKAGE / alias.name).exists()]
        found |= {part_of(name) for name in names if name.split(".")[0] == "logmetrics"}
    return found


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_imports_point_down(path: Path) -> None:
    """No part knows those above it."""
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for other in imports(path) - {part}:
        assert LEVELS[other] < LEVELS[part] or (part, other) in SIDEWAYS, f"{part} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_sizes(path: Path) -> None:
    """A long module or function is due for a second thought."""
    text = path.read_text()
    assert text.count("\n") <= MODULE_LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or 0) - node.lineno
            assert length <= FUNCTION_LINES_MAX, f"{node.name} has {length} lines"


def test_tests_do_not_sleep() -> None:
    """A clock or an event is passed in instead."""
    for path in Path(__file__).parent.rglob("*.py"):
        if path != Path(__file__):
            assert "time.sleep(" not in path.read_text(), path


def test_every_module_says_what_it_is() -> None:
    """Each module begins with a docstring."""
    for path in MODULES:
        assert ast.get_docstring(ast.parse(path.read_text())), path
