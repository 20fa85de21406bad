"""The totals of a history as the daemon would show them, had it just read all these logs."""

from __future__ import annotations

from logmetrics.replay.history import History
from logmetrics.replay.log_run import is_pair_row
from logmetrics.sources.account import tell
from logmetrics.sources.content import NeverStops
from logmetrics.sources.known import Known
from logmetrics.store.self_metrics import SelfMetrics
from logmetrics.store.shown import Rows
from logmetrics.store.store import FamilyView


def view_of(history: History) -> list[FamilyView]:
    """All families with their series by labels, self-metrics last. The samples of *history* must be made."""
    for source, rows in history.open_rows.items():
        assert all(is_pair_row(row[2]) for row in rows)
        history.programs[source].adopt(rows)
    history.open_rows.clear()
    for read in history.logs:
        reader = history.readers[read.log.source]
        reader.files += len(read.log.segments)
        reader.decisions["new"] += len(read.log.segments)
    metrics = SelfMetrics(runtime=False)
    known = Known(lambda _: None, NeverStops(), 0)
    store, now_s = history.store, 0.0  # no time passes: all that was ever active is shown
    store.begin_packs()
    tell(metrics, history.readers, known, (), store, now_s)
    store.commit(now_s, metrics.families)
    families = store.view(metrics.families).families
    return [(spec, Rows.of(sorted(rows, key=lambda row: row[0].labels))) for spec, rows in families]
