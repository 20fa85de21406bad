"""A small world for tests: a directory of logs, an engine over it, and a clock that only moves when told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from logmetrics.config.loading import parse_config
from logmetrics.config.specs import Config, SourceSpec
from logmetrics.engine import Engine
from logmetrics.packs import builtin_packs
from logmetrics.serve.exposition import render

LINES_CONFIG = """
packs: []
metrics:
  lines_total: {type: counter, help: Lines by text, labels: [text]}
rules:
  - name: line
    labels: {text: n}
    update: {lines_total: 1}
"""


def config_for(directory: Path, text: str = LINES_CONFIG, **source: object) -> Config:
    """The config in *text*, with one source: *directory*."""
    config = parse_config(text, "config.yaml", builtin_packs())
    spec = SourceSpec("test", (str(directory),), **{"format": "json", **source})  # type: ignore[arg-type]
    return Config(**{**_fields(config), "sources": (spec,)})  # type: ignore[arg-type]


def _fields(config: Config) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__slots__}


class World:
    """Runs the engine pass by pass; ``now_s`` is both clocks."""

    def __init__(self, directory: Path, text: str = LINES_CONFIG, **source: object) -> None:
        self.directory = directory
        self.now_s = 1_000.0
        self.messages: list[str] = []
        self.engine = Engine(
            config_for(directory, text, **source),
            clock=lambda: self.now_s,
            monotonic=lambda: self.now_s,
            say=self.messages.append,
        )

    def write(self, name: str, *numbers: int | str, end: str = "\n", mode: str = "a") -> Path:
        """Append a record for each number; *end* ends the last one."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(f'{{"n": "{number}"}}' for number in numbers) + end
        with path.open(mode) as file:
            file.write(text)
        return path

    def poll(self, seconds: float = 2.0) -> None:
        """Let time pass, then look at the files until there is nothing more to read, and commit."""
        self.now_s += seconds
        while self.engine._pass(scrape_waits=False):
            pass
        self.engine.commit()

    def counted(self) -> dict[str, int]:
        """Lines by their number, as a scrape would show them."""
        return {labels[0]: int(value) for labels, value in self.values("lines_total").items()}

    def values(self, metric: str) -> Mapping[tuple[str, ...], object]:
        """Committed values of one metric, self-metrics included."""
        for spec, rows in self.engine.view()[1]:
            if spec.name == metric:
                return {series.labels: frozen for series, frozen in rows}
        raise KeyError(metric)

    def exposition(self) -> str:
        return render(self.engine.view()[1])

    def close(self) -> None:
        self.engine.close()
        self.engine.waker.close()
