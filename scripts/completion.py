"""Writes the file by which a shell completes logmetrics' command line: python completion.py bash|zsh|fish."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO

from logmetrics.cli.app import app

# A file of zsh's fpath is run for the first completion, and so has to make it.
CALLED_AT_ONCE = {"zsh": '\n_logmetrics_completion "$@"'}


def script(shell: str) -> str:
    """What typer has for the shell."""
    os.environ["_LOGMETRICS_COMPLETE"] = f"source_{shell}"
    written = StringIO()
    with redirect_stdout(written), suppress(SystemExit):
        app(prog_name="logmetrics")
    return written.getvalue().strip() + CALLED_AT_ONCE.get(shell, "") + "\n"


if __name__ == "__main__":
    sys.stdout.write(script(sys.argv[1]))
