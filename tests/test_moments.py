"""When records were: every form of a time, every example log, and that neither blocks nor layouts change anything."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import accumulate, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logmetrics.formats.framing import FIRST_BYTES, Stamped, framing_of
from logmetrics.replay.times.envelope import envelope_s
from logmetrics.replay.times.moments import AHEAD_MAX_S, Moments
from tests.wrappers import cri, docker, journal_export, journal_json

DATA = Path(__file__).parent / "data"
UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")


def unix_s(text: str) -> int:
    """Unix time of an ISO text with a zone."""
    return int(datetime.fromisoformat(text).timestamp() // 1)


NOW_S = unix_s("2027-01-15T12:00:00+00:00")
# Python 3.10 reads no Z.
AT_S = unix_s("2026-11-26T03:54:45+00:00")


def moments(zone: timezone | ZoneInfo = UTC, written: str = "2027-01-10T00:00:00+00:00") -> Moments:
    return Moments(zone, unix_s(written), NOW_S)


# All of these tell AT_S; those without a zone in Berlin.
FORMS = [
    b'{"timestamp":"2026-11-26T03:54:45Z"}',
    b'{"timestamp":"2026-11-26T03:54:45.999Z","x":1}',
    b'{ "time" : "2026-11-26 03:54:45,999999999+00:00" }',
    b'{\n"ts": "2026-11-26T04:54:45.1+0100"\n}',
    b'{"@timestamp":"2026-11-25T22:24:45-05:30"}',
    b'{"asctime": "2026-11-26 04:54:45,123", "message": "m"}',
    b'{"datetime":"2026/11/26 04:54:45"}',
    b'{"timestamp":"2026-11-26t03:54:45z"}',
    b'{"timestamp":"2026-11-26T03:54:45+00"}',
    b'{"timestamp":"2026-11-26T03:54:45.5 UTC"}',
    b'{"time":"Thu, 26 Nov 2026 03:54:45 GMT"}',
    b'{"time":"26 Nov 2026 04:54:45 +0100"}',
    b'{"time":"Thu Nov 26 04:54:45 2026"}',
    b'{"ts":1795665285}',
    b'{"ts":1795665285.999999}',
    b'{"time":1795665285123}',
    b'{"time":1795665285123.75}',
    b'{"time":1795665285123456,"a":1}',
    b'{"time":1795665285123456789}',
    b'{"time":"1795665285123"}',
    b'{"ts":1.795665285123e9}',
    b'{"ts":[1795665285,999999999]}',
    b'{"timestamp":{"secs_since_epoch":1795665285,"nanos_since_epoch":5}}',
    b'{"level":"info","msg":"m","time":"2026-11-26T03:54:45.123456789Z"}',
    b'{"time":12.5,"msg":"a duration","timestamp":"2026-11-26T03:54:45Z"}',
    b'{"time":"2026-13-26T03:54:45Z","created_at":"2026-11-26T03:54:45Z"}',
    b'{"timestamp":"[trimmed]","_time":"2026-11-26T03:54:45Z"}',
    b'{"timestamp":null,"eventTime":"2026-11-26T03:54:45Z"}',
    b'{"startTime":1795665200.5,"endTime":1795665285.5}',
    b'{"start_time":"2026-11-26T03:54:40Z","end_time":"2026-11-26T03:54:45.2Z"}',
    b'{"started_at":"2026-11-26T03:54:45Z","ended_at":null}',
    b'{"startTime":[1795665200,1],"endTime":[1795665285,1]}',
    b'{"t":1795665285}',
    b'{"date":"Thu, 26 Nov 2026 03:54:45 GMT"}',
    b'{"sessionId":"x","startTime":"2026-11-26T03:00:00Z","lastUpdated":"2026-11-26T03:54:45Z"}',
    b'{"$set":{"lastUpdated":"2026-11-26T03:54:45Z"}}',
    b'{"type":"x","snapshot":{"timestamp":"2026-11-26T03:54:45Z"}}',
    b'{"text":"t","record":{"elapsed":{"seconds":1},"time":{"repr":"r","timestamp":1795665285.58}}}',
    b'{"attributes":{"event.timestamp":"2026-11-26T03:54:45Z","x":1}}',
    b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1795665285000000001"}]}]}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"1795665200000000000",'
    b'"endTimeUnixNano":"1795665285000000000"},{"endTimeUnixNano":1795665284000000000}]}]}]}',
    b'{"payload":"{\\"message\\":{\\"created_at\\":\\"2026-11-26T03:54:45.1Z\\",\\"content\\":'
    b'\\"{\\\\\\"created_at\\\\\\":\\\\\\"2026-11-27T03:54:45Z\\\\\\"}\\"}}"}',
    b'{"response":{"created":1795665285}}',
    b'{"level":"x","time":"2026-11-26T03:54:45Z","msg":"no UTF-8: \xff"}',
    b'{"a":1,"time":"2026-11-26T03:54:45Z"}{"a":2,"time":"2026-11-26T03:54:49Z"}',
    b'{"a":1,"time":"2026-11-26T03:54:45Z"},',
    b'{"timestamp":"2026-11-26T03:54:45Z","cut":"of',
    b'time=2026-11-26T03:54:45.123Z level=INFO source=routes.go:1 msg="x"',
    b"time=2026-11-26T04:54:45.123+01:00 level=DEBUG msg=x",
    b'.....time=2026-11-26T03:54:45.123Z level=INFO msg="x"',
    b'ollama.exe : time=2026-11-26T03:54:45.123Z level=INFO source=routes.go:1 msg="x"',
    b'time="2026-11-26T03:54:45Z" level=info msg=x',
    b"level=info ts=2026-11-26T03:54:45.1Z caller=main.go:1 msg=x",
    b"level=info ts=1795665285.123 caller=main.go:1 msg=x",
    b'[GIN] 2026/11/26 - 04:54:45 | 200 |  1.5ms | 127.0.0.1 | GET "/x?from=2020-01-01T00:00:00Z"',
    b"[GIN] 2026/11/26 - 04:54:45 |\x1b[97;42m 200 \x1b[0m| 1s",
    b"2026/11/26 04:54:45 routes.go:1153: INFO server config",
    b"2026-11-26 04:54:45,123 INFO app: it was 2020-01-01T00:00:00Z",
    b"2026-11-26T03:54:45.100000Z  INFO tgi: x",
    b"\x1b[2m2026-11-26T03:54:45.100000Z\x1b[0m \x1b[32m INFO\x1b[0m x",
    b"[2026-11-26 04:54:45] x",
    b"[2026-11-26 04:54:45 +0100] [12] [INFO] Booting",
    b"INFO:app.module:2026-11-26 04:54:45,123:x",
    b"INFO 2026-11-26 04:54:45 x",
    b"[INFO] app.module 2026-11-26T03:54:45Z x",
    b"app - 2026-11-26 04:54:45 - INFO - x",
    b"# aider chat started at 2026-11-26 04:54:45",
    b"#### aider chat started at 2026-11-26 04:54:45",
    b"INFO 11-26 04:54:45 api_server.py:651] x",
    b"(APIServer pid=15) INFO 11-26 04:54:45 [loggers.py:123] x",
    b"2026-11-26T03:54:45.1Z INFO 03-03 07:43:51 x",
    b"I1126 04:54:45.123456   12 main.cc:5] x",
    b"Nov 26 04:54:45 host ollama[12]: llama_model_loader: x",
    b"Nov 26 04:54:45 x",
    b"Nov 26 05:00:00 host ollama[12]: time=2026-11-26T03:54:45.123Z level=INFO msg=x",
    b"Nov 26 05:00:00 host ollama[12]: [GIN] 2026/11/26 - 04:54:45 | 200 | 1s",
    b"<34>1 2026-11-26T03:54:45.003Z host app 12 - - x",
    b'app-1  | {"timestamp":"2026-11-26T03:54:45Z"}',
    b'INFO:events:{"a":1,"timestamp":"2026-11-26T03:54:45Z"}',
    b'2026-11-26 05:00:00 app-1  | {"timestamp":"2026-11-26T03:54:45Z"}',
    b'2026-11-26 05:00:00 {"timestamp":"2026-11-26T03:54:45Z"}',
    b"1795665285 x",
    b"1795665285.123 x",
    b"[1795665285123] x",
    b'DEBUG [update_slots] slot released | task_id=4 tid="1" timestamp=1795665285 truncated=true',
]
# None of these tells a time of its own.
UNTIMED = [
    b"",
    b"{}",
    b"[",
    b'{"date":"2026-11-26"}',
    b'{"message":"at 2026-11-26T03:54:45Z"}',
    b'{"nested":{"timestamp":"2026-11-26T03:54:45Z"}}',
    b'{"time":true,"ts":[],"t":{}}',
    b'ValueError: time data "2026-11-26 03:54:45" does not match',
    b"Loading what was saved at 2026-11-26T03:54:45Z",
    b"the report of 2026-11-26 03:54:45",
    b"-- Logs begin at Fri 2021-03-19 13:21:32 IST, end at Thu 2025-03-13 23:31:39 IST. --",
    b"Expires: 2026-11-26 03:54:45",
    b"INFO:     127.0.0.1:51234 - GET /?t=2026-11-26T03:54:45Z",
    b"0.19.500.000 I srv  log_server_r: done request",
    b"12345 tokens",
    b"x" * 70 + b" 2026-11-26T03:54:45Z",
]


@pytest.mark.parametrize("line", FORMS, ids=lambda line: line[:60].decode("latin-1"))
def test_forms(line: bytes) -> None:
    """Each form of a time is read."""
    state = moments(BERLIN)
    assert state.seconds_of([line]) == [AT_S]
    assert (state.untimed, state.absurd, state.future, state.last_s) == (0, 0, 0, AT_S)


@pytest.mark.parametrize("line", UNTIMED, ids=lambda line: line[:40].decode())
def test_untimed(line: bytes) -> None:
    """What has no time of its own is at that of the record before it; dates in texts mean nothing."""
    state = moments()
    assert state.seconds_of([line, FORMS[0], line]) == [None, AT_S, AT_S]
    assert (state.untimed, state.absurd, state.future) == (2, 0, 0)


@pytest.mark.parametrize(
    "line",
    [
        b'{"timestamp":"1999-12-31T23:59:59Z"}',
        b'{"timestamp":"2026-13-01T00:00:00Z"}',
        b'{"timestamp":"2026-02-29T00:00:00Z"}',
        b'{"timestamp":"2026-02-28T24:00:00Z"}',
        b'{"timestamp":"2026-02-28T00:60:00Z"}',
        b'{"timestamp":"2026-02-28T00:00:00+24:00"}',
        b'{"timestamp":"0001-01-01T00:00:00Z"}',
        b'{"timestamp":0}',
        b"[GIN] 2026/11/31 - 04:54:45 | 200 | 1s",
        b"time=2026-11-26T25:54:45.123Z level=INFO msg=x",
        b"Nov 31 04:54:45 host app[1]: x",
    ],
)
def test_absurd(line: bytes) -> None:
    """What is no date, or one before 2000, is counted and passed over."""
    state = moments()
    assert state.seconds_of([line, FORMS[0], line]) == [None, AT_S, AT_S]
    assert (state.untimed, state.absurd, state.future) == (0, 2, 0)
    assert state.seconds_of([line], envelope_s=AT_S + 5) == [AT_S + 5]


def test_future() -> None:
    """Clocks may differ by some minutes; what is later is counted, and takes the time before it."""
    state = moments()
    lines = [b'{"ts":%d}' % (NOW_S + AHEAD_MAX_S + late) for late in (0, 1, 0, 0, 1)]
    limit = NOW_S + AHEAD_MAX_S
    assert state.seconds_of(lines) == [limit] * 5
    assert state.future == 2
    assert state.seconds_of(lines[1:2], envelope_s=AT_S) == [AT_S]
    # A collector's clock can be wrong as well.
    assert state.seconds_of(UNTIMED[:1], envelope_s=limit + 1) == [AT_S]


def test_out_of_order() -> None:
    """Each record keeps its own time."""
    state = moments()
    assert state.seconds_of([FORMS[0], b'{"ts":1700000000}', b"x"]) == [AT_S, 1_700_000_000, 1_700_000_000]


def test_envelope() -> None:
    """A collector's time is better than one without a zone, worse than one with it."""
    state = moments(BERLIN)
    naive = [b'{"asctime": "2026-11-26 04:54:45,123"}', b"[GIN] 2026/11/26 - 04:54:45 | 200 | 1s"]
    assert state.seconds_of([*naive, b"x", FORMS[0]], envelope_s=5 + AT_S) == [AT_S + 5] * 3 + [AT_S]
    assert state.seconds_of(naive[:1] * 9, envelope_s=AT_S + 7) == [AT_S + 7] * 9
    assert not state.asked_zone
    assert state.untimed == 0


