"""The logs and configs of the curves: the same work, and more and more of one thing.

Each curve yields its points: how much there is of that thing, and what is run. `size` says how far it goes.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench import workloads
from bench.heads import head_of
from bench.measure import Outcome, run_to_end
from bench.model import Size
from bench.reference import Expected, wrong
from bench.systems import PEERS, PYTHON_ENV, WATCH

SEED = 11
NO_LIMITS = {"series": 10**8, "series_per_metric": 10**8, "values_per_label": 10**8}
LINE_BYTES_MIN = 100


@dataclass(frozen=True)
class Point:
    """One point of a curve: a log, or a directory of logs, its config, and what comes out of it."""

    logs: Path
    config: dict[str, Any]
    lines: int
    expected: Expected

    def run(self, directory: Path) -> Outcome:
        return _watch(self.logs, self.config, self.expected, directory)

    def head(self, directory: Path) -> tuple[Callable[[], Outcome], int]:
        """A run over the first lines, of the first file, and how many they are."""
        logs = sorted(self.logs.iterdir()) if self.logs.is_dir() else [self.logs]
        log, lines = head_of(logs[0], self.lines // len(logs))
        kept = log.rename(directory / log.name)
        return partial(_watch, kept, self.config, Expected(), directory), lines

    def megabytes(self) -> float:
        logs = self.logs.iterdir() if self.logs.is_dir() else [self.logs]
        return sum(log.stat().st_size for log in logs) / 1e6


def _watch(logs: Path, config: dict[str, Any], expected: Expected, directory: Path) -> Outcome:
    place = Path(tempfile.mkdtemp(dir=directory))
    (place / "config.yaml").write_text(yaml.safe_dump(config | {"packs": []}))
    filled = [argument.replace("@LOG@", str(logs)).replace("@DIR@", str(place)) for argument in WATCH]
    try:
        command = [sys.executable, *filled, "--config", str(place / "config.yaml")]
        return run_to_end(command, place, partial(wrong, expected=expected), PYTHON_ENV)
    finally:
        shutil.rmtree(place)


def _tenfold(first: int, last: int) -> list[int]:
    return [first * 10**power for power in range(9) if first * 10**power <= last]


def _config(labels: dict[str, str], rules: Sequence[str]) -> dict[str, Any]:
    """A counter with these labels, and a rule for each condition."""
    return {
        "limits": NO_LIMITS,
        "metrics": {
            "calls_total": {"type": "counter", "help": "Calls", "labels": list(labels), "allow_unbounded": True}
        },
        "rules": [
            {"name": f"rule {number}", "when": rule, "labels": labels, "update": {"calls_total": 1}}
            for number, rule in enumerate(rules)
        ],
    }


def _write(path: Path, lines: Iterator[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="\n") as file:
        file.writelines(lines)


def _call(number: int, **fields: str) -> str:
    """A line of about 150 bytes."""
    record = {
        "ts": "2026-01-01T00:00:00.000Z",
        "level": "INFO",
        "step": number,
        "message": "the call gave what was wanted",
    }
    return json.dumps({**record, **fields}, separators=(",", ":")) + "\n"


def lines(size: Size, directory: Path) -> Iterator[tuple[int, Point]]:
    """The agents' log with the six metrics. Beyond a million lines it is the first million again and again."""
    config = yaml.safe_load((PEERS / "logmetrics" / "agent.yaml").read_text())
    for count in _tenfold(10_000, size.lines_max):
        times = max(1, count // 1_000_000)
        made = workloads.agent(directory.parent, count // times)
        log = made.log
        if times > 1:
            log = directory / "repeated.jsonl"
            with log.open("wb") as file:
                for _ in range(times):
                    with made.log.open("rb") as part:
                        shutil.copyfileobj(part, file)
        yield count, Point(log, config, count, made.expected.times(times))


def series(size: Size, directory: Path) -> Iterator[tuple[int, Point]]:
    """A counter with so many series, each line one of them at random; without the guard's limits."""
    config = _config({"agent": "agent", "tool_name": "tool_name"}, ['event == "call"'])
    for count in _tenfold(10, size.series_max):
        draw, expected = random.Random(SEED), Expected()

        def drawn(count: int = count, draw: random.Random = draw, expected: Expected = expected) -> Iterator[str]:
            for number in range(size.curve_lines):
                place = draw.randrange(count)
                labels = {"agent": f"agent-{place % 10}", "tool_name": f"tool-{place // 10}"}
                expected.count("calls_total", **labels)
                yield _call(number, event="call", **labels)

        log = directory / f"series-{count}.jsonl"
        _write(log, drawn())
        yield count, Point(log, config, size.curve_lines, expected)


def rules_of_one_field(size: Size, directory: Path) -> Iterator[tuple[int, Point]]:
    """Rules that ask one field for different values; each line is for one of them."""
    yield from _rules(size, directory, "one-field", lambda number: f'event == "event-{number}"')


def rules_of_all_kinds(size: Size, directory: Path) -> Iterator[tuple[int, Point]]:
    """Rules that have nothing in common: parts of texts, comparisons, beginnings; each line is for one of them."""
    kinds: list[Callable[[int], str]] = [
        lambda number: f'"-{number}." in text',
        lambda number: f'starts(text, "about-{number}.")',
        lambda number: f"step >= {number} and step < {number + 1}",
        lambda number: f'has(text) and name == "name-{number}"',
        lambda number: f'ends(name, "-{number}")',
    ]
    yield from _rules(size, directory, "all-kinds", lambda number: kinds[number % len(kinds)](number))


def _rules(size: Size, directory: Path, name: str, rule: Callable[[int], str]) -> Iterator[tuple[int, Point]]:
    for count in size.rule_counts:
        draw, expected = random.Random(SEED), Expected()

        def drawn(count: int = count, draw: random.Random = draw, expected: Expected = expected) -> Iterator[str]:
            for _ in range(size.curve_lines):
                number = draw.randrange(count)
                expected.count("calls_total", agent=f"agent-{number % 7}")
                texts = {"event": f"event-{number}", "text": f"about-{number}. and more", "name": f"name-{number}"}
                yield _call(number, agent=f"agent-{number % 7}", **texts)

        log = directory / f"rules-{name}-{count}.jsonl"
        _write(log, drawn())
        yield (
            count,
            Point(
                log, _config({"agent": "agent"}, [rule(number) for number in range(count)]), size.curve_lines, expected
            ),
        )


def files(size: Size, directory: Path) -> Iterator[tuple[int, Point]]:
    """The same lines in so many files."""
    config = _config({"agent": "agent"}, ['event == "call"'])
    for count in _tenfold(1, size.files_max):
        logs, expected = directory / f"files-{count}", Expected()
        for place in range(count):
            numbers = range(place, size.curve_lines, count)
            _write(
                logs / f"{place}.jsonl", (_call(number, event="call", agent=f"agent-{place % 7}") for number in numbers)
            )
            expected.add("calls_total", {"agent": f"agent-{place % 7}"}, len(numbers))
        yield count, Point(logs, config, size.curve_lines, expected)


def line_bytes(size: Size, directory: Path) -> Iterator[tuple[int, Point]]:
    """The same megabytes in lines of so many bytes; what makes them long is a text that no rule reads."""
    config = _config({"agent": "agent"}, ['event == "call"'])
    for length in _tenfold(LINE_BYTES_MIN, 1_000_000):
        count = max(8, size.curve_bytes // length)
        rest = {"event": "call", "agent": "agent-1", "text": ""}
        rest["text"] = "x" * (length - len(json.dumps(rest, separators=(",", ":"))) - 1)
        line = json.dumps(rest, separators=(",", ":")) + "\n"
        log = directory / f"length-{length}.jsonl"
        _write(log, (line for _ in range(count)))
        expected = Expected()
        expected.add("calls_total", {"agent": "agent-1"}, count)
        yield length, Point(log, config, count, expected)
