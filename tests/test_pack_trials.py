"""The tests of packs pass, by the command that people use, and touch each rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from logmetrics.cli.app import app
from logmetrics.packs import builtin_packs
from tests.regex_alternatives import without_alternatives

TESTS = Path(__file__).parent / "packs"


def test_each_pack_has_tests() -> None:
    """A file for each, and one about sources that name their agent."""
    files = sorted(path.name.removesuffix(".test.yaml") for path in TESTS.glob("*.test.yaml"))
    assert files == sorted([*builtin_packs(), "named-source"])


@pytest.mark.parametrize("pack", [*builtin_packs(), "named-source"])
def test_packs(pack: str) -> None:
    """All series of all samples, and of the lines that were written for what samples do not show."""
    file = TESTS / f"{pack}.test.yaml"
    done = CliRunner().invoke(app, ["test", str(file), "--coverage"])
    assert done.exit_code == 0, done.output
    untouched = {part.split(":")[0]: part for part in done.output.split("coverage of ")[1:]}
    assert "never matched" not in untouched.get(f"packs/{pack}.yaml", "")


@pytest.mark.parametrize(
    ("pattern", "alternatives"),
    [
        ("abc", []),
        ("a|b", ["b", "a"]),
        ("x(a|bc|d)y", ["x(bc|d)y", "x(a|d)y", "x(a|bc)y"]),
        ("(?:a|b)(c)", ["(?:b)(c)", "(?:a)(c)"]),
        ("(?i)a|b", ["(?i)b", "(?i)a"]),
        (r"[a|b](\||c)", ["[a|b](c)", r"[a|b](\|)"]),
        ("a|(b|c)", ["(b|c)", "a", "a|(c)", "a|(b)"]),
    ],
)
def test_alternatives_of_a_pattern(pattern: str, alternatives: list[str]) -> None:
    """Each is left out once, on each level."""
    assert [rest for _, rest in without_alternatives(pattern)] == alternatives