def test_learned_zone() -> None:
    """Ollama's access lines are in the zone of its log lines, also when clocks are changed."""
    state = moments(ZoneInfo("Asia/Tokyo"))
    access = b"[GIN] 2026/10/25 - 02:30:00 | 200 | 1s"
    slog = b"time=2026-10-25T02:29:59.123+%02d:00 level=INFO msg=x"
    second = unix_s("2026-10-25T02:30:00+00:00")
    assert state.seconds_of([access]) == [second - 9 * 3600]
    assert state.asked_zone
    state.asked_zone = False
    assert state.seconds_of([slog % 2, access, slog % 1, access, access]) == [
        second - 7201,
        second - 7200,
        second - 3601,
        second - 3600,
        second - 3600,
    ]
    assert state.learned_zone == timezone(timedelta(hours=1))
    assert not state.asked_zone
    # JSON is of other programs.
    assert state.seconds_of([b'{"time":"2026-10-25 02:30:00"}']) == [second - 9 * 3600]


def test_clock_changes() -> None:
    """Of two instants that a clock showed the first counts; zones that change within an hour are read by the minute."""
    state = moments(BERLIN)
    lines = [b'{"time":"2026-10-25 0%d:30:00","x":1}' % hour for hour in (1, 2, 3, 4)]
    start = unix_s("2026-10-24T23:30:00+00:00")
    assert state.seconds_of(lines) == [start, start + 3600, start + 3 * 3600, start + 4 * 3600]
    lord_howe = moments(ZoneInfo("Australia/Lord_Howe"))
    lines = [b'{"time":"2026-10-04 02:%02d:00","x":1}' % minute for minute in (30, 31, 32, 59)]
    start = unix_s("2026-10-04T02:30:00+11:00")
    assert lord_howe.seconds_of(lines) == [start, start + 60, start + 120, start + 29 * 60]


