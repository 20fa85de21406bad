"""What scrapes see: pieces that are replaced, held against a plain dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logmetrics.store import shown
from logmetrics.store.series import CounterSeries
from logmetrics.store.shown import Rows, Shown


def one(name: int, value: int = 0) -> CounterSeries:
    series = CounterSeries((str(name),))
    series.frozen = value
    return series


changes = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 30), max_size=12)), max_size=12)


@settings(max_examples=300, deadline=None)
@given(changes)
def test_commits_one_after_the_other(steps: list[tuple[bool, set[int]]]) -> None:
    """After any changes and removals it holds what a dictionary would, in the order of the first showing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shown, "PIECE_SERIES", 4)
        all_series = {name: one(name) for name in range(31)}
        kept, model = Shown(), dict[str, int]()
        for number, (remove, names) in enumerate(steps):
            some = [all_series[name] for name in sorted(names)]
            if remove:
                kept.remove(some)
                for series in some:
                    model.pop(series.labels[0], None)
            else:
                for series in some:
                    series.frozen = model[series.labels[0]] = number
                kept.update(some)
            rows = kept.rows
            assert [(series.labels[0], value) for series, value in rows] == list(model.items())
            assert len(rows) == len(kept) == len(model)
            assert {series.labels[0] for series in kept} == model.keys()
            assert len(rows.pieces) <= 2 + 2 * len(model) // 4


def test_a_view_stays_as_it_was() -> None:
    """A commit replaces pieces; what a scrape holds is still the commit before. Other pieces are the same objects."""
    kept = Shown()
    many = [one(number) for number in range(600)]
    kept.update(many)
    before = kept.rows
    many[300].frozen = 7
    kept.update([many[300]])
    kept.remove([many[599]])
    assert [value for _, value in before] == [0] * 600
    after = kept.rows
    assert [value for _, value in after] == [0] * 300 + [7] + [0] * 298
    assert [a is b for a, b in zip(before.pieces, after.pieces, strict=True)] == [True, False, False]


def test_rows_of_pairs() -> None:
    """Pieces are made of any pairs."""
    pairs = [(one(number), number) for number in range(600)]
    assert list(Rows.of(pairs)) == pairs
    assert len(Rows.of([])) == 0
