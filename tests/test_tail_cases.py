"""The cases that other log tailers test, one by one; docs/tail-cases.md lists all with the tests that hold them."""

from __future__ import annotations

import bz2
import errno
import gzip
import json
import lzma
import os
import re
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from logmetrics.errors import StateError
from logmetrics.sources import files as files_module
from logmetrics.sources import ledger
from logmetrics.sources.heads import Heads
from logmetrics.sources.tail import BLOCK_BYTES
from logmetrics.store.state import Batch, CommitError, StateFile
from tests.world import LINES_CONFIG, World

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "tail-cases.md"
CASES = 166
# Lines without n, such as banners, count nowhere.
CONFIG = LINES_CONFIG.replace("    labels: {text: n}", "    when: has(n)\n    labels: {text: n}")
BANNER = '{"banner": "' + "=" * 2000 + '"}\n'
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[World]:
    """An engine over the empty directory logs, with a state that outlives it."""
    made = lasting_world(tmp_path)
    yield made
    made.close()


def lasting_world(tmp_path: Path, pattern: str = "", text: str = CONFIG, **source: object) -> World:
    """A world over tmp_path/logs, or over the *pattern* in it, with its state beside it."""
    (tmp_path / "logs").mkdir(exist_ok=True)
    return World(tmp_path / "logs" / pattern, text, state_dir=tmp_path / "state", **source)


@contextmanager
def down(world: World) -> Iterator[None]:
    """An orderly stop, and a start after the block."""
    world.engine.commit()
    world.close()
    try:
        yield
    finally:
        world.engine = world._start()


def lines(*numbers: int | str, end: str = "\n") -> str:
    """A record for each number."""
    return "\n".join(f'{{"n": "{number}"}}' for number in numbers) + end


def append(path: Path, *numbers: int | str, end: str = "\n") -> Path:
    """Write a record for each number to the end of *path*, which is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(lines(*numbers, end=end))
    return path


def rotate(path: Path, *numbers: int | str) -> Path:
    """path -> path.1, with the older ones moved up; then a new file with *numbers*."""
    for number in range(9, 0, -1):
        old = path.with_name(f"{path.name}.{number}")
        if old.exists():
            old.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))
    append(path, *numbers)
    return path.with_name(f"{path.name}.1")


def look_only(world: World) -> None:
    """Let the engine see the files without reading them."""
    with patch.object(files_module, "BLOCKS_PER_TURN", 0):
        world.now_s += 2
        world.engine._pass(scrape_waits=False)


def once(*numbers: int | str) -> dict[str, int]:
    """What is counted when each of *numbers* counts once."""
    return {str(number): 1 for number in numbers}


def metric(world: World, name: str, *labels: str) -> int:
    """One committed value."""
    return int(str(world.values(name)[labels]))


def oversize(world: World) -> int:
    return metric(world, "logmetrics_source_oversize_lines_total", "test")


def unparsable(world: World) -> int:
    return metric(world, "logmetrics_source_unparsable_lines_total", "test")


def open_files(world: World) -> int:
    return metric(world, "logmetrics_open_files")


# -- the page


def test_every_case_is_told_once_and_every_test_exists() -> None:
    """The page has a row for each case, and no row names a test that is not there."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, CASES + 1))
    for number, _, held_by in rows:
        for file, function in re.findall(r"`(\w+\.py)::(\w+)`", held_by):
            assert f"def {function}(" in (TESTS / file).read_text(), f"case {number}: {file}::{function}"
    assert re.findall(r"`[^`]*::[^`]*`", PAGE.read_text()) == re.findall(r"`\w+\.py::\w+`", PAGE.read_text())


def test_every_test_of_a_case_is_on_the_page() -> None:
    """What is tested here is told there."""
    named = set(re.findall(r"`test_tail_cases\.py::(\w+)`", PAGE.read_text()))
    assert named == set(re.findall(r"^def (test_case_\w+)\(", Path(__file__).read_text(), re.MULTILINE))


# -- discovery and start


def test_case_1_what_is_there_is_read_once(world: World) -> None:
    """Every line that is there at the start counts, and no later look reads it again."""
    world.write("a.log", 1, 2, 3)
    world.write("b.log", 4)
    for _ in range(3):
        world.poll()

    assert world.counted() == once(1, 2, 3, 4)


def test_case_2_from_end_reads_the_next_line_only(tmp_path: Path) -> None:
    """With from: end nothing old counts, neither now nor after a restart, and the next line does."""
    world = lasting_world(tmp_path, start_at_end=True)
    world.write("a.log", 1, 2)
    world.poll()
    assert world.counted() == {}

    world.write("a.log", 3)
    world.restart()
    world.poll()
    assert world.counted() == once(3)
    world.close()


def test_case_3_a_file_that_comes_later_is_read_from_its_first_byte(tmp_path: Path) -> None:
    """Also with from: end, also when nothing at all was there at the start."""
    world = World(tmp_path, start_at_end=True)
    world.poll()
    world.write("a.log", 1, 2)
    world.write("deep/b.log", 3)
    world.poll()

    assert world.counted() == once(1, 2, 3)
    world.close()


def test_case_5_a_single_file_is_awaited(tmp_path: Path) -> None:
    """A file that is named and not there yet is one message, and is read from its start when it comes."""
    path = tmp_path / "a.log"
    world = World(path)
    world.poll()
    world.poll()
    assert world.messages == [f"{path}: No such file or directory"]

    append(path, 1)
    world.poll()
    assert world.counted() == once(1)
    world.close()


@pytest.mark.parametrize("pattern", ["logs", "logs/*.log", "logs/a.log", "**/*.log", "./logs/../logs"])
def test_case_7_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    """A relative path or pattern finds what is there and what is made later, and knows it again after a restart."""
    monkeypatch.chdir(tmp_path)
    world = World(Path(pattern), state_dir=tmp_path / "state")
    world.poll()
    append(Path("logs/a.log"), 1)
    world.poll()
    append(Path("logs/a.log"), 2)
    world.restart()
    world.poll()

    assert world.counted() == once(1, 2)
    world.close()


def test_case_8_a_glob_reads_only_what_it_matches(tmp_path: Path) -> None:
    """Files that do not match are left alone, whenever they come."""
    world = World(tmp_path / "*.log")
    append(tmp_path / "a.log", 1)
    append(tmp_path / "a.txt", 2)
    world.poll()
    append(tmp_path / "b.log", 3)
    append(tmp_path / "b.txt", 4)
    append(tmp_path / "sub" / "c.log", 5)
    world.poll()

    assert world.counted() == once(1, 3)
    world.close()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*/*.log", once(2, 4)),
        ("**/*.log", once(1, 2, 3, 4)),
        ("x/**/*.log", once(2, 3)),
        ("**/y/*.log", once(3)),
        ("[yx]/?.log", once(2)),
        ("**", once(1, 2, 3, 4, 5)),
    ],
)
def test_case_9_globs_over_several_directories(tmp_path: Path, pattern: str, expected: dict[str, int]) -> None:
    """A star is one level, two stars are any number of levels; files that come later are found as well."""
    world = World(tmp_path / pattern)
    world.poll()
    for number, name in enumerate(("a.log", "x/b.log", "x/y/c.log", "z/long.log", "x/y/d.txt"), start=1):
        append(tmp_path / name, number)
    world.poll()

    assert world.counted() == expected
    world.close()


def test_case_10_exclude_wins(tmp_path: Path) -> None:
    """What any of the excludes names is not read, whatever the path matches."""
    world = World(tmp_path / "**/*.log", exclude=("b*", f"{tmp_path}/sub/*", "*-debug.log"))
    for number, name in enumerate(("a.log", "b.log", "sub/c.log", "other/d.log", "other/d-debug.log"), start=1):
        append(tmp_path / name, number)
    world.poll()

    assert world.counted() == once(1, 4)
    world.close()


def test_case_12_a_directory_that_matches_is_no_log(tmp_path: Path) -> None:
    """It is passed over without a word, also when it comes later."""
    world = World(tmp_path / "*.log")
    (tmp_path / "dir.log").mkdir()
    append(tmp_path / "a.log", 1)
    world.poll()
    (tmp_path / "late.log").mkdir()
    world.poll()

    assert world.counted() == once(1)
    assert world.messages == []
    world.close()


def test_case_14_empty_files_are_read_when_they_get_content(lasting: World) -> None:
    """Several empty files are not one and the same, and being empty at a restart changes nothing."""
    for name in ("a.log", "b.log", "c.log"):
        (lasting.directory / name).touch()
    lasting.poll()
    lasting.restart()
    lasting.poll()
    lasting.write("a.log", 1)
    lasting.write("b.log", 1)
    lasting.poll()
    lasting.write("c.log", 2)
    lasting.poll()

    assert lasting.counted() == {"1": 2, "2": 1}


@pytest.mark.parametrize("time_s", [0, 1, 2**31, 32503680000])
def test_case_15_the_age_of_a_file_does_not_matter(lasting: World, time_s: int) -> None:
    """A file that seems to be from 1970 or from the far future is read, and goes on when it is written again."""
    path = lasting.write("a.log", 1)
    os.utime(path, (time_s, time_s))
    lasting.poll()
    lasting.write("a.log", 2)
    os.utime(path, (time_s, time_s))
    lasting.poll()
    lasting.restart()
    lasting.poll()

    assert lasting.counted() == once(1, 2)


def test_case_16_a_file_that_was_still_for_a_year_goes_on(lasting: World) -> None:
    """However long nothing was written, the next line is read, and none before it again."""
    lasting.write("a.log", 1)
    lasting.poll()
    lasting.poll(366 * 86_400)
    lasting.write("a.log", 2)
    lasting.poll()
    lasting.poll(366 * 86_400)
    lasting.restart()
    lasting.write("a.log", 3)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3)


@pytest.mark.parametrize("pattern", ["", "*.log", "**/*.log"])
def test_case_19_a_broken_link_does_not_stop_its_siblings(tmp_path: Path, pattern: str) -> None:
    """It is passed over, and the files beside it count."""
    (tmp_path / "a.log").symlink_to(tmp_path / "nowhere")
    (tmp_path / "z.log").symlink_to(tmp_path / "z.log")
    append(tmp_path / "b.log", 1)
    world = World(tmp_path / pattern)
    world.poll()
    append(tmp_path / "b.log", 2)
    world.poll()

    assert world.counted() == once(1, 2)
    world.close()


