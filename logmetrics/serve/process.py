"""What the kernel tells of this process, in both formats: the `process_*` metrics that every Prometheus client has."""

from __future__ import annotations

from prometheus_client import ProcessCollector


class ProcessMetrics:
    """Values come from prometheus_client. Its writer takes three times as long, so the text is made here."""

    def __init__(self) -> None:
        self._collector = ProcessCollector(registry=None)

    def render(self, *, openmetrics: bool) -> str:
        """The lines, without an end mark."""
        out = []
        for family in self._collector.collect():
            [sample] = family.samples
            name = family.name if openmetrics or family.type != "counter" else sample.name
            out.append(f"# HELP {name} {family.documentation}\n# TYPE {name} {family.type}\n")
            out.append(f"{sample.name} {sample.value!r}\n")
        return "".join(out)
