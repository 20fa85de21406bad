"""Which fields can be labels: few values, short ones, that are names and not data."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from logmetrics.authoring.inference.decoding import Path
from logmetrics.authoring.inference.fields import FieldStats, distinct_words
from logmetrics.authoring.inference.spelling import name_of, shown
from logmetrics.authoring.inference.values import words_of
from logmetrics.authoring.unbounded import is_unbounded, is_unbounded_field
from logmetrics.config.expression_text import path_text
from logmetrics.present.amounts import number_of

VALUES_MAX = 30
# What is likely to be a small set, whoever wrote the log; those in front are better labels.
_PREFERRED_TEXT = """
    level levelname severity lvl status outcome result success ok state code status_code
    event evt event_type kind type action operation op
    agent agent_name model tool tool_name method route queue worker component service logger module
    stage phase step role category reason error_type error_class provider region zone env priority channel source target
"""
PREFERRED = tuple(_PREFERRED_TEXT.split())
# What tells how something went, or what was done: nothing that a level is of.
_TELLS_NO_LEVEL_TEXT = """
    level levelname severity lvl log_level status outcome result success ok succeeded state code status_code error_type
    error_class reason event action operation op method
"""
_TELLS_NO_LEVEL = frozenset(_TELLS_NO_LEVEL_TEXT.split())
# Worth a label even while all records have the same value.
SINGLE_VALUE = frozenset(("level", "status", "agent", "agent_name", "model", "tool", "tool_name"))
_RANK = {name: rank for rank, name in enumerate(PREFERRED)}
# Words of names whose values are new again and again, however few a sample has; and those of secrets and of people.
_ID_WORDS_TEXT = """
    id ids uuid guid uid pid tid ppid uri url href path cwd dir directory file filename filepath folder branch
    hash sha sha1 sha256 md5 digest checksum etag ip addr address host hostname port session request trace span
    correlation transaction conversation thread message msg text content body prompt completion query question
    answer response description summary title subject comment note email mail user username login customer
    client account phone key token secret password passwd auth authorization cookie credential credentials
    pw pwd pass passphrase pin otp bearer card cvv iban ssn passport patient person employee firstname lastname
    surname fullname birthday birthdate dob street
    signature nonce seed cursor traceback stack stacktrace exception error err time timestamp ts date version
    rev revision commit build sql args arguments params input output payload data raw line lineno position
    offset slug fingerprint
"""
_ID_WORDS = frozenset(_ID_WORDS_TEXT.split())
# Names that are all right although one of their words is among those above.
_GOOD_NAMES_TEXT = """
    error_type error_class error_code error_kind exception_type message_type request_type request_method
    response_code response_status token_type input_type output_type content_type content_kind user_type
    client_type host_type error_category key_type session_type file_type data_type status_line
"""
_GOOD_NAMES = frozenset(_GOOD_NAMES_TEXT.split())
_LEVELS = {
    **dict.fromkeys(("trace", "verbose", "silly"), "trace"),
    **dict.fromkeys(("debug",), "debug"),
    **dict.fromkeys(("info", "information", "notice"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("error", "err"), "error"),
    **dict.fromkeys(("critical", "fatal", "panic", "emerg", "emergency", "alert"), "critical"),
}
_PINO_LEVELS = {"10": "trace", "20": "debug", "30": "info", "40": "warning", "50": "error", "60": "critical"}
_KLOG_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "critical"}
_LEVEL_NAMES = frozenset(("level", "levelname", "severity", "lvl", "log_level"))
# Prometheus puts these on all that it scrapes, and renames ours; the last ones are of histograms and summaries.
_RESERVED = {
    name: f"{name}_name" for name in ("job", "instance", "le", "quantile", "exported_job", "exported_instance")
}
_BOOLEANS = {"true", "false", "True", "False", "yes", "no"}
_NAMELIKE_LOOKS = ("word", "number")
_PLAIN = re.compile(r"[A-Za-z0-9_.:/ +-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Label:
    """A field as a label: its name, how to read it, how many values it had, and the evidence."""

    path: Path
    name: str
    expression: str
    values: int
    evidence: str
    is_preferred: bool
    # Words, and neither numbers nor true and false.
    is_named: bool = True

    @property
    def suits_gauge(self) -> bool:
        """Whether it can tell whose level it is."""
        return self.is_named and self.name not in _TELLS_NO_LEVEL

    @property
    def rank(self) -> tuple[int, int, str]:
        """Better ones are less."""
        return (_RANK.get(name_of(self.path), len(_RANK)), len(self.path), self.name)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a field cannot be a label."""

    why: str


