"""Packs on real logs: every series equals what the derive.py beside the sample says, however the lines come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logmetrics.config.loading import merge
from logmetrics.config.specs import LimitsSpec
from logmetrics.formats.framing import FIRST_BYTES, framing_of
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compile_rules
from logmetrics.rules.log import Log
from logmetrics.store.store import Store
from tests.world import World
from tests.wrappers import JSON_WRAPPERS, WRAPPERS

DATA = Path(__file__).parent / "data"
EXPECTATIONS: dict[Path, dict[str, Any]] = {
    path.parent: json.loads(path.read_text())
    for path in sorted(DATA.glob("*/expected.json"))
    if path.parent.name != "ollama"
}
SAMPLES = [folder / name for folder, expected in EXPECTATIONS.items() for name in expected["samples"]]
Values = dict[str, dict[str, Any]]


def _name(sample: Path) -> str:
    return str(sample.relative_to(DATA))


def values_of(store: Store) -> Values:
    """Series that are not zero, as expected.json has them."""
    found: Values = {}
    for spec, rows in store.view().families:
        for series, frozen in rows:
            if spec.name.startswith("agent_") and frozen:
                value = [frozen[2], round(frozen[1], 6)] if isinstance(frozen, tuple) else frozen
                found.setdefault(spec.name, {})["|".join(series.labels)] = value
    return found


def totals(sample: Path, block_records: int, packs: tuple[str, ...] = tuple(builtin_packs())) -> Values:
    """The metrics of *packs* over a sample, given in blocks of so many lines."""
    rule_set = merge([builtin_packs()[name].rule_set for name in packs])
    store = Store(rule_set.metrics, LimitsSpec())
    program = compile_rules(rule_set, "test", "auto", store)
    data = sample.read_bytes().removesuffix(b"\n") + b"\n"
    records = framing_of(data[:FIRST_BYTES]).take(data, b"").records
    for start in range(0, len(records), block_records):
        program.apply(records[start : start + block_records], Log(f"/logs/{sample.name}", "test"), 0.0)
    store.commit(0.0)
    return values_of(store)


def expected_of(sample: Path) -> Values:
    values: Values = EXPECTATIONS[sample.parent]["samples"][sample.name]
    return values


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_samples(sample: Path) -> None:
    """Tokens after removal of repeats, tool calls by name and status, LLM calls, durations, tasks."""
    found, expected = totals(sample, 100), expected_of(sample)
    assert {name: found.get(name, {}) for name in sorted(found.keys() | expected)} == {
        name: expected.get(name, {}) for name in sorted(found.keys() | expected)
    }


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_no_other_pack_counts_anything_of_it(sample: Path) -> None:
    """With all packs on, the numbers are those of its own pack alone."""
    assert totals(sample, 100) == totals(sample, 100, (EXPECTATIONS[sample.parent]["pack"],))


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_any_blocks(sample: Path) -> None:
    """Line by line, in sevens, and all at once."""
    assert totals(sample, 1) == totals(sample, 7) == totals(sample, 10**6)


def _is_lines_of_json(sample: Path) -> bool:
    return all(line.startswith(b"{") and line.endswith(b"}") for line in sample.read_bytes().splitlines())


WRAPPED = [
    pytest.param(sample, wrapper, id=f"{_name(sample)}-{wrapper}")
    for sample in SAMPLES
    for wrapper in (*WRAPPERS, *(JSON_WRAPPERS if _is_lines_of_json(sample) else ()))
]


@pytest.mark.parametrize(("sample", "wrapper"), WRAPPED)
def test_wrapped_by_a_collector(sample: Path, wrapper: str, tmp_path: Path) -> None:
    """What a collector puts in front of its lines, or a program between them, changes no number."""
    data = sample.read_bytes()
    wrap = {**WRAPPERS, **JSON_WRAPPERS}[wrapper]
    (tmp_path / sample.name).write_bytes(wrap(data))
    world = World(tmp_path, "limits: {idle: never}\n", format="auto")
    world.poll()
    assert values_of(world.engine.store) == expected_of(sample)


@pytest.mark.parametrize("size", [1, 100, 64 * 1024])
@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.stat().st_size < 20_000], ids=_name)
def test_any_pieces_of_a_file(sample: Path, size: int) -> None:
    """A log that grows byte by byte, or in larger pieces, has the same records."""
    data = sample.read_bytes().removesuffix(b"\n") + b"\n"
    framing = framing_of(data[:FIRST_BYTES])
    whole = framing.take(data, b"").records
    records: list[bytes] = []
    offset = ahead = 0
    for end in range(size, len(data) + size, size):
        framed = framing.take(data[offset:end], data[max(offset - 256, 0) : offset], ahead)
        records += framed.records
        offset, ahead = offset + framed.used, framed.ahead
    assert [record for record in records if record.startswith(b"{")] == [r for r in whole if r.startswith(b"{")]


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_killed_after_each_piece(sample: Path, tmp_path: Path) -> None:
    """Written in pieces and killed after each: the same numbers."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", "limits: {idle: never}\n", tmp_path / "state", format="auto")
    data = sample.read_bytes()
    data = data if data.endswith(b"\n") else data + b"\n"
    world.grow_and_kill(sample.name, data, max(len(data) // 7, 500))
    assert values_of(world.engine.store) == totals(sample, 100) == expected_of(sample)
    world.close()


def test_other_agents_are_not_taken_for_these() -> None:
    """Lines of a generic agent are nobody's but the generic pack's."""
    for path in sorted((DATA / "generic").glob("*.log")):
        assert totals(path, 100) == totals(path, 100, ("agent",))


def test_a_log_of_many_formats_in_any_blocks() -> None:
    """Lines of all packs mixed in one log: which pack a record is of depends on the record alone."""
    samples = [sample.read_bytes().splitlines() for sample in SAMPLES if sample.suffix == ".jsonl"]
    turns = max(map(len, samples))
    mixed = [lines[turn] for turn in range(turns) for lines in samples if turn < len(lines)]
    in_turn = [line for lines in samples for line in lines]

    def result(lines: list[bytes], block_records: int) -> Values:
        rule_set = merge([pack.rule_set for pack in builtin_packs().values()])
        store = Store(rule_set.metrics, LimitsSpec())
        program = compile_rules(rule_set, "test", "auto", store)
        log = Log("/logs/mixed.jsonl", "test")
        for start in range(0, len(lines), block_records):
            program.apply(lines[start : start + block_records], log, 0.0)
        store.commit(0.0)
        return values_of(store)

    for lines in (mixed, in_turn):
        assert result(lines, 10**6) == result(lines, 100) == result(lines, 10) == result(lines, 1)
