"""`logmetrics explain` as a person uses it: places, sources, standard input, whole files, daemons, JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from typer.testing import CliRunner

from logmetrics.authoring.explain.facts import Explanation
from logmetrics.authoring.explain.overview import Overview
from logmetrics.authoring.explain.places import raw_lines
from logmetrics.cli.app import app
from logmetrics.errors import UsageError
from logmetrics.serve.app import MetricsApp
from logmetrics.serve.http import Request
from logmetrics.serve.status.data import Uncounted
from logmetrics.service.messages import Messages
from logmetrics.service.status import Monitor
from logmetrics.sources.examples import KEPT_BYTES_MAX, RECORD_BYTES_MAX
from tests.daemon import Daemon, wait_until
from tests.world import World

ROOT = Path(__file__).parent.parent
README_RULES = (ROOT / "README.md").read_text().split("## Your own rules")[1].split("```yaml\n")[1].split("```")[0]
CONFIG = f"""
packs: []
sources:
  - {{name: agents, paths: [DIRECTORY], exclude_lines: [healthz], agent: path.stem, max_line_bytes: 2KiB}}
{README_RULES}"""
TASKS = """
packs: []
metrics: {seconds: {type: histogram, help: h, buckets: [1, 10]}}
rules:
  - name: task
    pair: {start: event == "start", end: event == "end", key: id}
    update: {seconds: elapsed}
"""
RETRY = '{"event": "retry", "agent": "planner", "attempt": 2}'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("DIRECTORY", str(tmp_path / "logs")))
    return path


def run(*arguments: object, stdin: str = "") -> str:
    """What the command prints."""
    result = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["explain", *map(str, arguments)], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def head(*arguments: object, stdin: str = "") -> str:
    """The first sentence, on one line."""
    return re.sub(r"\n +", " ", run(*arguments, stdin=stdin).split("\n\n")[0])


def test_all_that_is_told_of_a_match(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole output, place and envelope included."""
    monkeypatch.chdir(tmp_path / "logs")
    Path("a.log").write_text(
        'Nov 12 10:11:12 host agent[12]: {"event": "retry", "agent": {"name": "planner"}, "attempt": 3, '
        '"error": {"type": "3f2b8c1e-0000-4000-8000-123456789abc"}}\n'
    )
    assert (
        run("-c", config, "a.log:1")
        == """\
a.log:1: counted by "retry", in 1 series

  {"event": "retry", "agent": {"name": "planner"}, "attempt": 3, "error": {"type": "3f2b8c1e-0000-40
  00-8000-123456789abc"}}

SOURCE    agents, agent: path.stem
ENVELOPE  taken off: "Nov 12 10:11:12 host agent[12]: "
FORMAT    json

FIELDS
  event       "retry"
  agent.name  "planner"
  attempt     3
  error.type  "3f2b8c1e-0000-4000-8000-123456789abc"

RULES
✓ retry
    agent_retries_total{agent="planner",reason="{uuid}"} +1 (a new series)
      agent is agent.name or agent
      reason is error.type or "unknown", which is "3f2b8c1e-0000-4000-8000-123456789abc"; ids have
        placeholders, so that they make no series each
"""
    )


def test_the_example_in_the_docs(config: Path) -> None:
    """It is what the command prints with the README's rule."""
    example = (ROOT / "docs" / "explain.md").read_text().split("```\n$ echo '")[1].split("```")[0]
    line, _, rest = example.partition("'")
    first, last = rest.partition("\n")[2].split("...\n")
    told = run("-c", config, "-", stdin=line)
    assert told.startswith(first)
    assert told.endswith(last)


