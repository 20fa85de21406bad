"""The command line: one short file per command, each parses, calls one function, and maps errors to exit codes."""

from __future__ import annotations

import gc
import os
import sys

from logmetrics.errors import LogmetricsError


def collect_garbage_from_now_on() -> None:
    """What was made until now stays: no collection of garbage looks at it again."""
    gc.freeze()
    gc.enable()


def main() -> None:
    """The ``logmetrics`` command."""
    gc.disable()  # what is made until there is work to do stays, and looking through it takes a sixth of that time
    try:
        from logmetrics.cli.app import app

        app()
    except LogmetricsError as error:
        print(f"logmetrics: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `logmetrics ... | head` is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
