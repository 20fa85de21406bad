"""The memo of the hot path: from the label values of an update to what it does to a series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from logmetrics.config.specs import MetricSpec
from logmetrics.store.guard import MEMO_CHARACTERS_MAX, MISSING
from logmetrics.store.series import Labels, Series


def _texts(key: Any) -> Any:
    if key.__class__ is tuple:
        return tuple([MISSING if text is None else text for text in key]) if None in key else key
    return MISSING if key is None else key


class Measured(Protocol):
    """Gives the series of a metric's label sets."""

    @property
    def spec(self) -> MetricSpec: ...
    def get(self, labels: Labels) -> Series: ...


class Site(dict[Any, Any]):
    """One update of one rule: the label values that vary -> what the hot path does to the series.

    It is a memo, emptied at each commit. So a lookup that misses is the moment at which a series is found, admitted and
    noted as dirty, and a lookup that hits is one hash and nothing else. The key is one text when one label varies, else
    a tuple of texts; None is a missing one.
    """

    __slots__ = ("family", "single", "take", "template")

    # Different raw values can lead to one series; an attacker could fill the memo between two commits.
    ENTRIES_MAX = 10_000

    def __init__(self, family: Measured, constants: dict[str, str], take: Callable[[Any], Any]) -> None:
        super().__init__()
        self.family = family
        self.template = tuple(constants.get(label) for label in family.spec.labels)
        self.single = self.template.count(None) == 1
        self.take = take

    def __missing__(self, key: Any) -> Any:
        texts = _texts(key)
        series = self.family.get(self._labels(texts))
        target = self.take(series)
        # Every measurement that overflows is counted, so it must come here again.
        if not series.overflow and sum(map(len, texts)) <= MEMO_CHARACTERS_MAX:
            if len(self) >= self.ENTRIES_MAX:
                self.clear()
            self[key] = target
        return target

    def labels(self, key: Any) -> Labels:
        """The whole label set that *key* stands for."""
        return self._labels(_texts(key))

    def _labels(self, key: Any) -> Labels:
        template = self.template
        if len(template) == 1:
            return (key,) if self.single else template  # type: ignore[return-value]
        if None not in template:
            return template  # type: ignore[return-value]
        if not self.single and len(key) == len(template):
            return key  # type: ignore[no-any-return]
        varying = iter((key,) if self.single else key)
        return tuple([next(varying) if fixed is None else fixed for fixed in template])
