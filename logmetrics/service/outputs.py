"""What a daemon has beside its server: a target file for Prometheus, a textfile for node_exporter."""

from __future__ import annotations

from collections.abc import Callable

from logmetrics.engine import Engine
from logmetrics.errors import LogmetricsError
from logmetrics.serve.app import MetricsApp
from logmetrics.serve.targets import Targets
from logmetrics.service.output_file import OutputFile
from logmetrics.service.textfile import Textfile


class Outputs:
    """The files that the config names, from ``start`` to ``stop``, for the server that has *targets*."""

    def __init__(
        self, engine: Engine, app: MetricsApp, targets: Targets, *, early: bool, say: Callable[[str], None]
    ) -> None:
        spec = engine.config.outputs
        self._say = say
        self._targets = app.targets = targets
        self._target_file = None if spec.sd_file is None else OutputFile(spec.sd_file, "--sd-file")
        self._textfile = None
        if spec.textfile is not None:
            file = OutputFile(spec.textfile, "--textfile")
            self._textfile = Textfile(file, engine, app.rendering, instance=targets.instance, early=early, say=say)

    def start(self) -> None:
        """To be called when the server listens. Raises LogmetricsError when a file cannot be written."""
        if self._textfile is not None:
            self._textfile.start()
            self._say(f"metrics go into {self._textfile.path}, with logmetrics_instance={self._targets.instance!r}")
        if self._target_file is not None:
            self._target_file.write(self._targets.document())
            self._say(f"target {self._targets.target()} in {self._target_file.path}")

    def stop(self) -> None:
        """Remove the files that are ours. To be called while the server still listens: nobody else has its port yet."""
        for output in (self._target_file, self._textfile):
            if output is not None:
                self._remove(output)

    def _remove(self, output: OutputFile | Textfile) -> None:
        try:
            output.remove()
        except LogmetricsError as error:
            self._say(f"{error}; it stays behind")
