"""What an operator of logmetrics wants to be told about it: the rules of examples/prometheus/logmetrics-alerts.yaml."""

from __future__ import annotations

from logmetrics.authoring.alerts import Alert, rule_file

# Scraped or read from a textfile, several on a host or one.
_WHERE = "{{ $labels.instance }}{{ with $labels.logmetrics_instance }} ({{ . }}){{ end }}"
_BY = "job, instance, logmetrics_instance"
_COMMENT = """\
Alerts about logmetrics itself, for rule_files: of Prometheus; the unit tests beside it show when each fires.

LogmetricsDown and LogmetricsAbsent go by the job's name, logmetrics; the others hold whatever it is called, also for
metrics that come through node_exporter's textfile collector (LogmetricsTextfileOld is for those). Thresholds are what
suits most; LogmetricsNoInput wants to know how long your agents may be silent.

Written by scripts/self_observation.py."""


def _share(part: str, more_than: float, window: str) -> str:
    """That more than this share of the lines of a source are *part*."""
    lines = f"sum by ({_BY}, source) (rate(logmetrics_source_lines_total[{window}]))"
    of_these = f"sum by ({_BY}, source) (rate(logmetrics_source_{part}_lines_total[{window}]))"
    return f"{of_these}\n  / ({lines} > 0)\n  > {more_than}"


OWN_ALERTS = (
    Alert(
        "LogmetricsDown",
        'up{job="logmetrics"} == 0',
        "5m",
        "critical",
        f"logmetrics does not answer on {_WHERE}",
        "It is down, or still reads what was there when it started; /readyz tells. No line is lost as long as the logs "
        "are there: it goes on where it was.",
    ),
    Alert(
        "LogmetricsAbsent",
        'absent(up{job="logmetrics"})',
        "10m",
        "critical",
        "Prometheus has no target of the job logmetrics",
        "Either nothing is configured, or every target file is gone, as --sd-file removes it when logmetrics is "
        "stopped.",
    ),
    Alert(
        "LogmetricsTextfileOld",
        'time() - node_textfile_mtime_seconds{file=~"(.*/)?logmetrics[^/]*"} > 300',
        "5m",
        "critical",
        "{{ $labels.file }} on {{ $labels.instance }} is not written any more",
        "What it shows is {{ $value | humanizeDuration }} old: logmetrics was killed, or cannot write there; its log "
        "tells.",
    ),
    Alert(
        "LogmetricsStuck",
        "time() - logmetrics_last_commit_timestamp_seconds > 300",
        "5m",
        "critical",
        f"logmetrics on {_WHERE} has committed nothing for {{{{ $value | humanizeDuration }}}}",
        "Each scrape asks for a commit, so it is busy with something that does not end, or commits fail.",
    ),
    Alert(
        "LogmetricsCommitsFail",
        "logmetrics_commit_ok == 0",
        "2m",
        "critical",
        f"logmetrics on {_WHERE} cannot save what it counts",
        "Its state cannot be written: mostly the disk is full. /healthz and the log tell why. What scrapes see stands "
        "still until then, and nothing is lost.",
    ),
    Alert(
        "LogmetricsNoInput",
        "time() - logmetrics_source_last_record_timestamp_seconds > 3600",
        "5m",
        "info",
        f"No line of {{{{ $labels.source }}}} for {{{{ $value | humanizeDuration }}}} on {_WHERE}",
        "Nobody writes, or somebody writes elsewhere; `logmetrics doctor` looks at the paths.",
    ),
    Alert(
        "LogmetricsUnreadable",
        "logmetrics_source_unreadable_files > 0",
        "15m",
        "warning",
        f"{{{{ $value }}}} paths of {{{{ $labels.source }}}} cannot be read on {_WHERE}",
        "They are missing, or the user that logmetrics runs as has no permission; a journal also counts while "
        "journalctl ends by itself. The log of logmetrics names them.",
    ),
    Alert(
        "LogmetricsLag",
        "logmetrics_source_lag_bytes > 16 * 1024 * 1024",
        "10m",
        "warning",
        f"{{{{ $value | humanize1024 }}}}B of {{{{ $labels.source }}}} wait to be read on {_WHERE}",
        "More is written than is read, or it still catches up. A log that is deleted before it is read is lost.",
    ),
    Alert(
        "LogmetricsLoss",
        f"sum by ({_BY}, reason) (increase(logmetrics_lost_bytes_total[1h])) > 0",
        "0m",
        "warning",
        f"{{{{ $value | humanize1024 }}}}B of logs were lost on {_WHERE}: {{{{ $labels.reason }}}}",
        "Logs were truncated or deleted before they were read; docs/guarantees.md tells what each reason means.",
    ),
    Alert(
        "LogmetricsJournalGap",
        f"sum by ({_BY}, source) (increase(logmetrics_journal_gap_seconds_total[1h])) > 0",
        "0m",
        "warning",
        f"{{{{ $value | humanizeDuration }}}} of the journal of {{{{ $labels.source }}}} were lost on {_WHERE}",
        "journald removed entries before they were read, mostly while logmetrics was down; SystemMaxUse= in "
        "journald.conf keeps more.",
    ),
    Alert(
        "LogmetricsUnparsable",
        _share("unparsable", 0.05, "15m"),
        "15m",
        "warning",
        f"{{{{ $value | humanizePercentage }}}} of the lines of {{{{ $labels.source }}}} cannot be parsed on {_WHERE}",
        "Their format changed, or `format` of the source is wrong; the page at / shows some.",
    ),
    Alert(
        "LogmetricsUnmatched",
        _share("unmatched", 0.5, "1h"),
        "1h",
        "info",
        f"No rule matches {{{{ $value | humanizePercentage }}}} of the lines of {{{{ $labels.source }}}} on {_WHERE}",
        "A new version of an agent may write other lines; rules of your own can count them.",
    ),
    Alert(
        "LogmetricsSeriesNearLimit",
        "logmetrics_series / logmetrics_series_limit > 0.8",
        "15m",
        "warning",
        f"{{{{ $labels.metric }}}} has {{{{ $value | humanizePercentage }}}} of its series on {_WHERE}",
        "At the limit, new label values go to the series __overflow__; `logmetrics cardinality` tells which they are.",
    ),
    Alert(
        "LogmetricsOverflow",
        f"sum by ({_BY}, metric, label) (increase(logmetrics_overflow_measurements_total[15m])) > 0",
        "0m",
        "warning",
        f"Values of {{{{ $labels.label }}}} of {{{{ $labels.metric }}}} overflow on {_WHERE}",
        "Totals stay right, the label reads __overflow__; `logmetrics cardinality` tells what the config needs.",
    ),
    Alert(
        "LogmetricsReloadFailed",
        "logmetrics_config_last_reload_successful == 0",
        "5m",
        "warning",
        f"logmetrics on {_WHERE} goes on with an older config",
        "The file has mistakes; the log and `logmetrics check --config FILE` tell which.",
    ),
)


def own_alerts() -> str:
    """The text of the rule file."""
    return rule_file("logmetrics", OWN_ALERTS, _COMMENT)