@pytest.mark.parametrize(
    ("written", "lines", "expected"),
    [
        (
            "2026-01-03T00:00:00+00:00",
            ["Dec 31 23:59:59", "Jan 01 00:00:01"],
            ["2025-12-31T23:59:59", "2026-01-01T00:00:01"],
        ),
        (
            "2025-12-31T23:59:59+00:00",
            ["Dec 31 23:59:59", "Jan 01 00:00:01"],
            ["2025-12-31T23:59:59", "2026-01-01T00:00:01"],
        ),
        ("2026-05-01T00:00:00+00:00", ["Feb 29 12:00:00"], ["2024-02-29T12:00:00"]),
        (
            "2026-05-01T00:00:00+00:00",
            ["May 01 23:59:59", "May 02 00:00:01"],
            ["2026-05-01T23:59:59", "2025-05-02T00:00:01"],
        ),
    ],
)
def test_years(written: str, lines: list[str], expected: list[str]) -> None:
    """The file's own time tells the year: no record is more than a day later."""
    texts = [f"{line} host app[1]: x".encode() for line in lines]
    for text, second in zip(texts, expected, strict=True):
        assert moments(written=written).seconds_of([text]) == [unix_s(second + "+00:00")]


def test_year_of_a_record() -> None:
    """A copy of a log is younger than the log; the year that a record told is better, and time goes on from there."""
    lines = [b"Dec 31 23:59:59 host app[1]: x", b"Jan 01 00:00:01 host app[1]: x"]
    slog = b"Dec 31 23:59:58 host ollama[1]: time=2023-12-31T23:59:58.000Z level=INFO msg=x"
    start = unix_s("2023-12-31T23:59:58+00:00")
    assert moments().seconds_of([slog, *lines]) == [start, start + 1, start + 3]


