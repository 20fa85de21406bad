"""Results of tests as JSON, for programs."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from logmetrics.authoring.trials.comparing import Difference, UncountedLine
from logmetrics.authoring.trials.running import TestResult
from logmetrics.authoring.trials.specs import Sample, TestFile


def document_of(ran: Sequence[tuple[TestFile, Sequence[TestResult]]]) -> str:
    """What became of all tests, as the text of a JSON document."""
    files = [{"path": file.path, "tests": [_test(result) for result in results]} for file, results in ran]
    passed = all(result.passed for _, results in ran for result in results)
    return orjson.dumps({"passed": passed, "files": files}, option=orjson.OPT_INDENT_2).decode() + "\n"


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
    return {"kind": line.kind, "text": line.text, "place": line.place}
