"""Files as they grow, move and shrink: every complete line counts once."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from logmetrics.config.specs import SourceSpec
from logmetrics.sources.content import open_content
from logmetrics.sources.discovery import discover
from logmetrics.sources.tail import BLOCK_BYTES
from tests.world import World


def test_growth(world: World) -> None:
    """Lines count as they come."""
    world.write("a.log", 1, 2)
    world.poll()
    world.write("a.log", 2, 3)
    world.poll()

    assert world.counted() == {"1": 1, "2": 2, "3": 1}


def test_partial_line_waits_for_its_newline(world: World) -> None:
    """A line without a newline is no line yet; completed later it counts once."""
    world.write("a.log", 1, 2, end="")
    world.poll()
    assert world.counted() == {"1": 1}

    world.write("a.log", "", end="")  # nothing
    with (world.directory / "a.log").open("r+") as file:
        file.truncate(file.seek(0, os.SEEK_END) - len('{"n": ""}'))
    with (world.directory / "a.log").open("a") as file:
        file.write("\n")
    world.poll()
    assert world.counted() == {"1": 1, "2": 1}


def test_line_written_byte_by_byte(world: World) -> None:
    """However a line arrives, it counts once."""
    for byte in '{"n": "µ"}\n{"n": "x"}\n'.encode():
        with (world.directory / "a.log").open("ab") as file:
            file.write(bytes([byte]))
        world.poll(0.0)

    assert world.counted() == {"µ": 1, "x": 1}


def test_new_files_and_directories(world: World) -> None:
    """Files and directories that appear later are read from their start."""
    world.poll()
    world.write("new.log", 1)
    world.write("deep/er/new.log", 2)
    world.poll()

    assert world.counted() == {"1": 1, "2": 1}


def test_rename_and_create(world: World) -> None:
    """A rotated file keeps its place, and late lines written to it count; the new file starts at its start."""
    world.write("a.log", 1)
    world.poll()
    world.write("a.log", 2)
    os.rename(world.directory / "a.log", world.directory / "a.log.1")
    world.write("a.log", 3)
    world.poll()
    world.write("a.log.1", 4)
    world.poll()

    assert world.counted() == {"1": 1, "2": 1, "3": 1, "4": 1}


def test_rename_out_of_sight(tmp_path: Path) -> None:
    """What was written before a file left the watched directory counts, and what is written right after, too."""
    directory = tmp_path / "logs"
    directory.mkdir()
    world = World(directory)
    world.write("a.log", 1)
    world.poll()
    world.write("a.log", 2)
    (directory / "a.log").rename(tmp_path / "gone")
    world.write("../gone", 3)
    world.poll()
    assert world.counted() == {"1": 1, "2": 1, "3": 1}

    world.poll(120)
    world.poll(120)
    assert world.values("logmetrics_source_files") == {("test",): 0}
    world.close()


def test_truncate(world: World) -> None:
    """A file that got shorter is read anew from its start."""
    world.write("a.log", 1, 2, 3)
    world.poll()
    world.write("a.log", 4, mode="w")
    world.poll()

    assert world.counted() == {"1": 1, "2": 1, "3": 1, "4": 1}
    assert world.values("logmetrics_source_truncations_total") == {("test",): 1}


def test_delete_with_unread_tail(world: World) -> None:
    """The descriptor is open, so that the rest of a deleted file still counts."""
    path = world.write("a.log", 1)
    world.poll()
    world.write("a.log", 2)
    path.unlink()
    world.poll()

    assert world.counted() == {"1": 1, "2": 1}


def test_hard_links_and_symlinks_count_once(world: World) -> None:
    """One file under several names is one file."""
    path = world.write("a.log", 1)
    os.link(path, world.directory / "b.log")
    (world.directory / "c.log").symlink_to(path)
    world.poll()

    assert world.counted() == {"1": 1}


def test_from_end_starts_at_a_line(tmp_path: Path) -> None:
    """from: end skips whole lines that are there, but not the one being written; later files are read whole."""
    world = World(tmp_path, start_at_end=True)
    world.write("a.log", 1, 2, end="")
    world.poll()
    with (tmp_path / "a.log").open("a") as file:
        file.write("\n")
    world.write("b.log", 3)
    world.poll()

    assert world.counted() == {"2": 1, "3": 1}
    world.close()


@pytest.mark.parametrize("length", [BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 1024 * 1024])
def test_long_lines_within_the_bound(world: World, length: int) -> None:
    """Lines may be longer than a block."""
    text = "x" * (length - len('{"n": "1", "pad": ""}'))
    (world.directory / "a.log").write_text(f'{{"n": "1", "pad": "{text}"}}\n{{"n": "2"}}\n')
    world.poll()

    assert world.counted() == {"1": 1, "2": 1}


def test_oversize_line_costs_one_count(world: World) -> None:
    """A line past the bound is skipped in constant memory, and the line after it counts."""
    with (world.directory / "a.log").open("w") as file:
        file.write('{"n": "1"}\n{"n": "')
        for _ in range(50):
            file.write("x" * 100_000)
        file.write('"}\n{"n": "2"}\n')
    world.poll()

    assert world.counted() == {"1": 1, "2": 1}
    assert world.values("logmetrics_source_oversize_lines_total") == {("test",): 1}
    assert world.values("logmetrics_source_lines_total") == {("test",): 3}


def test_small_bound(tmp_path: Path) -> None:
    """A bound below the block size holds inside a block as well."""
    world = World(tmp_path, max_line_bytes=1024)
    (tmp_path / "a.log").write_text('{"n": "1"}\n' + '{"n": "' + "x" * 2000 + '"}\n{"n": "2"}\n')
    world.poll()

    assert world.counted() == {"1": 1, "2": 1}
    assert world.values("logmetrics_source_oversize_lines_total") == {("test",): 1}
    world.close()


def test_bad_lines_cost_one_count_each(world: World) -> None:
    """Whatever a line holds, the lines around it count."""
    bad = [
        b"not json",
        b'{"n": "torn',
        b"",
        b"[1, 2]",
        b'"text"',
        b'{"n": NaN}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"n": 1e400}',
        b"\x00\x01\x02\xff\xfe",
    ]
    good = b'{"n": "1"}\n'
    (world.directory / "a.log").write_bytes(good + good.join(line + b"\n" for line in bad) + good)
    world.poll()

    assert world.counted() == {"1": len(bad) + 1}
    assert world.values("logmetrics_source_unparsable_lines_total") == {("test",): len(bad)}


def test_texts_that_are_no_utf_8_count(world: World) -> None:
    """Bytes that are none and halves of characters become U+FFFD, read or not; escapes that are whole stay."""
    (world.directory / "a.log").write_bytes(
        b'{"n": "\xff"}\n{"n": "\\ud83d"}\n{"n": "\\ud83d\\ude00"}\n{"n": "\\\\ud83d"}\n{"n": 1, "x": "\xff\\udc00"}\n'
    )
    world.poll()

    assert world.counted() == {"\ufffd": 2, "\U0001f600": 1, "\\ud83d": 1, "1": 1}
    assert world.values("logmetrics_source_unparsable_lines_total") == {("test",): 0}


def test_byte_order_mark_and_crlf(world: World) -> None:
    """A UTF-8 mark at the start and Windows line ends do no harm."""
    (world.directory / "a.log").write_bytes(b'\xef\xbb\xbf{"n": "1"}\r\n{"n": "2"}\r\n')
    world.poll()

    assert world.counted() == {"1": 1, "2": 1}


def test_no_regular_files(world: World) -> None:
    """A FIFO, a socket-like thing and a directory named like a log are passed over without a word."""
    os.mkfifo(world.directory / "pipe.log")
    (world.directory / "dir.log").mkdir()
    world.write("a.log", 1)
    world.poll()

    assert world.counted() == {"1": 1}


def test_unreadable_file_is_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is one message and a gauge; it is read as soon as it may be."""
    path = world.write("a.log", 1)
    real_open = os.open

    def deny(name: str, *args: int, **kwargs: int) -> int:
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", name)
        return real_open(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", deny)
    world.poll()
    world.poll()
    assert world.messages == [f"{path}: Permission denied"]
    assert world.values("logmetrics_source_unreadable_files") == {("test",): 1}

    monkeypatch.undo()
    world.poll()
    assert world.counted() == {"1": 1}
    assert world.values("logmetrics_source_unreadable_files") == {("test",): 0}


def test_missing_directory_is_told_and_awaited(tmp_path: Path) -> None:
    """A directory that is not there yet is one message; its files are read when it comes."""
    world = World(tmp_path / "later")
    world.poll()
    world.poll()
    assert world.messages == [f"{tmp_path}/later: No such file or directory"]

    world.write("a.log", 1)
    world.poll()
    assert world.counted() == {"1": 1}
    world.close()


def test_empty_directory_is_told(world: World) -> None:
    """An empty directory is one message."""
    world.poll()
    world.poll()

    assert world.messages == [f"no files there yet: {world.directory}"]


def test_compressed_file_named_by_the_user_is_read(tmp_path: Path) -> None:
    """Whoever names it wants it read."""
    with gzip.open(tmp_path / "x.log.gz", "wt") as file:
        file.write('{"n": "1"}\n{"n": "2"}\n')
    world = World(tmp_path / "x.log.gz")
    world.poll()

    assert world.counted() == {"1": 1, "2": 1}
    world.close()


def test_discovery(tmp_path: Path) -> None:
    """Globs, excludes and compressed files are told apart; names sort."""
    for name in ("b.log", "a.log", "x.log.gz", "skip.tmp", "sub/c.log", "sub/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n")

    def names(*paths: str, exclude: tuple[str, ...] = (), role: str = "log") -> list[str]:
        found = discover(SourceSpec("s", paths, exclude))
        return [os.path.relpath(file.path, tmp_path) for file in found.files.values() if file.role == role]

    assert names(str(tmp_path), role="generation") == ["x.log.gz"]
    assert names(str(tmp_path), exclude=("*.gz",), role="excluded") == ["x.log.gz"]
    assert names(str(tmp_path), exclude=("*.tmp",)) == ["a.log", "b.log", "sub/c.log", "sub/d.txt"]
    assert names(f"{tmp_path}/**/*.log") == ["a.log", "b.log", "sub/c.log"]
    assert names(f"{tmp_path}/*.log", str(tmp_path / "a.log")) == ["a.log", "b.log"]
    assert names(str(tmp_path), exclude=(f"{tmp_path}/sub/*",)) == ["a.log", "b.log", "skip.tmp"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Opening never blocks, not even on a FIFO."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        open_content(str(tmp_path / "pipe"), World(tmp_path).engine)


def test_fairness(world: World) -> None:
    """A large backlog in one file does not keep a small file waiting."""
    with (world.directory / "a.log").open("w") as file:
        file.write('{"n": "old"}\n' * 200_000)
    world.write("b.log", "live")
    world.now_s += 2
    assert world.engine._pass(scrape_waits=False)
    world.engine.commit()

    assert world.counted()["live"] == 1
    assert world.counted()["old"] < 200_000