def test_case_20_a_dangling_link_is_quiet(tmp_path: Path) -> None:
    """No message and no gauge for it; when its target comes, it is read."""
    (tmp_path / "link.log").symlink_to(tmp_path / "elsewhere" / "target")
    world = World(tmp_path / "*.log")
    append(tmp_path / "a.log", 1)
    world.poll()
    assert world.messages == []
    assert metric(world, "logmetrics_source_unreadable_files", "test") == 0

    append(tmp_path / "elsewhere" / "target", 2)
    world.poll()
    assert world.counted() == once(1, 2)
    world.close()


@pytest.mark.parametrize("name", ["журнал.log", "日志 1.log", 'a "b"\n.log', os.fsdecode(b"\xff\xfe.log"), "[a]*.log"])
def test_case_21_odd_file_names(lasting: World, name: str) -> None:
    """Other scripts, blanks, quotes, newlines and bytes that are no UTF-8: read, and known after a restart."""
    lasting.write(name, 1)
    lasting.poll()
    lasting.write(name, 2)
    lasting.restart()
    lasting.poll()

    assert lasting.counted() == once(1, 2)


# -- lines


def test_case_25_a_half_line_of_a_deleted_file_never_counts(world: World) -> None:
    """A line without its newline is no line, also when it never gets one; nothing is lost by that."""
    path = world.write("a.log", 1, 2, end="")
    world.poll()
    path.unlink()
    for _ in range(3):
        world.poll(100)

    assert world.counted() == once(1)
    assert (world.lost(), open_files(world)) == ({}, 0)


def test_case_26_a_half_line_may_grow_for_as_long_as_it_wants(lasting: World) -> None:
    """No timer ends it: hours between its parts, and a restart, leave one line."""
    path = lasting.directory / "a.log"
    for part in ('{"n"', ': "', "1", '"', "}", "\n"):
        with path.open("a") as file:
            file.write(part)
        lasting.poll(3600)
        lasting.restart()

    assert lasting.counted() == once(1)
    assert unparsable(lasting) == 0


def test_case_27_a_half_line_longer_than_a_block(world: World) -> None:
    """It waits for its newline like any other, block after block."""
    path = world.directory / "a.log"
    for part in ('{"n": "1", "pad": "', *["x" * (BLOCK_BYTES + 7)] * 4):
        with path.open("a") as file:
            file.write(part)
        world.poll()
        assert world.counted() == {}
    with path.open("a") as file:
        file.write('"}\n' + lines(2))
    world.poll()

    assert world.counted() == once(1, 2)


@pytest.mark.parametrize("empty", ["\n", "\r\n"])
def test_case_28_empty_lines(world: World, empty: str) -> None:
    """Leading ones, many in a row, and the last one: each is passed once, and the lines between count."""
    (world.directory / "a.log").write_bytes((empty * 3 + lines(1) + empty * 50_000 + lines(2) + empty).encode())
    world.poll()
    world.poll()

    assert world.counted() == once(1, 2)
    assert (unparsable(world), metric(world, "logmetrics_source_lines_total", "test")) == (50_004, 50_006)


def test_case_30_a_lone_carriage_return_ends_no_line(world: World) -> None:
    """Only a newline does; a carriage return before it is not part of what is counted."""
    (world.directory / "a.log").write_bytes(b'{"n":\r"1"}\r\n{"n": "2"\r}\n{"n": "3"}\r{"n": "4"}\n')
    world.poll()

    assert world.counted() == once(1, 2, 3, 4)  # the last two are objects of one line
    assert (unparsable(world), metric(world, "logmetrics_source_lines_total", "test")) == (0, 3)


@pytest.mark.parametrize("shift", [-2, -1, 0, 1])
def test_case_33_crlf_over_the_edge_of_a_block(world: World, shift: int) -> None:
    """The line end is one, wherever a block ends."""
    pad = "x" * (BLOCK_BYTES + shift - len('{"n": "1", "pad": ""}'))
    (world.directory / "a.log").write_bytes(f'{{"n": "1", "pad": "{pad}"}}\r\n{{"n": "2"}}\r\n'.encode())
    world.poll()

    assert world.counted() == once(1, 2)
    assert unparsable(world) == 0


@pytest.mark.parametrize("length", [4095, 4096, 4097, 65_535, 65_536, 65_537])
def test_case_34_lines_at_the_usual_buffer_sizes(world: World, length: int) -> None:
    """A line that is as long as somebody's buffer is a line like any other."""
    pad = "x" * (length - len('{"n": "1", "pad": ""}'))
    (world.directory / "a.log").write_text(lines(0) + f'{{"n": "1", "pad": "{pad}"}}\n' + lines(2))
    world.poll()

    assert world.counted() == once(0, 1, 2)


@pytest.mark.parametrize("bound", [1024, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 100_000])
@pytest.mark.parametrize("in_parts", [False, True], ids=["at once", "in parts"])
def test_case_35_the_bound_is_exact(tmp_path: Path, bound: int, in_parts: bool) -> None:
    """A line of just max_line_bytes counts, one more byte is too much, and the lines around it count."""
    world = World(tmp_path, max_line_bytes=bound)
    exact = '{"n": "exact", "pad": "' + "x" * (bound - len('{"n": "exact", "pad": ""}')) + '"}\n'
    over = '{"n": "over", "pad": "' + "x" * (bound + 1 - len('{"n": "over", "pad": ""}')) + '"}\n'
    text = lines(1) + exact + lines(2) + over + lines(3) + exact + over + lines(4)
    step = 777 if in_parts else len(text)
    for start in range(0, len(text), step):
        with (tmp_path / "a.log").open("a") as file:
            file.write(text[start : start + step])
        world.poll(0.01)

    assert world.counted() == {**once(1, 2, 3, 4), "exact": 2}
    assert oversize(world) == 2
    world.close()


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_case_36_an_over_long_line_in_several_writes(tmp_path: Path, restart: bool) -> None:
    """Its rest is skipped as well, over polls and restarts, and the next line counts."""
    world = lasting_world(tmp_path, max_line_bytes=1024)
    path = world.write("a.log", 1)
    for part in ('{"n": "over', *["x" * 700] * 5, '"}\n' + lines(2)):
        with path.open("a") as file:
            file.write(part)
        world.poll()
        if restart:
            world.restart()
            world.poll()

    assert world.counted() == once(1, 2)
    assert oversize(world) == 1
    world.close()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(1, 60), min_size=1, max_size=30),
)
def test_case_38_any_content_in_any_parts(content: list[bytes | int], sizes: list[int]) -> None:
    """Whatever bytes come in whatever parts, the place is never lost: good lines count exactly."""
    rubbish = [b"|" + piece.replace(b"\n", b"") + b"\n" if isinstance(piece, bytes) else b"" for piece in content]
    data = b"".join(lines(p).encode() if isinstance(p, int) else r for p, r in zip(content, rubbish, strict=True))
    expected = {str(piece): content.count(piece) for piece in content if isinstance(piece, int)}
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), max_line_bytes=32)
        while data:
            size = sizes.pop() if sizes else len(data)
            with (Path(directory) / "a.log").open("ab") as file:
                file.write(data[:size])
            data = data[size:]
            world.poll(0.2)
        world.poll()
        assert world.counted() == expected
        assert metric(world, "logmetrics_source_lines_total", "test") == len(content)
        world.close()


@pytest.mark.parametrize("seen_empty", [False, True])
def test_case_39_leading_nuls_are_dropped(world: World, seen_empty: bool) -> None:
    """A writer with an offset of its own leaves a hole after a truncation; the lines behind it count."""
    with (world.directory / "a.log").open("wb", buffering=0) as writer:
        writer.write(lines(1, 2).encode())
        world.poll()
        os.truncate(world.directory / "a.log", 0)
        if seen_empty:
            world.poll()
        writer.write(lines(3, 4).encode())
        world.poll()

    assert world.counted() == once(1, 2, 3, 4)
    assert metric(world, "logmetrics_source_nul_bytes_total", "test") == len(lines(1, 2))
    assert unparsable(world) == 0


@pytest.mark.parametrize("kind", ["json", "auto"])
def test_case_40_blanks_around_a_record(tmp_path: Path, kind: str) -> None:
    """They are no part of it, and places in the file are those of the bytes."""
    world = lasting_world(tmp_path, format=kind)
    (world.directory / "a.log").write_text('  {"n": "1"}\n{"n": "2"}   \n\t{"n": "3"}\t\n \t \n')
    world.poll()
    world.write("a.log", 4)
    world.restart()
    world.poll()

    assert world.counted() == once(1, 2, 3, 4)
    world.close()


def test_case_43_the_place_is_exact(lasting: World) -> None:
    """The saved place is the byte behind the last whole line, also with line ends of two bytes and odd characters."""
    path = lasting.directory / "a.log"
    whole = '\ufeff{"n": "µ"}\r\n\n{"n": "日本"}\n'.encode()
    path.write_bytes(whole + '{"n": "½'.encode())
    lasting.poll()

    assert lasting.state is not None
    assert [(row[2], row[6]) for row in lasting.state.rows("files")] == [(str(path).encode(), len(whole))]
    assert metric(lasting, "logmetrics_source_bytes_total", "test") == len(whole)
    with path.open("a") as file:
        file.write('"}\n')
    lasting.restart()
    lasting.poll()
    assert lasting.counted() == once("µ", "日本", "½")
    assert metric(lasting, "logmetrics_source_bytes_total", "test") == path.stat().st_size


# -- rotation by renaming


@pytest.mark.parametrize("pattern", ["", "*.log", "a.log"])
def test_case_45_rename_then_create(tmp_path: Path, pattern: str) -> None:
    """The rest of the old file is read, then the new one from its start, whatever named the log."""
    path = append(tmp_path / "a.log", 1)
    world = World(tmp_path / pattern)
    world.poll()
    append(path, 2)
    rotate(path, 3)
    world.poll()
    append(path, 4)
    world.poll()

    assert world.counted() == once(1, 2, 3, 4)
    world.close()


@pytest.mark.parametrize("new_name", ["a.log.1", "a.log.old", "sub/a.log", "../elsewhere"])
def test_case_46_writer_goes_on_writing_to_the_renamed_file(lasting: World, new_name: str) -> None:
    """Lines that come between the rename and the writer's reopening count, and those after it as well."""
    path = lasting.write("a.log", 1)
    (lasting.directory / "sub").mkdir()
    lasting.poll()
    with path.open("a", buffering=1) as writer:
        path.rename(lasting.directory / new_name)
        lasting.poll()
        writer.write(lines(2))
        lasting.poll()
        append(path, 3)
        writer.write(lines(4))
        lasting.poll()
        writer.write(lines(5))
        lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4, 5)
    assert lasting.lost() == {}


