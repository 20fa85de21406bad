"""`logmetrics init`: what it writes loads, is wise, counts, and is the same each time."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from logmetrics.authoring.inference.draft import as_json, draft_of
from logmetrics.authoring.inference.summary import summary_of
from logmetrics.authoring.inference.trial import Outcome, tried
from logmetrics.cli.app import app
from logmetrics.cli.init import init
from logmetrics.config.loading import parse_config
from logmetrics.engine import Engine
from logmetrics.errors import UsageError
from logmetrics.packs import builtin_packs
from tests.made_logs import HOSTILE_VALUES, SHAPES, made

DATA = Path(__file__).parent / "data"
OLLAMA = ("001-v0.1.28-plain-json-runner.log", "017-v0.5.4-journald-a.log", "112-2026-01-ansi-gin-only.log")
# Ollama's logs are many; three kinds of them stand for all.
SAMPLES = {
    path.name: [path / name for name in OLLAMA] if path.name == "ollama" else [path]
    for path in sorted(DATA.iterdir())
    if path.is_dir() and path.name != "__pycache__"
}
# What a person can look through; a histogram's series are of a dozen samples.
SAMPLES_MAX = 2_500
NAME_CHARACTERS_MAX = 100
# Names that are told apart by a number only.
COUNTED_UP = re.compile(r"[a-z]_[2-9](_total|_seconds|_bytes)*$| [2-9]$")


def inferred(paths: list[Path], **options: Any) -> Outcome:
    return tried(draft_of([str(path) for path in paths], **options))


def totals(text: str) -> dict[str, float]:
    """What `watch --once` with the config *text* would show, summed over labels; tokens by their type. Of a histogram
    the sum.
    """
    engine = Engine(parse_config(text, "config.yaml", builtin_packs()), say=lambda _: None, runtime_metrics=False)
    engine.run_once()
    found: dict[str, float] = {}
    for spec, rows in engine.view().families:
        for series, value in rows:
            if spec.name.startswith("logmetrics_"):
                continue
            kind = series.labels[spec.labels.index("token_type")] if "token_type" in spec.labels else ""
            name = f"{spec.name} {kind}".strip()
            number = value[1] if isinstance(value, tuple) else value
            found[name] = round(found.get(name, 0) + number, 6)
    return found


def run(*arguments: str | Path) -> Result:
    """A command as a user gives it; it must succeed."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, f"{' '.join(map(str, arguments))}: {done.output}"
    return done


def exposed(paths: list[Path], file: Path, *options: str) -> tuple[str, list[str]]:
    """What `watch --once` gives of its own metrics after `init` and `check --strict`, and the config's names."""
    run("init", *paths, "-o", file, *options)
    run("check", "--config", file, "--strict", *paths)
    page = run("watch", "--config", file, "--once").stdout
    own = [line for line in page.splitlines() if line[:1].isalpha() and not line.startswith("logmetrics_")]
    config = parse_config(file.read_text(), str(file), builtin_packs())
    names = [
        *(name for name in config.rule_set.metrics if name.startswith(Path(file).stem)),
        *(rule.name for rule in config.rule_set.rules if not rule.pack),
    ]
    return "\n".join(own), names


def values_of(page: str) -> list[float]:
    return [float(line.rsplit(" ", 1)[1]) for line in page.splitlines()]


@pytest.mark.parametrize("uses_packs", [True, False], ids=["packs", "no-packs"])
@pytest.mark.parametrize("name", SAMPLES)
def test_commands_on_logs_of_agents(name: str, uses_packs: bool, tmp_path: Path) -> None:
    """From logs to metrics: all three commands succeed, and what comes out is something, and not too much."""
    options = [] if uses_packs else ["--no-packs", "--name", "own"]
    page, names = exposed(SAMPLES[name], tmp_path / "own.yaml", *options)
    assert any(values_of(page))
    assert 0 < len(page.splitlines()) < SAMPLES_MAX
    assert [each for each in names if len(each) > NAME_CHARACTERS_MAX or COUNTED_UP.search(each)] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_commands_on_logs_that_no_pack_knows(shape: str, tmp_path: Path) -> None:
    """For all others, too, however odd."""
    page, _ = exposed([made(shape, tmp_path)], tmp_path / "config.yaml")
    assert any(values_of(page))
    assert 0 < len(page.splitlines()) < SAMPLES_MAX


def test_the_same_logs_give_the_same_bytes(tmp_path: Path) -> None:
    """In another process, too."""
    directory = made("python_text", tmp_path)
    assert logmetrics("init", directory).stdout == inferred([directory]).text


