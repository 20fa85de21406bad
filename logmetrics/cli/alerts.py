"""`logmetrics alerts`: what an operator wants to be told, as rules of Prometheus."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from logmetrics.cli.messages import say
from logmetrics.cli.options import ConfigFile, Output, PackNames, Self, config_of
from logmetrics.cli.results import write_output
from logmetrics.errors import UsageError


def alerts(
    config_file: ConfigFile = None,
    pack_names: PackNames = None,
    with_tests: Annotated[
        bool,
        typer.Option("--tests", help="Write unit tests for `promtool test rules` beside FILE, too: NAME.test.yaml."),
    ] = False,
    about_itself: Self = False,
    output: Output = None,
) -> None:
    """Write alerts and recording rules for Prometheus. They are about what a config and its packs count."""
    from logmetrics.authoring.observation.in_use import InUse
    from logmetrics.authoring.observation.rule_file import rule_file
    from logmetrics.authoring.observation.rule_tests import rule_tests
    from logmetrics.authoring.observation.rules import beyond_buckets, comment_of, own_groups, rule_groups
    from logmetrics.packs import builtin_packs

    if with_tests and output is None:
        raise UsageError("--tests needs --output FILE: the tests stand beside the rules and name their file")
    if about_itself and pack_names:
        raise UsageError("--self is the same whatever is counted: it goes without --pack")
    config = config_of(config_file, pack_names)
    in_use, settings = InUse.of(config.rule_set, builtin_packs()), config.alerts
    groups = own_groups(settings) if about_itself else rule_groups(settings, in_use)
    for key, metric in () if about_itself else beyond_buckets(settings, in_use):
        say(f"alerts.{key} is not within the buckets of {metric}, so nothing tells when it is slow; set it to fit them")
    write_output(rule_file(groups, settings, comment_of("self" if about_itself else "rules")), output)
    if with_tests and output is not None:
        stem, suffix = os.path.splitext(output)
        tests = rule_tests(groups, settings, in_use, os.path.basename(output), comment_of("tests"))
        beside = f"{stem}.test{suffix or '.yaml'}"
        write_output(tests, beside)
        say(f"next: promtool test rules {beside}, and name {output} under rule_files of Prometheus")