def test_case_47_a_file_out_of_sight_is_followed_while_it_grows(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Growth keeps it open; a minute without any closes it."""
    path = world.write("a.log", 0)
    world.poll()
    away = tmp_path_factory.mktemp("away") / "a.log"
    path.rename(away)
    for number in range(1, 5):
        append(away, number)
        world.poll(50)
    assert (world.counted(), open_files(world)) == (once(0, 1, 2, 3, 4), 1)

    world.poll(61)
    world.poll(1)
    assert (open_files(world), world.lost()) == (0, {})


@pytest.mark.parametrize("looks", [(), ("rename",), ("create",), ("rename", "create")])
def test_case_48_looks_anywhere_in_a_rotation(world: World, looks: tuple[str, ...]) -> None:
    """A look between rename and create, or after both, or none: the lines are the same."""
    path = world.write("a.log", 1)
    world.poll()
    for number in (2, 4, 6):
        append(path, number)
        path.rename(path.with_name(f"a.log.{number}"))
        if "rename" in looks:
            world.poll()
        append(path, number + 1)
        if "create" in looks:
            world.poll()
    world.poll()

    assert world.counted() == once(1, 2, 3, 4, 5, 6, 7)


@pytest.mark.parametrize("pattern", ["", "*.log"])
@pytest.mark.parametrize("seen", [False, True])
def test_case_49_made_under_another_name_and_renamed_into_place(tmp_path: Path, pattern: str, seen: bool) -> None:
    """The new log counts once, whether or not its first name was in sight."""
    path = append(tmp_path / "a.log", 1)
    world = World(tmp_path / pattern)
    world.poll()
    new = append(tmp_path / "new.tmp", 2)
    if seen:
        world.poll()
    append(path, 3)
    path.rename(tmp_path / "a.log.1")
    new.rename(path)
    world.poll()
    append(path, 4)
    world.poll()

    assert world.counted() == once(1, 2, 3, 4)
    world.close()


@pytest.mark.parametrize("pattern", ["", "*.log", "a.log"])
@pytest.mark.parametrize("stopped", [False, True])
def test_case_50_several_rotations_between_two_looks(tmp_path: Path, pattern: str, stopped: bool) -> None:
    """Files that were never seen under the log's name are read as its generations, also after a restart."""
    world = lasting_world(tmp_path, pattern)
    path = append(tmp_path / "logs" / "a.log", 1)
    world.poll()

    def rotate_three_times() -> None:
        append(path, 2)
        for number in (3, 4, 5):
            rotate(path, number)

    if stopped:
        with down(world):
            rotate_three_times()
    else:
        rotate_three_times()
    world.poll()
    world.poll()

    assert world.counted() == once(1, 2, 3, 4, 5)
    world.close()


def test_case_51_several_files_rotated_at_once(lasting: World) -> None:
    """Ten logs rotated again and again, with one look for all: each line counts once."""
    number = 0
    for _ in range(5):
        for name in range(10):
            path = lasting.write(f"{name}.log", number)
            rotate(path, number + 1)
            append(path.with_name(f"{name}.log.1"), number + 2)
            number += 3
        lasting.poll()

    assert lasting.counted() == once(*range(number))


def test_case_52_a_slow_rotation(world: World) -> None:
    """Many looks, a moment apart, at every step of rotations with a writer at work."""
    path = world.write("a.log", 0)
    number = 1
    for _ in range(4):
        with path.open("a", buffering=1) as writer:
            for step in ("before", "renamed", "created", "after"):
                if step == "renamed":
                    path.rename(path.with_name(f"a.log.{number}"))
                if step == "created":
                    path.touch()
                for _ in range(3):
                    writer.write(lines(number))
                    number += 1
                    world.poll(0.05)
    world.poll()

    assert world.counted() == once(*range(number))


@pytest.mark.parametrize("pattern", ["", "*", "*.log*", "a.log*"])
@pytest.mark.parametrize("stopped", [False, True])
def test_case_53_a_rotated_name_that_matches_is_not_read_again(tmp_path: Path, pattern: str, stopped: bool) -> None:
    """Its content is known, whatever its name is now."""
    world = lasting_world(tmp_path, pattern)
    path = append(tmp_path / "logs" / "a.log", 1, 2)
    world.poll()
    if stopped:
        with down(world):
            rotate(path, 3)
    else:
        rotate(path, 3)
    world.poll()
    world.poll()

    assert world.counted() == once(1, 2, 3)
    world.close()


@pytest.mark.parametrize("new_name", ["a.log.1", "a.log.bak", "b.txt", "../b.log", "a.log-20260101"])
def test_case_54_a_rotated_name_that_does_not_match_is_read_to_its_end(tmp_path: Path, new_name: str) -> None:
    """What was written before the rename and right after it counts."""
    world = lasting_world(tmp_path, "*.log")
    path = append(tmp_path / "logs" / "a.log", 1)
    world.poll()
    append(path, 2)
    path.rename(path.parent / new_name)
    append(path, 3)
    append(path.parent / new_name, 4)
    world.poll()
    append(path.parent / new_name, 5)
    world.poll()

    assert world.counted() == once(1, 2, 3, 4, 5)
    world.close()


@pytest.mark.parametrize("stopped", [False, True])
def test_case_55_moved_to_another_directory_and_appended_there(lasting: World, stopped: bool) -> None:
    """The log goes on where it is now."""
    path = lasting.write("a.log", 1)
    lasting.poll()
    (lasting.directory / "archive").mkdir()
    if stopped:
        with down(lasting):
            path.rename(lasting.directory / "archive" / "a.log")
            lasting.write("archive/a.log", 2)
    else:
        path.rename(lasting.directory / "archive" / "a.log")
        lasting.write("archive/a.log", 2)
    lasting.poll()
    lasting.write("archive/a.log", 3)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3)


@pytest.mark.parametrize("stopped", [False, True])
def test_case_56_a_rotation_overwrites_another_log(lasting: World, stopped: bool) -> None:
    """a.log takes the name of b.log: both are read to their ends, and neither goes on at the other's place."""
    a, b = lasting.write("a.log", 1), lasting.write("b.log", 2, 3, 4)
    lasting.poll()
    append(a, 5)
    if stopped:
        with down(lasting):
            a.rename(b)
            append(a, 6)
    else:
        append(b, 7)
        a.rename(b)
        append(a, 6)
    lasting.poll()
    append(b, 8)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4, 5, 6, 8, *([] if stopped else [7]))


@pytest.mark.parametrize(
    "name",
    [
        "a.log.{}",
        "a.log-2026010{}",
        "a-2026-01-0{}.log",
        "a.log.2026-01-0{}",
        "a.log-2026010{}-1200",
        "a.log.176700000{}",
    ],
)
@pytest.mark.parametrize("stopped", [False, True])
def test_case_57_rotation_by_number_and_by_time(tmp_path: Path, name: str, stopped: bool) -> None:
    """All names shift, or each gets its date: nothing is read twice or missed, though only the log itself is named."""
    world = lasting_world(tmp_path, "a.log")
    path = append(tmp_path / "logs" / "a.log", 0)
    world.poll()
    for number in range(1, 5):
        with down(world) if stopped else nullcontext():
            append(path, f"{number} late")
            if name == "a.log.{}":
                rotate(path, number)
            else:
                path.rename(path.with_name(name.format(number)))
                append(path, number)
        world.poll()

    assert world.counted() == once(*range(5), *(f"{number} late" for number in range(1, 5)))
    world.close()


def test_case_58_generations_deleted_before_a_look(world: World) -> None:
    """What came and went between two looks is missed, and nothing counts twice; an open file is read all the same."""
    path = world.write("a.log", 1)
    world.poll()
    append(path, 2)
    rotate(path, 3)
    (path.with_name("a.log.1")).unlink()
    rotate(path, 4).unlink()  # nobody ever saw line 3
    world.poll()

    assert world.counted() == once(1, 2, 4)


def test_case_58_a_generation_deleted_with_a_known_rest_is_in_the_ledger(lasting: World) -> None:
    """Bytes that were seen and not read before a stop, and are gone at the start, are told."""
    path = lasting.write("a.log", 1)
    lasting.poll()
    append(path, 2, 3)
    look_only(lasting)
    with down(lasting):
        path.unlink()
    lasting.poll()
    lasting.poll(61)

    assert lasting.counted() == once(1)
    assert lasting.lost() == {"gone_while_down": len(lines(2, 3))}


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("how", ["copy then remove", "remove then create"])
def test_case_60_copy_then_remove_and_remove_then_create(world: World, how: str, seen: bool) -> None:
    """A copy of what was counted does not count; the new file does."""
    path = world.write("a.log", 1, 2)
    world.poll()
    append(path, 3)
    if how == "copy then remove":
        shutil.copy(path, path.with_name("a.log.1"))
        if seen:
            world.poll()
    path.unlink()
    if seen:
        world.poll()
    append(path, 4, 5)
    world.poll()
    world.poll(120)
    world.poll(120)

    assert world.counted() == once(1, 2, 3, 4, 5)
    assert world.lost() == {}


