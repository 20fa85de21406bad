"""Single records of logs, with their places: the same records as a daemon reads."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from logmetrics.config.specs import SourceSpec
from logmetrics.sources.records import Records
from logmetrics.sources.samples import Sample, sample_paths, samples_of

DATA = Path(__file__).parent / "data"


def taken(path: Path, bytes_max: int | None = None) -> list[Sample]:
    return list(samples_of(str(path), SourceSpec("test", (str(path),)), bytes_max))


def test_a_record_of_each_line(tmp_path: Path) -> None:
    """Lines count from 1, and the last one needs no newline."""
    log = tmp_path / "a.log"
    log.write_bytes(b'{"n": 1}\r\n\n{"n": 2}')
    assert [(one.first_line, one.last_line, one.record.rstrip()) for one in taken(log)] == [
        (1, 1, b'{"n": 1}'),
        (2, 2, b""),
        (3, 3, b'{"n": 2}'),
    ]


def test_records_of_many_lines() -> None:
    """Each takes up the lines from its brace to its brace."""
    log = DATA / "otel" / "console_span_exporter.log"
    samples = taken(log)
    lines = log.read_bytes().split(b"\n")
    assert len(samples) > 20
    for sample in samples:
        assert lines[sample.first_line - 1].strip() == b"{"
        assert lines[sample.last_line - 1].strip() == b"}"
    assert [one.last_line for one in samples[:-1]] == [one.first_line - 1 for one in samples[1:]]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text(encoding: str, tmp_path: Path) -> None:
    """A newline is two bytes, and counts once."""
    log = tmp_path / "wide.log"
    log.write_bytes("\ufeffone\r\ntwo\r\nthree\r\n".encode(encoding))
    assert [(one.first_line, one.record.strip()) for one in taken(log)] == [(1, b"one"), (2, b"two"), (3, b"three")]


def test_compressed(tmp_path: Path) -> None:
    """What a file is called says nothing."""
    log = tmp_path / "a.log"
    log.write_bytes(gzip.compress(b"one\ntwo\n", mtime=0))
    assert [one.record for one in taken(log)] == [b"one", b"two"]


def test_the_beginning_of_a_long_log(tmp_path: Path) -> None:
    """A line that is cut is none."""
    log = tmp_path / "a.log"
    log.write_bytes(b"0123456789\n" * 1_000)
    assert len(taken(log, 115)) == 10


def test_paths_of_a_directory(tmp_path: Path) -> None:
    """Compressed generations are left out; what is not there is told."""
    for name in ("a.log", "a.log.1.gz", "b.log"):
        (tmp_path / name).write_text("x\n")
    paths, problems = sample_paths(SourceSpec("test", (str(tmp_path), str(tmp_path / "none.log"))))
    assert paths == [str(tmp_path / "a.log"), str(tmp_path / "b.log")]
    assert list(problems) == [str(tmp_path / "none.log")]


@pytest.mark.parametrize(
    "log", ["crewai/crew_log.json", "otel/console_span_exporter.log", "otel/dialects.jsonl", "vllm"]
)
def test_places_are_those_of_lines_given_one_by_one(log: str) -> None:
    """However many are given at a time."""
    for path in [DATA / log] if (DATA / log).is_file() else sorted((DATA / log).glob("*.log")):
        source = SourceSpec("test", (str(path),))
        records, placed = Records(source), []
        for line in path.read_bytes().splitlines(keepends=True):
            first = records.lines + 1
            placed += [(first, max(records.lines, first), record) for record in records.take(line)]
        assert [(one.first_line, one.last_line, one.record) for one in taken(path)][: len(placed)] == placed


def test_a_record_of_very_many_lines(tmp_path: Path) -> None:
    """Costs about as much as its bytes."""
    log = tmp_path / "long.log"
    body = b"".join(b'  "k%d": %d,\n' % (number, number) for number in range(5_000))
    log.write_bytes(b"{\n" + body + b'  "end": 1\n}\n' + b'{"n": 1}\n')
    assert [(one.first_line, one.last_line) for one in taken(log)] == [(1, 5_003), (5_004, 5_004)]
