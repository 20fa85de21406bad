"""Where the metrics of `logmetrics watch` go beside its server: what its options amount to."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from logmetrics.cli.messages import say
from logmetrics.cli.options import STDIN
from logmetrics.config.outputs import check_advertise, check_instance, check_sd_file, check_textfile
from logmetrics.errors import UsageError

if TYPE_CHECKING:
    from logmetrics.config.specs import Config, MetricSpec
    from logmetrics.service.pushgateway import Pushgateway
    from logmetrics.store.self_metrics import SelfMetric
    from logmetrics.store.store import FamilyView

PUSH_JOB = "logmetrics"
# Of the unit in which a process is; its instance is escaped as systemd-escape does.
_UNIT_INSTANCE = re.compile(r"/logmetrics[^/@]*@([^/]+)\.service$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What the command line says about outputs. Raises UsageError for what does not go together."""

    once: bool
    listen: Sequence[str]
    no_listen: bool
    instance: str | None
    advertise: str | None
    sd_file: str | None
    textfile: str | None
    push: str | None
    push_job: str
    push_labels: Sequence[str]

    def __post_init__(self) -> None:
        _check("--instance", check_instance, self.instance)
        _check("--advertise", check_advertise, self.advertise)
        _check("--sd-file", check_sd_file, self.sd_file)
        _check("--textfile", check_textfile, self.textfile)
        if self.push is not None and not self.once:
            raise UsageError(
                "--push goes with --once only: what a daemon pushes stays at the Pushgateway when the daemon is gone, "
                "and looks alive; let Prometheus scrape it (--listen, --sd-file), or use --textfile"
            )
        if self.no_listen and self.listen:
            raise UsageError("--no-listen and --listen do not go together")
        not_once = (("--sd-file", self.sd_file), ("--no-listen", self.no_listen), ("--listen", self.listen))
        if self.once and (option := next((option for option, given in not_once if given), None)):
            raise UsageError(f"{option} does not go with --once, which serves nothing")
        if self.push is None and (self.push_labels or self.push_job != PUSH_JOB):
            raise UsageError("--push-job and --push-label say as what --push URL pushes; there is no --push")

    def applied_to(self, config: Config, paths: list[str] | None, config_file: str | None) -> Config:
        """*config* with these in place of its own, and with a name for the run."""
        from logmetrics.serve.targets import Targets

        config = replace(
            config,
            listen=() if self.no_listen else config.listen,
            instance=self.instance or config.instance or default_instance(config, paths, config_file),
            advertise=self.advertise or config.advertise,
            sd_file=self.sd_file or config.sd_file,
            textfile=self.textfile or config.textfile,
        )
        if not (self.once or config.listen or config.textfile):
            raise UsageError(
                "nobody would see the metrics: without an address to listen on it needs --textfile FILE.prom"
            )
        if not self.once and config.sd_file and Targets(config.listen, "", config.advertise).target() is None:
            raise UsageError(
                "--sd-file has nothing to tell without an address that Prometheus can reach: --listen host:port, "
                "or --advertise HOST:PORT of what stands before a Unix socket"
            )
        return config

    def pushgateway(self, instance: str, metrics: Mapping[str, MetricSpec]) -> Pushgateway | None:
        """Where *metrics* of a run called *instance* are pushed to, and those of logmetrics itself."""
        from logmetrics.service.pushgateway import LABEL_NAME, Pushgateway
        from logmetrics.store.self_metrics import SELF_METRICS

        if self.push is None:
            return None
        labels = {"job": self.push_job, "instance": f"{socket.gethostname()}:{instance}"}
        given: set[str] = set()
        for text in self.push_labels:
            name, equals, value = text.partition("=")
            if not equals or not LABEL_NAME.fullmatch(name) or name == "job" or name in given:
                what = (
                    "--push-job gives the job"
                    if name == "job"
                    else "expected KEY=VALUE, each KEY a label's name and once"
                )
                raise UsageError(f"--push-label {text!r}: {what}")
            given.add(name)
            labels[name] = value
        known: list[MetricSpec | SelfMetric] = [*metrics.values(), *SELF_METRICS]
        for metric in known:
            for name in labels.keys() & set(metric.labels):
                option = "--push-label" if name in given else "--push"
                raise UsageError(
                    f"{option}: {name} is a label of {metric.name}, which a Pushgateway would overwrite; rename one"
                )
        if not self.push_job:
            raise UsageError("--push-job is empty; a Pushgateway refuses what has no job")
        return Pushgateway(self.push, labels, say=say)


def show_once(families: list[FamilyView], textfile: str | None, gateway: Pushgateway | None, instance: str) -> None:
    """Hand the metrics of a run that is over to where they are wanted; to stdout when that is nowhere else.

    Raises LogmetricsError when one of the places cannot be reached.
    """
    from logmetrics.serve.exposition import render
    from logmetrics.service.output_file import OutputFile
    from logmetrics.service.textfile import labelled_pieces

    if textfile is not None:
        OutputFile(textfile, "--textfile").write("".join(labelled_pieces(families, instance)).encode())
    if gateway is not None:
        gateway.push(render(families))
    if textfile is None and gateway is None:
        sys.stdout.write(render(families))


def _check(option: str, check: Callable[[str], str], value: str | None) -> None:
    try:
        if value is not None:
            check(value)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def default_instance(config: Config, paths: list[str] | None, config_file: str | None) -> str:
    """The instance of the systemd unit, else the name of the first path, the config file, or the first source."""
    with suppress(OSError):
        if found := _UNIT_INSTANCE.search(Path("/proc/self/cgroup").read_text()):
            return re.sub(r"\\x([0-9a-f]{2})", lambda byte: chr(int(byte[1], 16)), found[1])
    name = ""
    if paths and paths[0] != STDIN:
        name = os.path.basename(os.path.abspath(os.path.expanduser(paths[0]))) or "root"
    elif config_file and not paths:
        name = os.path.splitext(os.path.basename(config_file))[0]
    name = name or config.sources[0].name
    return "".join(char if char.isprintable() else "-" for char in name)