def test_case_61_rotation_while_commits_fail(lasting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk: files are read on, and all is shown when a commit succeeds again."""
    path = lasting.write("a.log", 1)
    lasting.poll()

    def fail(self: StateFile, batch: Batch) -> None:
        raise CommitError("no space left")

    monkeypatch.setattr(StateFile, "write", fail)
    append(path, 2)
    lasting.poll()
    append(rotate(path, 3), 4)
    lasting.poll()
    rotate(path, 5)
    lasting.poll()
    assert lasting.counted() == once(1)

    monkeypatch.undo()
    lasting.poll()
    assert lasting.counted() == once(1, 2, 3, 4, 5)


def test_case_62_a_half_line_is_not_glued_to_the_next_file(world: World) -> None:
    """The new file begins with its own first line, and the old one may still finish its last."""
    path = world.write("a.log", 1, 2, end="")
    world.poll()
    old = rotate(path, 3)
    world.poll()
    assert world.counted() == once(1, 3)

    with old.open("a") as file:
        file.write("\n")
    world.poll()
    assert world.counted() == once(1, 2, 3)
    assert unparsable(world) == 0


# -- truncation


@pytest.mark.parametrize("seen_empty", [False, True])
def test_case_63_truncate_to_zero_then_write(world: World, seen_empty: bool) -> None:
    """The new content is read from its start, whether or not anybody saw the empty file."""
    path = world.write("a.log", 1, 2, 3)
    world.poll()
    os.truncate(path, 0)
    if seen_empty:
        world.poll()
    append(path, 4)
    world.poll()

    assert world.counted() == once(1, 2, 3, 4)
    assert metric(world, "logmetrics_source_truncations_total", "test") == 1


def test_case_64_truncations_under_a_writer_with_its_own_offset(lasting: World) -> None:
    """The file looks longer each time; only what is new in it counts, over a restart too."""
    with (lasting.directory / "a.log").open("wb", buffering=0) as writer:
        for number in range(5):
            writer.write(lines(f"{number} a", f"{number} b").encode())
            lasting.poll()
            os.truncate(lasting.directory / "a.log", 0)
            if number == 2:
                lasting.restart()
        writer.write(lines("last").encode())
        lasting.poll()

    assert lasting.counted() == once(*(f"{number} {letter}" for number in range(5) for letter in "ab"), "last")


def copytruncate(path: Path, copy: Path) -> None:
    shutil.copy(path, copy)
    os.truncate(path, 0)


@pytest.mark.parametrize("pattern", ["", "a.log"])
@pytest.mark.parametrize("stopped", [False, True])
def test_case_65_copytruncate_with_unread_lines(tmp_path: Path, pattern: str, stopped: bool) -> None:
    """The copy gives the tail and the log its new lines; nothing counts twice."""
    world = lasting_world(tmp_path, pattern)
    path = append(tmp_path / "logs" / "a.log", 1, 2)
    world.poll()
    append(path, 3, 4)
    if stopped:
        with down(world):
            copytruncate(path, path.with_name("a.log.1"))
            append(path, 5)
    else:
        copytruncate(path, path.with_name("a.log.1"))
        append(path, 5)
    world.poll()
    world.poll(120)

    assert world.counted() == once(1, 2, 3, 4, 5)
    assert world.lost() == {}
    world.close()


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
@pytest.mark.parametrize("pattern", ["", "*.log", "a.log"])
@pytest.mark.parametrize("stopped", [False, True])
def test_case_65_the_copy_is_compressed_at_once(tmp_path: Path, stopped: bool, pattern: str, ending: str) -> None:
    """The tail is read from the compressed copy, wherever it is known to be one by its name."""
    world = lasting_world(tmp_path, pattern)
    path = append(tmp_path / "logs" / "a.log", 1, 2)
    world.poll()
    append(path, 3, 4)
    with down(world) if stopped else nullcontext():
        path.with_name(f"a.log.1{ending}").write_bytes(PACKERS[ending](path.read_bytes()))
        os.truncate(path, 0)
        append(path, 5)
    for _ in range(3):
        world.poll()
    world.poll(120)

    assert world.counted() == once(1, 2, 3, 4, 5)
    assert world.lost() == {}
    world.close()


@pytest.mark.parametrize("pattern", ["", "a.log"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_case_65_lines_between_copy_and_truncation(tmp_path: Path, pattern: str, ending: str) -> None:
    """They count if a look falls between, and the copy, which lacks them, does not count again."""
    world = lasting_world(tmp_path, pattern)
    path = append(tmp_path / "logs" / "a.log", 1, 2)
    world.poll()
    data = path.read_bytes()
    path.with_name(f"a.log.1{ending}").write_bytes(PACKERS[ending](data) if ending else data)
    append(path, 3)
    world.poll(0)  # reads, but does not look for files
    os.truncate(path, 0)
    append(path, 4)
    for _ in range(3):
        world.poll()
    world.poll(120)

    assert world.counted() == once(1, 2, 3, 4)
    assert world.lost() == {}
    world.close()


@pytest.mark.parametrize("seen", [False, True])
def test_case_66_copytruncate_out_of_sight(lasting: World, seen: bool) -> None:
    """The tail is lost; its bytes are in the ledger if the log was seen with them, and cannot be known otherwise."""
    path = lasting.write("a.log", 1, 2)
    lasting.poll()
    append(path, 3, 4)
    if seen:
        look_only(lasting)
    copytruncate(path, lasting.directory.parent / "copy")
    append(path, 5)
    lasting.poll()
    lasting.poll(61)

    assert lasting.counted() == once(1, 2, 5)
    assert lasting.lost() == ({"truncated": len(lines(3, 4))} if seen else {})


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("banner", ["", BANNER], ids=["other head", "same head"])
@pytest.mark.parametrize("numbers", [(7,), (7, 8, 9), (7, 8, 9, 6)], ids=["smaller", "same size", "larger"])
def test_case_67_to_70_rewritten_between_two_looks(
    lasting: World, numbers: tuple[int, ...], banner: str, stopped: bool
) -> None:
    """Smaller, of the same size or larger, and even with the same first 2,000 bytes: the new content counts."""
    path = lasting.directory / "a.log"
    path.write_text(banner + lines(1, 2, 3))
    lasting.poll()
    if stopped:
        with down(lasting):
            path.write_text(banner + lines(*numbers))
    else:
        path.write_text(banner + lines(*numbers))
    lasting.poll()

    if banner and len(numbers) < 3:
        # As after a power cut: the head is the same and the log is shorter, so it goes on behind its last line.
        assert lasting.counted() == once(1, 2, 3)
        assert lasting.decisions()["shortened"] == 1
        append(path, 10)
        lasting.poll()
        assert lasting.counted() == once(1, 2, 3, 10)
    else:
        assert lasting.counted() == once(1, 2, 3, *numbers)


def test_case_71_a_program_that_rewrites_its_log_at_each_start(lasting: World) -> None:
    """Every run's lines count once, the line with which they all begin once a run."""
    path = lasting.directory / "a.log"
    for run in range(1, 6):
        path.write_text(lines("hello", *(f"{run}.{number}" for number in range(run % 3 + 1))))
        lasting.poll()
        lasting.poll()

    expected = once(*(f"{run}.{number}" for run in range(1, 6) for number in range(run % 3 + 1)))
    assert lasting.counted() == {**expected, "hello": 5}


@pytest.mark.parametrize("stopped", [False, True])
def test_case_72_the_last_line_is_removed(lasting: World, stopped: bool) -> None:
    """What remains is not read again, and what is appended then counts."""
    path = lasting.write("a.log", 1, 2, 3)
    lasting.poll()
    if stopped:
        with down(lasting):
            os.truncate(path, len(lines(1, 2)))
    else:
        os.truncate(path, len(lines(1, 2)))
    lasting.poll()
    append(path, 4)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)
    assert lasting.decisions()["shortened"] == 1


def test_case_72_the_last_line_is_shortened(world: World) -> None:
    """A cut line is a line being written: it counts when it has its newline, and the lines before it do not again."""
    path = world.write("a.log", 1, 2, "long text")
    world.poll()
    os.truncate(path, len(lines(1, 2)) + len('{"n": "long'))
    world.poll()
    assert world.counted() == once(1, 2, "long text")

    with path.open("a") as file:
        file.write('"}\n')
    world.poll()
    assert world.counted() == once(1, 2, "long text", "long")


def test_case_73_truncated_while_stopped(lasting: World) -> None:
    """Only the new content is read."""
    path = lasting.write("a.log", 1, 2, 3)
    lasting.poll()
    with down(lasting):
        os.truncate(path, 0)
        append(path, 4)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)


@pytest.mark.parametrize("seen_empty", [False, True])
def test_case_74_a_half_line_does_not_outlive_a_truncation(world: World, seen_empty: bool) -> None:
    """It is dropped, and never glued to the first new line."""
    path = world.write("a.log", 1, 2, end="")
    world.poll()
    os.truncate(path, 0)
    if seen_empty:
        world.poll()
    append(path, 3)
    world.poll()

    assert world.counted() == once(1, 3)
    assert unparsable(world) == 0


# -- delete, recreate, replace


def test_case_75_deleted_while_it_is_read(world: World) -> None:
    """Everything in the open file counts, however many turns that takes, and late lines do too."""
    path = world.directory / "a.log"
    path.write_text(lines(1) * 60_000)
    with path.open("a", buffering=1) as writer:
        world.now_s += 2
        assert world.engine._pass(scrape_waits=False)
        path.unlink()
        world.poll()
        writer.write(lines(2))
        world.poll()

    assert world.counted() == {"1": 60_000, "2": 1}


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("numbers", [(4,), (4, 5, 6), (4, 5, 6, 7)], ids=["smaller", "same size", "larger"])
def test_case_76_delete_and_recreate(lasting: World, numbers: tuple[int, ...], stopped: bool, seen: bool) -> None:
    """The new file is read from its start, shorter or longer, with or without a look between the two."""
    path = lasting.write("a.log", 1, 2, 3)
    lasting.poll()
    if stopped:
        with down(lasting):
            path.unlink()
        if seen:
            lasting.poll()
        with down(lasting):
            append(path, *numbers)
    else:
        path.unlink()
        if seen:
            lasting.poll()
        append(path, *numbers)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, *numbers)


@pytest.mark.parametrize("stopped", [False, True])
def test_case_76_recreated_with_the_same_bytes(lasting: World, stopped: bool) -> None:
    """Nobody can tell it from a restored backup: it is the same log, and what follows counts."""
    path = lasting.write("a.log", 1, 2, 3)
    lasting.poll()
    if stopped:
        with down(lasting):
            path.unlink()
            append(path, 1, 2, 3)
    else:
        path.unlink()
        append(path, 1, 2, 3)
    lasting.poll()
    append(path, 4)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)


def test_case_77_a_deleted_file_is_closed(lasting: World) -> None:
    """A minute after its last growth the descriptor is given back, and with it the space on the disk."""
    for number in range(20):
        lasting.write(f"{number}.log", number)
    lasting.poll()
    for path in lasting.directory.iterdir():
        path.unlink()
    lasting.poll()
    assert open_files(lasting) == 20

    lasting.poll(61)
    lasting.poll(1)
    assert open_files(lasting) == 0
    assert metric(lasting, "logmetrics_source_files", "test") == 0


