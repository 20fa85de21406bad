"""The commands as they are, for what is written about them: the reference and the man page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import typer
from typer.main import get_command

from logmetrics.cli.app import app


@dataclass(frozen=True)
class Command:
    """One command. ``arguments`` and ``options`` are pairs of what is written and what it means."""

    name: str
    usage: str
    about: str
    arguments: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]


def commands() -> list[Command]:
    """All of them, in the order of ``logmetrics --help``."""
    group = get_command(app)
    top = typer.Context(group, info_name="logmetrics")
    found = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        parameters = command.get_params(typer.Context(command, info_name=name, parent=top))
        arguments = [each for each in parameters if each.param_type_name == "argument"]
        options = [each for each in parameters if each.param_type_name == "option" and "--help" not in each.opts]
        usage = " ".join(["logmetrics", name, *(["[OPTION...]"] if options else []), *map(_in_usage, arguments)])
        told = [tuple((_written(each), _meant(each)) for each in some) for some in (arguments, options)]
        found.append(Command(name, usage, " ".join((command.help or "").split()), *told))
    return found


def _in_usage(argument: Any) -> str:
    written = _written(argument)
    return written if argument.required or written.startswith("[") else f"[{written}]"


def _written(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return (parameter.metavar or parameter.name.upper()).strip("[]")
    names = ", ".join(sorted((*parameter.opts, *parameter.secondary_opts), key=len))
    if parameter.is_flag:
        return names
    return f"{names} {parameter.metavar or str(parameter.type.name).upper()}"


def _meant(parameter: Any) -> str:
    default = parameter.default
    shown = isinstance(default, (str, int, float)) and not isinstance(default, bool) and default != ""
    return (parameter.help or "") + (f" Default: {default}." if shown else "")
