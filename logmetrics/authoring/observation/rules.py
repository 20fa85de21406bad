"""The rule files that `logmetrics alerts` writes: recording rules and alerts for what is in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from logmetrics.authoring.observation.agent_rules import agent_alerts, agent_recordings
from logmetrics.authoring.observation.in_use import InUse, names_in
from logmetrics.authoring.observation.own_alerts import own_alerts
from logmetrics.authoring.observation.rule_file import Alert, Group, Recording, Rule
from logmetrics.authoring.observation.server_rules import server_alerts, server_recordings
from logmetrics.config.alerts import QUANTILES, is_measurable
from logmetrics.config.specs import AlertsSpec

_COMMENTS = {
    "rules": """\
Recording rules and alerts for rule_files: of Prometheus. docs/alerts.md tells of each alert what it means
and what to do; thresholds stand under alerts: in the config.

Written by logmetrics alerts.""",
    "self": """\
Alerts about logmetrics itself, for rule_files: of Prometheus; docs/alerts.md tells what to do about each.

LogmetricsDown and LogmetricsAbsent go by the job's name, logmetrics; the others hold whatever it is called, also for
metrics that come through node_exporter's textfile collector (LogmetricsTextfileOld is for those). Thresholds are what
suits most; LogmetricsNoInput wants to know how long your agents may be silent. agents-alerts.yaml has all of them, too.

Written by logmetrics alerts --self.""",
    "tests": """\
Each alert fires for what provokes it, and not for what nearly does: promtool test rules FILE

Written by logmetrics alerts --tests.""",
}


def comment_of(what: Literal["rules", "self", "tests"]) -> str:
    """What stands at the beginning of the file."""
    return _COMMENTS[what]


def rule_groups(settings: AlertsSpec, in_use: InUse) -> list[Group]:
    """Of what is in use; a rule that needs anything else is left out, as are those that the config disables."""
    agents: list[Rule] = [*agent_recordings(), *agent_alerts(settings, in_use)]
    servers: list[Rule] = [*server_recordings(), *server_alerts(settings)]
    groups = [
        Group("logmetrics: agents", _kept(agents, settings, in_use)),
        Group("logmetrics: model servers", _kept(servers, settings, in_use)),
        *own_groups(settings),
    ]
    return [group for group in groups if group.rules]


def own_groups(settings: AlertsSpec) -> list[Group]:
    """About logmetrics itself only."""
    return [Group("logmetrics", [alert for alert in own_alerts(settings) if alert.name not in settings.disable])]


def beyond_buckets(settings: AlertsSpec, in_use: InUse) -> Iterator[tuple[str, str]]:
    """Thresholds that the buckets of a histogram in use cannot tell: the key, and the histogram."""
    for key, metrics in QUANTILES.items():
        threshold_s = getattr(settings, f"{key}_s")
        yield from (
            (key, name)
            for name in metrics
            if name in in_use.known and not is_measurable(threshold_s, in_use.known[name])
        )


def _kept(rules: Iterable[Rule], settings: AlertsSpec, in_use: InUse) -> Sequence[Rule]:
    """Those whose metrics are in use, and of the recordings those that an alert goes by."""
    untold = {metric for _, metric in beyond_buckets(settings, in_use)}
    usable: list[Rule] = []
    recorded: set[str] = set()
    for rule in rules:
        asked = set(names_in(rule.expr))
        if in_use.has_all_of(rule.expr) and not asked & untold and {n for n in asked if ":" in n} <= recorded:
            recorded |= {rule.name} if isinstance(rule, Recording) else set()
            usable.append(rule)
    alerts = [rule for rule in usable if isinstance(rule, Alert) and rule.name not in settings.disable]
    wanted = {name for rule in alerts for name in names_in(rule.expr)}
    # The last first: a recording can go by one before it.
    for rule in reversed(usable):
        if isinstance(rule, Recording) and rule.name in wanted:
            wanted |= set(names_in(rule.expr))
    return [rule for rule in usable if rule in alerts or rule.name in wanted]