def test_the_example_in_the_readme(config: Path, tmp_path: Path) -> None:
    """So is that one."""
    log = tmp_path / "logs" / "app.log"
    log.write_text(RETRY.replace("2", '"2"') + "\n")
    [shown] = re.findall(r"^app\.log:17: (no rule .*\n.*)\n", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert head("-c", config, f"{log}:1").endswith(re.sub(r"\n +", " ", shown))


PLACES = {
    "docker": (
        json.dumps({"log": RETRY + "\n", "stream": "stdout", "time": "2026-01-01T00:00:00.5Z"}) + "\n",
        1,
        "a.log:1: counted",
        "docker json-file; time 2026-01-01T00:00:00.5Z",
    ),
    "cut_by_kubernetes": (
        f"2026-01-01T00:00:00.123456789Z stdout P {RETRY[:20]}\n2026-01-01T00:00:01.123456789Z stdout F {RETRY[20:]}\n",
        2,
        "a.log:1-2: counted",
        "cri",
    ),
    "indented": (json.dumps(json.loads(RETRY), indent=2) + "\n", 3, "a.log:1-5: counted", "agent.log"),
    "journal": (
        json.dumps({"MESSAGE": RETRY, "_PID": "1", "__REALTIME_TIMESTAMP": "1767225600500000"}) + "\n",
        1,
        "a.log:1: counted",
        "journal json; time 2026-01-01 00:00:00 UTC",
    ),
    "oversize": (
        f'{RETRY}\n{{"a": "{"x" * 3_000}"}}\n{RETRY}\n',
        2,
        "a.log:2: passed over, and counted as oversize",
        "",
    ),
    "behind_oversize": (f'{RETRY}\n{{"a": "{"x" * 3_000}"}}\n{RETRY}\n', 3, "a.log:3: counted", ""),
    "without_a_newline": (RETRY, 1, "a.log:1: counted", ""),
    "excluded": (f'{RETRY}\n{{"event": "retry", "url": "/healthz"}}\n', 2, "a.log:2: passed over: exclude_lines", ""),
    "two_objects": (RETRY + RETRY + "\n", 1, "a.log:1 (object 1 of 2): counted", ""),
}


@pytest.mark.parametrize("name", PLACES)
def test_places(name: str, config: Path, tmp_path: Path) -> None:
    """A record is found by any of its lines, in whatever it is wrapped."""
    text, line, summary, envelope = PLACES[name]
    log = tmp_path / "logs" / "a.log"
    log.write_text(text)
    told = run("-c", config, f"{log}:{line}").replace(str(log), "a.log")
    assert re.sub(r"\n +", " ", told).startswith(summary)
    assert envelope in told or name == "indented"


def test_of_a_line_without_end_little_is_held(tmp_path: Path) -> None:
    """It was held as a whole, and put together in time that grows with the square of its length."""
    log = tmp_path / "a.log"
    log.write_bytes(b"a" * 3_000_000)
    assert len(raw_lines(str(log), 1, 1, 1_000_000)) < 1_500_000
    assert "counted as oversize" in re.sub(r"\s+", " ", run(f"{log}:1"))


def test_a_full_disk_is_told_of() -> None:
    """It ended with a traceback."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "logmetrics", "schema", "--tests"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"logmetrics: the output cannot be written: No space left on device\n")


def test_what_came_before_is_known(tmp_path: Path) -> None:
    """Of a line in a file all lines before it are read first: here 3,000, with a start among them."""
    config, log = tmp_path / "config.yaml", tmp_path / "tasks.log"
    config.write_text(TASKS)
    rest = "".join(json.dumps({"event": "x", "n": number}) + "\n" for number in range(3_000))
    log.write_text('{"event": "start", "id": 1, "time": 100}\n' + rest + '{"event": "end", "id": 1, "time": 105}\n')
    assert head("-c", config, f"{log}:3002").endswith('counted by "task", in 1 series')
    assert "observes 5" in run("-c", config, f"{log}:3002")
    assert "no start with the key" in head("-c", config, "-", stdin='{"event": "end", "id": 1}')


def test_records_on_standard_input_know_those_before(tmp_path: Path) -> None:
    """They are one log."""
    config = tmp_path / "config.yaml"
    config.write_text(TASKS)
    told = run("-c", config, stdin='{"event": "start", "id": 1, "time": 1}\n{"event": "end", "id": 1, "time": 3}\n')
    assert 'line 1: "task": it begins a pair; key id is 1' in told
    assert 'line 2: counted by "task", in 1 series' in told


def test_a_whole_file(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many are counted, and of each shape that is not a line to explain."""
    monkeypatch.chdir(tmp_path / "logs")
    log = Path("a.log")
    bad = '{"event": "retries", "attempt": %d}\n'
    log.write_text(RETRY + "\n" + bad % 2 + bad % 3 + '{"event": "x"\n' + '{"url": "healthz"}\n')
    Path("c.yaml").write_text(config.read_text())
    assert (
        run("-c", "c.yaml", log)
        == """\
a.log: 1 of 5 records counted, 2 match no rule, 1 are no records of their format
source agents; 1 passed over by exclude_lines

RULES
  1  retry

NOT COUNTED
  1 x {"event": ... broken
      unparsable, so no rule sees it: the line ends here, in the middle of the object, 1 closing
        brace short: it was cut off
      logmetrics explain --config c.yaml a.log:4
  2 x {event: retries, attempt}
      no rule counts it; "retry" is nearest: event is "retries", the rule asks for "retry"
      logmetrics explain --config c.yaml a.log:2
"""
    )


def test_rules_that_match_nothing_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a wider rule counts each record: why not the nearest one. Rules for other sources are left out."""
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(
        """\
packs: []
sources: [{name: shop, paths: [a.log]}]
metrics: {x_total: {type: counter, help: X}}
rules:
  - {name: all, update: {x_total: 1}}
  - {name: misspelt, when: event == "solld", update: {x_total: 1}}
  - {name: no field, when: evnt == "sold", update: {x_total: 1}}
  - {name: no quotes, when: "sold", update: {x_total: 1}}
  - {name: of others, when: source == "other" and event == "solld", update: {x_total: 1}}
"""
    )
    Path("a.log").write_text('{"event": "bought"}\n{"event": "sold", "n": 1}\n')
    told = run("-c", "c.yaml", "a.log")
    assert (
        told.partition("NEVER MATCHED\n")[2]
        == """\
  misspelt
      event is "sold", the rule asks for "solld"
      logmetrics explain --config c.yaml a.log:2
  no field
      no field evnt; there is event, "bought"
      logmetrics explain --config c.yaml a.log:1
  no quotes
      no field sold
      logmetrics explain --config c.yaml a.log:1
"""
    )


def test_a_log_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to do then is said, but not to those who have a config."""
    monkeypatch.chdir(tmp_path)
    Path("a b.log").write_text('{"foo": 1}\n{"foo": 2}\n')
    Path("c.yaml").write_text("packs: []\n")
    advice = "logmetrics init 'a b.log' writes rules for such records"
    assert advice in run("a b.log")
    assert "logmetrics explain 'a b.log:1'" in run("a b.log")
    assert advice not in run("-c", "c.yaml", "a b.log")


def test_a_file_of_one_record_is_explained(config: Path, tmp_path: Path) -> None:
    """Its line need not be named."""
    log = tmp_path / "logs" / "a.log"
    log.write_text(RETRY + "\n")
    assert head("-c", config, log).endswith('a.log:1: counted by "retry", in 1 series')


def test_a_file_that_no_source_reads(config: Path, tmp_path: Path) -> None:
    """It is of format auto, and by the name of a source it is that one's."""
    log = tmp_path / "elsewhere.log"
    log.write_text('{"event": "retry", "url": "healthz"}\n')
    assert "no rule counts it" in head("-c", config, log)
    assert "passed over" in head("-c", config, "--source", "agents", log)


def test_texts_of_logs_cannot_move_the_cursor(config: Path) -> None:
    """Nor turn a line around."""
    told = run("-c", config, stdin='{"event": "\\u001b[2J", "x\\u202e": "\\u0007"}') + run(
        "-c", config, stdin='{"event": \x1b[2J}'
    )
    assert all(character.isprintable() or character == "\n" for character in told)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nothing.log:3"], "no such file: nothing.log"),
        (["."], ". is a directory; name a file in it"),
        ([f"{ROOT / 'README.md'}:0"], "lines count from 1"),
        ([f"{ROOT / 'CHANGELOG.md'}:99999"], "and no line 99,999"),
        (["--source", "x", "-"], "no source is called 'x'; there are: none"),
        (["--last", "3", "README.md"], "README.md is no address"),
        (["--user", "me", "-"], "go with --last N"),
        (["-"], "there is no record on standard input"),
        (["config.yaml"], "A config goes behind -c: logmetrics explain -c config.yaml LOG:LINE"),
    ],
)
def test_mistakes(arguments: list[str], what: str) -> None:
    """Each is told with what is right."""
    with pytest.raises(UsageError, match=re.escape(what)):
        run("--pack", "agent", *arguments)


