"""One test for each fault that was found: schedules of the simulation that once failed, and single cases."""

from __future__ import annotations

import gc
import gzip
import lzma
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from logmetrics.cli import main
from logmetrics.config.specs import SourceSpec
from logmetrics.rules.pairs import OpenPairs
from logmetrics.sources import files
from logmetrics.sources.content import CompressedContent, Content
from logmetrics.sources.discovery import discover, signature_of
from logmetrics.sources.tail import Tail
from tests.daemon import Daemon
from tests.simulation import Action, run
from tests.world import World

# Seed (which says whether logs have a banner and how they are written) and the shortened schedule.
SCHEDULES: dict[str, tuple[int, list[Action]]] = {
    "a log that begins with what another one had is not the other one": (
        3,
        [
            ("append", 78, 110),
            ("part_of_a_line", 43, 888),
            ("part_of_a_line", 368, 981),
            ("scrape", 882, 386),
            ("replace", 958, 308),
            ("crash", 447, 264),
            ("append", 939, 361),
            ("scrape", 623, 723),
            ("replace", 285, 755),
        ],
    ),
    "a truncated log whose new content begins alike is not looked for by its old beginning": (
        306,
        [
            ("part_of_a_line", 834, 514),
            ("scrape", 933, 355),
            ("copytruncate", 492, 581),
            ("append", 582, 889),
            ("scrape", 378, 820),
            ("append", 691, 651),
            ("copytruncate", 2, 496),
        ],
    ),
    "a deleted file that holds other content now is not given up with it": (
        124,
        [("append", 778, 747), ("fail_a_commit", 90, 475), ("copytruncate", 364, 775), ("recreate", 94, 75)],
    ),
    "NULs at the beginning are not known content": (
        1465,
        [
            ("reopen", 115, 560),
            ("replace", 40, 191),
            ("copytruncate", 646, 669),
            ("append", 216, 457),
            ("part_of_a_line", 19, 118),
            ("scrape", 774, 623),
            ("append", 568, 424),
            ("copytruncate", 223, 555),
        ],
    ),
    "the head of a log that was never read is not taken for counted": (
        112,
        [
            ("crash", 621, 424),
            ("append", 765, 468),
            ("copytruncate", 450, 903),
            ("scrape", 466, 155),
            ("compress", 563, 252),
            ("crash", 757, 335),
        ],
    ),
    "the unread rest behind a banner is in the copy": (
        1005,
        [
            ("part_of_a_line", 115, 600),
            ("recreate", 40, 97),
            ("append", 746, 683),
            ("part_of_a_line", 366, 441),
            ("scrape", 740, 527),
            ("append", 180, 77),
            ("copytruncate", 705, 693),
            ("part_of_a_line", 159, 267),
        ],
    ),
    "of a log with its file and one without, the file is what it shares most with": (
        39,
        [
            ("restart", 897, 568),
            ("part_of_a_line", 464, 847),
            ("part_of_a_line", 364, 272),
            ("append", 681, 208),
            ("rotate", 128, 324),
            ("poll", 206, 336),
            ("append", 347, 587),
            ("compress", 381, 802),
            ("append", 857, 948),
            ("scrape", 490, 242),
            ("crash", 2, 532),
        ],
    ),
    "a read error leaves known files known": (
        111,
        [
            ("append", 406, 217),
            ("copytruncate", 308, 263),
            ("fail_a_commit", 860, 91),
            ("append", 788, 490),
            ("append", 480, 281),
            ("compress", 52, 9),
            ("copytruncate", 127, 59),
            ("fail_a_call", 420, 369),
        ],
    ),
    "a copy of a log that has a second name by a hard link is its copy": (
        4925,
        [
            ("append", 812, 383),
            ("link", 470, 922),
            ("scrape", 985, 334),
            ("crash", 125, 17),
            ("copytruncate", 635, 66),
        ],
    ),
    "a position that lost its file does not take it for unchanged": (
        339,
        [
            ("append_many", 462, 552),
            ("append", 23, 984),
            ("append", 598, 365),
            ("shorten", 147, 861),
            ("crash", 420, 782),
            ("poll", 180, 410),
            ("append", 537, 552),
        ],
    ),
}


# A process that dies in the middle of a call closes nothing itself.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("seed", "actions"), SCHEDULES.values(), ids=SCHEDULES)
def test_schedule_that_once_failed(tmp_path: Path, seed: int, actions: list[Action]) -> None:
    """Counted equals written, nothing twice, nothing back."""
    assert run(tmp_path / "run", seed, actions) is None


