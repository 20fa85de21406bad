"""The journal of a unit, read by `watch`: real journals, real journalctl; the engine reads to their end each time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from logmetrics.cli.options import resolve_config
from logmetrics.cli.totals import read_all
from logmetrics.config.journals import journal_logs
from logmetrics.config.loading import parse_config
from logmetrics.config.specs import Config, SourceSpec
from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.packs import builtin_packs
from logmetrics.serve.exposition import render
from logmetrics.sources.journal_position import Place
from logmetrics.store.state import StateFile
from logmetrics.store.store import FamilyView
from tests.journals import BEGIN_S, OTHER_BOOT, Journal, entry, numbered

DATA = Path(__file__).parent / "data" / "ollama"
CONFIG = """
packs: []
limits: {idle: never}
metrics:
  lines_total: {type: counter, help: Lines by text, labels: [text]}
  answers_total: {type: counter, help: Answers by the model that was told before, labels: [model]}
rules:
  - name: line
    when: has(n)
    labels: {text: n}
    update: {lines_total: 1}
  - name: model
    when: has(model)
    remember: {model: model}
  - name: answer
    when: has(answer)
    labels: {model: remember("model")}
    update: {answers_total: 1}
"""


class Reading:
    """Reads a journal to its end, as often as asked; between two times it is stopped, or killed."""

    def __init__(self, journal: Journal, state: Path, *units: str, is_own: bool = False, **source: object) -> None:
        self.state = state
        self.units = units or ("ollama",)
        self.directory = None if is_own else str(journal.directory)
        self.source = source
        self.families: list[FamilyView] = []

    @property
    def config(self) -> Config:
        journals = journal_logs(self.units, directory=self.directory)
        spec = SourceSpec("journal", (), journals=journals, **self.source)  # type: ignore[arg-type]
        return replace(parse_config(CONFIG, "config.yaml", builtin_packs()), sources=(spec,))

    def read(self) -> dict[str, int]:
        """Lines by their number."""
        state = StateFile(str(self.state))
        try:
            self.families = read_all(self.config, state)
        finally:
            state.close()
        return {labels[0]: int(str(value)) for labels, value in self.values("lines_total").items()}

    def values(self, metric: str) -> Mapping[tuple[str, ...], object]:
        """One metric by its labels."""
        [rows] = [rows for spec, rows in self.families if spec.name == metric]
        return {row.labels: frozen for row, frozen in rows}

    def told(self, name: str) -> int:
        """The self-metric *name* of the source."""
        return int(str(self.values(f"logmetrics_{name}")["journal",]))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal with nothing in it."""
    return Journal(tmp_path / "journal")


@pytest.fixture
def reading(journal: Journal, tmp_path: Path) -> Reading:
    """Reads *journal*."""
    return Reading(journal, tmp_path / "state")


def once(*numbers: int) -> dict[str, int]:
    return dict.fromkeys(map(str, numbers), 1)


