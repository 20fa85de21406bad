"""What a person asks to have explained: a line of a file, a file, standard input, what a daemon did not count."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from logmetrics.authoring.explain import places
from logmetrics.authoring.explain.explainer import Explainer
from logmetrics.authoring.explain.facts import Explanation, Place, Verdict
from logmetrics.authoring.explain.overview import NeverFact, Overview, overview_of
from logmetrics.authoring.explain.reasons import Reason
from logmetrics.config.specs import Config, SourceSpec
from logmetrics.errors import UsageError
from logmetrics.rules.log import Log
from logmetrics.serve.status.data import UncountedRecord
from logmetrics.sources.samples import Sample

# So many records on standard input are told one by one.
STDIN_RECORDS_MAX = 100
# What rules know standard input by.
STDIN_PATH = "stdin"


def of_stdin(config: Config, config_text: str, data: bytes, source_name: str | None) -> list[Explanation]:
    """What becomes of each record in *data*, in their order. Raises UsageError."""
    source = places.source_of(config, "", source_name)
    framing = places.framing("", data, source)
    explainer = Explainer(config, source, config_text=config_text)
    log = Log(STDIN_PATH, source.name)
    told: list[Explanation] = []
    taken = list(places.samples("", data, source))
    if not taken:
        lines = data.count(b"\n") or 1
        if data.strip() and len(data) > source.max_line_bytes:
            return [explainer.passed_over("oversize", "", data[:1_000], Place("", 1, lines))]
        raise UsageError("there is no record on standard input")
    if len(taken) > STDIN_RECORDS_MAX:
        raise UsageError(
            f"over {STDIN_RECORDS_MAX} records on standard input; put them into a file, and name a line of it"
        )
    lines_of = data.split(b"\n")
    for sample in taken:
        raw = b"\n".join(lines_of[sample.first_line - 1 : sample.last_line])
        place = Place("", sample.first_line, sample.last_line)
        told += explainer.explain(sample.record, log, place, raw=raw, framing=framing)
    return told


def of_file(config: Config, config_text: str, where: str, source_name: str | None) -> list[Explanation] | Overview:
    """What becomes of the record at *where*, ``path:line``; of all records of a file, when no line is given and it has
    several. Raises UsageError and LogmetricsError.
    """
    path, line = places.place_of(where)
    if not os.path.exists(path):
        raise UsageError(f"no such file: {path}")
    if os.path.isdir(path):
        raise UsageError(f"{path} is a directory; name a file in it")
    source = places.source_of(config, path, source_name)
    if line is not None:
        return _line(config, config_text, path, line, source)
    taken = places.samples(path, None, source)
    first_two = [sample for sample, _ in zip(taken, range(2), strict=False)]
    if len(first_two) == 1:
        return _line(config, config_text, path, first_two[0].first_line, source)
    return _overview(config, config_text, path, source)


def _line(config: Config, config_text: str, path: str, line: int, source: SourceSpec) -> list[Explanation]:
    explainer = Explainer(config, source, config_text=config_text)
    log = Log(os.path.abspath(path), source.name)
    found = places.find(path, line, source, lambda records: explainer.read(records, log) if records else None)
    if found.sample is None:
        return [_no_record(explainer, found, path)]
    sample = found.sample
    framing = places.framing(path, None, source)
    place = Place(path, sample.first_line, sample.last_line)
    return explainer.explain(sample.record, log, place, raw=found.raw, framing=framing)


def _no_record(explainer: Explainer, found: places.Found, path: str) -> Explanation:
    place = Place(path, found.first_line, found.first_line)
    raw = found.raw.rstrip(b"\r\n")
    verdict: Verdict = "oversize" if len(raw) > explainer.source.max_line_bytes else "no_record"
    why = "an empty line, which is no record" if not raw.strip() else "no record: it only stands between two records"
    return explainer.passed_over(verdict, why, raw[:1_000], place)


def _overview(config: Config, config_text: str, path: str, source: SourceSpec) -> Overview:
    framing, now_s = places.framing(path, None, source), time.time()
    real = os.path.abspath(path)
    found = overview_of(config, source, places.samples(path, None, source), real, framing, now_s)
    # Told without what came before: a record that no rule counts is mostly one whatever that was.
    explainer = Explainer(config, source, config_text=config_text)
    shapes = []
    for fact, sample in zip(found.overview.shapes, found.firsts, strict=True):
        place = Place(path, sample.first_line, sample.last_line)
        told = explainer.explain(sample.record, Log(real, source.name), place)
        why = next((one.summary for one in told if one.verdict == fact.kind), told[0].summary)
        shapes.append(replace(fact, place=f"{path}:{sample.first_line}", why=why))
    matched = {rule.rule for rule in found.overview.rules}
    never = tuple(_never(explainer, Log(real, source.name), path, [*found.firsts, *found.counted_firsts], matched))
    return replace(found.overview, path=path, shapes=tuple(shapes), never=never)


def _never(
    explainer: Explainer, log: Log, path: str, samples: Sequence[Sample], matched: set[str]
) -> Iterator[NeverFact]:
    """Rules of the user's own that are for such records, and yet matched none of the log at *path*."""
    nearest: dict[str, tuple[Reason, Sample]] = {}
    for sample in samples:
        for rule, reason in explainer.against(sample.record, log):
            if rule not in nearest or reason.rank < nearest[rule][0].rank:
                nearest[rule] = (reason, sample)
    for rule, (reason, sample) in nearest.items():
        if rule not in matched and not reason.condition.startswith("source "):
            yield NeverFact(rule, reason.why, f"{path}:{sample.first_line}")


def of_uncounted(config: Config, config_text: str, records: Sequence[UncountedRecord]) -> list[Explanation]:
    """Why *records* were not counted by a daemon with this *config*. What came before them is not known here."""
    told: list[Explanation] = []
    explainers: dict[str, Explainer] = {}
    for record in records:
        source = next((one for one in config.sources if one.name == record.source), None)
        source = source or SourceSpec(record.source, (record.path,))
        explainer = explainers.get(source.name)
        if explainer is None:
            explainer = explainers[source.name] = Explainer(config, source, config_text=config_text)
        log, place = Log(record.path, source.name), Place(record.path, 0, 0)
        told += explainer.explain(record.text.encode("utf-8", "replace"), log, place)
    return told
