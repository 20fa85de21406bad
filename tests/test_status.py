"""How a daemon is: the last hour, rates, examples, JSON, and the page, against a clock that only moves when told."""

from __future__ import annotations

import json
import re
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgspec
import orjson
import pytest

from logmetrics.present import amounts
from logmetrics.present.amounts import EXCERPT_CHARACTERS
from logmetrics.present.blocks import Chart, Facts
from logmetrics.serve.app import MetricsApp, is_local
from logmetrics.serve.http import Request
from logmetrics.serve.status.data import (
    PathProblem,
    ReadingStatus,
    ReloadStatus,
    Status,
    uncounted_lines,
    uncounted_share,
)
from logmetrics.serve.status.page import HEADERS, render_page
from logmetrics.serve.status.sections import sections_of
from logmetrics.serve.status.troubles import headline, troubles_of
from logmetrics.service.history import STEP_S, STEPS, History, by_minute
from logmetrics.service.messages import CHARACTERS_MAX, MESSAGES_MAX, Messages
from logmetrics.service.status import Monitor
from logmetrics.sources.examples import SHAPES_MAX, shape_of
from tests.test_report import HOSTILE, Page
from tests.world import World

CONFIG = """
packs: []
metrics:
  calls_total: {type: counter, help: h, labels: [agent]}
  unused_total: {type: counter, help: h, labels: [agent]}
rules:
  - {name: call, when: event == "call", labels: {agent: agent}, update: {calls_total: 1}}
  - {name: other, when: event == "other", labels: {agent: agent}, update: {unused_total: 1}}
"""
LINES = ("lines", "a")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", CONFIG, tmp_path / "state")
    yield world
    world.close()


def monitor_of(world: World) -> Monitor:
    return Monitor(world.engine, Messages(world.messages.append, world.clock), "/etc/logmetrics/config.yaml")


