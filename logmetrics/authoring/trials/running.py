"""Runs the tests of a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

from logmetrics.authoring.trials.bench import Programs, Trial
from logmetrics.authoring.trials.comparing import Failure, UncountedLine, failures
from logmetrics.authoring.trials.coverage import Coverage
from logmetrics.authoring.trials.loading import config_of
from logmetrics.authoring.trials.specs import Expectation, Test, TestFile
from logmetrics.config.specs import Config, PackSpec


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of one test. ``uncounted`` are the lines that no rule counted, whether expected or not."""

    __test__ = False  # pytest takes it for one of its own

    test: Test
    failures: tuple[Failure, ...]
    uncounted: tuple[UncountedLine, ...]
    took_s: float

    @property
    def passed(self) -> bool:
        """Whether all expectations hold."""
        return not self.failures


def run_file(
    file: TestFile,
    packs: Mapping[str, PackSpec] | None = None,
    only: re.Pattern[str] | None = None,
    coverage: Coverage | None = None,
) -> list[TestResult]:
    """Run the tests of *file*, or those whose name *only* is found in; with *packs* in place of the built-in ones.

    What they touch is added to *coverage*. Raises ConfigError when the config cannot be used with *packs*.
    """
    config = file.config if packs is None else config_of(file, packs)
    programs = Programs(config, None if coverage is None else lambda rules: coverage.folder(file, rules))
    results = [run_test(test, config, programs) for test in file.tests if only is None or only.search(test.name)]
    programs.prepare_all()
    return results


def run_test(test: Test, config: Config, programs: Programs) -> TestResult:
    """Run one test."""
    started_s = perf_counter()
    failed: list[Failure] = []
    uncounted: tuple[UncountedLine, ...] = ()
    with Trial(config, programs, test) as trial:
        for step in test.steps:
            if isinstance(step, Expectation):
                found = trial.found()
                failed += failures(step, found)
                uncounted = tuple(found.uncounted)
            else:
                trial.do(step)
    return TestResult(test, tuple(failed), uncounted, perf_counter() - started_s)
