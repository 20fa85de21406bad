"""The command line: one short file per command, each parses, calls one function, and maps errors to exit codes."""

from __future__ import annotations

import errno
import gc
import os
import sys

from logmetrics.errors import LogmetricsError


def collect_garbage_from_now_on() -> None:
    """What was made until now stays: no collection of garbage looks at it again."""
    gc.freeze()
    gc.enable()


# Of stdout, when it is a file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _drop_output() -> None:
    """What is still to be written goes nowhere, so that the end of the process does not try it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """The ``logmetrics`` command."""
    gc.disable()  # what is made until there is work to do stays, and looking through it takes a sixth of that time
    try:
        from logmetrics.cli.app import app

        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here it shows that nobody reads any more, or that a disk is full
    except LogmetricsError as error:
        from logmetrics.present.amounts import harmless

        # Names of files and texts of configs stand in it.
        text = "\n".join(harmless(line, sys.stderr.encoding or "utf-8") for line in str(error).split("\n"))
        print(f"logmetrics: {text}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `logmetrics ... | head` is no error
        _drop_output()
        sys.exit(0)
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        _drop_output()  # typer and rich take it for an error
        sys.exit(0)
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        print(f"logmetrics: the output cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201
        _drop_output()
        sys.exit(LogmetricsError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
