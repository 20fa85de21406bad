"""What a test file means, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from logmetrics.config.specs import Config

# Label names and values of a series, in the order of its metric; `le` is last.
Pairs = tuple[tuple[str, str], ...]
Counts = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of an exposition: the name with its suffix, labels, value."""

    name: str
    pairs: Pairs
    value: float


@dataclass(frozen=True, slots=True)
class ExpectedSample:
    """A sample that is expected, and the line of the test file that says so. Without labels and 0: no series at all."""

    sample: Sample
    line: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is compared at one moment; None is not. ``line`` is where it stands in the test file."""

    line: int
    series: tuple[ExpectedSample, ...] = ()
    only: bool = False
    # By what was not counted, "unmatched" or "unparsable": how many lines, or the lines.
    lines: Mapping[str, int | tuple[str, ...]] | None = None
    # Metric, label and level ("" for all of them); rule and reason.
    refused: Counts | None = None
    skipped: Counts | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Lines come to a log. ``origin`` is the file in which they stand, ``lines`` the line of each there."""

    log: str
    source: str
    data: bytes
    origin: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Restart:
    """The daemon ends and starts again; ``kill`` loses what is not committed."""

    kill: bool


@dataclass(frozen=True, slots=True)
class Rotate:
    """A log is renamed."""

    log: str
    source: str


Step = Write | Wait | Restart | Rotate | Expectation


@dataclass(frozen=True, slots=True)
class Test:
    """One test; ``line`` is where it stands. ``start_s`` is Unix time."""

    __test__ = False  # pytest takes it for one of its own

    name: str
    line: int
    start_s: float
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class TestFile:
    """A test file, checked against the config and packs that it tests."""

    __test__ = False

    path: str
    config_path: str | None
    pack_names: tuple[str, ...] | None
    config: Config
    tests: tuple[Test, ...]
