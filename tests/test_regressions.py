"""One test for each fault that was found: schedules of the simulation that once failed, and single cases."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

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
