"""Writes logmetrics(1) from the commands that there are: python man_page.py SECONDS_SINCE_1970."""

import sys
from datetime import datetime, timezone

import click
from typer.main import get_command

from logmetrics import __version__
from logmetrics.cli.app import app

END = r"""
.SH FILES
.TP
.I /etc/logmetrics/config.yaml
The config of logmetrics.service; /etc/logmetrics/NAME.yaml is that of logmetrics@NAME.service.
.TP
.I /var/lib/logmetrics
What the service must not forget: how far logs were read, and all values.
.TP
.I /usr/share/doc/logmetrics
The documentation, with all keys of the config and the language of rules.
.SH EXIT STATUS
0 done, 1 something failed while running, 2 the command line or the config is wrong,
3 the state cannot be used or saved.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
.BR prometheus (1)
"""


def roff(text: str) -> str:
    """Plain text as roff takes it."""
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")


def options(command: click.Command, context: click.Context) -> list[str]:
    """The command's options, each with its help."""
    lines = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.param_type_name == "option":
            lines += [".TP", rf"\fB{roff(record[0])}\fR", roff(record[1])]
    return lines


def page(date: str) -> str:
    """The whole page."""
    group = get_command(app)
    top = click.Context(group, info_name="logmetrics")  # type: ignore[arg-type]
    lines = [
        f'.TH LOGMETRICS 1 "{date}" "logmetrics {__version__}" "System administration"',
        ".SH NAME",
        r"logmetrics \- Prometheus metrics from the logs of agents and Ollama",
        ".SH SYNOPSIS",
        r".B logmetrics",
        r"\fICOMMAND\fR [\fIOPTION\fR ...] [\fIARGUMENT\fR ...]",
        ".SH COMMANDS",
    ]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        context = click.Context(command, info_name=name, parent=top)
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [f'.SS "logmetrics {roff(name)} {roff(usage)}"', roff(command.get_short_help_str(1000))]
        lines += options(command, context)
    return "\n".join(lines) + END


print(page(datetime.fromtimestamp(int(sys.argv[1]), timezone.utc).strftime("%Y-%m-%d")))
