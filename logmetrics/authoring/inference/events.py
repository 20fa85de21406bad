"""Which field tells what a record is about, and so which kinds of records there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from logmetrics.authoring.inference.decoding import Path, Record, at
from logmetrics.authoring.inference.fields import FieldStats, Kind
from logmetrics.authoring.inference.naming import TELLING_WORDS_MAX, telling
from logmetrics.authoring.inference.spelling import CONTAINERS, snake
from logmetrics.authoring.inference.values import words_of
from logmetrics.config.expression_text import path_text, text_literal

# Names of such fields, the plainest first. A message is one when it is a constant phrase.
NAMES = (
    *("event_type", "eventtype", "event_name", "event", "evt", "evt_type", "type", "kind", "record_type", "action"),
    *("operation", "op", "subtype", "call_type", "phase", "stage", "msg", "message"),
)
_EVENT_NAMES = ("msg", "message", "eventtype", "event_type", "event_name", "evt", "evt_type")
# In so few records each may have an event of its own.
_FEW_RECORDS = 50
# Such a share of all records must have it; of a second one such a share of records of one value of the first.
_SHARE_LEAST, _SECOND_SHARE_LEAST = 0.5, 0.9
VALUES_MAX = 60
_WORDS_MAX = 5
_PHRASES_MAX = 30

Values = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Discriminator:
    """A field whose value is a record's event."""

    path: Path
    label: str

    @property
    def expression(self) -> str:
        return path_text(self.path)

    def as_label(self, values: Iterable[str | None]) -> str:
        """The expression for its label: a message can be anything at any time, so those among *values* are listed."""
        if snake(self.path[-1]) not in ("msg", "message"):
            return self.expression
        phrases = list(dict.fromkeys(value for value in values if value))[:_PHRASES_MAX]
        names = [snake(phrase) for phrase in phrases]
        if len({*names, ""}) <= len(names):
            names = phrases
        pairs = zip(map(text_literal, phrases), map(text_literal, names), strict=True)
        return f'map({self.expression}, {{{", ".join(f"{phrase}: {name}" for phrase, name in pairs)}}}, "other")'


def discriminators(kind: Kind) -> list[Discriminator]:
    """The fields that tell apart records of *kind*: none, one, or two."""
    candidates = [stats for stats in kind.fields.values() if _is_candidate(stats)]
    firsts = [stats for stats in candidates if kind.share(stats) >= _SHARE_LEAST]
    if not firsts:
        return []
    first = min(firsts, key=lambda stats: (_rank(stats), len(stats.path), stats.path))
    found = [Discriminator(first.path, _label(first.path, ()))]
    second = _second(kind, first, candidates)
    if second is not None:
        found.append(Discriminator(second.path, _label(second.path, found)))
    return found


def _second(kind: Kind, first: FieldStats, candidates: Sequence[FieldStats]) -> FieldStats | None:
    """A further field that most records of one event have, and that tells these apart."""
    largest = first.values.most_common(1)[0][1]
    others = [
        stats
        for stats in candidates
        if stats.path != first.path
        and stats.distinct > 1
        and stats.present >= min(_SECOND_SHARE_LEAST * largest, _SHARE_LEAST * kind.count)
        and (len(stats.path) > 1 or "subtype" in stats.path[-1].lower())
        and snake(stats.path[-1]) not in ("msg", "message", "phase", "stage", "action")
        and not _says_the_same(first, stats, kind.kept)
    ]
    return min(others, key=lambda stats: (_rank(stats), len(stats.path), stats.path), default=None)


def _says_the_same(first: FieldStats, second: FieldStats, records: Iterable[Record]) -> bool:
    """Whether the one follows from the other."""
    pairs = {
        (at(record, first.path), str(at(record, second.path))) for record in records if _text_at(record, first.path)
    }
    return len(pairs) <= len({first_value for first_value, _ in pairs})


def _text_at(record: Record, path: Path) -> str | None:
    value = at(record, path)
    return value if value.__class__ is str else None