def label_of(stats: FieldStats, records: int) -> Label | Refused:
    """*stats*, a field in some of *records* records, as a label, or why it cannot be one."""
    name = name_of(stats.path)
    if not stats.is_mostly("text", "boolean", "number"):
        return Refused("an object or a list")
    if not name:
        return Refused("its name has no letters that a label may have")
    if stats.has_more_values or stats.distinct > max(VALUES_MAX, 0.5 * stats.present):
        return Refused(f"{distinct_words(stats)} in {records:,} records: would be a series each")
    if bad := _refused_name(name, stats):
        return Refused(bad)
    if (stats.is_mostly("number") or stats.looks_mostly("number")) and not _is_code(stats, name):
        return Refused("numbers")
    if stats.kinds["text"] and not stats.looks_mostly(*_NAMELIKE_LOOKS):
        look = next((look for look, _ in stats.looks.most_common() if look not in _NAMELIKE_LOOKS), "odd")
        return Refused(_LOOKS_REFUSED.get(look, "values that are no names"))
    if bad := _refused_count(name, stats, records):
        return Refused(bad)
    is_named = stats.is_mostly("text") and not stats.looks_mostly("number") and not stats.values.keys() <= _BOOLEANS
    return Label(stats.path, *_as_label(stats, name), stats.distinct, values_shown(stats), name in _RANK, is_named)


def _refused_count(name: str, stats: FieldStats, records: int) -> str:
    """Why there are too many values, or too few, for a label; what is likely to be one is given more room."""
    if stats.distinct > VALUES_MAX:
        return f"{distinct_words(stats)} in {records:,} records: too many series"
    if stats.distinct == 1 and name not in _RANK:
        return "always the same"
    few, share = (4, 1.5) if name in _RANK else (2, 4)
    if stats.distinct > few and stats.distinct > stats.present / share:
        return f"{distinct_words(stats)} in {stats.present:,} records: nearly each has its own"
    return ""


_LOOKS_REFUSED = {
    "id": "ids",
    "long": "free text",
    "path": "paths or addresses",
    "secret": "looks like keys or passwords",
    "time": "times",
    "duration": "durations",
    "empty": "mostly empty",
    "number": "numbers",
}


def _refused_name(name: str, stats: FieldStats) -> str:
    if name in _GOOD_NAMES or name in _RANK:
        return ""
    words = set(words_of(stats.path[-1]))
    bad = words & _ID_WORDS
    parents = {word for key in stats.path[:-1] for word in words_of(key)}
    if bad or is_unbounded(name) or is_unbounded_field(stats.path[-1]):
        return "by its name an id, free text or private"
    if name == "name" and parents & {"file", "thread", "process", "user", "host", "session", "project"}:
        return "by its name an id, free text or private"
    return ""


def _is_code(stats: FieldStats, name: str) -> bool:
    """Numbers that are names: HTTP's status, an exit code, pino's levels."""
    is_named = words_of(name)[-1:] in (("code",), ("status",), ("level",), ("priority",), ("severity",))
    numbers = stats.numbers
    return is_named and numbers.count > 0 and numbers.are_whole and -1_000 < numbers.least <= numbers.most < 1_000


def _as_label(stats: FieldStats, name: str) -> tuple[str, str]:
    """The label's name and expression; what obviously tells a level or a success is told in the usual words."""
    field = path_text(stats.path)
    values = set(stats.values)
    if name in _LEVEL_NAMES:
        for table in (_PINO_LEVELS, _KLOG_LEVELS):
            if values <= table.keys():
                return "level", f"map({field}, {_table({value: table[value] for value in table})})"
        lowered = {value.lower() for value in values}
        if lowered <= _LEVELS.keys():
            told = {value: _LEVELS[value] for value in sorted(lowered) if _LEVELS[value] != value}
            return "level", f"map(lower({field}), {_table(told)})" if told else f"lower({field})"
        return "level", f"lower({field})" if stats.is_mostly("text") else field
    if name.endswith(("success", "ok", "succeeded")) and values <= {"true", "false"}:
        return "status", f'map({field}, {{"true": "success", "false": "error"}})'
    return _RESERVED.get(name, name), field


def _table(pairs: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": "{value}"' for key, value in pairs.items()) + "}"


def values_shown(stats: FieldStats) -> str:
    """How many values, with the most frequent ones, as a comment may tell them."""
    return f"{distinct_words(stats)}: {_told(stats.values)}"


def counts_shown(counts: Counter[str]) -> str:
    """The same for values that were counted elsewhere."""
    return f"{number_of('value', len(counts))}: {_told(counts)}"


def _told(counts: Counter[str]) -> str:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    parts = [
        f"{shown(value, 40) if _PLAIN.fullmatch(value) else '(another)'} {count:,}"
        for value, count in ranked[:_VALUES_TOLD]
    ]
    return ", ".join(parts) + (", ..." if len(ranked) > _VALUES_TOLD else "")


_VALUES_TOLD = 5
