"""Who reads spans: this process, several on this machine, or a cluster of others. All give the same."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from logmetrics.errors import ReplayError
from logmetrics.replay.reader import SpanReader
from logmetrics.replay.span import Job, Outcome, Span

# What came out of a span, or why it could not be read.
Result = list[Outcome] | str
Batch = Sequence[Span]


class Pool(Protocol):
    """Takes batches of spans, and gives back what came out of them, in any order."""

    # So many batches keep everybody busy.
    wanted: int

    def submit(self, batch: Batch) -> None: ...
    def next(self) -> tuple[Batch, list[Result]]: ...
    def close(self) -> None: ...


def read_batch(reader: SpanReader, batch: Batch) -> list[Result]:
    """The results of *batch*, one for each span."""
    return [_result_of(reader, span) for span in batch]


def _result_of(reader: SpanReader, span: Span) -> Result:
    try:
        return reader.read(span)
    except OSError as error:
        return error.strerror or str(error)


class ThisProcess:
    """Reads when it is asked for the result."""

    wanted = 1

    def __init__(self, job: Job) -> None:
        self._reader = SpanReader(job)
        self._batches: deque[Batch] = deque()

    def submit(self, batch: Batch) -> None:
        """See Pool."""
        self._batches.append(batch)

    def next(self) -> tuple[Batch, list[Result]]:
        """See Pool."""
        batch = self._batches.popleft()
        return batch, read_batch(self._reader, batch)

    def close(self) -> None:
        """See Pool."""


_reader: SpanReader | None = None


def _begin(job: Job) -> None:
    global _reader
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children
    _reader = SpanReader(job)


def _read(batch: Batch) -> list[Result]:
    assert _reader is not None
    return read_batch(_reader, batch)


def _died(batch: Batch) -> ReplayError:
    where = batch[0].log.segments[batch[0].segment].path
    return ReplayError(
        f"a process that read logs was killed, perhaps for want of memory, near {where}; nothing was written. "
        "Try again with fewer --jobs"
    )


class Processes:
    """So many processes on this machine."""

    def __init__(self, job: Job, jobs: int) -> None:
        self.wanted = 2 * jobs + 1
        self._executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (job,))
        self._running: dict[Future[list[Result]], Batch] = {}
        self._done: deque[Future[list[Result]]] = deque()

    def submit(self, batch: Batch) -> None:
        """See Pool."""
        # This may start a process. An interrupt is for this one alone, and not while it tells a new one what to do.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._running[self._executor.submit(_read, batch)] = batch
        except BrokenProcessPool as error:
            raise _died(batch) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def next(self) -> tuple[Batch, list[Result]]:
        """See Pool. Raises ReplayError when a process died."""
        if not self._done:
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            self._done.extend(done)
        future = self._done.popleft()
        batch = self._running.pop(future)
        try:
            return batch, future.result()
        except BrokenProcessPool as error:
            raise _died(batch) from error

    def close(self) -> None:
        """See Pool. Nobody waits for what is still being read."""
        if self._running:
            for process in list((self._executor._processes or {}).values()):
                process.terminate()
        self._executor.shutdown(wait=True, cancel_futures=True)