def _is_candidate(stats: FieldStats) -> bool:
    is_own = all(key.lower() in CONTAINERS for key in stats.path[:-1])
    if snake(stats.path[-1]) not in NAMES or not is_own or not stats.is_mostly("text"):
        return False
    if stats.distinct < 2 and not {"event", "evt", "eventtype"}.intersection(words_of(stats.path[-1])):
        return False
    if stats.has_more_values or stats.distinct > VALUES_MAX or not stats.looks_mostly("word"):
        return False
    is_message = snake(stats.path[-1]) in ("msg", "message") or any(" " in value for value in stats.values)
    if is_message and (stats.distinct > stats.present / 2 or max(map(len, map(words_of, stats.values))) > _WORDS_MAX):
        return False
    return stats.distinct <= max(3, stats.present / 1.5) or _are_names(stats)


def _are_names(stats: FieldStats) -> bool:
    """Whether its values are names for sure, such as job_done, although nearly each of few records has its own."""
    is_plain = all(value.isascii() and value.replace("_", "").replace(".", "").isalpha() for value in stats.values)
    return stats.present <= _FEW_RECORDS and is_plain


def _rank(stats: FieldStats) -> int:
    # What holds phrases is second to what holds names.
    has_phrases = any(" " in value for value in stats.values)
    return NAMES.index(snake(stats.path[-1])) + (len(NAMES) if has_phrases else 0)


def _label(path: Path, others: Sequence[Discriminator]) -> str:
    name = snake(path[-1])
    if name in _EVENT_NAMES:
        name = "event"
    if len(path) > 1 and any(name == other.label for other in others):
        name = snake("_".join(path[-2:]))
    return f"sub_{name}" if any(name == other.label for other in others) else name


@dataclass(slots=True)
class Events:
    """The records of one format, all together and by their events."""

    by: list[Discriminator]
    all: Kind
    kinds: dict[Values, Kind]

    def values_of(self, record: Record, paths: Sequence[Path]) -> Values:
        """The event of *record*, which the fields at *paths* tell."""
        return tuple(_text_at(record, path) for path in paths)

    def name(self, values: Values) -> str:
        """An event's name as part of a metric's: what tells it best."""
        told = [value for value in values if value]
        if not told:
            return ""
        name = snake(told[-1])
        is_short = " " not in told[-1] and name.count("_") < TELLING_WORDS_MAX
        return name if is_short else telling(words_of(told[-1])) or name

    def condition(self, chosen: Sequence[Values]) -> str:
        """The condition that the events *chosen* meet; empty when all do."""
        if not self.by or set(chosen) == set(self.kinds):
            return ""
        if len(self.by) == 1:
            return _one_of(self.by[0].expression, [values[0] for values in chosen])
        firsts = list(dict.fromkeys(values[0] for values in chosen))
        parts = []
        for first in firsts:
            seconds = [values[1] for values in chosen if values[0] == first]
            all_seconds = [values[1] for values in self.kinds if values[0] == first]
            test = _one_of(self.by[0].expression, [first])
            if set(seconds) != set(all_seconds):
                test += f" and {_one_of(self.by[1].expression, seconds)}"
            parts.append(test if len(firsts) == 1 or " and " not in test else f"({test})")
        return " or ".join(parts)


def _one_of(field: str, values: Sequence[str | None]) -> str:
    told = [value for value in values if value is not None]
    tests = []
    if len(told) == 1:
        tests.append(f"{field} == {text_literal(told[0])}")
    elif told:
        tests.append(f"{field} in [{', '.join(map(text_literal, told))}]")
    if len(told) < len(values):
        tests.append(f"not has({field})")
    return tests[0] if len(tests) == 1 else f"({' or '.join(tests)})"


def events_of(records: Sequence[tuple[str, Record]]) -> Events:
    """*records*, each with its log, by their events."""
    everything = Kind()
    for log, record in records:
        everything.add(record, log)
    by = discriminators(everything)
    kinds: dict[Values, Kind] = {}
    for log, record in records:
        values = tuple(_text_at(record, discriminator.path) for discriminator in by)
        kinds.setdefault(values, Kind()).add(record, log)
    return Events(by, everything, dict(sorted(kinds.items(), key=lambda pair: (-pair[1].count, str(pair[0])))))
