"""A Dask cluster as the pool: the same spans, read by other machines, which open paths by fsspec."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import sys
import threading
import zlib
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import TYPE_CHECKING

from logmetrics import __version__
from logmetrics.errors import ReplayError, UsageError
from logmetrics.replay.pool import Batch, Result, read_batch
from logmetrics.replay.reader import SpanReader
from logmetrics.replay.remote_files import is_remote
from logmetrics.replay.span import Job, Segment, Span

if TYPE_CHECKING:
    from distributed import Client, Future

_ANSWER_S = 20
# So long the work may lie still while there is no worker: one that was killed comes back within seconds, if at all.
_WITHOUT_WORKERS_S = 60
_LOOK_S = 5


class _Kept(threading.local):
    """The reader of one of a worker's threads, which is costly, and the job that it is for."""

    job: bytes = b""
    reader: SpanReader


_kept = _Kept()


def _read(job: bytes, batch: Batch) -> list[Result] | str:
    """What a worker does; a text says why it could not. The job comes with each batch: workers come and go."""
    try:
        if _kept.job != job:
            _kept.reader = SpanReader(pickle.loads(zlib.decompress(job)))  # noqa: S301 - as Dask's own tasks
            _kept.job = job
        return read_batch(_kept.reader, batch)
    except Exception as error:  # an exception that cannot be sent would have us wait for ever
        return f"{type(error).__name__}: {error}"


def _version() -> str:
    """What must be the same here and there: the rules, and how Python packs plain data."""
    return f"{__version__} on Python {sys.version_info[0]}.{sys.version_info[1]}"


class DaskCluster:
    """The workers of the scheduler at *address*. What a worker that dies was at, Dask has others do again."""

    def __init__(self, job: Job, address: str) -> None:
        self.address = address
        self._client = _client(address)
        try:
            self.wanted = 2 * self._threads() + 1
            self._require_version()
        except BaseException:
            self._client.close()
            raise
        self._job = zlib.compress(pickle.dumps(job))
        self._running: dict[str, tuple[Future, Batch]] = {}

    def submit(self, batch: Batch) -> None:
        """See Pool."""
        future = self._client.submit(_read, self._job, [_for_others(span) for span in batch], pure=False)
        self._running[future.key] = future, batch

    def next(self) -> tuple[Batch, list[Result]]:
        """See Pool. Raises ReplayError when a worker cannot do it, or when there is none for long."""
        future = self._next_done()
        _, batch = self._running.pop(future.key)
        try:
            result: list[Result] | str = future.result()
        except CancelledError as error:
            raise ReplayError(f"the Dask scheduler at {self.address} is gone; nothing was written") from error
        except Exception as error:  # whatever Dask may raise, as when each worker that tried it died
            result = str(error)
        if isinstance(result, str):
            where = batch[0].log.segments[batch[0].segment].path
            raise ReplayError(f"a Dask worker could not read {where}: {result}; nothing was written")
        return batch, result

    def close(self) -> None:
        """See Pool."""
        self._client.close()

    def _next_done(self) -> Future:
        from distributed import wait

        patience_s = _WITHOUT_WORKERS_S
        while True:
            futures = [future for future, _ in self._running.values()]
            for future in futures:
                if future.done():
                    return future
            try:
                wait(futures, timeout=_LOOK_S, return_when="FIRST_COMPLETED")
            except CancelledError:
                pass
            except (TimeoutError, asyncio.TimeoutError):
                patience_s = _WITHOUT_WORKERS_S if self._client.nthreads() else patience_s - _LOOK_S
            if patience_s <= 0:
                raise ReplayError(f"all workers of the Dask scheduler at {self.address} are gone; nothing was written")

    def _threads(self) -> int:
        threads: int = sum(self._client.nthreads().values())
        if not threads:
            what = f"the Dask scheduler at {self.address} has no workers; start some: dask worker {self.address}"
            raise ReplayError(what)
        return threads

    def _require_version(self) -> None:
        """Workers with other rules would count otherwise."""
        for worker, version in self._client.run(_version, on_error="return").items():
            if version != _version():
                has = f"has logmetrics {version}" if isinstance(version, str) else f"cannot use logmetrics: {version}"
                raise ReplayError(f"the Dask worker {worker} {has}; here it is {_version()}")


def _client(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("--dask needs the extra: pip install 'logmetrics[dask]'") from error
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what goes wrong is told by whoever asked for it
    try:
        asyncio.run(asyncio.wait_for(_knock(address), _ANSWER_S))
        return Client(address, timeout=f"{_ANSWER_S}s")
    except (OSError, ValueError, TypeError, RuntimeError, asyncio.TimeoutError) as error:
        why = str(error) or f"no answer within {_ANSWER_S} s"
        what = f"no Dask scheduler at {address}: {why}; is it running, and may it be reached?"
        raise ReplayError(what) from error


async def _knock(address: str) -> None:
    """Connect once. A Client that cannot connect waits for long, and is not to be got rid of."""
    from distributed import Security
    from distributed.comm import connect

    comm = await connect(address, timeout=_ANSWER_S, **Security().get_connection_args("client"))
    await comm.close()


def _for_others(span: Span) -> Span:
    """*span* with paths that mean the same in any directory."""
    return replace(span, log=replace(span.log, segments=tuple(map(_absolute, span.log.segments))))


def _absolute(segment: Segment) -> Segment:
    return segment if is_remote(segment.path) else replace(segment, path=os.path.abspath(segment.path))
