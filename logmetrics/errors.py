"""Everything that logmetrics raises on purpose.

    LogmetricsError            exit 1   something failed while running
      ReplayError              exit 1   history cannot be handed over
      UsageError               exit 2   the command line asks for what cannot be
      ConfigError              exit 2   the user can mend the file named in the message

A message says what is wrong, where, and what to do about it. A bad log line is never an exception: it is a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class LogmetricsError(Exception):
    """Base of all; ``exit_code`` is what the command ends with."""

    exit_code = 1


class UsageError(LogmetricsError):
    """The command line asks for something impossible, such as a path that does not exist."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a config file. ``line`` and ``column`` count from 1, as editors do; 0 means unknown."""

    file: str
    line: int
    column: int
    key_path: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.key_path}: {self.what}" if self.key_path else f"{place}: {self.what}"


class ConfigError(LogmetricsError):
    """A config or pack cannot be used. All its problems are reported together, one a line, in file order."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))


class StateError(LogmetricsError):
    """The state directory cannot be used: damaged, of a newer version, not writable, or held by another process."""

    exit_code = 3


class ReplayError(LogmetricsError):
    """History cannot be handed over: a server does not answer or refuses, a directory cannot be used."""