def test_json_of_a_file_whose_name_is_no_text(config: Path, tmp_path: Path) -> None:
    """JSON has escapes for what is not UTF-8."""
    log = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.log"))
    log.write_text('{"event": "x", "url": "é"}\n')
    [told] = json.loads(run("-c", config, "--json", log))
    assert (told["place"]["path"], told["fields"]["url"]) == (str(log), "é")


def fields(of: Any) -> Iterator[str]:
    """The names in the JSON, those of its parts too."""
    for name, hint in get_type_hints(of).items():
        yield name
        for part in (hint, *get_args(hint)):
            if is_dataclass(part):
                yield from fields(part)


def test_json_is_what_the_docs_say(config: Path, tmp_path: Path) -> None:
    """Every field is told, and the whole tree comes out."""
    docs = (ROOT / "docs" / "explain.md").read_text()
    assert {name for name in (*fields(Explanation), *fields(Overview)) if f"`{name}`" not in docs} <= {"rule"}
    [told] = json.loads(run("-c", config, "--json", stdin=RETRY))
    assert (told["verdict"], told["rules"][0]["matches"][0]["updates"][0]["series"]) == (
        "counted",
        'agent_retries_total{agent="planner",reason="unknown"}',
    )
    log = tmp_path / "logs" / "a.log"
    log.write_text(f"{RETRY}\n{RETRY}\n")
    assert json.loads(run("-c", config, "--json", log))["counted"] == 2


