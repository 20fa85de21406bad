"""A config that was just written, tried on the samples that it was written from."""

from __future__ import annotations

from dataclasses import dataclass

from logmetrics.authoring.inference.draft import Draft
from logmetrics.authoring.inference.writing import written
from logmetrics.config.loading import parse_config
from logmetrics.config.specs import Config
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program
from logmetrics.sources.samples import sample_paths
from logmetrics.store.store import Store

_BLOCK_RECORDS = 200
FILE = "config.yaml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the config in ``text`` makes of the samples."""

    text: str
    records: int
    counted: int
    unparsable: int
    # Metrics that got a value, and their series; a histogram's are one here.
    metrics: int
    series: int
    overflowed: tuple[str, ...]


def tried(draft: Draft) -> Outcome:
    """*draft* written down, without rules that matched nothing and metrics that got no value. Raises ConfigError."""
    while True:
        text = written(draft)
        config = parse_config(text, FILE, builtin_packs())
        store, programs = _run(config, draft)
        idle = {rule.name for program in programs for rule in program.rules if not rule.of_pack}
        idle -= {rule.name for program in programs for rule in program.rules if rule.matches}
        store.commit(0.0)
        rows = {spec.name: sum(1 for _, value in rows if value) for spec, rows in store.view().families}
        empty = {name for name in draft.metrics if not rows.get(name)}
        if not _drop(draft, idle, empty):
            break
    counted = sum(len(log.records) for log in draft.reading.logs) - sum(program.uncounted for program in programs)
    return Outcome(
        text,
        draft.reading.records,
        max(counted, 0),
        sum(program.unparsable for program in programs),
        sum(1 for count in rows.values() if count),
        sum(rows.values()),
        tuple(sorted(family.spec.name for family in store.families.values() if family.guard.overflows)),
    )


def _run(config: Config, draft: Draft) -> tuple[Store, list[Program]]:
    store = Store(config.rule_set.metrics, config.limits)
    programs = []
    remaining = {log.path: log for log in draft.reading.logs}
    for source in config.sources:
        program = compiled(config, source, store)
        programs.append(program)
        for path in sample_paths(source)[0]:
            read = remaining.pop(path, None)
            if read is None:
                continue
            log = Log(path, source.name)
            for start in range(0, len(read.records), _BLOCK_RECORDS):
                program.apply(read.records[start : start + _BLOCK_RECORDS], log, 0.0)
    return store, programs


def _drop(draft: Draft, idle: set[str], empty: set[str]) -> bool:
    """Take out of *draft* what the trial showed to be of no use; False when there was nothing."""
    changed = False
    for _, plan in draft.plans:
        kept = []
        for rule in plan.rules:
            updates = [(series, value) for series, value in rule.updates if series.split("{")[0] not in empty]
            changed = changed or rule.name in idle or updates != rule.updates
            rule.updates = updates
            if updates and rule.name not in idle:
                kept.append(rule)
        plan.rules = kept
        used = {series.split("{")[0] for rule in kept for series, _ in rule.updates}
        changed = changed or not used >= plan.metrics.keys()
        plan.metrics = {name: metric for name, metric in plan.metrics.items() if name in used}
    return changed
