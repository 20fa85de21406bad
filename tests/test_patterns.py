"""`re` in place of RE2: the same matches, and only where it cannot take long."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logmetrics.config.tree import Call, Literal
from logmetrics.packs import builtin_packs
from logmetrics.rules import patterns

OF_PACKS = sorted(
    {
        str(pattern.value)
        for pack in builtin_packs().values()
        for rule in pack.rule_set.rules
        for part in rule.parts()
        if isinstance(part, Call) and part.name in ("matches", "capture") and isinstance(part.arguments[1], Literal)
        for pattern in [part.arguments[1]]
    }
)
PLAIN = [pattern for pattern in OF_PACKS if patterns._plain(pattern)]


def found(match: Any) -> Any:
    return None if match is None else (match.span(), match.groups())


def test_most_patterns_of_packs_are_plain() -> None:
    assert len(PLAIN) > 0.75 * len(OF_PACKS)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("pattern", PLAIN)
def test_plain_patterns_match_as_in_re2(pattern: str, data: st.DataObject) -> None:
    """Whatever stands around a match, or is left out of it, or is put into it."""
    around = st.text(alphabet=sorted({*pattern, *"a9 \n\v\r\té²٣\u2028"}), max_size=12)
    match = data.draw(st.from_regex(re.compile(pattern, re.ASCII)))
    cut = data.draw(st.integers(0, len(match)))
    text = data.draw(around) + match[:cut] + data.draw(around) + match[cut:] + data.draw(around)

    plain = patterns._plain(pattern)
    assert plain is not None
    assert found(plain.search(text)) == found(patterns._re2(pattern).search(text))


NOT_PLAIN = {
    "nested repetitions": "x(a+)+b",
    "repetitions that overlap": "xa*a*b",
    "a repetition that its end is part of": "x.*y",
    "a repetition first": "[0-9]+ms",
    "a repetition of several": "x(ab)*c",
    "a reference back": r"x(a)\1",
    "a look ahead": "x(?=a)",
    "cases": "(?i)xk",
    "any character at all": "(?s)x.",
    "white space, which is not quite the same": r"x\s",
    "borders of words": r"\bx",
    "classes of POSIX": "x[[:alpha:]]",
    "quotes": r"x\Qa+\E",
    "the end in the middle": "x(?:a|$)",
    "a beginning like any": "[^b]a",
    "not ASCII": "xé",
    "not a pattern": "x(",
}


@pytest.mark.parametrize("pattern", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_other_patterns_are_left_to_re2(pattern: str) -> None:
    assert patterns._plain(pattern) is None


def test_long_texts_are_left_to_re2() -> None:
    """It finds the same there, and looks at a first part of very long ones only."""
    text = "y" * patterns.PLAIN_TEXT_MAX + "x1"

    assert patterns.search("x([0-9])", text).group(1) == "1"
    assert patterns.search("x([0-9])", "y" * patterns.TEXT_MAX + "x1") is None