# -- example logs

# Records without a time, in logs that have some. All were looked at.
EXPECTED_UNTIMED = {
    # Events without a message that has a time: tool and model calls, messages that could not be serialized.
    "autogen/events.log": (62, 28),
    "autogen/other_events.log": (18, 18),
    # Titles, modes, summaries; and lines whose time is "[trimmed for fixture]".
    "claude_code/schema_variety_v2.1.x.jsonl": (89, 59),
    "claude_code/session_multiblock.jsonl": (14, 1),
    # Trimmed times.
    "codex/schema_variety_2026-08.jsonl": (118, 92),
    "copilot/events_1.0.77.jsonl": (32, 16),
    # The bracket that opens the array.
    "crewai/crew_log.json": (14, 1),
    "crewai/crew_yaml_roles.json": (10, 1),
    # The start of a session; an empty line.
    "droid/session_store.jsonl": (9, 1),
    "droid/stream_json.jsonl": (5, 1),
    # A rewind; metrics, which have no time in this dialect.
    "gemini/chat_written_again.jsonl": (19, 1),
    "gemini/telemetry_one_line_each.jsonl": (19, 1),
    "generic/unplanned.log": (20, 4),
    "kimi/wire_1.3.jsonl": (16, 1),
    # Times since the start of the process only.
    "llama_server/b10400-prefixed-router.log": (31, 31),
    # What C code prints about models, empty lines, keys; of journald's "-- Boot --" and the like.
    "ollama/001-v0.1.28-plain-json-runner.log": (451, 190),
    "ollama/006-v0.1.38-journald.log": (755, 1),
    "ollama/009-v0.3.6-journald-cuda-error.log": (301, 2),
    "ollama/017-v0.5.4-journald-a.log": (700, 2),
    "ollama/027-v0.5.12-v0.6.0-journald.log": (1466, 10),
    "ollama/030-v0.6.3-stderr-only.log": (226, 191),
    "ollama/033-v0.6.6-plain-a.log": (198, 165),
    "ollama/040-v0.9.0-plain.log": (1181, 1075),
    "ollama/044-v0.11.6-plain.log": (237, 194),
    "ollama/054-v0.12.6-sigabrt-gotrace.log": (558, 533),
    "ollama/065-v0.15.2-powershell-cp850.log": (391, 302),
    "ollama/071-v0.16-nul-embed-400.log": (384, 181),
    "ollama/098-v0.30.7-llama-server-a.log": (600, 548),
    "ollama/105-v0.30.10-windows-mixed-eol.log": (900, 838),
    "ollama/written-v0.12-v0.32-failures.txt": (92, 25),
    # Traces that have no spans of their own.
    "openai_agents/other_spans.jsonl": (19, 2),
    "openai_agents/spans.jsonl": (55, 5),
    # Whole runs, none of whose parts has a time.
    "openhands/resolver_output_v0.jsonl": (2, 2),
    # Metrics without one.
    "otel/dialects.jsonl": (10, 1),
    # The rest of a record of several lines.
    "tgi/text.log": (16, 3),
    # Lines of uvicorn, which have a level only.
    "vllm/v0.10-data-parallel.log": (18, 8),
    "vllm/v0.14-aggregated.log": (2, 1),
}
EXAMPLES = sorted(
    path
    for path in DATA.rglob("*")
    if path.suffix in (".log", ".jsonl", ".json", ".txt") and not path.name.startswith("expected")
)


