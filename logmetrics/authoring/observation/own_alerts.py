"""What an operator of logmetrics wants to be told about it: `logmetrics alerts --self` writes these alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

from logmetrics.authoring.observation.rule_file import Alert
from logmetrics.config.specs import AlertsSpec

# Scraped or read from a textfile, several on a host or one.
_WHERE = "{{ $labels.instance }}{{ with $labels.logmetrics_instance }} ({{ . }}){{ end }}"
_BY = "job, instance, logmetrics_instance"


def _share(part: str, more_than: float, window: str) -> str:
    """That more than this share of the lines of a source are *part*."""
    lines = f"sum by ({_BY}, source) (rate(logmetrics_source_lines_total[{window}]))"
    of_these = f"sum by ({_BY}, source) (rate(logmetrics_source_{part}_lines_total[{window}]))"
    return f"{of_these} / ({lines} > 0) > {more_than}"


def own_alerts(settings: AlertsSpec) -> Iterator[Alert]:
    """All of them."""
    yield from _running(settings)
    yield from _reading(settings)
    yield from _lines(settings)


def _running(settings: AlertsSpec) -> Iterator[Alert]:
    """Whether it is there, moves, and saves."""
    job = json.dumps(settings.job, ensure_ascii=False)
    yield Alert(
        "LogmetricsDown",
        f"up{{job={job}}} == 0",
        "5m",
        "critical",
        f"logmetrics does not answer on {_WHERE}",
        "It is down, or still reads what was there when it started; /readyz tells. No line is lost as long as the logs "
        "are there: it goes on where it was.",
    )
    yield Alert(
        "LogmetricsAbsent",
        f"absent(up{{job={job}}})",
        "10m",
        "critical",
        f"Prometheus has no target of the job {settings.job}",
        "Either nothing is configured, or every target file is gone, as --sd-file removes it when logmetrics is "
        "stopped.",
    )
    yield Alert(
        "LogmetricsTextfileOld",
        'time() - node_textfile_mtime_seconds{file=~"(.*/)?logmetrics[^/]*"} > 300',
        "5m",
        "critical",
        "{{ $labels.file }} on {{ $labels.instance }} is not written any more",
        "What it shows is {{ $value | humanizeDuration }} old: logmetrics was killed, or cannot write there; its log "
        "tells.",
    )
    yield Alert(
        "LogmetricsStuck",
        "time() - logmetrics_last_commit_timestamp_seconds > 300",
        "5m",
        "critical",
        f"logmetrics on {_WHERE} has committed nothing for {{{{ $value | humanizeDuration }}}}",
        "Each scrape asks for a commit, so it is busy with something that does not end, or commits fail.",
    )
    yield Alert(
        "LogmetricsCommitsFail",
        "logmetrics_commit_ok == 0",
        "2m",
        "critical",
        f"logmetrics on {_WHERE} cannot save what it counts",
        "Its state cannot be written: mostly the disk is full. /healthz and the log tell why. What scrapes see stands "
        "still until then, and nothing is lost.",
    )


def _reading(settings: AlertsSpec) -> Iterator[Alert]:
    """Whether it gets at the logs."""
    yield Alert(
        "LogmetricsNoInput",
        f"time() - logmetrics_source_last_record_timestamp_seconds > {settings.silent_after_s:.15g}",
        "5m",
        "info",
        f"No line of {{{{ $labels.source }}}} for {{{{ $value | humanizeDuration }}}} on {_WHERE}",
        "Nobody writes, or somebody writes elsewhere; `logmetrics doctor` looks at the paths.",
    )
    yield Alert(
        "LogmetricsUnreadable",
        "logmetrics_source_unreadable_files > 0",
        "15m",
        "warning",
        f"{{{{ $value }}}} paths of {{{{ $labels.source }}}} cannot be read on {_WHERE}",
        "They are missing, or the user that logmetrics runs as has no permission; a journal also counts while "
        "journalctl ends by itself. The log of logmetrics names them.",
    )
    yield Alert(
        "LogmetricsLag",
        f"logmetrics_source_lag_bytes > {settings.lag_bytes}",
        "10m",
        "warning",
        f"{{{{ $value | humanize1024 }}}}B of {{{{ $labels.source }}}} wait to be read on {_WHERE}",
        "More is written than is read, or it still catches up. A log that is deleted before it is read is lost.",
    )
    yield Alert(
        "LogmetricsLoss",
        f"sum by ({_BY}, reason) (increase(logmetrics_lost_bytes_total[1h])) > 0",
        "0m",
        "warning",
        f"{{{{ $value | humanize1024 }}}}B of logs were lost on {_WHERE}: {{{{ $labels.reason }}}}",
        "Logs were truncated or deleted before they were read; docs/guarantees.md tells what each reason means.",
    )
    yield Alert(
        "LogmetricsJournalGap",
        f"sum by ({_BY}, source) (increase(logmetrics_journal_gap_seconds_total[1h])) > 0",
        "0m",
        "warning",
        f"{{{{ $value | humanizeDuration }}}} of the journal of {{{{ $labels.source }}}} were lost on {_WHERE}",
        "journald removed entries before they were read, mostly while logmetrics was down; SystemMaxUse= in "
        "journald.conf keeps more.",
    )


def _lines(settings: AlertsSpec) -> Iterator[Alert]:
    """Whether it understands the lines, and has room for what they tell."""
    yield Alert(
        "LogmetricsUnparsable",
        _share("unparsable", settings.unparsable_ratio, "15m"),
        "15m",
        "warning",
        f"{{{{ $value | humanizePercentage }}}} of the lines of {{{{ $labels.source }}}} cannot be parsed on {_WHERE}",
        "Their format changed, or `format` of the source is wrong; the page at / shows some.",
    )
    yield Alert(
        "LogmetricsUnmatched",
        _share("unmatched", settings.unmatched_ratio, "1h"),
        "1h",
        "info",
        f"No rule matches {{{{ $value | humanizePercentage }}}} of the lines of {{{{ $labels.source }}}} on {_WHERE}",
        "A new version of an agent may write other lines; rules of your own can count them.",
    )
    yield Alert(
        "LogmetricsSeriesNearLimit",
        f"logmetrics_series / logmetrics_series_limit > {settings.series_ratio}",
        "15m",
        "warning",
        f"{{{{ $labels.metric }}}} has {{{{ $value | humanizePercentage }}}} of its series on {_WHERE}",
        "At the limit, new label values go to the series __overflow__; `logmetrics cardinality` tells which they are.",
    )
    yield Alert(
        "LogmetricsOverflow",
        f"sum by ({_BY}, metric, label) (increase(logmetrics_overflow_measurements_total[15m])) > 0",
        "0m",
        "warning",
        f"Values of {{{{ $labels.label }}}} of {{{{ $labels.metric }}}} overflow on {_WHERE}",
        "Totals stay right, the label reads __overflow__; `logmetrics cardinality` tells what the config needs.",
    )
    yield Alert(
        "LogmetricsReloadFailed",
        "logmetrics_config_last_reload_successful == 0",
        "5m",
        "warning",
        f"logmetrics on {_WHERE} goes on with an older config",
        "The file has mistakes; the log and `logmetrics check --config FILE` tell which.",
    )