def give_inode(world: World, old: Path, new: Path) -> None:
    """Make the stopped *world* believe that *old* had the inode that *new* has now, as ext4 likes to do."""
    status = new.stat()
    with sqlite3.connect(Path(str(world.state_dir)) / "state.db") as database:
        changed = database.execute(
            "UPDATE files SET device = ?, inode = ? WHERE path = ?",
            (str(status.st_dev), str(status.st_ino), str(old).encode()),
        ).rowcount
    database.close()
    assert changed == 1


@pytest.mark.parametrize("numbers", [(4,), (4, 5, 6), (4, 5, 6, 7)], ids=["smaller", "same size", "larger"])
@pytest.mark.parametrize("name", ["a.log", "b.log"])
def test_case_78_the_inode_of_a_deleted_file_is_given_to_a_new_one(
    lasting: World, name: str, numbers: tuple[int, ...]
) -> None:
    """The new file starts at its first byte, whatever was counted of the old one."""
    path = lasting.write("a.log", 1, 2, 3)
    lasting.poll()
    with down(lasting):
        path.unlink()
        lasting.write(name, *numbers)
        give_inode(lasting, path, lasting.directory / name)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, *numbers)


@pytest.mark.parametrize("stopped", [False, True])
def test_case_79_replaced_by_the_same_content_and_more(lasting: World, stopped: bool) -> None:
    """An editor or a sync program saves a new file under the old name: reading goes on at the old place."""
    path = lasting.directory / "a.log"
    path.write_text(BANNER + lines(1, 2))
    lasting.poll()
    new = lasting.directory.parent / "new"
    new.write_text(BANNER + lines(1, 2, 3))
    if stopped:
        with down(lasting):
            new.rename(path)
    else:
        new.rename(path)
    lasting.poll()
    append(path, 4)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)


def test_case_80_replaced_by_other_content(lasting: World) -> None:
    """The unread lines of the old file count, and the new one from its start."""
    path = lasting.write("a.log", 1)
    lasting.poll()
    append(path, 2, 3)
    append(lasting.directory.parent / "new", 4, 5).rename(path)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4, 5)
    assert lasting.lost() == {}


@pytest.mark.parametrize("how", ["removed", "moved", "moved and back"])
@pytest.mark.parametrize("pattern", ["", "*.log", "a.log"])
def test_case_81_the_directory_itself_goes_away(tmp_path: Path, pattern: str, how: str) -> None:
    """The daemon runs on, and reads what is there when a directory of that name is back."""
    world = lasting_world(tmp_path, pattern)
    logs = tmp_path / "logs"
    append(logs / "a.log", 1)
    world.poll()
    if how == "removed":
        shutil.rmtree(logs)
    else:
        logs.rename(tmp_path / "other")
    world.poll()
    world.poll(120)
    if how == "moved and back":
        append(tmp_path / "other" / "a.log", 2)
        (tmp_path / "other").rename(logs)
    else:
        append(logs / "a.log", 2)
    world.poll()

    assert world.counted() == once(1, 2)
    world.close()


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EIO, errno.EACCES])
def test_case_82_stat_fails_in_the_middle_of_a_rotation(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """One look sees less; the next one sees all of it, and nothing counts twice."""
    path = world.write("a.log", 1)
    world.poll()
    append(path, 2)
    rotate(path, 3)
    real_stat = os.stat

    def fail(name: str, *args: object, **kwargs: object) -> os.stat_result:
        if str(name).startswith(str(path)):
            raise OSError(number, os.strerror(number), str(name))
        return real_stat(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", fail)
    world.poll()
    monkeypatch.undo()
    world.poll()
    append(path, 4)
    world.poll()

    assert world.counted() == once(1, 2, 3, 4)


# -- identity


@pytest.mark.parametrize("length", [16, 64, 100, 511, 1024, 1025, 3000])
def test_case_83_identity_grows_with_the_file(lasting: World, length: int) -> None:
    """From its first line on a log is known again, whether or not its lines fit the bytes it is known by."""
    path = lasting.directory / "0.log"
    for number in range(12):
        with path.open("a") as file:
            file.write(f'{{"n": "{number}"}}'.ljust(length - 1) + "\n")
        lasting.poll()
        with down(lasting):
            new = path.with_name(f"{number + 1}.log")
            shutil.copy(path, new)
            path.unlink()
            path = new
        lasting.poll()

    assert lasting.counted() == once(*range(12))


def test_case_85_two_logs_with_the_same_short_content(lasting: World) -> None:
    """Under names of their own they are two logs from the start, and none is read twice when they differ."""
    lasting.write("a.log", "same")
    lasting.write("b.log", "same")
    lasting.poll()
    assert lasting.counted() == {"same": 2}

    lasting.write("a.log", 1)
    lasting.write("b.log", 2)
    lasting.restart()
    lasting.poll()
    assert lasting.counted() == {"same": 2, "1": 1, "2": 1}


def test_case_85_a_copy_that_goes_on_differently(lasting: World) -> None:
    """What looks like a copy of a log is not counted; as soon as it differs its own lines are."""
    path = lasting.write("a.log", 1)
    shutil.copy(path, lasting.directory / "a.log.bak")
    lasting.poll()
    assert lasting.counted() == once(1)

    lasting.write("a.log", 2, 3)
    lasting.write("a.log.bak", 4, 5)
    lasting.poll()
    lasting.poll()
    assert lasting.counted() == once(1, 2, 3, 4, 5)


@pytest.mark.parametrize("banner", ['{"version": 1}\n', BANNER], ids=["short", "long"])
@pytest.mark.parametrize("names", [("a.log", "b.log"), ("a.log", "a.log.1"), ("a.log", "a-2026-01-01.log")])
def test_case_86_logs_that_begin_alike(lasting: World, names: tuple[str, str], banner: str) -> None:
    """A common header does not make two logs one, at the start or later or after a restart."""
    for name, number in zip(names, (1, 2), strict=True):
        (lasting.directory / name).write_text(banner + lines(number))
    lasting.poll()
    for name, number in zip(names, (3, 4), strict=True):
        lasting.write(name, number)
    lasting.restart()
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)


def test_case_87_the_shortest_file(lasting: World) -> None:
    """One short line is enough to be read, and to be known after a restart under another name."""
    path = lasting.write("a.log", 1)
    lasting.poll()
    assert lasting.counted() == once(1)
    with down(lasting):
        path.rename(lasting.directory / "b.log")
    lasting.poll()

    assert lasting.counted() == once(1)


def test_case_89_one_beginning_is_the_beginning_of_another() -> None:
    """Heads are compared byte by byte: each finds those that it begins with and those that begin with it."""
    heads: Heads[str] = Heads()
    for head in (b"a", b"ab", b"ab\0", b"abc", b"bcd", b"ab\xff"):
        heads.add(head, head.decode("latin-1"))

    assert list(heads.that_begin(b"abcd")) == ["abc", "ab", "a"]
    assert list(heads.that_go_on(b"ab")) == ["ab\0", "abc", "ab\xff"]
    assert list(heads.that_begin(b"")) == []
    assert list(heads.that_go_on(b"abd")) == []


@pytest.mark.parametrize("new_name", ["a.log.1", "b.log", "deep/er/c.txt"])
def test_case_92_renamed_while_stopped(lasting: World, new_name: str) -> None:
    """It is not read again under its new name, and a new file under the old one is read whole."""
    path = lasting.write("a.log", 1, 2)
    (lasting.directory / "deep/er").mkdir(parents=True)
    lasting.poll()
    with down(lasting):
        path.rename(lasting.directory / new_name)
        append(path, 3)
    lasting.poll()
    lasting.write(new_name, 4)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)


@pytest.mark.parametrize("same_inode", [False, True])
def test_case_93_a_large_file_moved_while_stopped_and_appended(lasting: World, same_inode: bool) -> None:
    """It goes on at its place: only the new bytes are read."""
    path = lasting.directory / "a.log"
    path.write_text("".join(f'{{"n": "old", "i": {number}}}\n' for number in range(20_000)))
    lasting.poll()
    before = metric(lasting, "logmetrics_source_bytes_total", "test")
    assert before == path.stat().st_size
    with down(lasting):
        new = lasting.directory / "moved" / "a.log"
        new.parent.mkdir()
        if same_inode:
            path.rename(new)
        else:
            shutil.copy(path, new)
            path.unlink()
        append(new, 1)
    lasting.poll()

    assert lasting.counted() == {"old": 20_000, "1": 1}
    assert metric(lasting, "logmetrics_source_bytes_total", "test") - before == len(lines(1))


# -- restart


@pytest.mark.parametrize("pad", [0, 5000, 70_000], ids=["short", "long", "longer than a block"])
@pytest.mark.parametrize("start_at_end", [False, True], ids=["from start", "from end"])
def test_case_94_95_lines_written_while_stopped(tmp_path: Path, start_at_end: bool, pad: int) -> None:
    """After a restart exactly those count, in both start modes, with short and with long lines."""
    world = lasting_world(tmp_path, start_at_end=start_at_end)
    path = tmp_path / "logs" / "a.log"

    def write(number: int) -> None:
        with path.open("a") as file:
            file.write(f'{{"n": "{number}", "pad": "{"x" * pad}"}}\n')

    write(0)
    world.poll()
    for number in range(1, 4):
        with down(world):
            write(number)
        world.poll()

    assert world.counted() == once(*range(int(start_at_end), 4))
    world.close()


def test_case_96_what_was_read_and_not_committed_is_read_again(lasting: World) -> None:
    """A crash before the commit costs nothing: values and places are one transaction."""
    lasting.write("a.log", 1)
    lasting.poll()
    lasting.write("a.log", 2, 3)
    lasting.now_s += 2
    while lasting.engine._pass(scrape_waits=False):
        pass
    lasting.kill()
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3)


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_case_97_stopped_in_the_middle_of_a_backlog(lasting: World, end: str) -> None:
    """The sum of all runs is exact, with stops and with crashes."""
    (lasting.directory / "a.log").write_text("".join(f'{{"n": "{number % 10}"}}\n' for number in range(100_000)))
    for _ in range(5):
        lasting.now_s += 2
        with patch.object(files_module, "BLOCKS_PER_TURN", 1):
            assert lasting.engine._pass(scrape_waits=False)
            lasting.engine.commit()
            assert lasting.engine._pass(scrape_waits=False)
        getattr(lasting, end)()
    lasting.poll()

    assert lasting.counted() == {str(number): 10_000 for number in range(10)}


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_case_98_stopped_in_the_middle_of_a_line(lasting: World, end: str) -> None:
    """The line is completed after the restart and counts once."""
    path = lasting.write("a.log", 1, end='\n{"n": ')
    lasting.poll()
    getattr(lasting, end)()
    lasting.poll()
    with path.open("a") as file:
        file.write('"2"}\n')
    lasting.poll()

    assert lasting.counted() == once(1, 2)
    assert unparsable(lasting) == 0


