"""Writes docs/reference: the commands as they are, and the metrics that packs feed. The same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from command_line import commands

from logmetrics.config.specs import BUCKET_PRESETS, MetricSpec
from logmetrics.packs import builtin_packs

DOCS = Path(__file__).parent.parent / "docs"
COMMANDS_HEAD = """\
# Commands

<!-- Written by scripts/reference.py (make reference). -->

All commands with their options, as `logmetrics COMMAND --help` tells them. The same stands in `man logmetrics`.
`logmetrics --version` tells the version.

What a command was asked for goes to standard output, messages go to standard error. Exit codes: 0 done, 1 something
failed while running, 2 the command line or the config is wrong, 3 the state cannot be used or saved.
"""
METRICS_HEAD = """\
# Metrics of the packs

<!-- Written by scripts/reference.py (make reference). -->

The {number} metrics that the built-in packs feed. What a pack makes them from, and what its logs cannot tell, stands
in the page of the pack. A metric is shown from the first record of its pack on. What logmetrics tells about itself:
[metrics about itself](../metrics.md).
"""
# Pages that tell more of a command and are not called as it is.
PAGES = {"top": "status", "test": "testing", "dashboard": "dashboards", "packs": "rules", "schema": "configuration"}
TITLES = {
    "agent": "Agents",
    "ollama": "Ollama",
    "llama": "llama-server",
    "vllm": "vLLM",
    "tgi": "Text Generation Inference",
}


def code(text: str) -> str:
    """Text of a program. Where a bar would end the cell of a table, code hosts and the site agree on HTML alone."""
    return f"<code>{escape(text).replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def command_sections() -> Iterator[str]:
    """A section for each command."""
    for command in commands():
        yield f"\n## `logmetrics {command.name}`\n\n{command.about}\n\n```\n{command.usage}\n```\n"
        for head, told in (("argument", command.arguments), ("option", command.options)):
            if told:
                yield "\n" + table(
                    (head, "meaning"), [(code(written), meaning.replace("|", "&#124;")) for written, meaning in told]
                )
        page = PAGES.get(command.name, command.name)
        if (DOCS / f"{page}.md").exists():
            yield f"\nMore: [{page}](../{page}.md).\n"


def commands_page() -> str:
    """The commands."""
    return COMMANDS_HEAD + "".join(command_sections())


def fed_metrics() -> dict[str, tuple[MetricSpec, list[str]]]:
    """Every metric that packs feed, with their names."""
    fed: dict[str, tuple[MetricSpec, list[str]]] = {}
    for pack in builtin_packs().values():
        names = {each.metric for rule in pack.rule_set.rules for each in (*rule.updates, *rule.on_timeout)}
        for name in sorted(names):
            fed.setdefault(name, (pack.rule_set.metrics[name], []))[1].append(pack.name)
    return dict(sorted(fed.items()))


def bounds(metric: MetricSpec) -> str:
    """Its buckets: the preset's name, or the bounds."""
    preset = next((name for name, preset in BUCKET_PRESETS.items() if preset == metric.buckets), None)
    return f"`{preset}`" if preset else " ".join(f"{bound:.15g}" for bound in metric.buckets)


def pack_metrics_page() -> str:
    """The metrics of packs."""
    fed = fed_metrics()
    text = METRICS_HEAD.format(number=len(fed))
    groups: dict[str, list[str]] = {}
    for name in fed:
        groups.setdefault(name.split("_")[0], []).append(name)
    for group in (*TITLES, *sorted(groups.keys() - TITLES.keys())):
        rows = []
        for name in groups[group]:
            metric, packs = fed[name]
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            told = metric.help + (f" (buckets: {bounds(metric)})" if metric.buckets else "")
            links = ", ".join(f"[{pack}](../packs/{pack}.md)" for pack in packs)
            rows.append(
                (f"`{name}`", "gauge" if metric.type in ("active", "info") else metric.type, labels, told, links)
            )
        text += f"\n## {TITLES.get(group, group)}\n\n" + table(("metric", "type", "labels", "meaning", "packs"), rows)
    presets = [(f"`{name}`", " ".join(f"{bound:.15g}" for bound in preset)) for name, preset in BUCKET_PRESETS.items()]
    return text + "\n## Buckets\n\nUpper bounds; +Inf comes last in each.\n\n" + table(("name", "bounds"), presets)


FILES = {"reference/commands.md": commands_page, "reference/pack-metrics.md": pack_metrics_page}

if __name__ == "__main__":
    for name, make in FILES.items():
        (DOCS / name).write_text(make())
