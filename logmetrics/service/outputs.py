"""What a daemon has beside its server: a target file for Prometheus, a textfile for node_exporter."""

from __future__ import annotations

from collections.abc import Callable

from logmetrics.engine import Engine
from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.serve.app import MetricsApp
from logmetrics.service.output_file import OutputFile
from logmetrics.service.textfile import Textfile


class Outputs:
    """The files that the config of *engine* names, from ``start`` to ``stop``."""

    def __init__(self, engine: Engine, app: MetricsApp, *, early: bool, say: Callable[[str], None]) -> None:
        config = engine.config
        self._app, self._say = app, say
        self._target_file = None if config.sd_file is None else OutputFile(config.sd_file, "--sd-file")
        self._textfile = None
        if config.textfile is not None:
            file = OutputFile(config.textfile, "--textfile")
            self._textfile = Textfile(file, engine, app.rendering, instance=app.targets.instance, early=early, say=say)

    def start(self) -> None:
        """To be called when the server listens. Raises LogmetricsError when a file cannot be written, and
        UsageError when there is no target: sockets that systemd hands over are only known then.
        """
        targets = self._app.targets
        if self._target_file is not None and targets.target() is None:
            raise UsageError(
                f"--sd-file has nothing to tell: Prometheus cannot reach {', '.join(targets.bound) or 'no address'}; "
                "--advertise HOST:PORT tells what stands before it"
            )
        if self._textfile is not None:
            self._textfile.start()
            self._say(f"metrics go into {self._textfile.path}, with logmetrics_instance={targets.instance!r}")
        if self._target_file is not None:
            self._target_file.write(targets.document())
            self._say(f"target {targets.target()} in {self._target_file.path}")

    def refresh(self) -> None:
        """Write the target file anew: somebody may have removed it, and TLS may have come or gone."""
        if self._target_file is not None:
            try:
                self._target_file.write(self._app.targets.document())
            except LogmetricsError as error:
                self._say(str(error))

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