def test_case_100_a_reset_reads_all_again_and_keeps_a_new_state(lasting: World) -> None:
    """After --reset-state everything counts from zero, once, and the next restart goes on from there."""
    lasting.write("a.log", 1, 2)
    lasting.poll()
    with down(lasting):
        StateFile(str(lasting.state_dir), reset=True).close()
    assert lasting.counted() == {}
    lasting.poll()
    lasting.write("a.log", 3)
    lasting.restart()
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3)
    assert (Path(str(lasting.state_dir)) / "state.db.old").exists()


def test_case_101_the_place_of_a_removed_file_is_kept(lasting: World) -> None:
    """It is known again a year and several restarts later: only its new line counts."""
    path = lasting.write("a.log", 1, 2)
    lasting.write("b.log", 3)
    lasting.poll()
    away = path.rename(lasting.directory.parent / "away")
    for _ in range(3):
        lasting.poll(4 * 30 * 86_400)
        lasting.restart()
    append(away, 4)
    away.rename(path)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)


def test_case_102_places_of_living_files_are_never_forgotten(lasting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many logs lost their files, only places of such logs go, the oldest first."""
    monkeypatch.setattr(ledger, "ORPHANS_MAX", 3)
    lasting.write("living.log", "living")
    lasting.poll()
    for number in range(10):
        path = lasting.write(f"{number}.log", number)
        lasting.poll()
        path.unlink()
        lasting.poll(61)
        lasting.poll(1)
    lasting.restart()
    lasting.poll()
    assert lasting.counted() == once("living", *range(10))

    lasting.write("back.log", 9)  # one of the last three
    lasting.write("again.log", 0)  # one that is forgotten
    lasting.poll()
    assert lasting.counted() == {**once("living", *range(1, 10)), "0": 2}


@pytest.mark.parametrize("damage", ["garbage", "zeros", "half", "empty"])
def test_case_103_a_damaged_state_is_refused(lasting: World, damage: str) -> None:
    """It is never mistaken for an empty one: the start says what is wrong and what to do."""
    lasting.write("a.log", *range(150))
    lasting.poll()
    state = Path(str(lasting.state_dir)) / "state.db"
    lasting.engine.commit()
    lasting.close()
    whole = state.read_bytes()
    assert not state.with_name("state.db-wal").exists()
    state.write_bytes(
        {"garbage": b"x" * len(whole), "zeros": bytes(len(whole)), "half": whole[: len(whole) // 2], "empty": b""}[
            damage
        ]
    )
    with pytest.raises(StateError, match="--reset-state"):
        StateFile(str(lasting.state_dir))

    state.write_bytes(whole)
    lasting.engine = lasting._start()
    lasting.poll()
    assert lasting.counted() == once(*range(150))


def test_case_104_a_crash_while_a_state_is_made(lasting: World) -> None:
    """What such a crash leaves behind is replaced, and a state that is there is not touched by it."""
    lasting.write("a.log", 1)
    lasting.poll()
    with down(lasting):
        (Path(str(lasting.state_dir)) / "state.db.new").write_bytes(b"half")
    lasting.poll()
    assert lasting.counted() == once(1)

    with down(lasting):
        (Path(str(lasting.state_dir)) / "state.db").unlink()
        (Path(str(lasting.state_dir)) / "state.db.new").write_bytes(b"half")
    lasting.poll()
    assert lasting.counted() == once(1)


def test_case_105_a_state_of_a_newer_version_is_refused(lasting: World) -> None:
    """It is left as it is, and the message tells the two ways out."""
    lasting.write("a.log", 1)
    lasting.poll()
    with down(lasting):
        path = Path(str(lasting.state_dir)) / "state.db"
        with sqlite3.connect(path) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            database.execute(f"PRAGMA user_version = {version + 1}")
        database.close()
        with pytest.raises(StateError, match=f"is of version {version + 1}"):
            StateFile(str(lasting.state_dir))
        with sqlite3.connect(path) as database:
            database.execute(f"PRAGMA user_version = {version}")
        database.close()
    lasting.poll()

    assert lasting.counted() == once(1)


@pytest.mark.parametrize("remain", [1, 500, 1999])
def test_case_106_a_place_beyond_the_end_of_the_file(lasting: World, remain: int) -> None:
    """After a power cut a log is shorter than its place: it goes on behind its last line, and nothing counts twice."""
    path = lasting.write("a.log", *range(100), *(["x"] * 1900))
    lasting.poll()
    texts = [str(number) for number in range(100)] + ["x"] * 1900
    with down(lasting):
        path.write_text(lines(*texts[:remain]))
    lasting.poll()
    append(path, "new")
    lasting.poll()

    assert lasting.counted() == {**once(*range(100)), "x": 1900, "new": 1}
    assert lasting.decisions()["shortened"] == 1


@pytest.mark.parametrize("stopped", [False, True])
def test_case_107_the_bytes_before_the_place_are_others(lasting: World, stopped: bool) -> None:
    """Same inode, same head, same size, other content before the place: read from its start."""
    path = lasting.directory / "a.log"
    path.write_text(BANNER + lines(1, 2))
    lasting.poll()
    with down(lasting) if stopped else nullcontext(), path.open("r+") as file:
        file.seek(len(BANNER))
        file.write(lines(3, 4))
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)
    if not stopped:
        assert f"{path}: rewritten; reading from its start" in lasting.messages


def test_case_108_places_of_files_that_are_gone_are_bounded(lasting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept for a while in case their disk is not mounted, up to a number of them; the rest is deleted."""
    monkeypatch.setattr(ledger, "ORPHANS_MAX", 50)
    for number in range(150):
        lasting.write(f"{number}.log", number)
    lasting.poll()
    with down(lasting):
        shutil.rmtree(lasting.directory)
        lasting.directory.mkdir()
    lasting.poll()

    assert lasting.state is not None
    assert len(lasting.state.rows("files")) == 50
    assert len(lasting.state.rows("fingerprints")) == 50
    assert lasting.counted() == once(*range(150))


def test_case_109_logs_and_state_moved_elsewhere(tmp_path: Path) -> None:
    """Copied to another disk under another path, everything goes on where it was."""
    world = lasting_world(tmp_path)
    world.write("a.log", 1, 2)
    world.write("deep/b.log", 3, end='\n{"n": ')
    world.poll()
    world.engine.commit()
    world.close()
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "logs", other / "logs")
    shutil.copytree(tmp_path / "state", other / "state")
    shutil.rmtree(tmp_path / "logs")

    world = lasting_world(other)
    world.poll()
    world.write("a.log", 4)
    with (other / "logs/deep/b.log").open("a") as file:
        file.write('"5"}\n')
    world.poll()
    assert world.counted() == once(1, 2, 3, 4, 5)
    world.close()


# -- compressed files


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
def test_case_110_many_members_in_one_file(tmp_path: Path, ending: str) -> None:
    """They are one log, also where a line begins in one member and ends in the next."""
    pack = PACKERS[ending]
    path = tmp_path / f"a.log{ending}"
    path.write_bytes(pack(lines(1, 2).encode()) + pack(b'{"n": ') + pack(b'"3"}\n') + pack(lines(4).encode()))
    world = World(path)
    world.poll()

    assert world.counted() == once(1, 2, 3, 4)
    world.close()


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
@pytest.mark.parametrize("stopped", [False, True])
def test_case_111_appended_members(tmp_path: Path, ending: str, stopped: bool) -> None:
    """Only what is new counts, over restarts too."""
    world = lasting_world(tmp_path, f"a.log{ending}")
    path = tmp_path / "logs" / f"a.log{ending}"
    path.write_bytes(PACKERS[ending](lines(0).encode()))
    world.poll()
    for number in range(1, 4):
        with path.open("ab") as file:
            file.write(PACKERS[ending](lines(number).encode()))
        if stopped:
            world.restart()
        world.poll()

    assert world.counted() == once(0, 1, 2, 3)
    world.close()


def test_case_112_from_end_on_a_compressed_file(tmp_path: Path) -> None:
    """What is in it at the start is skipped, what is appended counts."""
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(lines(1, 2).encode()))
    world = World(path, start_at_end=True)
    world.poll()
    assert world.counted() == {}

    with path.open("ab") as file:
        file.write(gzip.compress(lines(3).encode()))
    world.poll()
    assert world.counted() == once(3)
    world.close()