def write(world: World, *records: object, name: str = "a.log") -> None:
    with (world.directory / name).open("a") as file:
        file.writelines((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in records)


def calls(number: int, agent: str = "coder") -> list[object]:
    return [{"event": "call", "agent": agent}] * number


def status_of(monitor: Monitor) -> Status:
    """As of now; the engine has no thread here."""
    monitor.note()
    monitor._take()
    return monitor._last


# -- the last hour


def test_history_has_what_came_in_each_step() -> None:
    """Counts belong to the step in which they are noted; where nothing was noted, nothing came."""
    history = History(0.0, {LINES: 100})
    history.note(1.0, {LINES: 110}, {})
    history.note(STEP_S + 1, {LINES: 115}, {})
    history.note(4 * STEP_S + 1, {LINES: 116}, {})
    assert history.steps(LINES)[-5:] == (10, 5, 0, 0, 1)
    assert len(history.steps(LINES)) == STEPS
    assert by_minute(range(4)) == (1, 5)


def test_rates_are_of_the_last_minute() -> None:
    """Two steps that are over and the one that is not; at the start, of the time there was."""
    history = History(0.0, {})
    history.note(10.0, {LINES: 50}, {})
    assert history.rate_per_s(LINES) == 5
    history.note(95.0, {LINES: 50}, {})
    assert history.rate_per_s(LINES) == 0
    history.note(100.0, {LINES: 120}, {})
    assert history.rate_per_s(LINES) == pytest.approx(70 / 70)
    assert history.rate_per_s(("lines", "nobody")) == 0


def test_a_level_is_the_highest_of_its_step() -> None:
    """It stays what it was while nothing is noted; since when it is above zero is known."""
    history = History(0.0, {})
    for now_s, level in ((1, 5), (2, 9), (3, 2), (STEP_S * 3 + 1, 0)):
        history.note(now_s, {}, {("lag",): level})
    assert history.steps(("lag",))[-4:] == (9, 2, 2, 2)
    assert history.above_zero_s(("lag",)) == 0
    history.note(200.0, {}, {("lag",): 7})
    history.note(260.0, {}, {("lag",): 8})
    assert history.above_zero_s(("lag",)) == 60


def test_history_of_what_is_gone_is_gone() -> None:
    """A count that went back began at zero; one that is not there any more leaves nothing; an hour is enough."""
    history = History(0.0, {LINES: 100})
    history.note(1.0, {LINES: 3}, {})
    assert history.steps(LINES)[-1] == 3
    history.note(2.0, {}, {})
    assert history.steps(LINES) == (0,) * STEPS
    assert history.grew_ago_s(LINES) is None
    history.note(3.0, {LINES: 1}, {})
    history.note(1e9, {LINES: 1}, {})
    assert sum(history.steps(LINES)) == 0
    assert history.grew_ago_s(LINES) == 1e9 - 3


def test_memory_of_the_history_is_bounded() -> None:
    """A day of changes of 50 rules is no more than an hour of them."""
    sizes = []
    for hours in (1, 24):
        tracemalloc.start()
        history = History(0.0, {})
        for number in range(1, hours * 600):
            history.note(number * 6.0, {("rule", str(rule)): number for rule in range(50)}, {("lag",): number})
        sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert sizes[1] < 1.2 * sizes[0] + 10_000


def test_messages_are_the_last_ones() -> None:
    """Newest first, cut, and so many; they are said too."""
    said: list[str] = []
    messages = Messages(said.append, lambda: 7.0)
    for number in range(MESSAGES_MAX + 5):
        messages.say(f"message {number}" + "x" * 1_000)
    assert len(said) == MESSAGES_MAX + 5
    assert len(messages.last) == MESSAGES_MAX
    assert messages.last[0].text.startswith(f"message {MESSAGES_MAX + 4}")
    assert len(messages.last[0].text) == CHARACTERS_MAX
    assert messages.last[0].unix_s == 7.0


# -- the whole


def test_status_of_a_small_daemon(world: World) -> None:
    """Sources, rules with their last match, metrics, and what they were a moment ago."""
    monitor = monitor_of(world)
    write(world, *calls(30), {"event": "nobody knows"}, "not json")
    assert status_of(monitor).state == "reading"
    world.poll()
    world.now_s += 8
    status = status_of(monitor)

    [source] = status.sources
    assert (source.name, source.kind, source.files, source.lines) == ("test", "files", 1, 32)
    assert (source.matched_lines, source.unmatched_lines, source.unparsable_lines) == (30, 1, 1)
    assert source.lines_per_s == pytest.approx(32 / 10)
    assert source.last_line_unix_s == 1_002.0
    assert source.listed_files[0].path == str(world.directory / "a.log")
    assert [(rule.name, rule.matches, rule.last_match_unix_s) for rule in status.rules] == [
        ("call", 30, 1_002.0),
        ("other", 0, None),
    ]
    assert [(metric.metric, metric.series) for metric in status.metrics] == [("calls_total", 1), ("unused_total", 0)]
    assert status.metrics[0].labels[0].samples == [("coder", 30)]
    assert (status.totals.lines, status.totals.series, status.uptime_s) == (32, 1, 10.0)
    assert sum(status.history.lines) == 32
    assert status.config.file == "/etc/logmetrics/config.yaml"
    assert status.state == "ready"


def test_counts_go_on_after_a_restart_and_rates_do_not(world: World) -> None:
    """What an earlier run counted is no burst."""
    write(world, *calls(500))
    world.poll()
    world.restart()
    monitor = monitor_of(world)
    world.poll()
    status = status_of(monitor)
    assert (status.totals.lines, status.totals.lines_per_s, status.rules[0].matches) == (500, 0, 500)
    assert status.rules[0].last_match_unix_s is None


def test_status_is_json_and_back(world: World) -> None:
    """What /api/status gives is the whole tree."""
    monitor = monitor_of(world)
    write(world, *calls(3), "broken")
    world.poll()
    status = status_of(monitor)
    told = orjson.dumps(status)
    assert json.loads(orjson.dumps(msgspec.json.decode(told, type=Status))) == json.loads(told)


def test_unreadable_paths_and_losses_are_told(world: World) -> None:
    """With what to do about them."""
    monitor = monitor_of(world)
    (world.directory / "gone").symlink_to("/nowhere")
    write(world, *calls(5))
    world.poll()
    world.engine.files.known.orphans.lost_bytes["deleted"] += 1_234
    world.poll()
    status = status_of(monitor)
    assert status.lost_bytes == world.lost()
    assert status.totals.lost_bytes == 1_234
    denied = replace(status.sources[0], problems=(PathProblem("/x", "Permission denied"),), problem_count=1)
    bad, warn = troubles_of(replace(status, sources=(denied,)))
    assert (bad.tone, bad.title) == ("bad", "One path of test cannot be read")
    assert "setfacl" in bad.lines[-1]
    assert "gone unread" in warn.title


def test_the_headline_says_the_worst(world: World) -> None:
    """Reading, ready, in need of a look, and when nothing can be saved."""
    status = replace(status_of(monitor_of(world)), state="ready", reading=None)
    assert headline(status)[:2] == ("good", "Ready")
    assert headline(replace(status, reading=ReadingStatus(0, 0, 0)))[1] == "Starting"
    assert headline(replace(status, reading=ReadingStatus(25, 100, 7)))[1] == "Reading what was there: 25%"
    failed = replace(status, reload=ReloadStatus(False, 5.0, "config.yaml:3: no"))
    assert headline(failed)[:2] == ("bad", "Ready, one thing to look at")
    assert troubles_of(failed)[0].lines[0] == "config.yaml:3: no"
    stuck = replace(status, state="failing", commits=replace(status.commits, problem="disk full"))
    assert headline(stuck)[:2] == ("bad", "Counts cannot be saved")
    assert "disk full" in troubles_of(stuck)[0].lines[0]


def test_an_engine_that_is_busy_is_no_error(world: World) -> None:
    """What is shown is how it was, and says so."""
    monitor = monitor_of(world)
    status = monitor.status(0.01)
    assert status.late
    assert b"busy since" in render_page(status)


# -- lines that were not counted


def words_of(status: Status) -> str:
    """What is to look at."""
    return "\n".join("\n".join((each.title, *each.lines)) for each in troubles_of(status))


def test_not_counted_is_one_number(world: World) -> None:
    """In the tile, the chart and the sources: by no rule, no records, too long; not what goes on with another."""
    monitor = monitor_of(world)
    write(world, *calls(90), *[{"event": "strange"}] * 4, "not json", "{" + "x" * 1_100_000)
    world.poll()
    status = status_of(monitor)
    [source] = status.sources
    assert (source.unmatched_lines, source.unparsable_lines, source.oversize_lines) == (4, 1, 1)
    assert (uncounted_lines(source), uncounted_lines(status.totals)) == (6, 6)
    assert uncounted_share(source) == 6 / 96
    others = replace(status.totals, lines=status.totals.lines + 50, continuation_lines=30, excluded_lines=20)
    assert uncounted_share(others) == 6 / 96
    overview = next(each for each in sections_of(status) if each.ident == "overview")
    chart = next(each for each in overview.blocks if isinstance(each, Chart) and each.title == "Not counted")
    assert (sum(chart.counts), sum(chart.errors), chart.wrong) == (6, 1, "unparsable")
    [facts] = [each for each in overview.blocks if isinstance(each, Facts)]
    assert any((each.value, each.detail) == ("93.8 %", "6 were not") for each in facts.facts)
    assert "1 line of test is too long" in words_of(status)


def test_many_lines_that_no_rule_counts_are_told(world: World) -> None:
    """Over a fifth of a hundred, while examples can be shown; who sees none is not sent to look for them."""
    monitor = monitor_of(world)
    write(world, *calls(590), *[{"event": "strange"}] * 410)
    world.poll()
    status = status_of(monitor)
    assert "No rule counts 41.0 % of the lines of test\nExamples stand below" in words_of(status)
    assert "stand below" not in words_of(status.without_examples())
    assert not troubles_of(replace(status, examples=()))
    bad = replace(status.sources[0], unparsable_lines=300)
    told = words_of(replace(status, sources=(bad,)))
    assert "are no records" in told
    assert "stand below" not in told.partition("are no records")[2].partition("No rule")[0]


def test_examples_are_by_shape(world: World) -> None:
    """The last line of each shape, whichever part of a block it was in."""
    monitor = monitor_of(world)
    write(world, *calls(400), {"event": "strange", "n": 17}, *calls(300), "not json at all", *calls(200))
    write(world, {"event": "strange", "n": 18}, name="b.log")
    world.poll()
    examples = status_of(monitor).examples
    assert [(each.kind, each.shape) for each in examples] == [
        ("unparsable", "not json at all"),
        ("unmatched", "{event: strange, n}"),
    ]
    strange = next(each for each in examples if each.shape.startswith("{event"))
    assert (strange.seen, strange.text) == (2, '{"event": "strange", "n": 18}')


def test_broken_records_are_one_shape(world: World) -> None:
    """Wherever they are broken."""
    monitor = monitor_of(world)
    whole = json.dumps({"event": "call", "agent": "coder", "text": "some words"})
    write(world, *(whole[:end] for end in range(20, len(whole) - 1)))
    world.poll()
    [example] = status_of(monitor).examples
    assert (example.kind, example.shape, example.text) == ("unparsable", '{"event": ... broken', whole[:-2])


def test_either_kind_has_its_example(world: World) -> None:
    """Where there is much of one behind the other, in one block."""
    monitor = monitor_of(world)
    for first, last in (('{"event": broken "x', {"event": "strange"}), ({"event": "odd"}, "{broken")):
        write(world, *[first] * 300, *calls(20), *[last] * 300)
        world.poll()
    kinds = [each.kind for each in status_of(monitor).examples]
    assert (kinds.count("unparsable"), kinds.count("unmatched")) == (2, 2)


def test_a_flood_of_bad_lines_keeps_few_examples(world: World) -> None:
    """However many there are and however long, and memory does not follow them."""
    monitor = monitor_of(world)
    for turn in range(40):
        strange = [{f"key {turn} {number}": "x" * 500, "k" * 5_000: 1} for number in range(100)]
        write(world, *strange, f'{{"bad {turn}' * 50)
        world.poll()
    status = status_of(monitor)
    assert len([each for each in status.examples if each.kind == "unmatched"]) == SHAPES_MAX
    assert len(status.examples) <= 2 * SHAPES_MAX
    assert all(len(each.text) <= EXCERPT_CHARACTERS for each in status.examples)
    assert len(shape_of(json.dumps({"k" * 5_000: 1}).encode())) < 100
    assert status.totals.unmatched_lines + status.totals.unparsable_lines == 40 * 101


def test_looks_at_bad_lines_are_rationed(world: World) -> None:
    """Blocks that come at once are not all looked at, and nothing is counted by a look."""
    monitor = monitor_of(world)
    looked: list[int] = []
    make = monitor.examples._make
    monitor.examples._make = lambda reader: looked.append(1) or make(reader)  # type: ignore[func-returns-value]
    for turn in range(100):
        write(world, {"event": f"unknown {turn}"}, *calls(1))
        world.poll(seconds=0.01)
    assert sum(each.seen for each in status_of(monitor).examples) <= 25
    assert looked == [1]
    assert world.values("calls_total") == {("coder",): 100}


def test_a_full_label_is_told_as_such(world: World) -> None:
    """And not as a metric that has room for many series more."""
    monitor = monitor_of(world)
    write(world, *({"event": "call", "agent": f"agent {number:x}"} for number in range(1_000)))
    world.poll()
    [metric] = [each for each in status_of(monitor).metrics if each.metric == "calls_total"]
    [label] = metric.labels
    assert label.values < metric.series_max
    assert f"label agent of calls_total: {label.values} of {label.values_max} values" in words_of(status_of(monitor))


def test_a_rule_that_skips_most_updates_is_told(tmp_path: Path) -> None:
    """With the reasons; a value that the config gives is not one that can be missing."""
    (tmp_path / "logs").mkdir()
    update = "update: {calls_total: 1, unused_total: n}"
    world = World(tmp_path / "logs", CONFIG.replace("update: {calls_total: 1}", update), tmp_path / "state")
    monitor = monitor_of(world)
    write(world, *calls(15), *[{"event": "call", "agent": "a", "n": -1}] * 3, *[{"event": "call", "n": 1}] * 7)
    world.poll()
    status = status_of(monitor)
    assert (status.rules[0].updates, status.rules[0].skipped) == (25, 18)
    assert "Rule call skipped 18 of 25 updates" in words_of(status)
    assert "15 missing, 3 negative" in words_of(status)
    page = render_page(status).decode()
    assert page.count("15 missing, 3 negative") == 2
    write(world, *[{"event": "call", "n": 1}] * 20)
    world.poll()
    world.now_s += 2
    assert not troubles_of(status_of(monitor))
    world.close()


# -- the page


def request(path: str, client: str = "127.0.0.1", **headers: str) -> Request:
    return Request("GET", path, {}, {"host": "localhost:8001", **headers}, client)


def app_of(world: World, monitor: Monitor, *, authenticated: bool = False) -> MetricsApp:
    return MetricsApp(world.engine, lambda _: status_of(monitor), authenticated=lambda: authenticated)


def hostile_status(world: World, tmp_path: Path) -> Status:
    monitor = monitor_of(world)
    write(world, *({"event": "call", "agent": text} for text in HOSTILE), name="<b>&.log")
    write(world, *({"event": text} for text in HOSTILE), name="<b>&.log")
    world.poll()
    monitor.messages.say("[red]x[/red] \x1b[31m<script>alert(9)</script>")
    return status_of(monitor)


def test_hostile_texts_on_the_page(world: World, tmp_path: Path) -> None:
    """What a log holds is text, whatever it looks like; tags match, and ids are there once."""
    text = render_page(hostile_status(world, tmp_path)).decode()
    page = Page(text)
    assert text.count("<script>") == 1
    assert "<img" not in text
    assert "<b>" not in text
    assert not set(text) & set("\x1b\x07\u202e\u2066\u2028")
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    named = {name for value in page.values("aria-labelledby") for name in value.split()}
    assert named <= set(ids)
    assert {value.removeprefix("#") for value in page.values("href") if value.startswith("#")} <= set(ids)
    assert any("&lt;script&gt;alert(1)" in part for part in re.findall(r"<bdi>(.*?)</bdi>", text))


def test_the_policy_allows_one_script_and_one_style(world: World) -> None:
    """Those that are in the page, told by their hash, and nothing from anywhere else."""
    text = render_page(status_of(monitor_of(world))).decode()
    policy = dict(HEADERS)["Content-Security-Policy"]
    for tag in ("style", "script"):
        [inside] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert f"{tag}-src 'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}';" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not Page(text).values("src")


def test_only_neighbours_see_what_logs_hold(world: World) -> None:
    """From another machine examples are left out, unless only who is known gets here."""
    monitor = monitor_of(world)
    write(world, {"event": "secret"})
    world.poll()
    for client, sees in (("127.0.0.1", True), ("", True), ("::ffff:127.0.0.1", True), ("192.0.2.7", False)):
        told = json.loads(app_of(world, monitor)(request("/api/status", client)).body)
        assert (bool(told["examples"]), told["shows_examples"]) == (sees, sees), client
        page = app_of(world, monitor)(request("/", client)).body
        assert (b"secret" in page) == sees
    known = app_of(world, monitor, authenticated=True)
    assert json.loads(known(request("/api/status", "192.0.2.7")).body)["examples"]


@pytest.mark.parametrize(
    ("headers", "sees"),
    [
        ({"host": "127.0.0.1:8001"}, True),
        ({"host": "[::1]:8001"}, True),
        ({"host": "LOCALHOST"}, True),
        ({"host": "evil.example:8001"}, False),
        ({"host": "127.0.0.1.evil.example"}, False),
        ({"host": ""}, False),
        ({"x-forwarded-for": "192.0.2.7"}, False),
    ],
)
def test_neighbours_are_not_sent_by_others(headers: dict[str, str], sees: bool) -> None:
    """A page from elsewhere in a browser here, and a proxy here, ask for somebody else."""
    assert is_local(request("/", **headers)) is sees


def test_pages_of_one_status_are_made_once(world: World) -> None:
    """Many who look share one page."""
    status = status_of(monitor_of(world))
    app = MetricsApp(world.engine, lambda _: status)
    for client in ("127.0.0.1", "192.0.2.7"):
        assert app(request("/", client)).body is app(request("/", client)).body


def test_amounts_of_the_page() -> None:
    """Rates and times gone by."""
    assert [amounts.rate(value) for value in (0, 0.05, 2.34, 1234)] == ["0 /s", "3.0 /min", "2.3 /s", "1,234 /s"]
    assert [amounts.ago(value) for value in (0.2, 42, 3_000)] == ["now", "42 s ago", "50 min ago"]
