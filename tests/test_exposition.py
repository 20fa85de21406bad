"""What is served is what Prometheus' own parsers read back, whatever the labels hold."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.serve.exposition import pieces, render
from logmetrics.store.shown import PIECE_SERIES, Rows
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


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b c", 'd"', "e 1"]), finite, max_size=4), min_size=1, max_size=5)
)
def test_kept_texts_are_those_of_the_last_commit(commits: list[dict[str, float]]) -> None:
    """Pages after any commits, with or without one rendered between them, are those of a store that never had one."""
    store, fresh = (Store(METRICS, LimitsSpec(10**6, 10**6, 10**6, 10**6)) for _ in range(2))
    for number, counts in enumerate(commits):
        for each in (store, fresh):
            for metric in METRICS:
                site = each.families[metric].sites[0] if number else each.site(metric, {}, count_only=False)
                for label, value in counts.items():
                    site[label, "x y"](value)
            each.commit(0)
        if number % 2:
            render(store.view().families, openmetrics=bool(number % 4))
    for openmetrics in (False, True):
        page = render(store.view().families, openmetrics=openmetrics)
        assert page == render(store.view().families, openmetrics=openmetrics)
        assert page == render([(spec, Rows.of(rows)) for spec, rows in fresh.view().families], openmetrics=openmetrics)


def test_a_page_comes_in_pieces() -> None:
    """However many series there are, what is made in one go is bounded."""
    counts = {(str(number), "x"): 1.0 for number in range(1_000)}
    parts = list(pieces(families(counts)))
    assert len(parts) > 8
    assert max(part.count("g{") for part in parts) <= 2 * PIECE_SERIES
    assert "".join(parts) == render(families(counts))


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
