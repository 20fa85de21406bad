"""Results of tests for people: a line for each file, and for what failed what was expected and what was found."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from logmetrics.authoring.trials.comparing import Difference, Failure, UncountedLine
from logmetrics.authoring.trials.coverage import FileCoverage
from logmetrics.authoring.trials.running import TestResult
from logmetrics.authoring.trials.specs import Expectation, Sample, TestFile
from logmetrics.present.amounts import excerpt, harmless, number_of, percent, seconds
from logmetrics.store.spelling import escape, number

# Prints a line in a style of rich's; "" is none.
Print = Callable[[str, str], None]

LINES_SHOWN_MAX = 5
# A line that is longer is not put into a command that people copy.
_COPIED_CHARACTERS_MAX = 400
_WORDS = {"unmatched": "no rule matched", "unparsable": "not a record of its format"}
_GUTTER = 7


def write_file(file: TestFile, results: Sequence[TestResult], show: Print, *, verbose: bool) -> None:
    """Print what became of the tests of *file*."""
    failed = [result for result in results if not result.passed]
    took = seconds(sum(result.took_s for result in results))
    tests = number_of("test", len(results))
    if failed:
        show(f"FAILED  {file.path}  {len(failed)} of {tests}, {took}", "bold red")
    else:
        show(f"ok      {file.path}  {tests}, {took}", "green")
    for result in results:
        if verbose or not result.passed:
            _write_test(file, result, show)


def write_coverage(files: Sequence[FileCoverage], show: Print) -> None:
    """Print how much of each file was touched, and what was not."""
    for file in files:
        share = percent(file.taken / file.total if file.total else 1)
        show("", "")
        show(f"coverage of {file.file}: {share} ({file.taken:,} of {file.total:,})", "bold")
        for arm in file.missed:
            kind, name = arm.owner
            what = f"{kind} {name}".rstrip()
            show(f"  {file.file}:{arm.line}  {harmless(what)}: {harmless(arm.missed)}", "yellow")


def _write_test(file: TestFile, result: TestResult, show: Print) -> None:
    verdict, style = ("ok    ", "green") if result.passed else ("FAILED", "red")
    show(f"  {verdict}  {file.path}:{result.test.line}  {harmless(result.test.name)}  {seconds(result.took_s)}", style)
    expectations = [step for step in result.test.steps if isinstance(step, Expectation)]
    for failure in result.failures:
        where = f" (the expectation of line {failure.line})" if len(expectations) > 1 else ""
        show(f"    {_heading(failure)}{where}", "")
        for difference in failure.differences:
            _write_difference(difference, show)
    if not result.passed:
        _write_hints(file, result, show)


def _heading(failure: Failure) -> str:
    if failure.key == "only":
        return "only: not expected"
    return f"{failure.key}: - expected, + found"


def _write_difference(difference: Difference, show: Print) -> None:
    expected, found = _aligned(difference.expected, difference.found)
    if expected is not None:
        show(f"{difference.line or '':>{_GUTTER}} - {expected}", "red")
    if found is not None:
        show(f"{'':>{_GUTTER}} + {found}", "green")
    if expected is not None and found is not None:
        marks = "".join(" " if a == b else "^" for a, b in zip(*_cells_marked(difference), strict=True))
        show(f"{'':>{_GUTTER}}   {marks}".rstrip(), "dim")


def _aligned(expected: Sample | str | None, found: Sample | str | None) -> tuple[str | None, str | None]:
    """Both as text, with what is the same at the same place."""
    if isinstance(expected, Sample) and isinstance(found, Sample):
        ours, theirs = _cells(expected), _cells(found)
        return "".join(_padded(ours, theirs)).rstrip(), "".join(_padded(theirs, ours)).rstrip()
    texts = [None if each is None else "".join(_cells(each)) for each in (expected, found)]
    return texts[0], texts[1]


def _cells_marked(difference: Difference) -> tuple[str, str]:
    """Two texts of one length that differ all over each label or value that is another."""
    assert isinstance(difference.expected, Sample)
    assert isinstance(difference.found, Sample)
    ours, theirs = _cells(difference.expected), _cells(difference.found)
    marks = [
        ("=" if mine == other else "x") * len(padded)
        for mine, other, padded in zip(ours, theirs, _padded(ours, theirs), strict=True)
    ]
    text = "".join(marks)
    return text, "=" * len(text)


def _padded(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    return [mine.ljust(max(len(mine), len(other))) for mine, other in zip(ours, theirs, strict=True)]


def _cells(what: Sample | str) -> list[str]:
    """A sample in parts that can be held against those of another one of the same name."""
    if isinstance(what, str):
        return [excerpt(harmless(what))]
    value = number(float(what.value))
    if not what.pairs:
        return [f"{what.name} ", value]
    cells = [f"{what.name}{{"]
    for place, (label, text) in enumerate(what.pairs):
        cells += [f"{',' if place else ''}{label}=", f'"{harmless(escape(text))}"']
    return [*cells, "} ", value]


def _write_hints(file: TestFile, result: TestResult, show: Print) -> None:
    """The lines that were not counted, unless the test expects just these."""
    for kind, words in _WORDS.items():
        if kind in _kinds_that_hold(result):
            continue
        lines = [line for line in result.uncounted if line.kind == kind]
        if lines:
            show(f"    {words}:", "")
        for line in lines[:LINES_SHOWN_MAX]:
            show(f"      {harmless(line.place)}  {excerpt(harmless(line.text))}", "yellow")
        if len(lines) > LINES_SHOWN_MAX:
            show(f"      and {len(lines) - LINES_SHOWN_MAX:,} more", "dim")
        command = _explanation(file, lines[0]) if lines else None
        if command is not None:
            show(f"    why: {command}", "")


def _kinds_that_hold(result: TestResult) -> set[str]:
    """What the last expectation of the test says about lines that were not counted, and rightly so."""
    last = [step for step in result.test.steps if isinstance(step, Expectation)][-1]
    failed = {failure.key for failure in result.failures if failure.line == last.line}
    return set(last.lines or ()) - failed


def _explanation(file: TestFile, line: UncountedLine) -> str | None:
    """The command that tells why *line* is not counted; None when it cannot be written down."""
    rules = "".join(_options(file, line))
    path, _, number_text = line.place.rpartition(":")
    if path and path != file.path:
        return f"logmetrics explain{rules} {shlex.quote(line.place)}"
    if len(line.text) <= _COPIED_CHARACTERS_MAX and line.text.isprintable():
        return f"echo {shlex.quote(line.text)} | logmetrics explain{rules}"
    written = Path(file.path).read_text("utf-8-sig").split("\n")
    if path and written[int(number_text) - 1].strip() == line.text:  # not as YAML quotes it
        return f"sed -n '{number_text}s/^ *//p' {shlex.quote(file.path)} | logmetrics explain{rules}"
    return None


def _options(file: TestFile, line: UncountedLine) -> Iterator[str]:
    if file.config_path is not None:
        yield f" --config {shlex.quote(file.config_path)}"
    yield from (f" --pack {name}" for name in file.pack_names or ())
    if len(file.config.sources) > 1:
        yield f" --source {line.source}"
