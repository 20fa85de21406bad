"""Packs of inference servers on logs: every series equals what the derive.py beside the log says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logmetrics.config.loading import merge
from logmetrics.config.specs import LimitsSpec
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compile_rules
from logmetrics.rules.log import Log
from logmetrics.store.store import Store
from tests.world import World
from tests.wrappers import WRAPPERS

DATA = Path(__file__).parent / "data"
EXPECTATIONS: dict[Path, dict[str, Any]] = {
    path.parent: json.loads(path.read_text()) for path in sorted(DATA.glob("*/expected_series.json"))
}
SAMPLES = [folder / name for folder, expected in EXPECTATIONS.items() for name in expected["samples"]]
ALL = tuple(builtin_packs())
# Those that read lines of text; the others are here for the few JSON lines of these logs only, and slow to compile.
TEXT = ("llama-server", "ollama", "tgi", "vllm")
Values = dict[str, dict[str, Any]]


def _name(sample: Path) -> str:
    return str(sample.relative_to(DATA))


def values_of(store: Store, packs: tuple[str, ...] = ALL) -> Values:
    """Series of the metrics of *packs* that are not zero, as expected_series.json has them."""
    found: Values = {}
    names = {metric for pack in packs for metric in builtin_packs()[pack].rule_set.metrics}
    for spec, rows in store.view().families:
        for series, frozen in rows:
            if spec.name in names and frozen and (not isinstance(frozen, tuple) or frozen[2]):
                value = [frozen[2], round(frozen[1], 6)] if isinstance(frozen, tuple) else round(frozen, 6)
                found.setdefault(spec.name, {})["|".join(series.labels)] = value
    return found


def totals(sample: Path, block_lines: int, packs: tuple[str, ...] = ALL) -> Values:
    """The metrics of *packs* over a sample, given in blocks of so many lines."""
    rule_set = merge([builtin_packs()[name].rule_set for name in packs])
    store = Store(rule_set.metrics, LimitsSpec())
    program = compile_rules(rule_set, "test", "auto", store)
    lines = sample.read_bytes().split(b"\n")
    for start in range(0, len(lines), block_lines):
        program.apply(lines[start : start + block_lines], Log(f"/logs/{sample.name}", "test"), 0.0)
    store.commit(0.0)
    return values_of(store, packs)


def flat(values: Values) -> dict[str, float]:
    """Each number under a name of its own, for comparison."""
    found = {}
    for metric, series in values.items():
        for labels, value in series.items():
            for part, number in zip(("count", "sum"), value if isinstance(value, list) else [value], strict=False):
                found[f"{metric}|{labels}|{part}"] = number
    return found


def expected_of(sample: Path) -> Values:
    values: Values = EXPECTATIONS[sample.parent]["samples"][sample.name]
    return values


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_samples(sample: Path) -> None:
    """Requests, durations, tokens, loads, failures, gauges; and no other pack counts anything of it."""
    found, expected = flat(totals(sample, 100)), flat(expected_of(sample))
    assert sorted(found) == sorted(expected)
    assert found == pytest.approx(expected, rel=1e-9, abs=2e-6)
    # No label holds a path, an id or free text.
    assert all(len(name) < 120 and " " not in name for name in found)


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_pack_alone(sample: Path) -> None:
    """The pack does not need the others."""
    pack = EXPECTATIONS[sample.parent]["pack"]
    assert totals(sample, 100, (pack,)) == totals(sample, 100, TEXT)


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_any_blocks(sample: Path) -> None:
    """Line by line, in sevens, and all at once."""
    assert totals(sample, 1, TEXT) == totals(sample, 7, TEXT) == totals(sample, 10**6, TEXT)


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_killed_after_each_piece(sample: Path, tmp_path: Path) -> None:
    """Written in pieces, which end anywhere in a line, and killed after each: the same numbers."""
    (tmp_path / "logs").mkdir()
    world = World(
        tmp_path / "logs", f"packs: {list(TEXT)}\nlimits: {{idle: never}}\n", tmp_path / "state", format="auto"
    )
    data = sample.read_bytes().removesuffix(b"\n") + b"\n"
    world.grow_and_kill(sample.name, data, len(data) // 5 + 1)
    assert values_of(world.engine.store, TEXT) == totals(sample, 100, TEXT)
    world.close()


TIMING = b"slot print_timing: id  0 | task 7 |        eval time =     100.00 ms /     5 tokens"
SLOG = b'time=2026-06-09T11:07:52.131Z level=INFO source=sched.go:728 msg="loaded runners" count=1'
GIN = b'[GIN] 2026/06/09 - 11:07:52 | 200 |  1.2s |       127.0.0.1 | POST     "/api/chat"'


@pytest.mark.parametrize("own_line", [SLOG, GIN], ids=["message", "access line"])
def test_whose_timing_it_is(own_line: bytes) -> None:
    """A llama-server's lines are Ollama's from the first line on that only Ollama writes, in that log only."""
    rule_set = merge([builtin_packs()[name].rule_set for name in ALL])
    store = Store(rule_set.metrics, LimitsSpec())
    program = compile_rules(rule_set, "test", "auto", store)
    program.apply([TIMING, own_line, TIMING, TIMING], Log("/logs/ollama.log", "test"), 0.0)
    program.apply([TIMING], Log("/logs/llama.log", "test"), 0.0)
    program.apply([TIMING], Log("/logs/ollama.log", "test"), 0.0)
    store.commit(0.0)
    found = values_of(store)
    assert found["llama_server_tokens_total"] == {"completion": 10}
    assert found["ollama_tokens_total"] == {"completion": 15}


def test_timings_of_an_ollama_log_are_nobody_elses() -> None:
    """Without the pack ollama nothing of its logs is counted."""
    for sample in SAMPLES:
        if sample.parent.name == "ollama":
            assert totals(sample, 100, ("llama-server", "tgi", "vllm")) == {}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_wrapped_by_a_collector(sample: Path, wrapper: str, tmp_path: Path) -> None:
    """What a collector puts in front of its lines changes no number."""
    data = sample.read_bytes()
    (tmp_path / sample.name).write_bytes(WRAPPERS[wrapper](data if data.endswith(b"\n") else data + b"\n"))
    world = World(tmp_path, f"packs: [agent, {', '.join(TEXT)}]\nlimits: {{idle: never}}\n", format="auto")
    world.poll()
    found, expected = flat(values_of(world.engine.store)), flat(expected_of(sample))
    assert sorted(found) == sorted(expected)
    assert found == pytest.approx(expected, rel=1e-9, abs=2e-6)