def test_compressed_file_that_was_empty_when_it_was_met(tmp_path: Path) -> None:
    """Its bytes were once read as lines of text, because it had no first bytes yet to know it by."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", state_dir=tmp_path / "state")
    log = world.write("a.log", 1, 2)
    world.poll()
    packed = gzip.compress(log.read_bytes())
    for size in (0, 1, 5, len(packed)):
        (tmp_path / "logs" / "a.log.1.gz").write_bytes(packed[:size])
        world.poll()
    log.unlink()
    for seconds in (2, 70, 2, 2):
        world.poll(seconds)

    assert world.counted() == {"1": 1, "2": 1}
    assert world.values("logmetrics_source_unparsable_lines_total") == {("test",): 0}
    assert world.decisions() == {"new": 1, "compressed": 1}
    world.close()


def test_inode_of_a_closed_file_that_another_file_has_now(tmp_path: Path) -> None:
    """A file that is not held open and comes back under another name is looked at as if it were unknown."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", state_dir=tmp_path / "state")
    banner = '{"banner": "' + "=" * 300 + '"}\n'
    for name, number in (("a.log", 1), ("b.log", 2)):
        (tmp_path / "logs" / name).write_text(banner)
        world.poll()
        if number == 2:
            world.write(name, number)
    world.poll()
    world.kill()
    world.poll()  # now both are known without being open
    closed = next(t for t in world.engine.files.known.tails.values() if t.position.path.endswith("a.log"))
    assert closed.content is None
    # The inode of a.log comes to hold what b.log had, as when one is deleted and the other compressed.
    (tmp_path / "logs" / "a.log").write_bytes((tmp_path / "logs" / "b.log").read_bytes())
    (tmp_path / "logs" / "a.log").rename(tmp_path / "logs" / "b.log.1")
    world.poll()
    world.poll()

    counted = {text: count for text, count in world.counted().items() if text != "unknown"}
    assert counted == {"2": 1}
    world.close()


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[World]:
    """A world with state over an empty directory."""
    (tmp_path / "logs").mkdir()
    made = World(tmp_path / "logs", state_dir=tmp_path / "state")
    made.poll()
    yield made
    made.close()


def test_archive_that_is_overwritten_in_place(lasting: World) -> None:
    """`gzip -c a.log > a.log.1.gz; : > a.log` gives the same file other content each day; the decoder went on in it."""
    archive = lasting.directory / "a.log.1.gz"
    for numbers in (range(30), range(30, 80), range(80, 150)):
        log = lasting.write("a.log", *numbers)
        lasting.poll()
        archive.write_bytes(gzip.compress(log.read_bytes()))
        os.truncate(log, 0)
        for _ in range(30):
            lasting.poll(3)
    assert lasting.counted() == {str(number): 1 for number in range(150)}
    assert lasting.lost() == {}


