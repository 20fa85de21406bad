"""Whatever happens to logs and daemon, every complete line counts once: random schedules against an oracle."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation import run, schedule, shortened

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "500"))
SEEDS_PER_TEST = 25
FIRST_SEED = int(os.environ.get("SIMULATION_FIRST_SEED", "0"))


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not pytest's own: hundreds of seeds would stay on the disk."""
    with tempfile.TemporaryDirectory(prefix="simulation-") as made:
        yield Path(made) / "run"


# A process that dies in the middle of a call closes nothing itself.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SEEDS, SEEDS_PER_TEST))
def test_schedules(directory: Path, first: int) -> None:
    """Counted equals written, nothing twice, nothing back. A failure shows the shortest schedule that fails."""
    for seed in range(first, min(first + SEEDS_PER_TEST, FIRST_SEED + SEEDS)):
        actions = schedule(seed)
        what = run(directory, seed, actions)
        if what is not None:
            short = shortened(directory, seed, actions)
            pytest.fail(f"seed {seed}: {what}\nshortened: {run(directory, seed, short)}\n{short}")
