"""Work that other threads hand to the engine's, which alone may touch what it owns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

T = TypeVar("T")

Work = tuple[Callable[[], Any], "Future[Any]"]


class Inbox:
    """Work that waits; *wake* tells the engine that there is some."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: deque[Work] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def ask(self, work: Callable[[], T], timeout_s: float) -> T:
        """What *work* gives, done by the engine's thread right after a commit. Raises TimeoutError."""
        future: Future[T] = Future()
        self._waiting.append((work, future))
        self._wake()
        try:
            return future.result(timeout_s)
        except FutureTimeoutError as error:  # is TimeoutError itself from Python 3.11 on
            raise TimeoutError from error

    def post(self, work: Callable[[], Any]) -> None:
        """Have *work* done without waiting for it. A signal handler may call this: it takes no lock."""
        self._waiting.append((work, Future()))
        self._wake()

    def take(self) -> list[Work]:
        """All that waits now."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]


def answer(work: Work) -> None:
    """Do *work*; an exception is the asker's to deal with, not the engine's."""
    function, future = work
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
