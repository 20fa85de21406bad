"""Unit tests of a rule file for `promtool test rules`: each alert fires for what provokes it and for nothing else.

They hold for the thresholds in force, as the rules do. What fires is asked by Prometheus' own series ALERTS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logmetrics.authoring.observation.agent_trials import agent_trials
from logmetrics.authoring.observation.in_use import InUse
from logmetrics.authoring.observation.own_trials import own_trials
from logmetrics.authoring.observation.rule_file import Alert, Group, alerts_of, labels_of, to_yaml
from logmetrics.authoring.observation.server_trials import server_trials
from logmetrics.authoring.observation.trial import EVALUATED_MIN, Series, Trial, interval_min, selector
from logmetrics.config.specs import AlertsSpec


def rule_tests(groups: Sequence[Group], settings: AlertsSpec, in_use: InUse, rule_file: str, comment: str) -> str:
    """The tests of the alerts in *groups*, which stand in *rule_file* beside them."""
    trials = {
        **dict(agent_trials(settings, in_use)),
        **dict(server_trials(settings, in_use)),
        **dict(own_trials(settings)),
    }
    document = {
        "rule_files": [rule_file],
        "evaluation_interval": f"{EVALUATED_MIN}m",
        "tests": [test for alert in alerts_of(groups) for test in _tests(alert, trials[alert.name], settings)],
    }
    return to_yaml(document, comment)


def _tests(alert: Alert, trial: Trial, settings: AlertsSpec) -> list[dict[str, Any]]:
    labels = {**trial.found, **labels_of(alert, settings)}
    firing = selector("ALERTS", {"alertname": alert.name, "alertstate": "firing"}, **labels)
    expected = [{"labels": firing, "value": 1}]
    if not trial.apart:
        return [_test(alert.name, alert, trial, (*trial.provoking, *trial.harmless), expected)]
    return [
        _test(f"{alert.name} fires", alert, trial, trial.provoking, expected),
        _test(f"{alert.name} is silent", alert, trial, trial.harmless, []),
    ]


def _test(name: str, alert: Alert, trial: Trial, series: Series, expected: list[dict[str, Any]]) -> dict[str, Any]:
    alerts = {
        "expr": f'ALERTS{{alertname="{alert.name}"}}',
        "eval_time": f"{trial.minutes}m",
        "exp_samples": expected,
    }
    return {
        "name": name,
        "interval": f"{interval_min(trial.minutes)}m",
        "input_series": [{"series": each, "values": values} for each, values in series],
        "promql_expr_test": [alerts],
    }
