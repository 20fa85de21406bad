"""A Dask cluster as the pool: the same spans, read by other machines, which open paths by fsspec."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from logmetrics.errors import ReplayError, UsageError
from logmetrics.replay.pool import Batch, Result, read_batch
from logmetrics.replay.reader import SpanReader
from logmetrics.replay.span import Job

if TYPE_CHECKING:
    from distributed import Client


class _Kept(threading.local):
    """The reader of one of a worker's threads, which is costly, and the job that it is for."""

    key: str | None = None
    reader: SpanReader


_kept = _Kept()


def _read(key: str, job: Job, batch: Batch) -> list[Result]:
    if _kept.key != key:
        _kept.key, _kept.reader = key, SpanReader(job)
    return read_batch(_kept.reader, batch)


class DaskCluster:
    """The workers of the scheduler at *address*."""

    def __init__(self, job: Job, address: str) -> None:
        try:
            from distributed import Client, as_completed
        except ImportError as error:
            raise UsageError("--dask needs the extra: pip install 'logmetrics[dask]'") from error
        try:
            self._client: Client = Client(address, timeout="20s")
        except (OSError, ValueError) as error:
            what = f"no Dask scheduler answers at {address}: {error}; is it running, and may it be reached?"
            raise ReplayError(what) from error
        workers = self._client.scheduler_info()["workers"]
        if not workers:
            self._client.close()
            raise ReplayError(
                f"the Dask scheduler at {address} has no workers; start some with `dask worker {address}`"
            )
        self.wanted = 2 * sum(worker["nthreads"] for worker in workers.values()) + 1
        # All workers have the job before the first span comes.
        self._job = self._client.scatter(job, broadcast=True)
        self._key = self._job.key
        self._completed = as_completed([])
        self._running: dict[str, Batch] = {}

    def submit(self, batch: Batch) -> None:
        """See Pool."""
        future = self._client.submit(_read, self._key, self._job, batch, pure=False)
        self._running[future.key] = batch
        self._completed.add(future)

    def next(self) -> tuple[Batch, list[Result]]:
        """See Pool. Raises ReplayError when a worker cannot do it."""
        future = next(self._completed)
        batch = self._running.pop(future.key)
        try:
            return batch, future.result()
        except Exception as error:  # whatever a worker may raise, or Dask about it
            where = batch[0].log.segments[batch[0].segment].path
            raise ReplayError(f"a Dask worker could not read {where}: {error}") from error

    def close(self) -> None:
        """See Pool."""
        self._client.close()