def test_whole_config_of_a_shop(tmp_path: Path) -> None:
    """Events, safe labels, units, buckets, and the evidence beside each. When what is written has changed on purpose:
    GOLDEN=write python -m pytest tests/test_init.py -k whole_config, and look at the difference.
    """
    directory = made("shop", tmp_path)
    text = inferred([directory]).text.replace(str(directory), "/var/log/shop")
    golden = Path(__file__).parent / "init_shop.yaml"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


# What fields of a log that tell each thing once add up to is what its pack counts.
AGREEING: dict[str, dict[str, str]] = {
    **{
        f"generic/{name}.log": {
            "agent_token_usage_total prompt": f"{name}_llm_call_prompt_tokens_total",
            "agent_token_usage_total completion": f"{name}_llm_call_completion_tokens_total",
            "agent_llm_latency_seconds": f"{name}_llm_call_latency_seconds",
            "agent_tool_duration_seconds": f"{name}_tool_call_duration_seconds",
            "agent_task_duration_seconds": f"{name}_task_end_duration_seconds",
        }
        for name in ("bunyan", "loguru_serialize", "pino", "python_json_logger", "structlog_json", "winston")
    },
    "generic/zap.log": {
        "agent_token_usage_total prompt": "zap_prompt_tokens_total",
        "agent_tool_duration_seconds": "zap_duration_seconds",
    },
    "generic/slog_json.log": {
        "agent_token_usage_total completion": "slog_json_completion_tokens_total",
        "agent_llm_latency_seconds": "slog_json_latency_seconds",
    },
    "litellm/standard_logging_payload.jsonl": {
        "agent_token_usage_total prompt": "standard_logging_payload_prompt_tokens_total",
        "agent_token_usage_total completion": "standard_logging_payload_completion_tokens_total",
        "agent_token_detail_total prompt_cached": "standard_logging_payload_cached_tokens_total",
        "agent_token_detail_total completion_reasoning": "standard_logging_payload_reasoning_tokens_total",
    },
    "pi/session_v3.jsonl": {
        "agent_token_usage_total prompt": "session_v3_message_input_tokens_total",
        "agent_token_usage_total completion": "session_v3_message_output_tokens_total",
    },
    "tgi/json-output.log": {
        "tgi_request_duration_seconds": "json_output_time_seconds",
        "tgi_request_queue_duration_seconds": "json_output_queue_time_seconds",
        "tgi_request_inference_duration_seconds": "json_output_inference_time_seconds",
        "tgi_request_validation_duration_seconds": "json_output_validation_time_seconds",
        "tgi_time_per_token_seconds": "json_output_time_per_token_seconds",
    },
    "kimi/wire_1.4.jsonl": {
        "agent_token_usage_total completion": "wire_1_4_usage_record_output_tokens_total",
        "agent_token_detail_total prompt_cached": "wire_1_4_usage_record_input_cache_read_tokens_total",
    },
    "autogen/events.log": {
        "agent_token_usage_total prompt": "events_prompt_tokens_total",
        "agent_token_usage_total completion": "events_completion_tokens_total",
    },
    "openai_agents/spans.jsonl": {
        "agent_token_usage_total prompt": "spans_generation_input_tokens_total",
        "agent_token_usage_total completion": "spans_generation_output_tokens_total",
    },
    "aider/analytics.jsonl": {
        "agent_token_usage_total prompt": "analytics_message_send_prompt_tokens_total",
        "agent_token_usage_total completion": "analytics_message_send_completion_tokens_total",
    },
    "codex/token_count_minimal.jsonl": {
        "agent_token_usage_total prompt": "token_count_minimal_event_msg_input_tokens_total",
        "agent_token_usage_total completion": "token_count_minimal_event_msg_output_tokens_total",
    },
}


@pytest.mark.parametrize("name", AGREEING)
def test_totals_agree_with_the_pack(name: str) -> None:
    """Inferred without any pack, tokens and times are those that the pack counts."""
    path = DATA / name
    of_pack = totals(f"sources: [{{name: logs, paths: ['{path}']}}]")
    own = totals(inferred([path], uses_packs=False).text)
    for pack_metric, metric in AGREEING[name].items():
        assert own[metric] == pytest.approx(of_pack[pack_metric]), metric


# Where plain sums cannot agree, and why; packs know better, and so init leaves such logs to them.
DIFFERING = {
    "a message's usage stands in each of its lines": (
        "claude_code/real_tool_heavy_v2.1.38.jsonl",
        "agent_token_detail_total prompt_cached",
        "real_tool_heavy_v2_1_38_assistant_cache_read_input_tokens_total",
    ),
    "parents repeat what their calls used": (
        "openai_agents/spans.jsonl",
        "agent_token_usage_total prompt",
        "spans_custom_input_tokens_total",
    ),
    "the call and the telemetry of the call both tell it": (
        "gemini/telemetry_one_line_each.jsonl",
        "agent_token_usage_total prompt",
        "telemetry_one_line_each_gen_ai_usage_input_tokens_total",
    ),
    "retries of a cached call are told again": (
        "litellm/other_calls.jsonl",
        "agent_token_usage_total prompt",
        "other_calls_prompt_tokens_total",
    ),
}


