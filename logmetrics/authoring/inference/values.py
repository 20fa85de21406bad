"""What single values look like: times, durations, ids, secrets, words."""

from __future__ import annotations

import re
from itertools import pairwise

from logmetrics.authoring.inference.decoding import is_duration_text
from logmetrics.store.shapes import generalize

# Longer texts are no names of anything.
NAME_CHARACTERS_MAX, NAME_BLANKS_MAX = 48, 4
# Forms of time, as comments name them; those without a zone are marked.
_TIMES = (
    ("ISO 8601 with a zone", re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?\s?(Z|z|[+-]\d\d:?(\d\d)?)")),
    ("ISO 8601 without a zone", re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?")),
    ("a date and a clock without a zone", re.compile(r"\d{4}/\d\d/\d\d[ -]+\d\d:\d\d:\d\d([.,]\d+)?")),
    ("Apache's form", re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}")),
    ("syslog's form, without year and zone", re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d")),
    ("a day without a clock", re.compile(r"\d{4}-\d\d-\d\d")),
)
ISO_DURATION = re.compile(r"PT(\d+(?:\.\d+)?)S")
CLOCK_DURATION = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d(?:\.\d+)?)")
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,2})?")
_WORD = re.compile(r"[^\W_][\w.:/ +()\[\]<>#&'%-]*", re.UNICODE)
# What keys and passwords begin with, or look like: nothing that anybody calls a thing by.
_SECRET = re.compile(
    r"^(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abpors]|AKIA|ASIA|AIza|eyJ|hf|Bearer|Basic)[-_. ]?[A-Za-z0-9+/_-]{8,}"
    r"|-----BEGIN|(?i:passw(?:or)?d|secret|api[_-]?key)\s*[=:]"
)
# Numbers of people, cards and telephones, in groups.
_GROUPED_NUMBER = re.compile(r"[+(]?\d{2,}\)?(?:[ -]\d{2,}){2,}")
_DIGITS = re.compile(r"\d")
_EPOCHS = (("s", 9.5e8, 4.1e9), ("ms", 9.5e11, 4.1e12), ("us", 9.5e14, 4.1e15), ("ns", 9.5e17, 4.1e18))


def look_of(text: str) -> str:
    """What a text is: time, duration, iso_duration, clock_duration, number, secret, id, path, long, empty, or word."""
    if not text.strip():
        return "empty"
    if len(text) > NAME_CHARACTERS_MAX or text.count(" ") > NAME_BLANKS_MAX or not text.isprintable():
        return "long"
    if text[0].isdigit() or text[0] in "P-":
        look = _numeric_look(text)
        if look:
            return look
    if text[0].isalpha() and time_form(text):
        return "time"
    if _SECRET.search(text):
        return "secret"
    if generalize(text) != text or "@" in text or _GROUPED_NUMBER.fullmatch(text):
        return "id"
    if _is_scrambled(text):
        return "secret"
    if text[0] in "/~\\" or "://" in text or "\\" in text or text[1:3] == ":/":
        return "path"
    return "word" if _WORD.fullmatch(text) else "odd"


def _numeric_look(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return "number"
    if is_duration_text(text):
        return "duration"
    if ISO_DURATION.fullmatch(text):
        return "iso_duration"
    if CLOCK_DURATION.fullmatch(text):
        return "clock_duration"
    return "time" if time_form(text) else ""


def time_form(text: str) -> str:
    """In which form *text* tells a time; empty when it tells none."""
    return next((name for name, pattern in _TIMES if pattern.fullmatch(text)), "")


def epoch_unit(least: float, most: float) -> str:
    """The unit in which numbers between *least* and *most* can be times since 1970; empty when they cannot."""
    return next((unit for unit, low, high in _EPOCHS if low <= least and most <= high), "")


def _is_scrambled(text: str) -> bool:
    """Letters of both cases and digits all mixed up, as in keys and hashes in base 64."""
    if len(text) < 16 or " " in text or "." in text:
        return False
    changes = sum((one.isdigit(), one.isupper()) != (other.isdigit(), other.isupper()) for one, other in pairwise(text))
    return len(_DIGITS.findall(text)) >= 3 and changes > len(text) / 3


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: durationMs, duration_ms and duration-ms are two words each."""
    parts = _WORDS.findall(name[:200])
    return tuple(part.lower() for part in parts)


_WORDS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+[a-z]*|[^\W\d_a-zA-Z]+")
