"""The programs that are measured, and how each is told to do the same work.

Configs are in `peers/NAME/`: everything there is copied into the directory of a run, with @LOG@, @PORT@ and @DIR@
filled in. A program is looked for under its name on PATH, or where its environment variable says; it is measured where
there is one, and named as missing where not.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.measure import Outcome, run_daemon, run_to_end
from bench.reference import Alias, wrong
from bench.workloads import Workload

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class System:
    """A program, and what it is given. In arguments @KIND@ is the workload's, beside what is filled in everywhere."""

    name: str
    program: str
    arguments: Sequence[str]
    version: Sequence[str] = ("--version",)
    # The environment variable that names the program.
    variable: str = ""
    # The directory under peers/; nothing for a run without a config.
    config: str = ""
    daemon: bool = False
    # What comes out is the built-in packs' metrics.
    by_packs: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)

    def found(self) -> str | None:
        """Where the program is."""
        return shutil.which(os.environ.get(self.variable) or self.program)

    def version_line(self) -> str:
        """What the program says of itself: its first line that has a digit."""
        program = self.found()
        assert program
        answer = subprocess.run(
            [program, *self.version], capture_output=True, text=True, env=os.environ | self.env, check=False
        )
        lines = (answer.stdout + answer.stderr).splitlines()
        return next((line.strip() for line in lines if any(map(str.isdigit, line))), "unknown")

    def run(self, workload: Workload, directory: Path) -> Outcome:
        """Let it read the whole log, in a new directory below *directory*, and compare what it counted."""
        program = self.found()
        assert program, self.name
        place = Path(tempfile.mkdtemp(dir=directory))
        port = _free_port()
        filled = {"@LOG@": str(workload.log), "@PORT@": str(port), "@DIR@": str(place), "@KIND@": workload.kind}
        if self.config:
            for path in (PEERS / self.config).iterdir():
                (place / path.name).write_text(_fill(path.read_text(), filled))
        command = [program, *(_fill(argument, filled) for argument in self.arguments)]
        expected = workload.by_packs if self.by_packs else workload.expected

        def check(exposition: str) -> str:
            return wrong(exposition, expected, self.aliases)

        try:
            if self.daemon:
                return run_daemon(command, place, workload.log, port, check, self.env)
            return run_to_end(command, place, check, self.env)
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _fill(text: str, filled: Mapping[str, str]) -> str:
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return text


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


# The tree that this file is in, wherever else logmetrics is installed.
PYTHON_ENV = {"PYTHONPATH": str(ROOT)}
WATCH = ("-m", "logmetrics", "watch", "--once", "@LOG@", "--state-dir", "@DIR@/state")
LOGMETRICS = System(
    "logmetrics",
    sys.executable,
    [*WATCH, "--config", "@DIR@/@KIND@.yaml"],
    version=["-m", "logmetrics", "--version"],
    config="logmetrics",
    env=PYTHON_ENV,
)
LOGMETRICS_PACKS = replace(LOGMETRICS, name="logmetrics, no config", arguments=WATCH, config="", by_packs=True)
MTAIL = System(
    "mtail",
    "mtail",
    [
        *("--one_shot", "--one_shot_format", "prometheus", "--progs", "@DIR@/@KIND@.mtail", "--logs", "@LOG@"),
        *("--log_dir", "@DIR@", "--address", "127.0.0.1", "--port", "@PORT@"),
    ],
    variable="MTAIL",
    config="mtail",
)
MTAIL_ONE = replace(MTAIL, name="mtail, GOMAXPROCS=1", env={"GOMAXPROCS": "1"})

# Counters of Fluent Bit add 1 only, so tokens are the sum of a histogram; those of Promtail and grok_exporter cannot
# have a label that is fixed for one of two values of a record.
TOKENS = {
    f"agent_token_usage_{kind}_sum": Alias("agent_token_usage_total", {"token_type": kind})
    for kind in ("prompt", "completion")
}
STARTED = {"agent_tasks_total": Alias("agent_tasks_total", {"status": "started"})}
# grok_exporter converts no units by what it finds, so each unit has a metric of its own.
UNITS = {
    f"ollama_request_duration_{unit}_{part}": Alias(f"ollama_request_duration_seconds_{part}")
    for unit in ("ms", "us", "min")
    for part in ("bucket", "sum", "count")
}
FLUENT_BIT = System(
    "Fluent Bit",
    "fluent-bit",
    ["-q", "-c", "@DIR@/@KIND@.yaml"],
    variable="FLUENT_BIT",
    config="fluent-bit",
    daemon=True,
    aliases=TOKENS | STARTED,
)
VECTOR = System(
    "Vector",
    "vector",
    ["--quiet", "--config", "@DIR@/@KIND@.yaml"],
    variable="VECTOR",
    config="vector",
    daemon=True,
)
PROMTAIL = System(
    "Promtail",
    "promtail",
    ["-config.file=@DIR@/@KIND@.yaml"],
    ["-version"],
    variable="PROMTAIL",
    config="promtail",
    daemon=True,
    aliases=TOKENS | STARTED,
)
GROK_EXPORTER = System(
    "grok_exporter",
    "grok_exporter",
    ["-config", "@DIR@/@KIND@.yml"],
    ["-version"],
    variable="GROK_EXPORTER",
    config="grok_exporter",
    daemon=True,
    aliases=TOKENS | UNITS | {"agent_tasks_ended_total": Alias("agent_tasks_total")},
)
OTHERS = [FLUENT_BIT, VECTOR, PROMTAIL, GROK_EXPORTER]
# Of mtail's two settings the better one is compared with.
PEERS_BY_NAME: dict[str, list[System]] = {"mtail": [MTAIL, MTAIL_ONE], **{peer.name: [peer] for peer in OTHERS}}


def versions() -> dict[str, str]:
    """Of every program that is here; `not found` of the others."""
    systems = [LOGMETRICS, MTAIL, *OTHERS]
    return {system.name: system.version_line() if system.found() else "not found" for system in systems}