@pytest.mark.parametrize("why", DIFFERING)
def test_plain_sums_are_more_where_a_log_repeats_itself(why: str) -> None:
    """That is what packs are for."""
    name, pack_metric, metric = DIFFERING[why]
    of_pack = totals(f"sources: [{{name: logs, paths: ['{DATA / name}']}}]")
    own = totals(inferred([DATA / name], uses_packs=False).text)
    assert own[metric] > of_pack[pack_metric] > 0


# What a user's log may be like -> lines that the config must have, and such as it must not have.
MADE_OF: dict[str, tuple[list[dict[str, Any]], list[str], list[str]]] = {
    "few records with an event": (
        [
            {"level": "info", "evt": event, "worker": f"w{number % 2}", "queue": "emails", "took_ms": 100 + number}
            for number, event in enumerate(["job_done", "job_done", "job_failed", "queue_polled"])
        ],
        [
            "      event: evt   # 3 values: job_done 2, job_failed 1, queue_polled 1",
            "    labels: [event, level, worker]",
        ],
        [],
    ),
    "as many events as records": (
        [{"action": action, "took_ms": 5} for action in ("opened", "read", "written", "closed")],
        ["      action: action   # 4 values: closed 1, opened 1, read 1, written 1"],
        [],
    ),
    "a level beside what came of a call": (
        [
            {
                "op": op,
                "hit": number % 3 > 0,
                "status_code": 200 + number % 2,
                "shard": "ab"[number % 2],
                "pending": number,
            }
            for number, op in enumerate(["get", "set"] * 20)
        ],
        ["    help: Last value of pending", "    labels: [shard]"],
        [],
    ),
    "messages that are events": (
        [{"msg": msg, "room": "ab"[number % 2]} for number, msg in enumerate(["player joined", "match ended"] * 20)],
        [
            """      event: 'map(msg, {"match ended": "match_ended", "player joined": "player_joined"}, "other")'""",
            "      # 2 values: match ended 20, player joined 20",
        ],
        [],
    ),
    "money": (
        [{"event": "paid", "total_cents": 100 + number, "price_eur": number / 7} for number in range(40)],
        ["  logs_amount_cents_total:", "  logs_price_eur_total:"],
        [],
    ),
    "lists of objects": (
        [{"event": "paid", "items": [{"sku": "x", "qty": 2}]} for _ in range(40)],
        ["# and reads fields such as element.sku:", "#   items: objects with sku, qty"],
        ["lines of text"],
    ),
    "seconds and no more": (
        [{"stage": stage, "secs": 1 + number % 3} for number, stage in enumerate(["load", "store"] * 9)],
        ["  logs_duration_seconds:"],
        [],
    ),
    "what is called like the directory": (
        [{"event": "x", "logs_size_bytes": 10 + number} for number in range(30)],
        ["  logs_size_bytes:"],
        ["logs_logs"],
    ),
}


@pytest.mark.parametrize("what", MADE_OF)
def test_what_is_made_of(what: str, tmp_path: Path) -> None:
    """The right event, labels that suit, money in its unit, a word on lists."""
    records, wanted, unwanted = MADE_OF[what]
    log = tmp_path / "x.log"
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    text, file = inferred([log], prefix="logs", uses_packs=False).text, tmp_path / "config.yaml"
    file.write_text(text)
    run("check", "--config", file, "--strict", log)
    assert [line for line in wanted if line not in text.splitlines()] == [], text
    assert [part for part in unwanted if part in text] == []


PHRASES = {
    "units and numbers are left out": (
        ["prompt eval time = 12.5 ms / 7 tokens ( 1.2 ms per token, 90.1 tokens per second)"] * 4,
        ["logs_prompt_eval_time_seconds", "prompt_eval_time"],
    ),
    "what is joined to others is left out": (
        ["Retrying the upload after an error: reset by peer"] * 4,
        ["retrying_upload_error_reset"],
    ),
    "one word takes another": (["Copied 5 files to /srv/a in 3.1s"] * 4, ["logs_copied_files_duration_seconds"]),
    "alike to begin with": (
        ["Opened the door of room 5 for reading"] * 4 + ["Opened the door of room 5 for writing"] * 4,
        ["opened_door_room", "opened_door_room_writing"],
    ),
}


