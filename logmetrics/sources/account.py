"""What is told about sources, files, rules and metrics: their tallies, put into the self-metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from logmetrics import __version__
from logmetrics.sources.known import Known
from logmetrics.sources.position import RESTARTS
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.stream import Stream
from logmetrics.sources.tail import Tail
from logmetrics.store.self_metrics import OVERFLOWS, SelfMetrics
from logmetrics.store.store import Store

Put = Callable[..., None]
# More logs than this are told of by numbers; more keys than this are not named.
LOGS_TOLD_MAX = 12
KEYS_TOLD_MAX = 8
# Of logs that come later people are told this often.
TELL_INTERVAL_S = 10.0
_NOTHING = "no pack knows these lines; logmetrics init writes rules for them"
# Nobody makes metrics of these.
_OF_EVERY_RECORD = frozenset("message msg text time timestamp ts asctime pid hostname v".split())  # noqa: SIM905


def tell(
    metrics: SelfMetrics,
    readers: Iterable[SourceReader],
    known: Known,
    streams: Iterable[Stream],
    store: Store,
    now_s: float,
) -> None:
    """Bring the self-metrics up to date."""
    put = metrics.set
    put("logmetrics_build_info", 1, __version__)
    _tell_sources(put, readers, known, streams, now_s)
    _tell_rules(put, readers)
    for reason, lost_bytes in known.orphans.lost_bytes.items():
        put("logmetrics_lost_bytes_total", lost_bytes, reason)
    put("logmetrics_open_files", known.open_count)
    for family in store.families_in_use:
        if family.told and not family.has_news:
            continue
        family.told = True
        metric = family.spec.name
        put("logmetrics_series", family.guard.series, metric)
        put("logmetrics_series_limit", family.guard.series_max, metric)
        for (label, level), count in family.guard.overflows.items():
            put(OVERFLOWS, count, metric, label, level)
        put("logmetrics_parked_series", len(family.parking), metric)
        for move, count in family.moves.items():
            put(f"logmetrics_{move}_series_total", count, metric)


class Recognised:
    """Tells what logs were taken for, each once. *monotonic* is in seconds."""

    def __init__(
        self, known: Known, streams: Iterable[Stream], say: Callable[[str], None], monotonic: Callable[[], float]
    ) -> None:
        self._known, self._streams, self._say, self._monotonic = known, streams, say, monotonic
        self._told_s = float("-inf")

    def tell(self) -> None:
        """Tell of all that were read and not told of yet; not again for a while."""
        now_s = self._monotonic()
        if now_s - self._told_s < TELL_INTERVAL_S:
            return
        self._told_s = now_s
        tails = [tail for tail in self._known.tails.values() if tail.log.was_read and not tail.log.told]
        logs: list[Tail | Stream] = [*sorted(tails, key=lambda tail: tail.log.path)]
        logs += [stream for stream in self._streams if stream.log.was_read and not stream.log.told]
        for log in logs:
            log.log.told = True
        for message in _recognised(logs):
            self._say(message)


def _recognised(logs: Iterable[Tail | Stream]) -> list[str]:
    """What *logs* were taken for, in words: each log, or when there are many, how many of each pack."""
    told = [(log, " + ".join(pack for pack, _ in log.log.packs.most_common()) or _NOTHING) for log in logs]
    told = [(log, packs) for log, packs in told if packs != _NOTHING or _is_strange(log)]
    if len(told) <= LOGS_TOLD_MAX:
        return [f"{_name(log)}: {packs}{_left_alone([log])}" for log, packs in told]
    by_packs: dict[str, list[Tail | Stream]] = {}
    for log, packs in told:
        by_packs.setdefault(packs, []).append(log)
    return [
        f"{len(some):,} log{'s' if len(some) > 1 else ''}, such as {_name(some[0])}: {packs}{_left_alone(some)}"
        for packs, some in sorted(by_packs.items(), key=lambda entry: -len(entry[1]))
    ]


def _name(log: Tail | Stream) -> str:
    return log.position.path if isinstance(log, Tail) else log.name


def _is_strange(log: Tail | Stream) -> bool:
    """Whether lines were read that no pack knows, and there are no rules but those of packs."""
    return log.log.was_read and not log.reader.program.has_own_rules and not (isinstance(log, Tail) and not log.offset)


def _left_alone(some: list[Tail | Stream]) -> str:
    """The keys that no rule reads, of logs that are of no pack in particular."""
    others = some[0].reader.program.others
    logs = [one.log for one in some if set(one.log.packs) == {others.pack}]
    keys = sorted(frozenset().union(*(log.kinds or () for log in logs)) - others.keys - _OF_EVERY_RECORD)
    if not keys:
        return ""
    more = f" and {len(keys) - KEYS_TOLD_MAX} more" if len(keys) > KEYS_TOLD_MAX else ""
    return f"; fields that no rule reads: {', '.join(keys[:KEYS_TOLD_MAX])}{more}"


def _tell_sources(
    put: Put, readers: Iterable[SourceReader], known: Known, streams: Iterable[Stream], now_s: float
) -> None:
    lag: Counter[str] = Counter()
    for tail in known.busy:  # all others are read to their ends
        lag[tail.reader.spec.name] += tail.lag_bytes
    for stream in streams:
        lag[stream.reader.spec.name] += stream.lag_bytes
    for reader in readers:
        name = reader.spec.name
        put("logmetrics_source_lines_total", reader.lines, name)
        put("logmetrics_source_bytes_total", reader.bytes, name)
        if reader.last_record_s is None or reader.lines != reader.lines_told:
            reader.lines_told, reader.last_record_s = reader.lines, now_s
        put("logmetrics_source_last_record_timestamp_seconds", reader.last_record_s, name)
        put("logmetrics_source_unmatched_lines_total", reader.program.unmatched, name)
        put("logmetrics_source_unparsable_lines_total", reader.program.unparsable, name)
        put("logmetrics_source_continuation_lines_total", reader.program.continued, name)
        put("logmetrics_source_excluded_lines_total", reader.program.excluded, name)
        put("logmetrics_source_oversize_lines_total", reader.oversize, name)
        put("logmetrics_source_nul_bytes_total", reader.nul_bytes, name)
        put("logmetrics_source_files", reader.files, name)
        put("logmetrics_source_unreadable_files", len(reader.problems) + len(reader.troubles), name)
        put("logmetrics_source_lag_bytes", lag[name], name)
        put("logmetrics_source_rotations_total", reader.rotations, name)
        put("logmetrics_source_truncations_total", sum(reader.decisions[reason] for reason in RESTARTS), name)
        if reader.spec.journals:
            put("logmetrics_journal_gap_seconds_total", reader.gap_s, name)
        for reason, count in reader.decisions.items():
            put("logmetrics_source_decisions_total", count, name, reason)


def _tell_rules(put: Put, readers: Iterable[SourceReader]) -> None:
    """A rule that several sources use is one rule here."""
    totals: Counter[tuple[str, ...]] = Counter()
    for rule in (rule for reader in readers for rule in reader.program.rules if not rule.is_silent):
        totals["logmetrics_rule_matches_total", rule.name] += rule.matches
        for reason, count in rule.skipped.items():
            totals["logmetrics_rule_skipped_updates_total", rule.name, reason] += count
        for memory in rule.memories.values():
            totals["logmetrics_rule_remembered_keys", rule.name] += len(memory)
            totals["logmetrics_rule_forgotten_keys_total", rule.name] += memory.forgotten
        if rule.open_pairs is not None:
            totals["logmetrics_rule_open_pairs", rule.name] += len(rule.open_pairs)
            for reason, count in rule.open_pairs.broken.items():
                totals["logmetrics_rule_broken_pairs_total", rule.name, reason] += count
    for (metric, *labels), value in totals.items():
        put(metric, value, *labels)
