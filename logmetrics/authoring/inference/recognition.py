"""Which packs count which of the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from logmetrics.authoring.inference.reading import ReadLog
from logmetrics.config.loading import merge
from logmetrics.config.specs import LimitsSpec, PackSpec
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compile_rules
from logmetrics.rules.log import Log
from logmetrics.store.store import Store

# The pack for logs of any agent, and those of its rules that tell no more of a record than that there is one.
ANY_AGENT = "agent"
TELLS_LITTLE = frozenset(("active agent", "log record", "error"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What packs make of a record: the one that it is of, and the rules that counted it, by pack."""

    pack: str
    rules: frozenset[tuple[str, str]]

    @property
    def is_left_to_its_pack(self) -> bool:
        """Whether a pack knows the record, counted or not: what it passes over it does on purpose."""
        return self.pack != ANY_AGENT or any(pack != ANY_AGENT for pack, _ in self.rules)

    @property
    def is_told(self) -> bool:
        """Whether a rule tells more of it than its level."""
        return any(pack != ANY_AGENT or rule not in TELLS_LITTLE for pack, rule in self.rules)


NOBODYS = Verdict(ANY_AGENT, frozenset())


@dataclass(slots=True)
class Recognised:
    """How many records each pack knows as its own, how many it counts, and which of its rules do."""

    known: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    rules: dict[str, Counter[str]] = field(default_factory=dict)
    # The top-level keys that the pack for any agent reads.
    keys_read: frozenset[str] = frozenset()

    def metrics_of(self, pack: str) -> list[str]:
        """The metrics that the rules of *pack* which counted something feed."""
        counted = self.rules.get(pack, Counter())
        rules = [rule for rule in builtin_packs()[pack].rule_set.rules if rule.name.split("/", 1)[-1] in counted]
        return sorted({update.metric for rule in rules for update in rule.updates})

    @property
    def packs(self) -> list[str]:
        """Those that are worth having: the one for any agent, only if there are agents."""
        worth = [pack for pack in self.counted if pack != ANY_AGENT]
        rules = self.rules.get(ANY_AGENT, Counter())
        if set(rules) - {"log record", "error", "http request"}:
            worth.append(ANY_AGENT)
        return sorted(worth)


def judged(logs: Iterable[ReadLog], packs: Mapping[str, PackSpec]) -> tuple[list[list[Verdict]], Recognised]:
    """What *packs* make of each record of each log, and all of it together. They count nowhere else."""
    rule_set = merge([pack.rule_set for pack in packs.values()])
    program = compile_rules(rule_set, "logs", "auto", Store(rule_set.metrics, LimitsSpec()))
    recognised = Recognised(keys_read=program.others.keys)
    names = [tuple(rule.name.split("/", 1)) for rule in program.rules]
    verdicts: list[list[Verdict]] = []
    known: dict[tuple[str, tuple[int, ...]], Verdict] = {}
    for read in logs:
        log = Log(read.path, "logs")
        log.kinds = None  # records that come one by one are not worth functions of their own
        row: list[Verdict] = []
        before = [rule.matches for rule in program.rules]
        for record in read.records:
            of_before = dict(log.packs)
            program.apply([record], log, 0.0)
            after = [rule.matches for rule in program.rules]
            pack = next((name for name, count in log.packs.items() if count > of_before.get(name, 0)), ANY_AGENT)
            matched = () if after == before else _grown(before, after)
            before = after
            verdict = known.get((pack, matched))
            if verdict is None:
                rules = frozenset((names[number][0], names[number][1]) for number in matched)
                verdict = known[pack, matched] = Verdict(pack, rules)
            row.append(verdict)
            _count(recognised, verdict)
        verdicts.append(row)
    return verdicts, recognised


def _grown(before: list[int], after: list[int]) -> tuple[int, ...]:
    return tuple(number for number, count in enumerate(after) if count != before[number])


def _count(recognised: Recognised, verdict: Verdict) -> None:
    recognised.known[verdict.pack] += 1
    for pack in {pack for pack, _ in verdict.rules}:
        recognised.counted[pack] += 1
    for pack, rule in verdict.rules:
        recognised.rules.setdefault(pack, Counter())[rule] += 1
