"""How long from the write of a line until a scrape shows it.

    python bench/latency.py [--lines 200] [--files 20] [--load LINES_A_SECOND]

Starts `logmetrics watch` over a new directory, appends a line, scrapes until it is there, and does so again. With
--load a second thread appends other lines all the while. Prints the distribution in milliseconds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def record(agent: str) -> str:
    return json.dumps({"event": "tool_call", "agent": agent, "tool_name": "t", "status": "ok", "duration_ms": 5}) + "\n"


def start(directory: Path) -> tuple[subprocess.Popen[str], http.client.HTTPConnection]:
    command = [sys.executable, "-m", "logmetrics", "watch", str(directory), "--listen", "127.0.0.1:0"]
    command += ["--state-dir", str(directory.parent / "state")]
    daemon = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert daemon.stderr is not None
    for line in daemon.stderr:
        if found := re.search(r"http://([\d.]+):(\d+)", line):
            return daemon, http.client.HTTPConnection(found[1], int(found[2]), timeout=10)
    raise SystemExit("the daemon did not start")


def scrape(connection: http.client.HTTPConnection) -> tuple[int, str]:
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def load(directory: Path, lines_per_s: int, files: int, stop: threading.Event) -> None:
    logs = [(directory / f"load-{number}.log").open("a") for number in range(files)]
    written = 0
    started_s = time.monotonic()
    while not stop.is_set():
        due = int((time.monotonic() - started_s) * lines_per_s)
        for number in range(written, due):
            log = logs[number % files]
            log.write(record("load"))
            log.flush()
        written = max(written, due)
        stop.wait(0.005)
    for log in logs:
        log.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--load", type=int, default=0, metavar="LINES_A_SECOND")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "logs"
        directory.mkdir()
        for number in range(arguments.files):
            (directory / f"load-{number}.log").write_text(record("load"))
        log = directory / "probe.log"
        log.write_text(record("probe"))
        daemon, connection = start(directory)
        stop = threading.Event()
        writer = threading.Thread(target=load, args=(directory, arguments.load, arguments.files, stop))
        if arguments.load:
            writer.start()
        while scrape(connection)[0] != 200:
            pass
        took_ms = []
        for number in range(2, arguments.lines + 2):
            wanted = f'agent_tool_calls_total{{agent="probe",tool_name="t",status="success"}} {number}\n'
            started_s = time.perf_counter()
            with log.open("a") as file:
                file.write(record("probe"))
            while wanted not in scrape(connection)[1]:
                pass
            took_ms.append((time.perf_counter() - started_s) * 1000)
            stop.wait(0.01)
        stop.set()
        if arguments.load:
            writer.join()
        connection.close()
        daemon.terminate()
        daemon.wait()
    took_ms.sort()
    p99 = took_ms[int(len(took_ms) * 0.99) - 1]
    print(f"write to scrape: median {statistics.median(took_ms):.2f} ms, P99 {p99:.2f} ms, max {took_ms[-1]:.2f} ms")


if __name__ == "__main__":
    main()
