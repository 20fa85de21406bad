"""Writes logmetrics(1) from the commands that there are: python man_page.py [SECONDS_SINCE_1970]."""

from __future__ import annotations

import re
import sys
import textwrap
import time
from collections.abc import Iterator

from command_line import Command, commands

from logmetrics import __version__

HEAD = r"""
.SH NAME
logmetrics \- Prometheus metrics from the logs of agents and Ollama
.SH SYNOPSIS
.B logmetrics
.I COMMAND
.RI [ OPTION ...]
.RI [ ARGUMENT ...]
.br
.B logmetrics \-\-version
.SH DESCRIPTION
Agents and model servers write logs already.
.B logmetrics
tails these logs and serves them as Prometheus metrics: tool calls, latency,
tokens, tasks, errors.
Positions and values are saved together, so that each complete line counts
exactly once, through kills, restarts and rotation.
.PP
What a command was asked for goes to standard output, messages go to standard
error.
.SH COMMANDS
""".lstrip()
END = r"""
.SH SIGNALS
.TP
.B SIGHUP
.B logmetrics watch
reads its config again, and puts all of it in force, or nothing.
.TP
.BR SIGTERM ", " SIGINT
It ends, after the block of lines at hand; what has been read is saved first.
.SH FILES
.TP
.I /etc/logmetrics/config.yaml
The config of logmetrics.service; /etc/logmetrics/NAME.yaml is that of
logmetrics@NAME.service.
.TP
.I /var/lib/logmetrics
What the service must not forget: how far logs were read, and all values.
.TP
.I ~/.local/state/logmetrics
The same for runs of a user, a directory for each config or set of paths.
.SH ENVIRONMENT
.TP
.B STATE_DIRECTORY
Where the state is kept when nothing else says so; systemd sets it.
.TP
.B XDG_STATE_HOME
In place of ~/.local/state.
.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
something failed while running
.TP
.B 2
the command line or the config is wrong
.TP
.B 3
the state cannot be used or saved
.SH EXAMPLES
.EX
logmetrics watch /var/log/agents
logmetrics watch \-\-once /var/log/agents
logmetrics replay /var/log/agents
logmetrics doctor
.EE
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
.BR prometheus (1),
.BR promtool (1)
""".lstrip()


# Backslashes come first: what follows brings its own.
SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "~": r"\(ti", "^": r"\(ha", "`": r"\(ga"}


def roff(text: str) -> str:
    """Plain text as roff takes it."""
    for special, written in SPECIAL.items():
        text = text.replace(special, written)
    return text


def paragraph(text: str) -> str:
    """Plain text in lines of its own, none of which is taken for a request."""
    lines = textwrap.fill(text, 72, break_long_words=False, break_on_hyphens=False)
    return re.sub(r"^\.", r"\\&.", roff(lines), flags=re.MULTILINE)


def section(command: Command) -> Iterator[str]:
    """One command: how it is written, what it does, what its arguments and options mean."""
    yield f".SS {roff(command.usage)}"
    yield paragraph(command.about)
    for written, meaning in (*command.arguments, *command.options):
        yield ".TP"
        yield rf"\fB{roff(written)}\fR"
        yield paragraph(meaning)


def page(date: str) -> str:
    """The whole page."""
    head = f'.TH LOGMETRICS 1 {date} "logmetrics {__version__}" "User Commands"\n'
    return head + HEAD + "\n".join(line for command in commands() for line in section(command)) + "\n" + END


if __name__ == "__main__":
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else None
    sys.stdout.write(page(time.strftime("%Y-%m-%d", time.gmtime(seconds))))
