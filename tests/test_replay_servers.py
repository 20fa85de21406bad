"""Old logs on their way into real servers that scrape the real daemon, through the command line.

increase() extrapolates to the borders of its range; where exactness is meant, raw samples are added up as rate() does:
each step up counts, and behind a reset the whole value.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from itertools import pairwise
from math import isnan
from pathlib import Path

import pytest

from logmetrics.cli import backfill
from logmetrics.errors import ReplayError
from logmetrics.replay.seam import seam_of
from logmetrics.replay.targets.prometheus_api import PrometheusApi, RawSamples, SeriesKey
from logmetrics.replay.targets.promtool import Promtool
from tests.daemon import ROOT, Daemon, free_port, wait_until
from tests.live import tool
from tests.servers import prometheus, victoria
from tests.test_replay_seam import Done, run

pytestmark = pytest.mark.slow
WAYS = ("blocks", "files", "remote", "import")
INSTANCE = "host:8001"
STEP_S = 5
HOURS = 3
TOOLS = ("search", "python", "browser")
COUNTER = "agent_tool_calls_total"
HISTOGRAM = "agent_tool_duration_seconds"


def events(begin_s: float, end_s: float, seed: int, every_s: float = 10) -> list[str]:
    """Lines of tool calls between two times, in order."""
    draw, made, at = random.Random(seed), [], begin_s
    while (at := at + draw.expovariate(1 / every_s)) < end_s:
        record = {
            "timestamp": datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds"),
            "event": "tool_call",
            "agent": "a",
            "tool_name": draw.choice(TOOLS),
            "status": "success",
            "latency_ms": round(draw.lognormvariate(6, 1), 1),
        }
        made.append(json.dumps(record) + "\n")
    return made


def calls(lines: list[str]) -> Counter[str]:
    return Counter(json.loads(line)["tool_name"] for line in lines)


class World:
    """A log that grows, the daemon, and two servers that scrape it under the name of each way of importing."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.logs, self.state = directory, directory / "logs", directory / "state"
        self.data = directory / "tsdb"
        self.logs.mkdir()
        self.past = events(time.time() - HOURS * 3600, time.time() - STEP_S - 1, 1)
        self.live: list[str] = []
        (self.logs / "a.log").write_text("".join(self.past))
        self.urls = {name: f"http://127.0.0.1:{free_port()}" for name in ("prometheus", "victoria")}
        self._servers: dict[str, subprocess.Popen[bytes]] = {}

    def append(self, count: int) -> None:
        lines = events(time.time(), time.time() + 10_000, len(self.live), 5)[:count]
        self.live += lines
        with (self.logs / "a.log").open("a") as file:
            file.writelines(lines)

    def start(self, name: str) -> None:
        config = self.directory / "scrape.yml"
        address = self.urls[name].removeprefix("http://")
        if name == "prometheus":
            storage = "storage: {tsdb: {out_of_order_time_window: 48h}}\n"
            (self.directory / "prometheus.yml").write_text(storage + config.read_text())
            command = [f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.data}"]
            command += [f"--web.listen-address={address}", "--web.enable-remote-write-receiver"]
            program = "prometheus"
        else:
            command = [f"-storageDataPath={self.directory}/victoria", f"-httpListenAddr={address}"]
            command += ["-retentionPeriod=2", f"-promscrape.config={config}"]
            program = "victoria-metrics"
        self._servers[name] = subprocess.Popen(
            [tool(program), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self, name: str) -> None:
        server = self._servers.pop(name)
        server.terminate()
        server.wait(timeout=30)

    def api(self, way: str) -> PrometheusApi:
        return PrometheusApi(self.urls["victoria" if way == "import" else "prometheus"])

    def raw(self, way: str, metric: str) -> dict[str, list[float]]:
        """The values of each tool's series, in order."""
        found = self.api(way).samples({"job": way}, [metric], time.time() - HOURS * 3600 - 60, time.time() + 1)
        return {dict(key)["tool_name"]: [value for _, value in pairs] for key, pairs in found.items()}

    def grown(self, way: str, metric: str = COUNTER) -> dict[str, float]:
        """By how much each tool's counter went up."""
        return {
            name: sum(after - before if after >= before else after for before, after in pairwise(values))
            for name, values in self.raw(way, metric).items()
        }

    def last(self, way: str) -> float:
        return sum(values[-1] for values in self.raw(way, COUNTER).values())

    def restart(self, _seconds: float = 0) -> None:
        """Prometheus finds new blocks then at once, and not within a minute."""
        self.stop("prometheus")
        self.start("prometheus")
        wait_until(partial(self.answers, "blocks"))

    def answers(self, way: str) -> bool:
        with suppress(ReplayError):
            return bool(self.api(way).query("vector(1)", time.time()))
        return False

    def scraped(self, way: str) -> int:
        found = self.api(way).samples({"job": way}, ["up"], time.time() - 600, time.time())
        return sum(map(len, found.values()))

    def replay(self, way: str, *more: str | Path) -> Done:
        return run(
            "replay", self.logs, "--before-state", self.state, "--step", f"{STEP_S}s",
            "--label", f"job={way}", "--label", f"instance={INSTANCE}", *more,
        )  # fmt: skip

    def to(self, way: str) -> tuple[str | Path, ...]:
        server = self.urls["victoria" if way == "import" else "prometheus"]
        return {
            "blocks": ("--tsdb", self.data, "--prometheus", server),
            "files": ("--openmetrics", self.directory / "om"),
            "remote": ("--remote-write", f"{server}/api/v1/write"),
            "import": ("--victoriametrics", server),
        }[way]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    with Daemon(str(world.logs), "--from", "end", "--state-dir", str(world.state)) as daemon:
        daemon.wait_until_ready()
        target = daemon.url.removeprefix("http://")
        jobs = "".join(
            f"- job_name: {way}\n  static_configs: [{{targets: ['{target}'], labels: {{instance: '{INSTANCE}'}}}}]\n"
            for way in WAYS
        )
        (world.directory / "scrape.yml").write_text(f"global: {{scrape_interval: 500ms}}\nscrape_configs:\n{jobs}")
        for name in world.urls:
            world.start(name)
        try:
            for way in WAYS:
                wait_until(partial(world.answers, way))
                wait_until(lambda way=way: world.scraped(way) > 2)  # type: ignore[misc]
            world.append(30)
            for way in WAYS:
                wait_until(lambda way=way: world.last(way) == 30)  # type: ignore[misc]
            yield world
        finally:
            for name in list(world.urls):
                world.stop(name)


@pytest.mark.parametrize("way", WAYS)
def test_history_joins_live(way: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over history, live part and seam each counter goes up by what the log has; no live sample is lost."""
    monkeypatch.setattr(backfill, "carry_out", partial(backfill.carry_out, wait=world.restart))
    dry = world.replay(way, *world.to(way), "--dry-run")
    assert dry.code == 0, dry.told
    assert "would write" in dry.told
    assert "would be refused" not in dry.told
    scraped = world.scraped(way)
    done = world.replay(way, *world.to(way))
    assert done.code == 0, done.told
    assert (": written" if way == "files" else ": written, and all found there") in done.told
    if way == "files":
        for path in sorted((world.directory / "om").iterdir()):
            subprocess.run(
                [tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q", path, world.data], check=True
            )
    if way in ("blocks", "files"):
        world.restart()
    world.append(10)
    lines = [*world.past, *world.live]
    wait_until(lambda: world.grown(way) == calls(lines))
    assert world.scraped(way) >= scraped
    if way != "files":
        again = world.replay(way, *world.to(way))
        assert again.code == 0, again.told
        assert "all of it was there already; nothing was written" in again.told
    assert world.grown(way, f"{HISTOGRAM}_count") == calls(lines)
    for values in world.raw(way, COUNTER).values():
        assert values[0] == 0
        assert sum(after < before for before, after in pairwise(values)) == 1
    if way == "import":
        return  # VictoriaMetrics' functions leave out the last half minute
    [total] = world.api(way).query(f"sum(increase({COUNTER}{{job='{way}'}}[4h]))", time.time())
    assert float(total["value"][1]) == pytest.approx(len(lines), rel=0.01)


def test_mistakes_are_refused(world: World) -> None:
    """Live samples of the same series, the head, and the future: told with a remedy, and nothing is written."""
    there = sorted(world.data.iterdir())
    url = world.urls["prometheus"]
    common = ("replay", world.logs, "--step", "5s", "--label", "job=blocks", "--label", f"instance={INSTANCE}")
    over = run(*common, "--tsdb", world.data, "--prometheus", url)
    assert over.code == 1
    assert over.told.count("\n  - ") == 2
    assert "nothing was written:\n  - live samples of the same series since" in over.told
    assert "\n  - blocks up to" in over.told
    dry = run(*common, "--tsdb", world.data, "--prometheus", url, "--dry-run")
    assert dry.code == 0
    assert dry.told.count("would be refused: ") == 2
    remote = run(*common, "--remote-write", f"{url}/api/v1/write")
    assert remote.code == 1
    assert "live samples of the same series since" in remote.told
    assert "end with --until" in remote.told
    assert sorted(world.data.iterdir()) == there


def test_retention_is_refused(tmp_path: Path) -> None:
    """Blocks that would be deleted as soon as they are found."""
    log = tmp_path / "a.log"
    log.write_text("".join(events(time.time() - 20 * 86400, time.time() - 20 * 86400 + 600, 1)))
    with prometheus(tmp_path) as url:
        done = run(
            "replay", log, "--tsdb", tmp_path / "tsdb", "--prometheus", url, "--label", "job=j", "--label", "instance=i"
        )
    assert done.code == 1
    assert "keeps samples for 15 days before its newest block" in done.told
    assert "--storage.tsdb.retention.time=22d or more" in done.told
    assert not [path for path in (tmp_path / "tsdb").iterdir() if len(path.name) == 26]


def test_an_idle_prometheus_needs_no_window(tmp_path: Path) -> None:
    """One that has nothing else takes history that goes up in time, and the rest of it after a kill."""
    log = tmp_path / "a.log"
    log.write_text("".join(events(time.time() - 9 * 3600, time.time() - 3 * 3600, 1)))
    with prometheus(tmp_path, "{}\n") as url:
        command = ("replay", log, "--label", "job=j", "--label", "instance=i", "--remote-write", f"{url}/api/v1/write")
        half = time.time() - 6 * 3600
        until = datetime.fromtimestamp(half, timezone.utc).isoformat()
        for more in (("--until", until), ()):
            done = run(*command, *more)
            assert done.code == 0, done.told
        assert "the others were there already" in done.told


def test_kills(tmp_path: Path) -> None:
    """Killed again and again, whatever it writes to just then: the end is as if it never had been."""
    (tmp_path / "killed").mkdir()
    (tmp_path / "whole").mkdir()
    log, day_s = tmp_path / "a.log", time.time() - 40 * 3600
    log.write_text("".join(events(day_s, day_s + 4 * 3600, 1, 4)))
    draw = random.Random(3)

    def command(name: str, url: str, store: str) -> list[str]:
        at = tmp_path / name
        (at / "blocks").mkdir(exist_ok=True)
        return [
            sys.executable, "-m", "logmetrics", "replay", str(log), "--label", f"job={name}", "--label", "instance=i",
            "--openmetrics", f"{at}/om", "--tsdb", f"{at}/blocks", "--remote-write", f"{url}/api/v1/write",
            "--victoriametrics", store, "--seed-state", "--step", "60s", "--state-dir", f"{at}/state",
        ]  # fmt: skip

    with prometheus(tmp_path) as url, victoria(tmp_path, "2") as store:
        began_s = time.monotonic()
        subprocess.run(command("whole", url, store), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        whole_s = time.monotonic() - began_s
        killed, grown = 0, False
        for _ in range(4):
            process = subprocess.Popen(command("killed", url, store), cwd=ROOT, stderr=subprocess.DEVNULL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=whole_s * (0.2 + 0.6 * draw.random()))
            killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            if not grown and seam_of(str(tmp_path / "killed/state")).ends:
                grown = True  # the state knows up to where it was read at first
                with log.open("a") as file:
                    file.writelines(events(day_s + 5 * 3600, day_s + 5 * 3600 + 60, 2))
        assert killed > 1
        subprocess.run(command("killed", url, store), cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        results = {name: _everything(tmp_path / name, name, url, store, day_s) for name in ("whole", "killed")}
    for killed_result, whole_result in zip(results["killed"], results["whole"], strict=True):
        assert killed_result == whole_result


def _everything(at: Path, name: str, url: str, store: str, day_s: float) -> tuple[object, ...]:
    """All that a replay left, in all places."""
    texts = {path.name: path.read_text().replace(f'job="{name}"', "") for path in (at / "om").iterdir()}
    samples: list[object] = [_unnamed(Promtool().dump(at / "blocks"))]
    for server in (url, store):
        api = PrometheusApi(server)
        found: dict[SeriesKey, RawSamples] = {}
        for begin_s in range(int(day_s) - 3600, int(day_s) + 6 * 3600, 3600):
            metrics = [COUNTER, f"{HISTOGRAM}_bucket"]
            for key, pairs in api.samples({"job": name}, metrics, begin_s, begin_s + 3600).items():
                found.setdefault(key, []).extend(pairs)
        samples.append(_unnamed(found))
    seeded = run("watch", at.parent / "a.log", "--once", "--state-dir", at / "state")
    return texts, *samples, seeded.out


def _unnamed(found: dict[SeriesKey, RawSamples]) -> dict[SeriesKey, dict[int, float]]:
    """Without ends, and what VictoriaMetrics has twice: it may still be at work for a sender that was killed."""
    return {
        tuple(pair for pair in key if pair[0] != "job"): {at: value for at, value in pairs if not isnan(value)}
        for key, pairs in found.items()
    }
