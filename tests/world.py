"""A small world for tests: a directory of logs, an engine over it, and a clock that only moves when told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from logmetrics.config.loading import parse_config
from logmetrics.config.specs import Config, SourceSpec
from logmetrics.engine import Engine
from logmetrics.packs import builtin_packs
from logmetrics.serve.exposition import render
from logmetrics.store.state import StateFile

# Nothing falls idle: these worlds let years pass to see what becomes of files.
LINES_CONFIG = """
packs: []
limits: {idle: never}
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
    """Runs the engine pass by pass; ``now_s`` is both clocks. With *state_dir* it can be restarted and killed."""

    def __init__(
        self, directory: Path, text: str = LINES_CONFIG, state_dir: Path | None = None, **source: object
    ) -> None:
        self.directory = directory
        self.text = text
        self.state_dir = state_dir
        self.source = source
        self.now_s = 1_000.0
        self.messages: list[str] = []
        self.state: StateFile | None = None
        self.engine = self._start()

    def _start(self) -> Engine:
        self.state = None if self.state_dir is None else self._state()
        try:
            return Engine(
                config_for(self.directory, self.text, **self.source),
                state=self.state,
                clock=self.clock,
                monotonic=lambda: self.now_s,
                say=self.messages.append,
            )
        except BaseException:
            if self.state is not None:
                self.state.close()
            raise

    def _state(self) -> StateFile:
        return StateFile(str(self.state_dir))

    def clock(self) -> float:
        """Wall time."""
        return self.now_s

    def grow_and_kill(self, name: str, data: bytes, size: int) -> None:
        """Have the log *name* grow by *size* bytes at a time, with a kill after each."""
        for start in range(0, len(data), size):
            with (self.directory / name).open("ab") as file:
                file.write(data[start : start + size])
            self.poll()
            self.kill()
        self.poll()

    def kill(self) -> None:
        """What has not been committed is gone; the state directory stays as it is."""
        self.close()
        self.engine = self._start()

    def restart(self, text: str | None = None) -> None:
        """Stop in order, then start again, with the config *text* if given."""
        self.engine.commit()
        self.text = text or self.text
        self.kill()

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
        self.engine.read()
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

    def lost(self) -> dict[str, int]:
        """The loss ledger: bytes by reason, those that are not zero."""
        lost = self.values("logmetrics_lost_bytes_total").items()
        return {labels[0]: int(str(value)) for labels, value in lost if value}

    def decisions(self) -> dict[str, int]:
        """How often each reason was met."""
        return {
            labels[1]: int(str(value)) for labels, value in self.values("logmetrics_source_decisions_total").items()
        }

    def close(self) -> None:
        self.engine.close()
        self.engine.waker.close()
        if self.state is not None:
            self.state.close()
