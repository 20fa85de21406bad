"""What is served is what Prometheus' own parsers read back, whatever the labels hold."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.serve.exposition import render
from logmetrics.store.store import FamilyView, Store

METRICS = {
    "c_total": MetricSpec("c_total", "counter", 'Help with "quotes" and \\ and\na newline', ("a", "b")),
    "g": MetricSpec("g", "gauge", "h", ("a", "b")),
    "h_seconds": MetricSpec("h_seconds", "histogram", "h", ("a", "b"), (0.1, 1.0, 300.0)),
}
label_values = st.text(st.characters(codec=None), max_size=20)
finite = st.floats(0, 1e280)


def families(counts: dict[tuple[str, str], float]) -> list[FamilyView]:
    store = Store(METRICS, LimitsSpec(10**6, 10**6, 10**6, 10**6))
    for metric in METRICS:
        site = store.site(metric, {}, count_only=False)
        for labels, value in counts.items():
            site[labels](value)
    store.commit(0)
    return store.view()[1]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.tuples(label_values, label_values), finite, max_size=5))
def test_both_formats_are_read_back(counts: dict[tuple[str, str], float]) -> None:
    """Any Unicode in labels, lone surrogates and control characters included, gives pages that parse to the values."""
    view = families(counts)
    for text, parse in ((render(view), parse_text), (render(view, openmetrics=True), parse_openmetrics)):
        text.encode("utf-8")
        samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in parse(text)
            for sample in family.samples
        }
        for spec, rows in view:
            for series, frozen in rows:
                labels = sorted(zip(spec.labels, series.labels, strict=True))
                if isinstance(frozen, tuple):
                    assert samples[("h_seconds_count", *labels)] == frozen[2]
                    assert samples[("h_seconds_sum", *labels)] == frozen[1]
                    assert samples[("h_seconds_bucket", *sorted([*labels, ("le", "+Inf")]))] == frozen[2]
                else:
                    assert math.isclose(samples[(spec.name, *labels)], frozen, rel_tol=1e-15)


def test_whole_page() -> None:
    """The text of both formats, letter by letter."""
    view = families({("x", 'q"\\'): 0.5})
    label = '{a="x",b="q\\"\\\\"}'

    assert render(view) == (
        '# HELP c_total Help with "quotes" and \\\\ and\\na newline\n'
        "# TYPE c_total counter\n"
        f"c_total{label} 0.5\n"
        "# HELP g h\n"
        "# TYPE g gauge\n"
        f"g{label} 0.5\n"
        "# HELP h_seconds h\n"
        "# TYPE h_seconds histogram\n"
        'h_seconds_bucket{a="x",b="q\\"\\\\",le="0.1"} 0\n'
        'h_seconds_bucket{a="x",b="q\\"\\\\",le="1.0"} 1\n'
        'h_seconds_bucket{a="x",b="q\\"\\\\",le="300.0"} 1\n'
        'h_seconds_bucket{a="x",b="q\\"\\\\",le="+Inf"} 1\n'
        f"h_seconds_sum{label} 0.5\n"
        f"h_seconds_count{label} 1\n"
    )
    openmetrics = render(view, openmetrics=True)
    assert openmetrics.startswith(
        '# HELP c Help with \\"quotes\\" and \\\\ and\\na newline\n# TYPE c counter\nc_total{'
    )
    assert openmetrics.endswith("# EOF\n")
