"""Go durations, as Go prints them and as Windows consoles spoil them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmetrics.formats.go_duration import parse_go_duration

DURATIONS_S = {
    "0s": 0.0,
    "999ns": 999e-9,
    "28.5µs": 28.5e-6,
    "739µs": 739e-6,
    "5.9809ms": 5.9809e-3,
    "82.985212ms": 82.985212e-3,
    "1.5s": 1.5,
    "35.684791792s": 35.684791792,
    "1m0s": 60.0,
    "1m17s": 77.0,
    "1h38m42s": 5922.0,
    "2h0m0s": 7200.0,
    "3h19m34.907531305s": 11974.907531305,
    "2562047h47m16.854775807s": 9223372036.854775807,
    "-1.5s": -1.5,
    "-1m0.5s": -60.5,
    "-3.25ms": -0.00325,
}

MICRO_SIGNS = {
    "U+00B5": "\u00b5",
    "U+03BC": "\u03bc",
    "plain u": "u",
    "cp437": "┬╡",
    "cp850": "┬Á",
    "cp1252": "Âµ",
    "cp1252 twice": "Ã‚Âµ",
    "cp1251": "Вµ",
    "gbk": "碌",
    "U+FFFD": "\ufffd",
    "U+FFFD twice": "\ufffd\ufffd",
    "question mark": "?",
}

NO_DURATIONS = {
    "empty": "",
    "no unit": "1.5",
    "no number": "ms",
    "only a sign": "-s",
    "blank in front": " 1s",
    "blank between": "1 s",
    "newline behind": "1s\n",
    "no fraction behind the point": "1.s",
    "nothing before the point": ".5s",
    "exponent": "1e3s",
    "not a number": "nans",
    "infinite": "infs",
    "too long for a float": "9" * 400 + "s",
    "underscore": "1_000s",
    "other digits": "١s",
    "cut behind the minutes": "1m",
    "hours without minutes": "1h5s",
    "minutes with a fraction unit": "1m5ms",
    "days": "1d0h0m0s",
    "unknown unit": "5ks",
}


@pytest.mark.parametrize("text", DURATIONS_S)
def test_every_form_that_go_prints(text: str) -> None:
    """Each range of time.Duration.String() gives its seconds."""
    assert parse_go_duration(text) == pytest.approx(DURATIONS_S[text], rel=1e-15)


@pytest.mark.parametrize("sign", MICRO_SIGNS.values(), ids=MICRO_SIGNS)
def test_micro_sign_in_every_spelling(sign: str) -> None:
    """A micro sign is one, whatever code page it went through."""
    assert parse_go_duration(f"713.052{sign}s") == pytest.approx(713.052e-6, rel=1e-15)


@pytest.mark.parametrize("text", NO_DURATIONS.values(), ids=NO_DURATIONS)
def test_anything_else_is_no_duration(text: str) -> None:
    """What Go does not print is None, not an exception and not a guess."""
    assert parse_go_duration(text) is None


def go_duration(duration_ns: int) -> str:
    """The text that time.Duration.String() gives."""
    sign, size_ns = "-" * (duration_ns < 0), abs(duration_ns)

    def decimal(unit_ns: int, value_ns: int) -> str:
        whole, rest = divmod(value_ns, unit_ns)
        digits = len(str(unit_ns)) - 1
        return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)

    if size_ns == 0:
        return "0s"
    for unit_ns, unit in ((1, "ns"), (10**3, "µs"), (10**6, "ms")):
        if size_ns < 1000 * unit_ns:
            return f"{sign}{decimal(unit_ns, size_ns)}{unit}"
    minutes, rest_ns = divmod(size_ns, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{front}{decimal(10**9, rest_ns)}s"


def test_the_formatter_of_this_test_prints_like_go() -> None:
    """The round trip below means something: its formatter gives the forms seen in logs."""
    assert [go_duration(ns) for ns in (0, 999, 28_500, 82_985_212, 1_500_000_000, 60_000_000_000, 5_922 * 10**9)] == [
        "0s",
        "999ns",
        "28.5µs",
        "82.985212ms",
        "1.5s",
        "1m0s",
        "1h38m42s",
    ]


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1) | st.integers(min_value=-(10**11), max_value=10**11))
def test_round_trip(duration_ns: int) -> None:
    """Every duration that Go can hold comes back from its text."""
    assert parse_go_duration(go_duration(duration_ns)) == pytest.approx(duration_ns / 1e9, rel=1e-12, abs=0.0)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """Any text gives a float or None."""
    assert isinstance(parse_go_duration(text), (float, type(None)))
