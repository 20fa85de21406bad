"""What is new to a Prometheus is shown to it as 0 once, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from logmetrics.serve.app import MetricsApp
from logmetrics.serve.http import Request
from logmetrics.service.messages import Messages
from logmetrics.service.status import Monitor
from tests.world import World

CONFIG = """
packs: []
metrics:
  lines_total: {type: counter, help: h, labels: [text]}
  seconds: {type: histogram, help: h, labels: [text], buckets: [1, 2]}
  level: {type: gauge, help: h, labels: [text]}
rules:
  - {name: line, labels: {text: n}, update: {lines_total: 1, seconds: 1.5, level: 7}}
"""
PROMETHEUS = {"user-agent": "Prometheus/2.53.0"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Logs, an engine that has read them, and the app over it."""
    (tmp_path / "logs").mkdir()
    world = World(tmp_path / "logs", CONFIG, tmp_path / "state")
    world.write("a.log", "old")
    world.poll()
    world.engine._became_caught_up()
    yield world
    world.close()


def app_of(world: World, **options: bool) -> MetricsApp:
    status = Monitor(world.engine, Messages(world.messages.append, world.clock)).status
    app = MetricsApp(world.engine, status, **options)
    world.engine.refresh = lambda _: True  # type: ignore[method-assign]
    return app


def scrape(app: MetricsApp, client: str = "10.0.0.1", **headers: str) -> dict[str, float]:
    """Samples of the text "new" that one scrape shows, by name."""
    body = app(Request("GET", "/metrics", {}, headers or PROMETHEUS, client)).body.decode()
    return {
        f"{sample.name}{sample.labels.get('le', '')}": sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if sample.labels.get("text") == "new" and not sample.name.endswith("_created")
    }


ZERO = {"lines_total": 0, "seconds_bucket1.0": 0, "seconds_bucket2.0": 0, "seconds_bucket+Inf": 0}
ZERO |= {"seconds_sum": 0, "seconds_count": 0, "level": 7}
REAL = {"lines_total": 2, "seconds_bucket1.0": 0, "seconds_bucket2.0": 2, "seconds_bucket+Inf": 2}
REAL |= {"seconds_sum": 3, "seconds_count": 2, "level": 7}


def test_zero_once_for_each_prometheus(world: World) -> None:
    """Counters and histograms, not gauges; a second server gets its own; a later first scrape gets the values."""
    app = app_of(world)
    assert scrape(app) == scrape(app, "10.0.0.2") == {}
    world.write("a.log", "new", "new")
    world.poll()
    assert scrape(app) == ZERO
    assert scrape(app, "10.0.0.2") == ZERO
    assert scrape(app) == REAL
    assert scrape(app, "10.0.0.2") == REAL
    assert scrape(app, "10.0.0.3") == REAL


def test_nothing_is_zero_once_somebody_saw_more(world: World) -> None:
    """One server can come over two addresses: a 0 after a value would be a reset to it."""
    app = app_of(world)
    assert scrape(app) == scrape(app, "::1") == {}
    world.write("a.log", "new", "new")
    world.poll()
    assert scrape(app) == ZERO
    assert scrape(app) == REAL
    assert scrape(app, "::1") == REAL


@pytest.mark.parametrize(
    ("headers", "zero"),
    [
        ({"user-agent": "curl/8.5.0"}, False),
        ({"user-agent": "Mozilla/5.0"}, False),
        ({"user-agent": "Prometheus/3.0"}, True),
        ({"user-agent": "GrafanaAlloy/1", "x-prometheus-scrape-timeout-seconds": "10"}, True),
    ],
    ids=["curl", "browser", "Prometheus", "an agent that scrapes as Prometheus"],
)
def test_only_prometheus_gets_the_zero(world: World, headers: dict[str, str], zero: bool) -> None:
    """A person is shown what is there."""
    app = app_of(world)
    scrape(app, **headers)
    world.write("a.log", "new", "new")
    world.poll()
    assert scrape(app, **headers) == (ZERO if zero else REAL)
    assert scrape(app, **headers) == REAL


def test_it_can_be_turned_off(world: World) -> None:
    """`first_zero: false`."""
    app = app_of(world, first_zero=False)
    scrape(app)
    world.write("a.log", "new", "new")
    world.poll()
    assert scrape(app) == REAL


def test_nothing_is_zero_after_a_kill(world: World) -> None:
    """Series of an earlier run may have been scraped: never a 0 for them. Those of this run are new to everyone."""
    app = app_of(world)
    scrape(app)
    world.write("a.log", "new", "new")
    world.poll()
    assert scrape(app) == ZERO
    assert scrape(app) == REAL
    world.kill()
    world.poll()
    world.engine._became_caught_up()
    assert scrape(app_of(world)) == REAL


def test_what_came_while_it_was_down_counts_from_zero(world: World) -> None:
    """The first scrape after a restart is not the first: what is new since then begins at 0 for it, for a while."""
    scrape(app_of(world))
    world.engine.commit()
    world.write("a.log", "new", "new")
    world.kill()
    world.poll()
    world.engine._became_caught_up()
    app = app_of(world)
    assert scrape(app) == ZERO
    assert scrape(app) == REAL
    assert scrape(app, "::1") == REAL
    world.now_s += 301
    assert scrape(app, "10.0.0.9") == REAL


def test_created_samples(world: World) -> None:
    """With `created_samples`, OpenMetrics tells when each began: when it was last known not to be there."""
    headers = {"accept": "application/openmetrics-text"}
    world.now_s = 2_000.0
    world.poll(0)
    world.write("a.log", "new")
    world.poll(5)
    for wanted in (False, True):
        app = app_of(world, created=wanted)
        body = app(Request("GET", "/metrics", {}, headers, "x")).body.decode()
        created = {
            (sample.name, sample.labels["text"]): sample.value
            for family in openmetrics_families(body)
            for sample in family.samples
            if sample.name.endswith("_created") and "text" in sample.labels
        }
        began = {"old": 1_002.0, "new": 2_000.0}
        expected = {(f"{name}_created", text): at for name in ("lines", "seconds") for text, at in began.items()}
        assert created == (expected if wanted else {})
