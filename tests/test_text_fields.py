"""Lines of text with named fields: logfmt, and patterns of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logmetrics.config.loading import parse_config
from logmetrics.errors import ConfigError
from logmetrics.formats.routing import split_formats
from logmetrics.formats.text_fields import is_logfmt, logfmt
from logmetrics.packs import builtin_packs
from tests.world import World


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'level=info msg="tool call" n=5 ok=true', {"level": "info", "msg": "tool call", "n": 5, "ok": True}),
        (b"a=1.5 b=-2 c=1e3 d=007 e=1_0 f=", {"a": 1.5, "b": -2, "c": 1000.0, "d": "007", "e": "1_0", "f": ""}),
        (rb'msg="say \"hi\"\n\u00fc" debug x=1', {"msg": 'say "hi"\nü', "debug": True, "x": 1}),
        (b'tool.name=search empty=""\r', {"tool.name": "search", "tool": {"name": "search"}, "empty": ""}),
        (
            b"a=1 a.b=2 c.=3 .=4 x..y=5",
            {"a": 1, "a.b": 2, "c.": 3, "c": {"": 3}, ".": 4, "": {"": 4}, "x..y": 5, "x": {"": {"y": 5}}},
        ),
        (b"Nov 25 10:11:12 host agent[42]: level=warn a=b", {"level": "warn", "a": "b"}),
        ("größe=5 bad=\xff".encode("latin-1"), {"gr\ufffd\ufffde": 5, "bad": "\ufffd"}),
        (b"just words", None),
        (b"", None),
    ],
)
def test_logfmt(line: bytes, record: dict[str, object] | None) -> None:
    assert logfmt(line) == record


def test_a_name_of_a_thousand_parts_is_a_name() -> None:
    """It makes no object that is nested so deeply."""
    name = ".".join("a" * 1_000)
    assert logfmt(f"level=info {name}=1".encode()) == {"level": "info", name: 1}


@given(st.binary(max_size=80))
def test_any_bytes(line: bytes) -> None:
    """Nothing makes it fail."""
    logfmt(line)
    is_logfmt(line)


def test_which_lines_are_logfmt() -> None:
    """Those with a level that begin with a pair; Ollama's tell a place in its source."""
    lines = [
        b'time=2026-11-25T10:11:12Z level=INFO msg="tool call" event=tool_call',
        b"Nov 25 10:11:12 host agent[42]: level=warn a=b",
        b'time=2026-11-25T10:11:12.1Z level=INFO source=routes.go:1 msg="Listening on x (version 0.4.1)"',
        b"event=tool_call agent=x tool_name=y duration_ms=5",
        b"llama_model_loader: - kv 1: level=5",
        b"OLLAMA_HOST=0.0.0.0 is set",
        b"n_ctx = 4096",
        b'{"level": "info"}',
    ]
    names = [name for name, run in split_formats(lines) for _ in run]
    assert names == ["logfmt", "logfmt", "ollama", "logfmt", "ollama", "ollama", "ollama", "json"]


def test_the_generic_pack_reads_logfmt(tmp_path: Path) -> None:
    """An agent that logs in logfmt needs no config."""
    world = World(tmp_path, "limits: {idle: never}\n", format="auto")
    (tmp_path / "a.log").write_text(
        'time=2026-11-25T10:11:12Z level=INFO msg="tool call" event=tool_call agent=planner tool_name=search '
        "duration_ms=120 status=ok\n"
        'ts=2026-11-25T10:11:13Z level=error msg="llm failed" event=llm_call agent=planner model=m latency_s=1.5 '
        'usage.prompt_tokens=7 error="rate limit"\n'
    )
    world.poll()
    assert world.values("agent_tool_calls_total") == {("planner", "search", "success"): 1}
    assert world.values("agent_tool_duration_seconds")[("planner", "search")][1] == 0.12
    assert world.values("agent_llm_calls_total") == {("planner", "m", "error"): 1}
    assert world.values("agent_token_usage_total") == {("planner", "prompt"): 7}
    assert world.values("agent_log_records_total") == {("planner", "info"): 1, ("planner", "error"): 1}


CONFIG = r"""
packs: []
sources:
  - name: app
    paths: [/var/log/app]
    format: {regex: '^(?P<level>[A-Z]+) +(?P<tool>\w+) took (?P<took>[0-9.]+)ms'}
metrics:
  took_seconds: {type: histogram, help: Durations, labels: [tool, level], buckets: [1]}
rules:
  - {name: took, format: regex, labels: {tool: tool, level: lower(level)}, update: {took_seconds: ms(took)}}
"""


def test_a_pattern_of_the_users_own(tmp_path: Path) -> None:
    """Its named groups are fields; other lines are unparsable, one count each."""
    source = parse_config(CONFIG, "config.yaml", builtin_packs()).sources[0]
    world = World(tmp_path, CONFIG, format=source.format, pattern=source.pattern)
    (tmp_path / "a.log").write_text("INFO  search took 250ms\nERROR fetch took 1500ms\nsomething else\n")
    world.poll()
    assert {labels: value[1] for labels, value in world.values("took_seconds").items()} == {
        ("search", "info"): 0.25,
        ("fetch", "error"): 1.5,
    }
    assert world.engine.readers[0].program.unparsable == 1


def test_a_wrong_pattern_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config.yaml:\d+:\d+.*RE2 takes"):
        parse_config(CONFIG.replace("(?P<level>", "(?P<level"), "config.yaml", builtin_packs())
