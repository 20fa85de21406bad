"""Results of tests as JSON, for programs."""

from __future__ import annotations

from collections.abc import Sequence

from logmetrics.authoring.trials.comparing import Difference, UncountedLine
from logmetrics.authoring.trials.coverage import FileCoverage
from logmetrics.authoring.trials.running import TestResult
from logmetrics.authoring.trials.specs import Sample, TestFile


def document_of(
    ran: Sequence[tuple[TestFile, Sequence[TestResult]]], coverage: Sequence[FileCoverage] | None = None
) -> dict[str, object]:
    """What became of all tests, and what they touched if that was asked for."""
    files = [{"path": file.path, "tests": [_test(result) for result in results]} for file, results in ran]
    passed = all(result.passed for _, results in ran for result in results)
    document: dict[str, object] = {"passed": passed, "files": files}
    if coverage is not None:
        document["coverage"] = [_coverage(file) for file in coverage]
    return document


def _test(result: TestResult) -> dict[str, object]:
    return {
        "name": result.test.name,
        "line": result.test.line,
        "passed": result.passed,
        "took_s": round(result.took_s, 6),
        "failures": [
            {
                "key": failure.key,
                "line": failure.line,
                "differences": [_difference(difference) for difference in failure.differences],
            }
            for failure in result.failures
        ],
        "uncounted": [_line(line) for line in result.uncounted],
    }


def _coverage(file: FileCoverage) -> dict[str, object]:
    missed = [{"line": arm.line, arm.owner[0]: arm.owner[1], "missed": arm.missed} for arm in file.missed]
    return {"path": file.file, "taken": file.taken, "total": file.total, "missed": missed}


def _difference(difference: Difference) -> dict[str, object]:
    return {
        "line": difference.line or None,
        "expected": _sample(difference.expected),
        "found": _sample(difference.found),
    }


def _sample(sample: Sample | str | None) -> object:
    if not isinstance(sample, Sample):
        return sample
    return {"name": sample.name, "labels": dict(sample.pairs), "value": sample.value}


def _line(line: UncountedLine) -> dict[str, str]:
    return {"kind": line.kind, "text": line.text, "place": line.place, "source": line.source}