def test_each_entry_counts_once(journal: Journal, reading: Reading) -> None:
    """Over restarts, with and without news, rotation, and the next boot."""
    journal.write(numbered(1, 2, 3))
    assert reading.read() == once(1, 2, 3)
    assert reading.read() == once(1, 2, 3)
    journal.write(numbered(4))
    journal.rotate()
    journal.write(numbered(5, 6))
    assert reading.read() == once(1, 2, 3, 4, 5, 6)
    journal.rotate()
    journal.write(numbered(7, boot=OTHER_BOOT) + numbered(8, 9, boot=OTHER_BOOT))
    assert reading.read() == once(1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert reading.told("source_lines_total") == 9
    assert reading.told("source_bytes_total") == 9 * len('{"n": "1"}\n')
    assert reading.told("journal_gap_seconds_total") == 0


def test_other_units_are_no_concern(journal: Journal, reading: Reading) -> None:
    """Neither what they say, nor what systemd says about the unit, nor fields that only a message names."""
    fake = b"x\n__CURSOR=s=1;i=1\n_SYSTEMD_UNIT=ollama.service\n\n__CURSOR=s=2;i=2\nMESSAGE={}\n\n"
    journal.write(numbered(1))
    journal.write(numbered(2, unit="other.service"))
    journal.write(entry(b'{"n": "about it"}', BEGIN_S + 3, "init.scope", UNIT="ollama.service"))
    journal.write(entry(fake, BEGIN_S + 4))
    journal.write(numbered(5))
    assert reading.read() == once(1, 5)
    assert reading.told("source_lines_total") == 3


def test_a_clock_that_goes_back_changes_nothing(journal: Journal, reading: Reading) -> None:
    """Entries have an order of their own."""
    journal.write(numbered(100, 101))
    assert reading.read() == once(100, 101)
    journal.write(numbered(50, 51))
    journal.write(numbered(102))
    counted = reading.read()
    assert counted == once(100, 101, 50, 51, 102)
    assert reading.read() == counted


def test_from_end(journal: Journal, tmp_path: Path) -> None:
    """What is there at the first start is not counted, all that comes later is, also in a journal that was empty."""
    reading = Reading(journal, tmp_path / "state", start_at_end=True)
    journal.write(numbered(1, 2))
    assert reading.read() == {}
    journal.write(numbered(3))
    assert reading.read() == once(3)
    other = Reading(journal, tmp_path / "other", "llama", start_at_end=True)
    with pytest.raises(LogmetricsError, match=r"no entries of llama\.service"):
        other.read()
    journal.write(numbered(4, unit="llama.service"))
    assert other.read() == once(4)


def test_vacuum_of_what_was_read_is_no_loss(journal: Journal, reading: Reading) -> None:
    """The last entry that was read is gone; those behind it all count, the very next one included."""
    journal.write(numbered(1, 2, 3))
    assert reading.read() == once(1, 2, 3)
    journal.rotate()
    journal.write(numbered(4, unit="other.service") + numbered(4, 5))
    journal.vacuum()
    assert journal.read_back() == 3
    assert reading.read() == once(1, 2, 3, 4, 5)
    assert reading.read() == once(1, 2, 3, 4, 5)
    # Whether something was written in the second between 3 and 4 nobody can know.
    assert reading.told("journal_gap_seconds_total") == 1


def test_vacuum_of_what_was_not_read_is_told(
    journal: Journal, reading: Reading, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, with the time that is missing, and as a counter that goes on over restarts."""
    journal.write(numbered(1, 2, 3))
    assert reading.read() == once(1, 2, 3)
    journal.write(numbered(*range(4, 60)))
    journal.rotate()
    journal.write(numbered(63, 64))
    journal.vacuum()
    for _ in range(3):
        assert reading.read() == once(1, 2, 3, 63, 64)
        assert reading.told("journal_gap_seconds_total") == 60
        assert reading.values("logmetrics_source_decisions_total")["journal", "journal_vacuumed"] == 1
    [told] = [line for line in capsys.readouterr().err.splitlines() if "vacuumed" in line]
    assert "journal of ollama.service: vacuumed before it was read; what there was from 2025-10-09 08:53:23 UTC" in told


def test_everything_vacuumed(journal: Journal, reading: Reading) -> None:
    """Also when nothing of the unit is left, or nothing at all; what comes then counts."""
    journal.write(numbered(1, 2))
    assert reading.read() == once(1, 2)
    journal.path.unlink()
    assert reading.read() == once(1, 2)
    gap_s = reading.told("journal_gap_seconds_total")
    assert gap_s > 0  # from then until now
    journal.write(numbered(10, unit="other.service"))
    assert reading.read() == once(1, 2)
    journal.write(numbered(11))
    assert reading.read() == once(1, 2, 11)
    assert reading.read() == once(1, 2, 11)
    assert reading.told("journal_gap_seconds_total") == gap_s


def test_the_same_entry_in_a_copy_of_the_journal(journal: Journal, reading: Reading, tmp_path: Path) -> None:
    """A journal that was carried over has other numbers, and the same entries."""
    journal.write(numbered(1, 2, 3))
    assert reading.read() == once(1, 2, 3)
    journal.path.unlink()
    journal.write(numbered(1, 2, 3, 4))
    assert reading.read() == once(1, 2, 3, 4)
    assert reading.told("journal_gap_seconds_total") == 0


def objects(*numbers: int, pid: int = 7) -> Iterator[bytes]:
    """An indented object over three entries for each number."""
    for number in numbers:
        for part, line in enumerate((b"{", b'  "n": "%d"' % number, b"}")):
            yield entry(line, BEGIN_S + number + part / 10, pid=pid)


def test_records_over_several_entries(journal: Journal, reading: Reading) -> None:
    """A restart at any entry, with lines of another process in between that count at once, and only once."""
    first, second = list(objects(10, 20)), list(objects(11, 21, pid=8))
    mixed = [entry for pair in zip(first, second, strict=True) for entry in pair]
    mixed.insert(3, numbered(12, pid=9))
    mixed.insert(8, numbered(22, pid=9))
    for part in mixed:
        journal.write(part)
        reading.read()
        reading.read()
    assert reading.read() == once(10, 11, 12, 20, 21, 22)
    assert reading.told("source_lines_total") == len(mixed)


@pytest.mark.parametrize("what_is_left", ["nothing of it", "what was counted beside it"])
def test_a_record_whose_beginning_was_vacuumed(journal: Journal, reading: Reading, what_is_left: str) -> None:
    """It is lost, and what stood beside it is counted neither twice nor not at all."""
    begin, middle, end = objects(10)
    beside, is_left = numbered(12, pid=8), what_is_left != "nothing of it"
    journal.write(numbered(1) + begin + middle)
    if is_left:
        journal.rotate()
    journal.write(beside)
    assert reading.read() == once(1, 12)
    if not is_left:
        journal.rotate()
    journal.write(numbered(13, pid=8) + end + numbered(14, pid=8))
    journal.vacuum()
    assert journal.read_back() == 3 + is_left
    assert reading.read() == once(1, 12, 13, 14)
    assert reading.read() == once(1, 12, 13, 14)


CURSOR = "s=aa;i={:x};b={};m={:x};t={:x};x={}"
BEFORE = Place(CURSOR.format(10, "b1", 100, 1_000, "f1"), 1_000)


@pytest.mark.parametrize(
    ("place", "is_same", "is_behind"),
    [
        (BEFORE, True, False),
        (Place(CURSOR.format(11, "b1", 101, 900, "f2"), 900), False, True),
        (Place(CURSOR.format(9, "b1", 99, 1_100, "f2"), 1_100), False, False),
        (Place(CURSOR.format(16, "b2", 1, 900, "f2"), 900), False, True),
        (Place(CURSOR.format(3, "b1", 100, 1_000, "f1").replace("s=aa", "s=bb"), 1_000), True, False),
        (Place(CURSOR.format(3, "b1", 100, 1_000, "f2").replace("s=aa", "s=bb"), 1_000), False, False),
        (Place(CURSOR.format(3, "b1", 101, 900, "f2").replace("s=aa", "s=bb"), 900), False, True),
        (Place(CURSOR.format(3, "b2", 99, 1_001, "f2").replace("s=aa", "s=bb"), 1_001), False, True),
        (Place(CURSOR.format(30, "b2", 101, 999, "f2").replace("s=aa", "s=bb"), 999), False, False),
        (Place("another form", 1_001), False, True),
        (Place("s=aa;i=xyz;b=b1;m=1;t=1;x=1", 999), False, False),
    ],
)
def test_the_order_of_entries(place: Place, is_same: bool, is_behind: bool) -> None:
    """The series' numbers decide, else the boot's clock, else the time; the same as journald's own order."""
    assert (place.is_same(BEFORE), place.is_behind(BEFORE)) == (is_same, is_behind)
    assert place.is_same(place)
    assert BEFORE.is_behind(place) == (not is_behind and not is_same and place.time_us != BEFORE.time_us)


def test_lines_that_journald_cut(journal: Journal, reading: Reading) -> None:
    """A line longer than journald's LineMax comes in pieces, between which another process may say something."""
    pieces = [b'{"n": "lo', b"ng", b'er"}']
    cut = [
        entry(piece, BEGIN_S + 5 + number, pid=3, **({} if number == 2 else {"_LINE_BREAK": "line-max"}))
        for number, piece in enumerate(pieces)
    ]
    journal.write(cut[0] + numbered(6, pid=4) + cut[1])
    assert reading.read() == once(6)
    journal.write(cut[2])
    assert reading.read() == {"6": 1, "longer": 1}


def test_hostile_entries(journal: Journal, tmp_path: Path) -> None:
    """Empty, binary, not UTF-8, of a megabyte, of ten, with a field again and again: the others count."""
    reading = Reading(journal, tmp_path / "state", max_line_bytes=2_000_000)
    bad = [
        b"",
        bytes(range(256)) * 10,
        b'{"n": "\xff\xfe"}',
        b"\n" * 1000,
        b"{" * 100_000,
        b'{"n": "' + b"x" * 3_000_000 + b'"}',
        b"=\n\n" * 3_000_000,
    ]
    for number, message in enumerate(bad):
        journal.write(entry(message, BEGIN_S + number, EXTRA="MESSAGE=x"))
    long = b'{"n": "%s", "m": 1}' % (b"9" * 1_000_000)
    journal.write(entry(long, BEGIN_S + 20) + numbered(30))
    twice = numbered(31).replace(b"PRIORITY=6", b"PRIORITY=6\nPRIORITY=7\n__CURSOR=s=0;i=0\n_PID=9")
    journal.write(twice + numbered(32))
    counted = reading.read()
    assert {text: count for text, count in counted.items() if text.isdecimal() and len(text) < 3} == once(30, 31, 32)
    assert reading.told("source_oversize_lines_total") == 2
    assert reading.told("source_lines_total") == len(bad) + 4
    assert reading.read() == counted
    assert reading.told("source_oversize_lines_total") == 2


def test_each_unit_is_a_log_of_its_own(journal: Journal, tmp_path: Path) -> None:
    """What is remembered of one is not known of the other."""
    reading = Reading(journal, tmp_path / "state", "a", "b")
    for second, (unit, model) in enumerate((("a", "llama"), ("b", "qwen"))):
        journal.write(entry(b'{"model": "%s"}' % model.encode(), BEGIN_S + second, f"{unit}.service"))
    reading.read()
    for second, unit in enumerate("abaa"):
        journal.write(entry(b'{"answer": 1}', BEGIN_S + 2 + second, f"{unit}.service"))
    reading.read()
    assert reading.values("answers_total") == {("llama",): 3, ("qwen",): 1}


@pytest.mark.parametrize("log", sorted(DATA.glob("*.log")), ids=lambda log: log.stem)
def test_a_journal_gives_what_its_log_gives(log: Path, tmp_path: Path) -> None:
    """All samples of Ollama's logs."""
    lines = log.read_bytes().splitlines()
    journal = Journal(tmp_path / "journal")
    journal.write(b"".join(entry(line, BEGIN_S + number) for number, line in enumerate(lines)))
    (tmp_path / "ollama.service").write_bytes(b"".join(line + b"\n" for line in lines))
    of_file = resolve_config([str(tmp_path / "ollama.service")], None, ["ollama"])
    of_journal = resolve_config(None, None, ["ollama"], ["ollama"], str(journal.directory))
    totals = [
        [line for line in render(read_all(config)).splitlines() if line.startswith("ollama_")]
        for config in (of_file, of_journal)
    ]
    assert totals[0] == totals[1]
    assert totals[0]


def test_without_journalctl(journal: Journal, reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told at the start."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="a journal needs journalctl"):
        reading.read()


FAKES = {
    "echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1": (
        r"No journal files were opened due to insufficient permissions\. Members of the groups systemd-journal and adm"
    ),
    "echo 'Hint: You are currently not seeing messages from other users and the system.' >&2": (
        r"You are currently not seeing messages from other users and the system\. Members of the groups"
    ),
    "kill -9 $$": "journalctl was ended by signal 9",
    "exit 3": "journalctl ended with exit code 3",
    "echo one >&2; echo Failed to do it >&2; exit 1": "Failed to do it",
}


@pytest.mark.parametrize("script", FAKES)
def test_what_goes_wrong_is_told(
    script: str, reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few tries, with what to do where that is known."""
    fake = tmp_path / "journalctl"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(LogmetricsError, match=FAKES[script]):
        reading.read()


@pytest.fixture
def own(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """*journal*, which journalctl takes for this machine's own."""
    monkeypatch.setenv("PATH", f"{journal.as_own(tmp_path)}:{os.environ['PATH']}")
    return journal


def test_vacuum_while_nothing_was_written_is_no_loss(own: Journal, tmp_path: Path) -> None:
    """This machine's clock is the journal's: what was read to its end yesterday misses nothing of last week."""
    now_s = int(time.time())
    reading = Reading(own, tmp_path / "state", is_own=True)
    own.write(entry(b'{"n": "1"}', now_s - 7 * 86_400))
    assert reading.read() == once(1)
    own.rotate()
    own.write(entry(b'{"n": "other"}', now_s - 3 * 86_400, "other.service") + entry(b'{"n": "2"}', now_s))
    own.vacuum()
    assert reading.read() == once(1, 2)
    assert reading.told("journal_gap_seconds_total") == 0


def test_no_such_directory(tmp_path: Path) -> None:
    """In journalctl's words."""
    config = resolve_config(None, None, None, ["ollama"], str(tmp_path / "nowhere"))
    with pytest.raises(LogmetricsError, match=r"journal of ollama\.service: .*No such file or directory"):
        read_all(config)
