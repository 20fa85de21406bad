"""The config in force, and whether it is right."""

from __future__ import annotations

import os
import stat

from logmetrics.config.web_config import load_web_config
from logmetrics.doctor.findings import Finding, note, ok, problem, unseen, warning
from logmetrics.doctor.permissions import READ, obstacles
from logmetrics.doctor.setup import CONFIG, Setup
from logmetrics.errors import ConfigError
from logmetrics.present.amounts import number_of


def configuration(setup: Setup) -> list[Finding]:
    """Which config there is and why, and that of what is served; each mistake in them."""
    return [*_main(setup), *_web(setup)]


def _main(setup: Setup) -> list[Finding]:
    file = setup.config_file
    if setup.missing_user:
        name = setup.missing_user
        make = f"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {name}"
        return [problem(f"there is no user {name}, who is to run it", make), *_of_file(setup)]
    if file is None and setup.config is None and not setup.names_logs:
        to_do = f"name your logs, logmetrics doctor PATH..., or a config with --config; {CONFIG} is looked for, too"
        return [problem("no config, and no logs are named: there is nothing to read", to_do)]
    if file is None:
        packs = len(setup.config.packs) if setup.config else 0
        found = [ok(f"no config: the {packs} built-in packs, for the logs of the command line")]
        return found + ([problem(setup.config_problem, "mend that")] if setup.config_problem else [])
    return _of_file(setup)


def _of_file(setup: Setup) -> list[Finding]:
    file = setup.config_file
    if file is None:
        return []
    if setup.config is None:
        mistakes = setup.config_problem.splitlines() or ["it cannot be used"]
        if setup.config_why != "--config" and any("Permission denied" in each for each in mistakes):
            return [
                unseen(f"config: {file} ({setup.config_why})", "Permission denied", "run logmetrics doctor as root")
            ]
        to_do = f"mend it, then: logmetrics check --config {file}"
        if not os.path.exists(file):
            to_do = "write one: examples/config.yaml is a whole one with comments"
        return [note(f"config: {file} ({setup.config_why})"), *_problems(mistakes, to_do)]
    config = setup.config
    parts = {"source": config.sources, "rule": config.rule_set.rules, "pack": config.packs}
    counts = ", ".join(number_of(noun, len(part)) for noun, part in parts.items())
    found = [ok(f"config: {file} ({setup.config_why}): {counts}")]
    if setup.names_logs:
        found.append(note("the logs of the command line stand for the sources of the config"))
    return found + _lint(file) + _access(setup, file)


def _problems(mistakes: list[str], to_do: str) -> list[Finding]:
    """What to do about all of them stands once, behind the last."""
    *others, last = mistakes
    return [*(Finding("problem", each) for each in others), problem(last, to_do)]


def _lint(file: str) -> list[Finding]:
    from logmetrics.authoring.lint import lint
    from logmetrics.packs import builtin_packs

    found = [each for each in lint(file, builtin_packs())[1] if each.severity != "note"]
    return [warning(f"{each.place}: {each.key_path}: {each.what}", each.remedy) for each in found]


def _web(setup: Setup) -> list[Finding]:
    """The web config, with the certificates that it names."""
    from logmetrics.serve.web import Web

    file = setup.web_config
    if file is None:
        return []
    warnings: list[str] = []
    try:
        web = Web(file, warnings.append)
    except ConfigError as error:
        return _problems(str(error).splitlines(), "mend it; promtool check web-config reads such a file, too")
    has = [word for word, there in (("TLS", web.has_tls), ("access control", web.has_access_control)) if there]
    found = [ok(f"web config: {file}: {' and '.join(has) or 'neither TLS nor access control'}")]
    found += [warning(each.removeprefix("warning: "), "chmod 600 for keys") for each in warnings]
    tls = load_web_config(file).tls
    for path in (file, *(path for _, path in (tls.files if tls else ()))):
        found += _unreadable(setup, path)
    return found


def _access(setup: Setup, file: str) -> list[Finding]:
    found = []
    for place in (file, os.path.dirname(os.path.abspath(file))):
        mode = os.stat(place).st_mode
        if mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            found.append(warning(f"everybody may change {place}, and so what is read", f"chmod o-w {place}"))
    return found + _unreadable(setup, file)


def _unreadable(setup: Setup, file: str) -> list[Finding]:
    reader = setup.reader
    try:
        denied = obstacles(file, reader, READ)
    except OSError as error:
        return [unseen(file, error)]
    if not denied:
        return []
    place = denied[0].place
    what = f"user {reader.name} may not read {file}: {place.path} has mode {place.mode & 0o7777:04o}"
    bit = "x" if place.is_directory else "r"
    return [problem(what, f"chgrp {reader.name} {place.path} && chmod g+{bit} {place.path}")]