def test_case_113_a_compressed_file_after_a_restart(tmp_path: Path) -> None:
    """It is not read again, and nothing is said about its header."""
    path = tmp_path / "logs" / "a.log.gz"
    world = lasting_world(tmp_path, "a.log.gz")
    path.write_bytes(gzip.compress(lines(*range(100)).encode()))
    for _ in range(3):
        world.poll()
        world.restart()
    os.utime(path)
    world.poll()

    assert world.counted() == once(*range(100))
    assert all("damaged" not in message for message in world.messages)
    world.close()


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
def test_case_114_compression_is_told_by_content(tmp_path: Path, ending: str) -> None:
    """A plain name may hold compressed lines, a compressed one plain lines, and a file of one byte just waits."""
    world = World(tmp_path)
    world.poll()
    (tmp_path / "packed.log").write_bytes(PACKERS[ending](lines(1).encode()))
    (tmp_path / "short.log").write_bytes(b"{")
    world.poll()
    world.poll()
    assert world.counted() == once(1)

    with (tmp_path / "short.log").open("a") as file:
        file.write('"n": "2"}\n')
    world.poll()
    assert world.counted() == once(1, 2)
    world.close()

    append(tmp_path / "plain" / f"a.log{ending}", 3)
    world = World(tmp_path / "plain" / f"a.log{ending}")
    world.poll()
    assert world.counted() == once(3)
    world.close()


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("pattern", ["", "*.log"])
def test_case_115_the_compressed_generation_is_the_same_log(
    tmp_path: Path, pattern: str, stopped: bool, ending: str
) -> None:
    """Rotated and compressed, it does not count again, running or stopped."""
    world = lasting_world(tmp_path, pattern)
    path = append(tmp_path / "logs" / "a.log", 1, 2)
    world.poll()

    def rotate_and_compress() -> None:
        old = rotate(path, 3)
        old.with_name(old.name + ending).write_bytes(PACKERS[ending](old.read_bytes()))
        old.unlink()

    if stopped:
        with down(world):
            rotate_and_compress()
    else:
        rotate_and_compress()
    world.poll()
    world.poll()
    world.poll(120)

    assert world.counted() == once(1, 2, 3)
    assert world.lost() == {}
    world.close()


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
@pytest.mark.parametrize("pattern", ["", "*.log"])
def test_case_116_a_log_that_was_partly_read_goes_on_in_its_compressed_form(
    tmp_path: Path, pattern: str, ending: str
) -> None:
    """What was written, rotated and compressed while nobody looked counts, and only that."""
    world = lasting_world(tmp_path, pattern)
    path = append(tmp_path / "logs" / "a.log", 1, 2)
    world.poll()
    with down(world):
        append(path, 3, 4)
        old = rotate(path, 5)
        old.with_name(old.name + ending).write_bytes(PACKERS[ending](old.read_bytes()))
        old.unlink()
    world.poll()
    world.poll()

    assert world.counted() == once(1, 2, 3, 4, 5)
    assert world.decisions()["compressed"] == 1
    world.close()


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
def test_case_117_a_compressed_file_of_one_huge_line(tmp_path: Path, ending: str) -> None:
    """Five megabytes without a newline are one over-long line, and what follows counts."""
    path = tmp_path / f"a.log{ending}"
    path.write_bytes(PACKERS[ending](b"x" * 5_000_000 + b"\n" + lines(1).encode()))
    world = World(path)
    world.poll()

    assert world.counted() == once(1)
    assert oversize(world) == 1
    world.close()


def test_case_117_a_damaged_compressed_file_is_told(world: World) -> None:
    """It is one message, and the files beside it count."""
    world.poll()
    packed = gzip.compress(lines(*range(1000)).encode())
    (world.directory / "a.log.1.gz").write_bytes(packed[:100] + b"\xff" * 100 + packed[200:])
    world.write("b.log", 1)
    for _ in range(5):
        world.poll()

    assert world.counted()["1"] == 1
    assert sum("is damaged" in message for message in world.messages) == 1


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
def test_case_118_a_file_that_is_still_being_compressed(lasting: World, ending: str) -> None:
    """Whatever of it is there at each look, every line counts once in the end."""
    path = lasting.write("a.log", *range(150))
    lasting.poll()
    append(path, "late")
    old = rotate(path, "next")
    data = PACKERS[ending](old.read_bytes())
    packed = old.with_name(old.name + ending)
    for end in range(0, len(data) + 60, 60):
        packed.write_bytes(data[:end])
        lasting.poll()
    old.unlink()
    for _ in range(3):
        lasting.poll()
    lasting.poll(120)

    assert lasting.counted() == once(*range(150), "late", "next")
    assert lasting.lost() == {}


# -- symbolic links


@pytest.mark.parametrize("pattern", ["current.log", "*.log"])
@pytest.mark.parametrize("stopped", [False, True])
def test_case_119_a_link_whose_target_changes_often(tmp_path: Path, pattern: str, stopped: bool) -> None:
    """Every target is read in full, and what is still written to the one before too."""
    world = lasting_world(tmp_path, pattern)
    link = tmp_path / "logs" / "current.log"
    for number in range(6):
        target = append(tmp_path / "targets" / f"{number}.txt", f"{number} a")
        if number:
            append(tmp_path / "targets" / f"{number - 1}.txt", f"{number - 1} late")
        new = tmp_path / "new"
        new.symlink_to(target)
        new.rename(link)
        world.poll()
        append(target, f"{number} b")
        world.poll()
        if stopped:
            world.restart()

    late = [] if stopped else [f"{number} late" for number in range(5)]
    assert world.counted() == once(*(f"{number} {letter}" for number in range(6) for letter in "ab"), *late)
    world.close()


@pytest.mark.parametrize("seen", [False, True])
def test_case_120_a_link_removed_and_made_anew(tmp_path: Path, seen: bool) -> None:
    """With or without a look between the two, both targets are read."""
    world = lasting_world(tmp_path, "current.log")
    link = tmp_path / "logs" / "current.log"
    link.symlink_to(append(tmp_path / "one", 1))
    world.poll()
    append(tmp_path / "one", 2)
    link.unlink()
    if seen:
        world.poll()
    link.symlink_to(append(tmp_path / "two", 3))
    world.poll()
    append(tmp_path / "two", 4)
    world.poll()

    assert world.counted() == once(1, 2, 3, 4)
    world.close()


def test_case_121_a_link_to_a_link(tmp_path: Path) -> None:
    """Whichever of the two changes, what it leads to now is read."""
    world = lasting_world(tmp_path, "outer.log")
    inner = tmp_path / "inner"
    inner.symlink_to(append(tmp_path / "one", 1))
    (tmp_path / "logs" / "outer.log").symlink_to(inner)
    world.poll()
    inner.unlink()
    inner.symlink_to(append(tmp_path / "two", 2))
    world.poll()
    append(tmp_path / "two", 3)
    world.poll()

    assert world.counted() == once(1, 2, 3)
    world.close()


@pytest.mark.parametrize("pattern", ["x.log", "*.log"])
@pytest.mark.parametrize("stopped", [False, True])
def test_case_122_rotation_behind_a_fixed_link(tmp_path: Path, pattern: str, stopped: bool) -> None:
    """As a kubelet lays it out: the link stays, its target is renamed, made anew and compressed."""
    world = lasting_world(tmp_path, pattern)
    target = append(tmp_path / "pods" / "x" / "0.log", 1)
    (tmp_path / "logs" / "x.log").symlink_to(target)
    world.poll()
    append(target, 2)

    def rotate_target() -> None:
        target.rename(target.with_name("0.log.20260101-000000"))
        append(target, 3)

    if stopped:
        with down(world):
            rotate_target()
    else:
        rotate_target()
    world.poll()
    old = target.with_name("0.log.20260101-000000")
    old.with_name(old.name + ".gz").write_bytes(gzip.compress(old.read_bytes()))
    old.unlink()
    append(target, 4)
    world.poll()
    world.poll(120)

    assert world.counted() == once(1, 2, 3, 4)
    world.close()


# -- encoding


@pytest.mark.parametrize("character", ["µ", "日", "🦊"])
@pytest.mark.parametrize("shift", range(-4, 2))
def test_case_124_a_character_at_the_edge_of_a_block(world: World, character: str, shift: int) -> None:
    """It is whole, wherever in it a block ends."""
    start = '{"pad": "'
    pad = "x" * (BLOCK_BYTES + shift - len(start) - len('", "n": "'))
    (world.directory / "a.log").write_text(f'{start}{pad}", "n": "{character}"}}\n' + lines(2), encoding="utf-8")
    world.poll()

    assert world.counted() == once(character, 2)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_case_126_utf_16(world: World, encoding: str) -> None:
    """It is told by its first line, and read like any other log."""
    text = "".join(json.dumps({"n": n}, ensure_ascii=False) + "\n" for n in ("日本", "語", "Ċ਀", "x"))
    (world.directory / "a.log").write_bytes(text.encode(encoding))
    world.poll()

    assert world.counted() == once("日本", "語", "Ċ਀", "x")


@pytest.mark.parametrize("encoding", ["gb18030", "shift-jis"])
def test_case_128_other_encodings_keep_their_ascii(world: World, encoding: str) -> None:
    """What is no UTF-8 in a text becomes U+FFFD, and the rest of its line counts."""
    (world.directory / "a.log").write_bytes('{"n": "1", "x": "日本"}\n{"n": "2"}\n'.encode(encoding))
    world.poll()

    assert world.counted() == once(1, 2)


def test_case_128_other_encodings_cost_counts_and_nothing_else(world: World) -> None:
    """They are not decoded: such lines are told as unparsable, and the files beside them count."""
    (world.directory / "a.log").write_bytes('{"n": "日本"}\n{"n": "語"}\n'.encode("utf-32"))
    world.write("b.log", 1)
    world.poll()
    world.poll()

    assert world.counted() == once(1)
    assert unparsable(world) == 2


# -- watching, stopping, concurrency


@pytest.mark.parametrize("waits_for", ["the directory", "data", "a backlog"])
def test_case_138_stop_in_every_state(tmp_path: Path, waits_for: str) -> None:
    """Waiting for its directory, at the end of its files or in the middle of one: it ends, and saves what it read."""
    world = World(tmp_path / "logs", state_dir=tmp_path / "state")
    if waits_for == "data":
        world.write("a.log", 1)
    if waits_for == "a backlog":
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "a.log").write_text(lines(1) * 500_000)

    def stop() -> None:
        world.engine.refresh(5)  # so that it is at work
        world.engine.stopping = True
        world.engine.waker.wake()

    stopper = threading.Thread(target=stop)
    stopper.start()
    world.engine.run()
    stopper.join()
    assert metric(world, "logmetrics_source_lines_total", "test") < 500_000
    world.kill()
    world.poll()
    assert world.counted() == {"the directory": {}, "data": {"1": 1}, "a backlog": {"1": 500_000}}[waits_for]
    world.close()


def test_case_139_nothing_is_left_open_after_a_stop(tmp_path: Path) -> None:
    """No descriptor and no thread remains, and closing again does no harm."""
    descriptors, threads = set(os.listdir("/proc/self/fd")), threading.active_count()
    world = lasting_world(tmp_path)
    for number in range(30):
        world.write(f"{number}.log", number)
    (tmp_path / "logs" / "a.log.gz").write_bytes(gzip.compress(lines(1).encode()))
    world.poll()
    (tmp_path / "logs" / "0.log").unlink()
    world.poll()
    assert set(os.listdir("/proc/self/fd")) > descriptors
    world.close()

    assert (set(os.listdir("/proc/self/fd")), threading.active_count()) == (descriptors, threads)
    world.engine.close()


def test_case_140_a_stop_saves_what_was_read_and_reads_no_more(lasting: World) -> None:
    """Lines that come after the last look are left to the next start, where they count."""
    lasting.write("a.log", 1)
    lasting.poll()
    lasting.write("a.log", 2)
    lasting.engine.stopping = True
    lasting.engine.run()
    assert lasting.counted() == once(1)

    lasting.kill()
    assert lasting.counted() == once(1)
    lasting.poll()
    assert lasting.counted() == once(1, 2)