@pytest.mark.parametrize("what", PHRASES)
def test_names_of_phrases(what: str, tmp_path: Path) -> None:
    """Short, without units, and each its own."""
    messages, names = PHRASES[what]
    log = tmp_path / "x.log"
    log.write_text("".join(f"2026-03-01 08:00:{n:02},123 INFO shop.db: {text}\n" for n, text in enumerate(messages)))
    text = inferred([log], prefix="logs", uses_packs=False).text
    events = re.findall(r'\{event="(\w+)"\}', text)
    assert set(names) - {*events, *re.findall(r"^  (logs_\w+):", text, re.MULTILINE)} == set(), text


def test_nothing_of_what_is_private_is_written(tmp_path: Path) -> None:
    """Neither keys nor addresses nor free text, in no comment either."""
    text = inferred([made("hostile_values", tmp_path)], uses_packs=False).text
    for value in HOSTILE_VALUES[-5:]:
        assert value not in text
    assert text.isascii()


def test_data_of_what_was_found(tmp_path: Path) -> None:
    """The same as JSON."""
    data = json.loads(json.dumps(as_json(draft_of([str(made("shop", tmp_path))]))))
    [section] = data["sections"]
    assert (data["formats"], section["event_fields"]) == ({"json": 400}, ["event"])
    assert [event["event"] for event in section["events"]] == [["order_packed"], ["order_shipped"], ["stock_synced"]]
    assert section["events"][0]["fields"]["duration_ms"]["kinds"] == {"number": section["events"][0]["records"]}


def test_summary_of_a_mixed_directory(tmp_path: Path) -> None:
    """What is no log is told and left out; what is in no form is told, too."""
    directory = made("shop", tmp_path)
    (directory / "empty.log").write_bytes(b"")
    (directory / "binary.log").write_bytes(bytes(range(256)) * 40)
    (directory / "README.md").write_text("# no log\n")
    (directory / "words.log").write_bytes(b"\n".join(SHAPES["free_text"](random.Random(1))))
    draft = draft_of([str(directory)])
    outcome = tried(draft)
    lines = list(summary_of(draft, outcome, "config.yaml"))
    assert [line.replace(str(directory), "DIR") for line in lines] == [
        "read 2 logs of 4: 600 records, 91.3 kB",
        "formats: json 400, text 200",
        "3 events by event in logs: order_packed, order_shipped, stock_synced",
        "not read: DIR/binary.log: is no text",
        "not read: DIR/empty.log: is empty",
        "no logs, and excluded: *.md",
        "rules of your own: 6, metrics: 6",
        "guessed, so look at its comment: shop_order_packed_items_total",
        "tried on these records: 100 % counted; 6 metrics with 25 series",
        "lines of text without a known form: the config says how to give them one",
        "next: logmetrics check --config config.yaml, then logmetrics watch --config config.yaml",
    ]


def logmetrics(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "logmetrics", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_as_a_user_runs_it(tmp_path: Path) -> None:
    """From logs to metrics in three commands."""
    directory, file = made("access_log", tmp_path), tmp_path / "config.yaml"
    done = logmetrics("init", directory, "-o", file)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith(f"next: logmetrics check --config {file}, then logmetrics watch --config {file}\n")
    assert logmetrics("check", "--config", file).returncode == 0
    shown = logmetrics("watch", "--config", file, "--once").stdout
    assert 'access_log_request_time_seconds_count{status="404"}' in shown


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "a file that is there": (
        {"output": "{file}"},
        "{file} is there already: --force writes over it, --output OTHER keeps it",
    ),
    "a prefix that is no name": (
        {"name": "9x"},
        "--name 9x: expected letters, digits and _, a letter first, at most 40 of them",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_refusals(what: str, tmp_path: Path) -> None:
    """With exit code 2, and nothing is written."""
    directory, file = made("one_record", tmp_path), tmp_path / "config.yaml"
    file.write_text("mine")
    options, message = REFUSALS[what]
    with pytest.raises(UsageError) as refused:
        init([str(directory)], **{key: value.format(file=file) for key, value in options.items()})
    assert (str(refused.value), refused.value.exit_code) == (message.format(file=file), 2)
    assert file.read_text() == "mine"


def test_no_config_is_learnt_from(tmp_path: Path) -> None:
    """Nobody means that."""
    with pytest.raises(UsageError, match=r"config\.yaml is no log by its name\. A config goes behind -c"):
        init([str(tmp_path / "config.yaml")])


def test_force_and_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--force writes over a file, --name is what metrics begin with; nothing goes to stdout then."""
    directory, file = made("one_record", tmp_path), tmp_path / "config.yaml"
    file.write_text("mine")
    init([str(directory)], output=str(file), force=True, name="till")
    assert "  till_events_total:" in file.read_text()
    assert capsys.readouterr().out == ""


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    """Is told with the reason for each file."""
    (tmp_path / "empty.log").write_bytes(b"")
    with pytest.raises(UsageError, match=r"nothing to learn from: .*/empty.log: is empty"):
        init([str(tmp_path)])
