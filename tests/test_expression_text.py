"""Expressions as text: what is written is what the language reads."""

from __future__ import annotations

import pytest

from logmetrics.config.expression import parse_expression
from logmetrics.config.expression_text import Wording, path_text
from logmetrics.config.tree import MISSING, Expr, Field, Item, Let, Literal, Local, MapLiteral, parts_of
from logmetrics.packs import builtin_packs

SPELLINGS = {
    ("a", "b"): "a.b",
    ("a", 0, -1, "b"): "a[0][-1].b",
    ("path",): 'root["path"]',
    ("root", "x"): 'root["root"].x',
    ("a.b", "class"): 'root["a.b"]["class"]',
    ("from",): 'root["from"]',
    ("None",): 'root["None"]',
    ("a", 'q"\n\0'): 'a["q\\"\\n\\x00"]',
    ("ünï",): 'root["ünï"]',
}


@pytest.mark.parametrize("path", SPELLINGS, ids=str)
def test_paths_are_read_as_they_are_written(path: tuple[str | int, ...]) -> None:
    """Whatever a key is called: a word of the language, or of Python, needs quotes."""
    assert path_text(path) == SPELLINGS[path]
    assert parse_expression(SPELLINGS[path]) == Field(path)


def has_its_text_alone(expr: Expr) -> bool:
    """Whether the text says all: names stand for something else, long tables are cut."""
    named = (Item, Let, Local)
    return not any(isinstance(part, named) or part == MISSING or _is_cut(part) for part in parts_of(expr))


def _is_cut(part: Expr) -> bool:
    return isinstance(part, MapLiteral) and len(part.items) > 3


@pytest.mark.parametrize("pack", builtin_packs())
def test_expressions_are_read_as_they_are_written(pack: str) -> None:
    """All parts of all rules of a pack, with the parentheses that they need."""
    parts = {part for rule in builtin_packs()[pack].rule_set.rules for part in rule.parts()}
    whole = [part for part in parts if not isinstance(part, (Literal, MapLiteral)) and has_its_text_alone(part)]

    assert whole
    for part in whole:
        text = Wording().text(part)
        try:
            read = parse_expression(text)
        except ValueError as error:
            raise AssertionError(text) from error
        assert read == part, text
