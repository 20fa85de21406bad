"""`logmetrics check`: is this config right, and wise?"""

from __future__ import annotations

import sys
from collections.abc import Sized
from typing import Annotated

import typer

from logmetrics.cli.messages import say
from logmetrics.errors import ConfigError


def check(
    config_file: Annotated[str, typer.Option("--config", "-c", metavar="FILE", help="The config to look at.")],
) -> None:
    """Check a config, without reading any log."""
    from logmetrics.authoring.lint import lint
    from logmetrics.packs import builtin_packs
    from logmetrics.present.amounts import number_of
    from logmetrics.serve.web import Web

    config, problems = lint(config_file, builtin_packs())
    if problems:
        raise ConfigError(problems)
    if config.web_config is not None:
        Web(config.web_config, say)
    rules = config.rule_set
    parts: dict[str, Sized] = {"source": config.sources, "metric": rules.metrics, "rule": rules.rules}
    counts = ", ".join(number_of(noun, len(part)) for noun, part in parts.items())
    sys.stdout.write(f"{config_file}: good; {counts}, those of packs included\n")
    if not config.sources:
        say("note: it names nothing to read; watch needs paths or --journal UNIT beside it, or sources in it")
