"""`logmetrics check`: is this config right, and wise?"""

from __future__ import annotations

import os
import sys
from glob import has_magic
from typing import TYPE_CHECKING, Annotated

import typer

from logmetrics.cli.messages import say
from logmetrics.cli.options import ConfigFile, is_config_name, require_paths
from logmetrics.cli.results import write_json
from logmetrics.errors import ConfigError, LogmetricsError, UsageError

if TYPE_CHECKING:
    from logmetrics.authoring.lint.report import Report


def check(
    samples: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SAMPLE...]", help="Logs to try it on: files, directories or globs.", show_default=False
        ),
    ] = None,
    config_file: ConfigFile = None,
    strict: Annotated[bool, typer.Option("--strict", help="Have warnings fail too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Find what is wrong with a config, or will be regretted. With samples, foretell its series."""
    from logmetrics.authoring.lint.report import report_on, unloaded

    file, logs = _config_and_samples(config_file, samples or [])
    require_paths(logs)
    try:
        report = report_on(file, logs)
        _check_web(report)
    except ConfigError as error:
        if not as_json:
            raise
        write_json(unloaded(file, error))
        raise typer.Exit(error.exit_code) from None
    if as_json:
        write_json(report.as_json())
    else:
        _tell(report)
    if report.observed is not None and report.observed.problems:
        for path, problem in report.observed.problems.items():
            say(f"{path}: {problem}")
    if report.counts["error"] or (strict and report.counts["warning"]):
        raise typer.Exit(ConfigError.exit_code)
    if report.observed is not None and report.observed.problems:
        raise LogmetricsError("the forecast is without what could not be read")


def _config_and_samples(config_file: str | None, samples: list[str]) -> tuple[str | None, list[str]]:
    """People write `check config.yaml`; nobody has logs of that name."""
    configs = [sample for sample in samples if is_config_name(sample)]
    if config_file is None and configs:
        config_file, *others = configs
        samples = [sample for sample in samples if sample not in configs]
        if others:
            raise UsageError(f"one config at a time: {config_file}, or {others[0]}")
    if config_file is None and not samples:
        raise UsageError("nothing to check: give --config FILE, and samples of logs to try it on")
    return config_file, samples


def _check_web(report: Report) -> None:
    from logmetrics.serve.web import Web

    if report.config.web_config is not None:
        Web(report.config.web_config, say)


def _missing(report: Report) -> list[str]:
    """Relative paths of the config's sources that lead nowhere from here; others may be those of another machine."""
    paths = [path for source in report.config.sources for path in source.paths]
    return [path for path in paths if not (path.startswith(("/", "~")) or os.path.exists(path) or has_magic(path))]


def _tell(report: Report) -> None:
    from rich.console import Console

    from logmetrics.present.amounts import harmless
    from logmetrics.present.terminal import Writer

    encoding = sys.stdout.encoding or "utf-8"
    for line in report.lines():
        sys.stdout.write(harmless(line, encoding) + "\n")
    sys.stdout.flush()
    writer = Writer(Console(width=None if sys.stdout.isatty() else 120, highlight=False))
    for section in report.sections():
        writer.section(section)
    sys.stdout.write(("\n" if report.observed is not None else "") + harmless(report.verdict, encoding) + "\n")
    if missing := _missing(report):
        say(f"note: nothing is there now: {', '.join(missing)}; such paths are taken from where logmetrics is started")
    if report.file is not None and not report.config.sources and report.observed is None:
        say("note: it names nothing to read; watch needs paths or --journal UNIT beside it, or sources in it")
