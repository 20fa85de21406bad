"""`logmetrics test`: do the rules count what they should?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli.results import write_json
from logmetrics.errors import ConfigError, Problem, UsageError

if TYPE_CHECKING:
    from logmetrics.authoring.trials.specs import TestFile

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Test files.", show_default=False)]
Run = Annotated[
    str | None, typer.Option("--run", "-k", metavar="REGEX", help="Run only tests in whose name this is found.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the tests that pass, too.")]
WithCoverage = Annotated[bool, typer.Option("--coverage", help="List what no test touched of the rules under test.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the results as JSON.")]


def test(
    files: Files,
    run: Run = None,
    with_coverage: WithCoverage = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Run unit tests of rules: logs in, series out. Ends with 1 when a test fails."""
    from rich.console import Console
    from rich.text import Text

    from logmetrics.authoring.trials.coverage import Coverage
    from logmetrics.authoring.trials.running import run_file
    from logmetrics.authoring.trials.text import write_coverage, write_file
    from logmetrics.packs import builtin_packs

    only = _pattern(run)
    coverage = Coverage(builtin_packs()) if with_coverage else None
    console = Console(soft_wrap=True, highlight=False)

    def show(text: str, style: str) -> None:
        console.print(Text(text, style=style))

    ran = []
    for file in _loaded(files):
        results = run_file(file, only=only, coverage=coverage)
        ran.append((file, results))
        if results and not as_json:
            write_file(file, results, show, verbose=verbose)
    if not any(results for _, results in ran):
        raise UsageError(f"no test has a name in which {run!r} is found")
    touched = None if coverage is None else coverage.files()
    if as_json:
        from logmetrics.authoring.trials.document import document_of

        write_json(document_of(ran, touched))
    else:
        write_coverage(touched or (), show)
    if not all(result.passed for _, results in ran for result in results):
        raise typer.Exit(1)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise UsageError(f"--run: {text!r} is not a regular expression: {error}") from error


def _loaded(paths: list[str]) -> list[TestFile]:
    """All files. Raises ConfigError with what is wrong in any of them."""
    problems: set[Problem] = set()
    files = [_load(path, problems) for path in dict.fromkeys(paths)]
    if problems:
        raise ConfigError(list(problems))
    return [file for file in files if file is not None]


def _load(path: str, problems: set[Problem]) -> TestFile | None:
    from logmetrics.authoring.trials.loading import load_tests

    try:
        return load_tests(path)
    except ConfigError as error:
        problems.update(error.problems)
        return None
