"""Each rule of each pack is tested: where anything of it is broken, a test in tests/packs fails.

In CI what is broken is each condition, label, value and update, and each text and number in a condition. With
MUTATIONS=all it is also each operand, alternative, entry of a table and the like.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import yaml

from logmetrics.authoring.trials.loading import load_tests
from logmetrics.authoring.trials.running import run_file
from logmetrics.packs import builtin_packs
from tests.mutations import Mutant, mutants_of
from tests.pack_bench import PackBench

TESTS = Path(__file__).parent / "packs"
IS_ALL = os.environ.get("MUTATIONS") == "all"


@cache
def equivalent(pack: str) -> frozenset[str]:
    """Mutants of *pack* that count the same as the pack; the file says why."""
    groups = yaml.safe_load((TESTS / "equivalent.yaml").read_text(encoding="utf-8"))
    names = [name for group in groups for name in group["mutants"] if re.match(rf"{pack}[:/]", name)]
    assert len(names) == len(set(names))
    return frozenset(names)


@cache
def mutants(pack: str) -> list[Mutant]:
    """All of *pack*."""
    return mutants_of(builtin_packs()[pack])


def benches_of(pack: str) -> list[PackBench]:
    """The tests of *pack*, and the one of those with a source that names its agent."""
    named = load_tests(str(TESTS / "named-source.test.yaml"))
    named = replace(named, tests=tuple(test for test in named.tests if test.name.startswith(f"{pack} ")))
    own = PackBench(load_tests(str(TESTS / f"{pack}.test.yaml")), pack)
    return [own, PackBench(named, pack)] if named.tests else [own]


def is_confirmed(pack: str, mutant: Mutant, bench: PackBench, test: str) -> bool:
    """Whether `logmetrics test` itself fails in *test* with *mutant*."""
    broken = replace(builtin_packs()[pack], rule_set=mutant.rule_set)
    only = re.compile(f"^{re.escape(test)}$")
    results = run_file(bench.file, {**builtin_packs(), pack: broken}, only)
    return [result.passed for result in results] == [False]


@pytest.mark.parametrize("pack", builtin_packs())
def test_what_is_broken_is_noticed(pack: str) -> None:
    """All mutants are, but those that are known to be no change."""
    benches = benches_of(pack)
    chosen = [mutant for mutant in mutants(pack) if IS_ALL or mutant.is_basic]
    unnoticed, confirmed = set(), set()
    for mutant in chosen:
        killed = next(((bench, test) for bench in benches if (test := bench.killer(mutant))), None)
        # The command itself is slower; it is asked about one condition, label and value of each rule.
        kind = (mutant.rules, mutant.name.split(": ")[1].split(" ")[0].split("{")[0])
        if killed is None:
            unnoticed.add(mutant.name)
        elif kind not in confirmed or IS_ALL:
            confirmed.add(kind)
            assert is_confirmed(pack, mutant, *killed), f"{mutant.name}: {killed[1]}"
    known = equivalent(pack) & {mutant.name for mutant in chosen}
    assert sorted(unnoticed - known) == [], "add a line to tests/packs, or simplify the pack"
    assert sorted(known - unnoticed) == [], "these are noticed: take them out of tests/packs/equivalent.yaml"


def test_each_rule_has_its_mutants() -> None:
    """No rule is left out: its format and updates, and its condition, labels and values where it has them."""
    for pack in builtin_packs().values():
        basic = [mutant.name for mutant in mutants(pack.name) if mutant.is_basic]
        for rule in pack.rule_set.rules:
            wanted = ["of another format", *(f"label {label}: always the same" for label in rule.labels)]
            wanted += ["when: left out", "when: negated"] if rule.when is not None else []
            wanted += ["start: negated", "end: negated", "key: always the same"] if rule.pair is not None else []
            assert not [what for what in wanted if f"{rule.name}: {what}" not in basic and '"~"' not in what]
            for update in rule.updates:
                assert any(name.startswith(f"{rule.name}: {update.metric}") for name in basic)


def test_mutants_are_what_their_names_say() -> None:
    """Their names are different, and each has something changed."""
    for pack in builtin_packs().values():
        found = mutants(pack.name)
        assert len({mutant.name for mutant in found}) == len(found)
        assert all(mutant.rules and mutant.rule_set != pack.rule_set for mutant in found)
    names = [mutant.name for mutant in mutants("crewai")]
    assert names[:2] == ["crewai: recognise: left out", "crewai: recognise: negated"]
    assert "crewai/task: when: other text than 'completed'" in names
    assert 'crewai/task duration: key: without task in join(task_name or "", ":", task)' in names