def records_in(path: Path) -> list[bytes]:
    data = path.read_bytes()
    data += b"" if data.endswith(b"\n") else b"\n"
    return framing_of(data[:FIRST_BYTES]).take(data, b"", all_of_it=True).records


@pytest.mark.parametrize("path", EXAMPLES, ids=[str(path.relative_to(DATA)) for path in EXAMPLES])
def test_examples(path: Path) -> None:
    """Records of real logs have the times that they tell; no more than those known to have none have none."""
    records = records_in(path)
    state = moments()
    times = state.seconds_of(records)
    _, untimed = EXPECTED_UNTIMED.get(str(path.relative_to(DATA)), (len(records), 0))
    assert (state.untimed, state.absurd, state.future) == (untimed, 0, 0)
    known = [time for time in times if time is not None]
    assert all(unix_s("2018-12-01T00:00:00+00:00") < time < NOW_S for time in known)
    assert times == one_by_one(records)


def test_table_is_whole() -> None:
    """The table names logs that are there, with as many records as they have."""
    for name, (count, _) in EXPECTED_UNTIMED.items():
        assert len(records_in(DATA / name)) == count, name


# -- blocks and layouts


def one_by_one(lines: list[bytes], zone: timezone | ZoneInfo = UTC) -> list[int | None]:
    state = moments(zone)
    return [state.seconds_of([line])[0] for line in lines]


