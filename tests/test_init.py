"""`logmetrics init`: what it writes loads, is wise, counts, and is the same each time."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from logmetrics.authoring.inference.draft import as_json, draft_of
from logmetrics.authoring.inference.summary import summary_of
from logmetrics.authoring.inference.trial import Outcome, tried
from logmetrics.authoring.lint import lint
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
SERIES_MAX, SAMPLES_MAX = 200, 2_500


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


def samples(text: str) -> int:
    """Lines of the exposition, without comments."""
    engine = Engine(parse_config(text, "config.yaml", builtin_packs()), say=lambda _: None, runtime_metrics=False)
    engine.run_once()
    own = [(spec, rows) for spec, rows in engine.view().families if not spec.name.startswith("logmetrics_")]
    return sum(
        1 if spec.type != "histogram" else len(spec.buckets) + 3 for spec, rows in own for _, value in rows if value
    )


def findings(text: str, directory: Path) -> list[str]:
    """What `check` has against a config, notes excepted."""
    file = directory / "written.yaml"
    file.write_text(text, encoding="utf-8")
    _, found = lint(str(file), builtin_packs())
    return [str(each) for each in found if each.severity != "note"]


@pytest.mark.parametrize("uses_packs", [True, False], ids=["packs", "no-packs"])
@pytest.mark.parametrize("name", SAMPLES)
def test_samples_of_agents(name: str, uses_packs: bool, tmp_path: Path) -> None:
    """For logs that packs know the config is sound, and counts."""
    outcome = inferred(SAMPLES[name], uses_packs=uses_packs)
    assert findings(outcome.text, tmp_path) == []
    assert 0 < outcome.series < SERIES_MAX
    assert outcome.overflowed == ()
    assert uses_packs or outcome.counted >= 0.8 * outcome.records


@pytest.mark.parametrize("shape", SHAPES)
def test_logs_that_no_pack_knows(shape: str, tmp_path: Path) -> None:
    """For all others, too, however odd; and what is read by the daemon is what was tried."""
    directory = made(shape, tmp_path)
    outcome = inferred([directory])
    assert findings(outcome.text, tmp_path) == []
    assert 0 < samples(outcome.text) < SAMPLES_MAX
    assert outcome.overflowed == ()


def test_the_same_logs_give_the_same_bytes(tmp_path: Path) -> None:
    """In another process, too."""
    directory = made("python_text", tmp_path)
    assert logmetrics("init", directory).stdout == inferred([directory]).text


def test_whole_config_of_a_shop(tmp_path: Path) -> None:
    """Events, safe labels, units, buckets, and the evidence beside each."""
    directory = made("shop", tmp_path)
    text = inferred([directory]).text.replace(str(directory), "/var/log/shop")
    assert text == (Path(__file__).parent / "init_shop.yaml").read_text()


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
        "tried on these records: 100 % counted, 6 metrics with 25 series",
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