def test_half_of_a_large_archive(lasting: World) -> None:
    """It is still for a while in the middle of being written; its end is not the end of what was counted."""
    log = lasting.directory / "a.log"
    log.write_text(
        "".join(f'{{"n": "x", "pad": "{hash(number) * 2654435761 % 2**64:x}"}}\n' for number in range(40_000))
    )
    lasting.poll()
    packed = gzip.compress(log.read_bytes())
    log.unlink()
    for seconds in (2, 70, 2):
        lasting.poll(seconds)
    for part in (packed[: len(packed) // 2], packed):
        (lasting.directory / "a.log.1.gz").write_bytes(part)
        for _ in range(4):
            lasting.poll(5)
    assert lasting.counted() == {"x": 40_000}


@pytest.mark.parametrize("nuls", [100, 1000, 1024 * 1024])
def test_nuls_behind_a_line(lasting: World, nuls: int) -> None:
    """What follows them counts, whether they are in one block with a line, alone, or filled in later."""
    lasting.write("a.log", 1)
    with (lasting.directory / "a.log").open("ab") as file:
        file.write(bytes(nuls) + b'{"n": "2"}\n')
    lasting.write("b.log", 3)
    with (lasting.directory / "b.log").open("ab") as file:
        file.write(bytes(nuls))
    lasting.poll()
    with (lasting.directory / "b.log").open("r+b") as file:
        file.seek(11)
        file.write(b'{"n": "4"}\n{"n": "5"}\n')
    lasting.poll()
    assert lasting.counted() == {str(number): 1 for number in range(1, 6)}
    assert lasting.values("logmetrics_source_unparsable_lines_total") == {("test",): 0}


def test_from_end_reads_what_comes_later(tmp_path: Path) -> None:
    """A path that did not exist at the first start holds nothing old."""
    world = World(tmp_path / "later" / "a.log", state_dir=tmp_path / "state", start_at_end=True)
    world.poll()
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.log").write_text('{"n": "1"}\n')
    world.poll()
    assert world.counted() == {"1": 1}
    world.close()


def test_two_logs_of_one_name_count_in_full_when_they_differ(lasting: World) -> None:
    """Whichever grows first."""
    lasting.write("one/a.log", 1)
    lasting.poll()
    lasting.write("two/a.log", 1)
    lasting.poll()
    assert lasting.counted() == {"1": 1}
    lasting.write("two/a.log", 2)
    lasting.poll()
    lasting.write("one/a.log", 3)
    for _ in range(4):
        lasting.poll(40)
    assert lasting.counted() == {"1": 2, "2": 1, "3": 1}


def test_unread_rest_that_is_cut_off(lasting: World) -> None:
    """It stands in the ledger, once, whether it is noticed while running or at the next start."""
    for name, killed in (("a.log", False), ("b.log", True)):
        path = lasting.directory / name
        path.write_text('{"n": "x"}\n' * 100_000)
        lasting.now_s += 2
        lasting.engine._pass(scrape_waits=False)
        lasting.engine.commit()
        os.truncate(path, 550_000)
        if killed:
            lasting.kill()
        for _ in range(40):
            lasting.poll(5)
    assert lasting.counted() == {"x": 100_000}
    assert lasting.lost() == {"truncated": 1_100_000}


def test_log_cut_inside_its_first_line_is_waited_for(lasting: World) -> None:
    """Without a busy loop."""
    path = lasting.directory / "a.log"
    path.write_text('{"n": "' + "x" * 3000 + '"}\n' + '{"n": "x"}\n' * 100_000)
    lasting.now_s += 2
    lasting.engine._pass(scrape_waits=False)
    os.truncate(path, 2000)
    lasting.now_s += 2
    lasting.engine._pass(scrape_waits=False)
    assert not lasting.engine._pass(scrape_waits=False)


def test_file_that_claims_more_than_it_holds(lasting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As files in /sys do: nothing to read is nothing to do."""
    lasting.write("a.log", 1)
    monkeypatch.setattr(Content, "end", lambda self, _beyond: os.fstat(self.fd).st_size + 4096)
    lasting.poll()
    assert lasting.counted() == {"1": 1}


def test_directories_nested_deeper_than_the_stack(tmp_path: Path) -> None:
    """Anybody who may write logs can make them."""
    (tmp_path / "a.log").write_text('{"n": "1"}\n')
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    for source in (str(tmp_path), f"{tmp_path}/**/*.log"):
        found = discover(SourceSpec("s", (source,)))
        assert len(found.files) + len(found.problems) > 0
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


@pytest.mark.parametrize("time_s", [-(10**15), 10**15])
def test_times_that_sqlite_cannot_hold(lasting: World, monkeypatch: pytest.MonkeyPatch, time_s: int) -> None:
    """A file may have any time of change."""
    path = lasting.write("a.log", 1)
    real = os.stat(path)

    class Status:
        st_size, st_mtime_ns = real.st_size, time_s * 10**9

    assert all(-(2**63) <= number < 2**63 for number in signature_of(Status()))  # type: ignore[arg-type]


def test_path_that_is_no_utf8(tmp_path: Path) -> None:
    """It is read, saved and shown."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.log")
    Path(path).write_text('{"event": "tool_call", "agent": "a", "tool_name": "t"}\n')
    with Daemon(path, "--state-dir", str(tmp_path / "state")) as daemon:
        assert daemon.total("agent_tool_calls_total") == 1
        assert daemon.get("/")[0] == 200
        assert daemon.stop() == 0


def test_state_that_is_removed_while_in_use(lasting: World) -> None:
    """SQLite would write on into a file without a name, and what nobody can find again would be shown."""
    lasting.write("a.log", 1)
    lasting.poll()
    assert lasting.state is not None
    os.unlink(lasting.state.path)
    lasting.write("a.log", 2)
    lasting.poll()
    assert lasting.counted() == {"1": 1}
    assert lasting.engine.commit_problem is not None


def test_commit_that_failed_but_is_durable_keeps_no_closed_pair(tmp_path: Path) -> None:
    """A start is saved by a commit that is told to have failed; its end comes before the next."""
    pairs = OpenPairs()
    pairs.start("k", ())
    saved, _ = pairs.changes()  # ... which are durable, though
    pairs.commit_failed()
    pairs.end("k")
    assert pairs.must_clear
    assert pairs.changes() == ([], [])
    assert len(saved) == 1
    pairs.committed()
    assert not pairs.must_clear


def test_ledger_counts_once_when_resuming_fails(lasting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log is found shorter in its copy, and cannot be read there at first."""
    log = lasting.directory / "a.log"
    log.write_text('{"n": "x"}\n' * 100_000)
    lasting.now_s += 2
    lasting.engine._pass(scrape_waits=False)
    lasting.engine.commit()
    (lasting.directory / "a.log.1").write_bytes(log.read_bytes()[:550_000])
    os.truncate(log, 0)
    fails = [3]
    resume = Tail.resume

    def failing(tail: Tail) -> None:
        fails[0] -= 1
        if fails[0] >= 0:
            raise OSError(5, "Input/output error")
        resume(tail)

    monkeypatch.setattr(Tail, "resume", failing)
    for _ in range(10):
        lasting.poll(3)
    assert lasting.counted() == {"x": 50_000}
    assert lasting.lost() == {"truncated": 550_000}


def test_each_directory_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of its files are named one by one, or by links."""
    (tmp_path / "links").mkdir()
    for number in range(50):
        (tmp_path / f"{number}.log").write_text("x\n")
        (tmp_path / "links" / f"{number}.log").symlink_to(tmp_path / f"{number}.log")
    scans: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": (scans.append(path), scandir(path))[1])
    discover(SourceSpec("s", tuple(str(tmp_path / f"{number}.log") for number in range(50))))
    assert len(scans) == 1
    scans.clear()
    discover(SourceSpec("s", (f"{tmp_path}/links/*.log",)))
    assert len(scans) <= 4


def test_hints_do_not_keep_it_busy(lasting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens beside the logs, scans take at most a twentieth of the time."""
    engine = lasting.engine
    scans: list[float] = []

    def slow(*_args: object) -> bool:
        scans.append(lasting.now_s)
        lasting.now_s += 0.02
        return False

    monkeypatch.setattr(engine.files, "adopt", slow)
    start_s = lasting.now_s
    while lasting.now_s < start_s + 10:
        engine.hint()
        engine._pass(scrape_waits=False)
        lasting.now_s += 0.01
    assert len(scans) <= 10 / (20 * 0.02) + 2


def test_decoders_are_given_back(lasting: World) -> None:
    """An archive that is read to its end keeps no decoder, which has megabytes."""
    log = lasting.write("a.log", 1, 2)
    lasting.poll()
    (lasting.directory / "a.log.1.xz").write_bytes(lzma.compress(log.read_bytes()))
    log.unlink()
    for seconds in (2, 70, 2, 2, 2):
        lasting.poll(seconds)
    (tail,) = lasting.engine.files.known.tails.values()
    assert isinstance(tail.content, CompressedContent)
    assert tail.content._stream is None
    assert lasting.counted() == {"1": 1, "2": 1}


def test_unread_rest_behind_a_banner_is_lost_once(lasting: World) -> None:
    """The log is rewritten with the same first line, and its unread rest is nowhere else."""
    banner = '{"banner": "' + "=" * 300 + '"}\n'
    path = lasting.directory / "a.log"
    path.write_text(banner)
    lasting.poll()
    with path.open("a") as file:
        file.write('{"n": "1"}\n' * 10)
    lasting.now_s += 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCKS_PER_TURN", 0)
        lasting.engine._pass(scrape_waits=False)
    path.write_text(banner + '{"n": "2"')
    for _ in range(40):
        lasting.poll(5)
    assert lasting.counted() == {"unknown": 1}
    assert lasting.lost() == {"truncated": 110 - 9}


def test_from_end_of_a_compressed_file(tmp_path: Path) -> None:
    """What is there is skipped, compressed or not."""
    packed = tmp_path / "a.log.gz"
    packed.write_bytes(gzip.compress(b'{"n": "1"}\n' * 10_000))
    world = World(packed, state_dir=tmp_path / "state", start_at_end=True)
    world.poll()
    world.restart()
    world.poll()
    assert world.counted() == {}
    world.close()


def test_only_whole_lines_tell_logs_apart(lasting: World) -> None:
    """A log lost its end and has new lines; what it was before begins with one byte more that is the same."""
    path = lasting.write("a.log", *range(100, 280))
    lasting.poll()
    os.truncate(path, 13 * 78)  # 1,014 bytes, so that the known beginning reaches into the next line
    lasting.poll()
    lasting.write("a.log", 1, 2)
    lasting.kill()
    lasting.poll()
    assert {text for text, count in lasting.counted().items() if count == 1} >= {"1", "2"}
    assert set(lasting.counted().values()) == {1}


def test_ctrl_c_while_a_command_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a moment until all is imported, and that is when people notice that they meant another one."""

    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "logmetrics.cli.app", Interrupted("app"))
    with pytest.raises(SystemExit) as ended:
        main()
    gc.enable()
    assert ended.value.code == 130