_times = st.integers(unix_s("1999-12-30T00:00:00+00:00"), NOW_S + 3600).map(
    lambda second: (datetime(1970, 1, 1) + timedelta(seconds=second)).isoformat()
)
_near = st.integers(-90_000, 90_000).map(lambda off: (datetime(2026, 10, 25, 2) + timedelta(seconds=off)).isoformat())
_fractions = st.sampled_from(["", ".123", ".1", ",5", ".12x", ".000000", "."]) | st.from_regex(
    r"\.[0-9]{3}", fullmatch=True
)
_zones = st.sampled_from(["Z", "+01:00", "+02:00", "-0530", "", " Z", "z", "+25:00", "+00"])
_isos = st.builds(lambda time, fraction, zone: f'"{time}{fraction}{zone}"', _times | _near, _fractions, _zones)
_epochs = st.integers(0, 2 * 10**9).flatmap(
    lambda second: st.sampled_from(
        [f"{second}", f"{second}.25", f"{second}123", f"{second}123456", f"{second}12", f"0{second}"]
    )
)
_values = _isos | _epochs | st.sampled_from(["null", '"x"', "1e9", "NaN", '"2026-13-01T00:00:00Z"'])
_starts = st.sampled_from(['{"timestamp":', '{"time":', '{"time": ', '{ "ts" :', '{"level":1,"time":'])
_ends = st.sampled_from(["}", ',"x":1}', " }", ',"timestamp":"2026-01-01T00:00:00Z"}', ""])
_json = st.builds(lambda start, value, end: (start + value + end).encode(), _starts, _values, _ends)


@st.composite
def _alike(draw: st.DrawFn) -> list[bytes]:
    """Lines of one layout, but for some bytes."""
    start, end = draw(_starts), draw(_ends)
    fraction, zone = draw(_fractions), draw(_zones)
    times = draw(st.lists(_near if draw(st.booleans()) else _times, min_size=4, max_size=12))
    lines = [f'{start}"{time}{fraction}{zone}"{end}'.encode() for time in times]
    if draw(st.booleans()):
        digits = draw(st.sampled_from(["", ".5", "123", "123456", "123456789", ".123456"]))
        seconds = draw(st.lists(st.integers(9 * 10**8, NOW_S + 1000), min_size=4, max_size=12))
        lines = [f"{start}{second}{digits}{end}".encode() for second in seconds]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(lines) - 1))
        place = draw(st.integers(0, len(lines[at])))
        byte = draw(st.sampled_from([b"", b"0", b"9", b'"', b"x", b":", b"\xff", b" ", b"."]))
        lines[at] = lines[at][:place] + byte + lines[at][place + draw(st.integers(0, 1)) :]
    return lines


@settings(max_examples=400, deadline=None)
@given(_alike() | st.lists(_json, max_size=12), st.sampled_from([UTC, BERLIN, ZoneInfo("Australia/Lord_Howe")]))
def test_layouts_change_nothing(lines: list[bytes], zone: timezone | ZoneInfo) -> None:
    """Times by the block are those that the lines have one by one."""
    assert moments(zone).seconds_of(lines) == one_by_one(lines, zone)


_any_line = _json | st.sampled_from([*FORMS, *UNTIMED]) | st.binary(max_size=80)


@settings(deadline=None)
@given(st.lists(_any_line, max_size=30), st.lists(st.integers(1, 9), min_size=30, max_size=30))
def test_blocks_change_nothing(lines: list[bytes], sizes: list[int]) -> None:
    """A log may be cut anywhere: times, counts and what is learned stay the same."""
    whole, parts = moments(BERLIN), moments(BERLIN)
    expected = whole.seconds_of(lines)
    found: list[int | None] = []
    for start, end in pairwise(accumulate(sizes, initial=0)):
        found += parts.seconds_of(lines[start:end])
    assert found == expected
    assert parts == whole


# -- hostile lines

