"""Sends a known history, and can end in the middle of it, as if it had been killed:

python -m tests.remote_sender KIND URL INSTANCE END_S [REQUEST [SHARE]]

After that many requests it sends a share of the bytes of the next, and kills itself. Else it tells how many samples it
sent.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from logmetrics.replay.samples import WINDOW_S, FamilySamples, SampleSeries, Window
from logmetrics.replay.targets.posting import Poster
from logmetrics.replay.targets.remote_write import RemoteWrite
from logmetrics.replay.targets.victoria import VictoriaMetrics

STEP_S = 15
SERIES = 20
HOURS = 3
SAMPLES_MAX = 700


def history(instance: str, end_s: int, series: int = SERIES, hours: int = HOURS) -> Iterator[Window]:
    """Counters from 0 on: every third has fractions of all sizes, every second ends half an hour before *end_s*."""
    begin_s = end_s - hours * 3600
    ends_s = [end_s - 1800 * (number % 2) for number in range(series)]
    draw = random.Random(5)
    totals = [0.0] * series
    for start_s in range(begin_s - begin_s % WINDOW_S, end_s, WINDOW_S):
        calls = FamilySamples("calls_total", "counter", "Calls.")
        for number in range(series):
            times_s = range(max(begin_s, start_s), min(ends_s[number], start_s + WINDOW_S), STEP_S)
            values: list[int | float] = []
            for time_s in times_s:
                if time_s > begin_s and draw.random() < 0.3:
                    totals[number] += 1.2345678901234567 * 10.0 ** draw.randint(-4, 5) if number % 3 == 0 else 1
                values.append(totals[number] if number % 3 == 0 else int(totals[number]))
            labels = (("tool", f'a "{number}"'), ("empty", ""), ("instance", instance))
            if times_s:
                ends = times_s[-1] + STEP_S == ends_s[number]
                calls.series.append(SampleSeries("calls_total", labels, times_s, values, ends))
        yield Window(start_s, STEP_S, [calls])


def target(kind: str, url: str) -> RemoteWrite | VictoriaMetrics:
    if kind == "victoria":
        return VictoriaMetrics(url, samples_max=SAMPLES_MAX)
    return RemoteWrite(f"{url}/api/v1/write", samples_max=SAMPLES_MAX)


def _die_at(request: int, share: float) -> None:
    """Let *request* requests pass."""
    real, left = Poster.post, request

    def post(self: Poster, body: bytes) -> None:
        nonlocal left
        if left:
            left -= 1
            real(self, body)
            return
        parts = urlsplit(self.url)
        lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        with socket.create_connection((parts.hostname or "", parts.port or 80)) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body[: int(share * len(body))])
            os.kill(os.getpid(), signal.SIGKILL)

    Poster.post = post  # type: ignore[method-assign]


def main(kind: str, url: str, instance: str, end_s: str, request: str = "", share: str = "1") -> None:
    if request:
        _die_at(int(request), float(share))
    there = target(kind, url)
    sys.stdout.write(f"{sum(there.write(window) for window in history(instance, int(end_s)))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