# -- what a daemon did not count


WORLD = """
packs: []
metrics: {calls_total: {type: counter, help: h}}
rules: [{name: call, when: event == "call", update: {calls_total: 1}}]
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "logs").mkdir()
    made = World(tmp_path / "logs", WORLD)
    yield made
    made.close()


def uncounted(world: World, *lines: str) -> Uncounted:
    """What is known of *lines*, which stand in a log."""
    monitor = Monitor(world.engine, Messages(world.messages.append, world.clock), "/etc/logmetrics/config.yaml")
    with (world.directory / "a.log").open("a") as file:
        file.writelines(line + "\n" for line in lines)
    world.poll()
    return monitor._uncounted()  # the engine has no thread here


def test_the_config_of_a_daemon_is_found_from_anywhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was named when the daemon started."""
    monkeypatch.chdir(world.directory)
    monitor = Monitor(world.engine, Messages(world.messages.append, world.clock), "config.yaml")
    assert monitor._uncounted().config_file == str(world.directory / "config.yaml")


def test_whole_records_are_kept(world: World) -> None:
    """The last of each shape, whole or its beginning."""
    told = uncounted(world, '{"event": "other", "x": "%s"}' % ("y" * 500), "{broken", '{"big": "%s"}' % ("z" * 100_000))
    assert told.config_file == "/etc/logmetrics/config.yaml"
    assert {(one.kind, one.is_whole, len(one.text)) for one in told.records} == {
        ("unparsable", True, 7),
        ("unmatched", False, RECORD_BYTES_MAX),
        ("unmatched", True, 527),
    }
    assert {one.path for one in told.records} == {str(world.directory / "a.log")}


def test_what_is_kept_is_bounded(world: World) -> None:
    """However many shapes of long records there are in however many sources."""
    monitor = Monitor(world.engine, Messages(world.messages.append, world.clock))
    record = b'{"x": "' + b"y" * RECORD_BYTES_MAX + b'"}'
    for source in range(50):
        for shape in range(3):
            monitor.examples._note(f"s{source}", "unmatched", b'{"k%d": 1, %s' % (shape, record[1:]), "/a", source)
    found = [one for _, _, _, one in monitor.examples.found()]
    assert len(found) == 150
    assert sum(len(one.record) for one in found) <= KEPT_BYTES_MAX
    assert sum(bool(one.record) for one in found) == KEPT_BYTES_MAX // RECORD_BYTES_MAX
    assert min(one.last_s for one in found if one.record) >= max(one.last_s for one in found if not one.record)


@pytest.mark.parametrize(
    ("client", "authenticated", "status"),
    [("127.0.0.1", False, 200), ("", False, 200), ("192.0.2.7", False, 403), ("192.0.2.7", True, 200)],
)
def test_only_neighbours_see_records(world: World, client: str, authenticated: bool, status: int) -> None:
    """As it is with the examples on the page."""
    told = uncounted(world, '{"event": "secret"}')
    app_of = MetricsApp(
        world.engine, lambda _: pytest.fail(), authenticated=lambda: authenticated, uncounted=lambda _: told
    )
    answer = app_of(Request("GET", "/api/uncounted", {}, {"host": "localhost:8001"}, client))
    assert (answer.status, b"secret" in answer.body) == (status, status == 200)


def test_what_a_daemon_did_not_count(config: Path, tmp_path: Path) -> None:
    """It is asked, and its own config explains."""
    log = tmp_path / "logs" / "a.log"
    log.write_text(f'{RETRY}\n{{"event": "retries", "attempt": 2}}\n')
    with Daemon("--config", str(config)) as daemon:
        daemon.wait_until_ready()
        wait_until(lambda: json.loads(daemon.get("/api/uncounted")[1])["records"])
        told = head("--last", 5, daemon.url)
    assert told.endswith(': no rule counts it; "retry" is nearest: event is "retries", the rule asks for "retry"')
    assert told.startswith(str(log))