MEGABYTE = 1_000_000
HOSTILE = [
    b"\0" * MEGABYTE,
    b"\xff" * MEGABYTE,
    b'{"a":' * (MEGABYTE // 5),
    b"[" * MEGABYTE,
    b"{" + b" " * MEGABYTE,
    b'{"timestamp":' + b" " * MEGABYTE,
    b'{"timestamp":"' + b"9" * MEGABYTE,
    b'{"timestamp":' + b"9" * MEGABYTE + b"}",
    b'{"x":1,"timestamp":' + b"9" * MEGABYTE + b"}",
    b'{"x":1,"ts":1e999999999}',
    b'{"x":1,"ts":NaN}',
    b'{"x":1,"ts":1e+99}',
    b'{"x":1,"ts":-1}',
    b'{"x":1,"ts":"9999-99-99T99:99:99.9+99:99"}',
    b'{"x":"\xff' + b"y" * MEGABYTE + b'"}',
    b'{"x":"' + b"\\ud800" * (MEGABYTE // 6) + b'"}',
    b"{}" * (MEGABYTE // 2),
    b'{"payload":"' + b'created_at\\": \\"' * (MEGABYTE // 16) + b'"}',
    b'{"resourceLogs":"' + b"imeUnixNano" * (MEGABYTE // 11) + b'"}',
    b'{"resourceLogs":[' + b'{"timeUnixNano":9},' * (MEGABYTE // 19) + b"{}]}",
    *(
        unit * (MEGABYTE // len(unit))
        for unit in (b".", b"-", b" ", b"A ", b"a=b ", b"[a] ", b"INFO:", b"Ab-", b"a | ", b"9:99:99")
    ),
    *(
        unit * (MEGABYTE // len(unit))
        for unit in (b"time=", b"[GIN] ", b" timestamp=", b"<1>", b"Nov 26 ", b"# ", b"1", b"2026-")
    ),
    b"INFO [" + b" timestamp=1" * (MEGABYTE // 12),
    b"A" * 40 + b". " * 40 + b"12:00:00",
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile(number: int) -> None:
    """Nothing raises, and a megabyte of anything is done with; a time limit would be a test of the machine."""
    state = moments(BERLIN)
    assert len(state.seconds_of([HOSTILE[number], FORMS[0]])) == 2
    assert state.last_s == AT_S


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_anything(line: bytes) -> None:
    """Nothing raises, whatever is put around a time."""
    for text in (line, b"{" + line, FORMS[0] + line, line + FORMS[0], b"[GIN] 2026/11/26 - " + line, b"time=20" + line):
        moments(BERLIN).seconds_of([text])


# -- envelopes


def test_envelopes() -> None:
    """What a collector's envelope tells, in each framing that has one."""
    for data in (docker(b"x\n"), cri(b"x\n"), journal_json(b"x\n"), journal_export(b"x\n")):
        assert told_by(data) is not None, framing_of(data[:FIRST_BYTES]).name


def told_by(data: bytes) -> int | None:
    """The second that the envelope of the only record in *data* tells."""
    [record] = framing_of(data[:FIRST_BYTES]).take(data, b"").records
    assert isinstance(record, Stamped)
    return envelope_s(record.time)


@pytest.mark.parametrize(
    ("framing", "line"),
    [
        (
            "docker json-file",
            b'{"log":"\\"time\\":\\"x\\"\\n","stream":"stdout","time":"2026-11-26T03:54:45.123456789Z"}',
        ),
        (
            "docker json-file",
            b'{"log":"x\\n","stream":"stdout","time":"2026-11-26T04:54:45.1+01:00","attrs":{"time":"x"}}',
        ),
        ("cri", b"2026-11-26T04:54:45.123456789+01:00 stdout F 2020-01-01T00:00:00Z"),
        ("journal json", b'{"MESSAGE":"\\"__REALTIME_TIMESTAMP\\":\\"1\\"","__REALTIME_TIMESTAMP":"1795665285123456"}'),
        ("journal json", b'{"__REALTIME_TIMESTAMP" : 1795665285123456,"MESSAGE":"x"}'),
        ("journal export", b"__CURSOR=s\n__REALTIME_TIMESTAMP=1795665285123456\nMESSAGE=x\n__REALTIME_TIMESTAMP=1\n\n"),
    ],
)
def test_envelope_forms(framing: str, line: bytes) -> None:
    """Each form is read, and nothing that a message makes up."""
    assert framing_of(line).name == framing
    assert told_by(line if framing == "journal export" else line + b"\n") == AT_S