def test_case_143_a_source_loses_a_file_and_gets_it_back(lasting: World) -> None:
    """A log that was excluded for a while goes on where it was left, with what was written meanwhile."""
    lasting.write("a.log", 1)
    lasting.write("b.log", 2)
    lasting.poll()
    lasting.source = {"exclude": ("b.log",)}
    lasting.restart()
    lasting.write("a.log", 3)
    lasting.write("b.log", 4)
    lasting.poll()
    assert lasting.counted() == once(1, 2, 3)

    lasting.source = {}
    lasting.restart()
    lasting.poll()
    assert lasting.counted() == once(1, 2, 3, 4)


# -- permissions


def test_case_146_permission_lost_and_regained_in_a_rotation(lasting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file is read on, the new one as soon as it may be, from its first byte."""
    path = lasting.write("a.log", 1)
    lasting.poll()
    old = rotate(path, 3)
    real_open = os.open

    def deny(name: str, *args: int, **kwargs: int) -> int:
        if str(name) == str(path):
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return real_open(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", deny)
    append(old, 2)
    lasting.poll()
    lasting.poll()
    assert lasting.counted() == once(1, 2)
    assert lasting.messages.count(f"{path}: Permission denied") == 1

    monkeypatch.undo()
    append(path, 4)
    lasting.poll()
    assert lasting.counted() == once(1, 2, 3, 4)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
@pytest.mark.parametrize("call", ["pread", "fstat"])
def test_case_147_a_stale_handle(world: World, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """The file is opened again at the next looks, told once, and goes on at its place."""
    path = world.write("a.log", 1)
    world.poll()

    def fail(*args: object) -> bytes:
        raise OSError(number, os.strerror(number))

    append(path, 2)
    monkeypatch.setattr(os, call, fail)
    for _ in range(3):
        world.poll()
    assert world.counted() == once(1)
    monkeypatch.undo()
    append(path, 3)
    world.poll()
    world.poll()

    assert world.counted() == once(1, 2, 3)
    assert world.messages.count(f"{path}: {os.strerror(number)}") == 1


# -- scale and fairness

FEW_OPEN = "open_files_max: 16" + CONFIG


def test_case_142_the_bound_of_open_files_holds(tmp_path: Path) -> None:
    """Files that close free their own place and no more: there are never more open than may be."""
    world = lasting_world(tmp_path, text=FEW_OPEN)
    for turn in range(8):
        for number in range(25):
            world.write(f"{number}.log", f"{number} {turn}")
        for _ in range(5):
            world.poll()
            assert 0 < open_files(world) <= 16
        if turn > 3:
            (tmp_path / "logs" / f"{turn}.log").unlink()
            world.poll(61)

    assert world.counted() == once(*(f"{number} {turn}" for number in range(25) for turn in range(8)))
    world.close()


def test_case_142_no_file_is_closed_with_unread_lines(tmp_path: Path) -> None:
    """A line that is there at a look counts at that look, also when files must be closed to open others."""
    world = World(tmp_path, FEW_OPEN)
    for number in range(20):
        world.write(f"{number}.log", f"{number} first")
    world.poll()
    for number in range(20):
        world.write(f"{number}.log", f"{number} second")
    world.poll()

    assert world.counted() == once(*(f"{number} {which}" for number in range(20) for which in ("first", "second")))
    world.close()


def test_case_151_more_files_than_may_be_open(tmp_path: Path) -> None:
    """A hundred files with sixteen open at a time: all are read in the end, whenever they grow, and after a restart."""
    world = lasting_world(tmp_path, text=FEW_OPEN)
    for turn in range(4):
        for number in range(100):
            world.write(f"{number}.log", number)
        for _ in range(20):
            world.poll()
            assert open_files(world) <= 16
        assert world.counted() == {str(number): turn + 1 for number in range(100)}
        if turn % 2:
            world.restart()

    world.close()


@pytest.mark.parametrize("stopped", [False, True])
def test_case_151_everything_is_read_before_it_is_ready(tmp_path: Path, stopped: bool) -> None:
    """However many files there are at the start, none is left for later, neither at the first start nor at the next."""
    world = lasting_world(tmp_path, text=FEW_OPEN)
    for number in range(100):
        world.write(f"{number}.log", number)
    world.poll()
    if stopped:
        with down(world):
            for number in range(100):
                world.write(f"{number}.log", number)
        world.poll()

    assert world.counted() == {str(number): 1 + stopped for number in range(100)}
    world.close()


@pytest.mark.parametrize("files", [15, 16, 17, 60])
def test_case_153_from_end_holds_for_all_files(tmp_path: Path, files: int) -> None:
    """Nothing that is there at the start counts, also not in files that had to wait to be opened."""
    world = World(tmp_path, FEW_OPEN, start_at_end=True)
    for number in range(files):
        world.write(f"{number}.log", "old")
    world.poll()
    for number in range(files):
        world.write(f"{number}.log", number)
    world.poll()
    world.poll()

    assert world.counted() == once(*range(files))
    world.close()


def test_case_153_old_generations_are_skipped_in_all_directories(tmp_path: Path) -> None:
    """Generations from before the first look do not count, also not those that had to wait to be opened."""
    for number in range(40):
        append(tmp_path / f"{number}.log.1", "old")
        append(tmp_path / f"{number}.log", number)
    world = World(tmp_path / "*.log", FEW_OPEN)
    world.poll()
    world.poll()

    assert world.counted() == once(*range(40))
    world.close()


def test_case_157_thousands_of_removed_files_leave_nothing_behind(
    lasting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of logs without a file is bounded, in memory and in the state."""
    monkeypatch.setattr(ledger, "ORPHANS_MAX", 100)
    for turn in range(5):
        for number in range(300):
            (lasting.directory / f"{turn}-{number}.log").write_text(f'{{"n": "x", "i": "{turn} {number}"}}\n')
        lasting.poll()
        for path in lasting.directory.iterdir():
            path.unlink()
        lasting.poll(61)
        lasting.poll(61)

    known = lasting.engine.files.known
    assert lasting.counted() == {"x": 1500}
    assert (len(known.tails), len(known.turns), len(known.nameless), len(known.passed_over)) == (0, 0, 0, 0)
    assert (len(known.orphans), open_files(lasting)) == (100, 0)
    assert lasting.state is not None
    assert (len(lasting.state.rows("files")), len(lasting.state.rows("fingerprints"))) == (100, 100)


# -- what no other tailer tests


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
def test_case_161_the_compressed_file_gets_the_inode_of_the_old_one(lasting: World, ending: str) -> None:
    """Content decides: it is the same log at the same place, and its unread rest counts."""
    path = lasting.write("a.log", 1, 2)
    lasting.poll()
    with down(lasting):
        append(path, 3)
        packed = path.with_name(f"a.log.1{ending}")
        packed.write_bytes(PACKERS[ending](path.read_bytes()))
        path.unlink()
        append(path, 4)
        give_inode(lasting, path, packed)
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4)


@pytest.mark.parametrize("stopped", [False, True])
def test_case_162_same_size_and_time_of_change(lasting: World, stopped: bool) -> None:
    """A new file that looks just like the old one from outside is read all the same; times order nothing."""
    path = lasting.write("a.log", 1, 2)
    os.utime(path, ns=(10**18, 10**18))
    lasting.poll()

    def replace() -> None:
        path.rename(path.with_name("a.log.1"))
        append(path, 3, 4)
        os.utime(path, ns=(10**18, 10**18))

    if stopped:
        with down(lasting):
            replace()
    else:
        replace()
    lasting.poll()
    append(path, 5)
    os.utime(path, ns=(10**17, 10**17))  # the clock was set back
    lasting.poll()

    assert lasting.counted() == once(1, 2, 3, 4, 5)


def test_case_163_the_disk_is_full(lasting: World) -> None:
    """The last commit is served on, the trouble is told once, and nothing is lost or torn."""
    lasting.write("a.log", 1)
    lasting.poll()
    assert lasting.state is not None
    real_connect = lasting.state._connect

    def connect_full() -> sqlite3.Connection:
        connection = real_connect()
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    lasting.state._abandon()
    texts = [f"{number} {'x' * 100}" for number in range(150)]
    lasting.write("a.log", *texts)
    with patch.object(lasting.state, "_connect", connect_full):
        for _ in range(3):
            lasting.poll()
        assert lasting.counted() == once(1)
        assert metric(lasting, "logmetrics_commit_ok") == 0
    told = f"cannot commit: {lasting.state.path}: database or disk is full"
    assert [message.partition(";")[0] for message in lasting.messages if "commit" in message] == [told]

    lasting.poll()
    assert lasting.counted() == once(1, *texts)
    lasting.kill()
    lasting.poll()
    assert lasting.counted() == once(1, *texts)


def test_case_164_a_read_only_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start fails with a message that names the ways out."""
    real_open = os.open

    def deny(name: str, flags: int, *args: int, **kwargs: int) -> int:
        if str(name).startswith(str(tmp_path)) and flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system", name)
        return real_open(name, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(StateError, match="Read-only file system; choose another directory with --state-dir"):
        StateFile(str(tmp_path / "state"))


def test_case_165_two_daemons_on_one_state(lasting: World) -> None:
    """The second is refused with the process id of the first, and the first does not notice."""
    lasting.write("a.log", 1)
    with pytest.raises(StateError, match=f"in use by the logmetrics with process id {os.getpid()}"):
        StateFile(str(lasting.state_dir))
    lasting.poll()

    assert lasting.counted() == once(1)
    lasting.restart()
    assert lasting.counted() == once(1)


@pytest.mark.parametrize("pattern", ["*.log", "a*", "**/*.log", "a.log"])
def test_case_166_other_paths_while_a_file_is_half_read(tmp_path: Path, pattern: str) -> None:
    """A restart with other paths goes on in the middle of the file."""
    world = lasting_world(tmp_path)
    (tmp_path / "logs" / "a.log").write_text(lines(1) * 20_000)
    world.now_s += 2
    with patch.object(files_module, "BLOCKS_PER_TURN", 1):
        assert world.engine._pass(scrape_waits=False)
    world.engine.commit()
    assert 0 < world.counted()["1"] < 20_000
    world.directory = tmp_path / "logs" / pattern
    world.restart()
    world.poll()

    assert world.counted() == {"1": 20_000}
    world.close()
