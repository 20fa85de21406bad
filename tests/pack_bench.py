"""What the tests of a pack notice of its mutants, found out without files, an engine, and rules that did not change.

What rules count adds up, and they know of each other only what they remember. So a mutant's rule is run over the lines
of a test beside the same rule as it is: where the two differ in what the test compares, the test fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from logmetrics.authoring.trials.bench import Programs
from logmetrics.authoring.trials.comparing import found_samples
from logmetrics.authoring.trials.samples import samples_shown
from logmetrics.authoring.trials.specs import Expectation, Test, TestFile, Write
from logmetrics.config.specs import LimitsSpec, RuleSet, RuleSpec
from logmetrics.config.tree import Call
from logmetrics.formats.framing import FIRST_BYTES, framing_of
from logmetrics.rules.log import Log
from logmetrics.store.store import Store
from tests.mutations import Mutant

# Of the generic pack that stands beside others this rule is enough to see that a record is its own.
_WITNESS = "agent/log record"
# What these show is not the sum of what rules do.
_NOT_ADDED = ("active", "gauge", "info")
# Samples by name and labels, and numbers of updates that were skipped and of lines that were not matched.
Seen = dict[object, float]


class PackBench:
    """The tests of a file, and what they see of the rules of one pack."""

    def __init__(self, file: TestFile, pack: str) -> None:
        self.file = file
        self.pack = pack
        self.rules = {rule.name: rule for rule in file.config.rule_set.rules}
        self._written = {test.name: list(_records(test)) for test in file.tests}
        self._as_it_is: dict[tuple[frozenset[str], bool, str], Seen] = {}

    def killer(self, mutant: Mutant) -> str | None:
        """The name of a test that fails with *mutant*; None: there is none."""
        changed = [rule for rule in mutant.rule_set.rules if rule.name in mutant.rules]
        remembered = any(_remembers(rule) or _remembers(self.rules[rule.name]) for rule in changed)
        if remembered or any(rule.recognise != self.rules[rule.name].recognise for rule in changed):
            return self._killer(changed, whole_pack=True)
        # One rule after the other: most are killed by the first.
        return next(filter(None, (self._killer([rule], whole_pack=False) for rule in changed)), None)

    def _killer(self, changed: Sequence[RuleSpec], *, whole_pack: bool) -> str | None:
        names = frozenset(rule.name for rule in changed)
        programs = self._programs({rule.name: rule for rule in changed}, whole_pack=whole_pack)
        for test in self._likely_first(names, whole_pack=whole_pack):
            expected = self._as_it_is[names, whole_pack, test.name]
            if self._seen(programs, test, whole_pack=whole_pack) != expected:
                return test.name
        return None

    def _likely_first(self, names: frozenset[str], *, whole_pack: bool) -> list[Test]:
        """The tests, those first in which the rules called *names* count something, the shorter before the longer."""
        if (names, whole_pack, self.file.tests[0].name) not in self._as_it_is:
            programs = self._programs({name: self.rules[name] for name in names}, whole_pack=whole_pack)
            for test in self.file.tests:
                seen = self._seen(programs, test, whole_pack=whole_pack)
                self._as_it_is[names, whole_pack, test.name] = seen

        def likelihood(test: Test) -> tuple[bool, int]:
            return not self._as_it_is[names, whole_pack, test.name], sum(
                len(each[1]) for each in self._written[test.name]
            )

        return sorted(self.file.tests, key=likelihood)

    def _programs(self, changed: Mapping[str, RuleSpec], *, whole_pack: bool) -> Programs:
        """Those *changed*, and all that must stand beside them."""
        metrics = self.file.config.rule_set.metrics
        shared = {
            update.metric
            for name, rule in changed.items()
            for update in (*rule.updates, *self.rules[name].updates)
            if metrics[update.metric].type in _NOT_ADDED
        }
        rules, told = [], set()
        for name, rule in self.rules.items():
            beside = rule.pack != self.pack
            is_needed = (
                name in changed
                or _remembers(rule)
                or name == _WITNESS
                or (whole_pack and (not beside or rule.pack != _WITNESS.split("/")[0]))
                or any(update.metric in shared for update in rule.updates)
            )
            # One rule of a pack tells which records are that pack's, for each format.
            if is_needed or (rule.pack, rule.format) not in told:
                rules.append(changed.get(name, rule))
            if name not in changed:
                told.add((rule.pack, rule.format))
        return Programs(replace(self.file.config, rule_set=RuleSet(metrics, tuple(rules))))

    def _seen(self, programs: Programs, test: Test, *, whole_pack: bool) -> Seen:
        """What *test* compares, after its lines."""
        store = Store(self.file.config.rule_set.metrics, LimitsSpec())
        source = next((step.source for step in test.steps if isinstance(step, Write)), "")
        program = programs.of(source, store)
        for path, records in self._written[test.name]:
            program.apply(records, Log(path, source), test.start_s)
            store.fold()
        store.commit(test.start_s)
        seen: Seen = {}
        expected = next(step for step in test.steps if isinstance(step, Expectation))
        names = {each.sample.name for each in expected.series}
        for name, samples in found_samples(samples_shown(store.view().families)).items():
            if (expected.only and not name.endswith("_bucket")) or name in names:
                seen |= {(name, pairs): value for pairs, value in samples.items()}
        if expected.skipped is not None:
            seen |= {(rule.name, why): count for rule in program.rules for why, count in rule.skipped.items()}
        if whole_pack and "unmatched" in (expected.lines or {}):
            seen["unmatched"] = program.unmatched
        return seen


def _records(test: Test) -> Iterator[tuple[str, list[bytes]]]:
    for step in test.steps:
        assert isinstance(step, (Write, Expectation)), f"{test.name}: only lines are looked at here"
        if isinstance(step, Write):
            data = step.data.removesuffix(b"\n") + b"\n"
            yield step.log, framing_of(data[:FIRST_BYTES]).take(data, b"").records


def _remembers(rule: RuleSpec) -> bool:
    """Whether other rules can ask for what *rule* keeps."""
    parts = rule.parts()
    return bool(rule.remember) or any(
        isinstance(part, Call) and part.name == "remember" and len(part.arguments) == 2 for part in parts
    )
