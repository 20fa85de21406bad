"""One program over one log: CPU seconds, wall time, memory, and whether what it printed is right."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RUN_LIMIT_S = 900
# A daemon has ended its work when it has read as much as the log has, and used less than a tenth of a core for so long.
QUIET_S = 2.0
BUSY_SHARE = 0.1
LOOK_S = 0.05
# What daemons collect is flushed by timers of theirs, a second at most in the configs here.
FLUSH_S = 1.5
LAUNCHER = str(Path(__file__).with_name("launch.py"))

# From what a program printed to what is wrong with it, or nothing.
Check = Callable[[str], str]


@dataclass(frozen=True)
class Outcome:
    """What one run used. With *trouble* it does not count, and its figures are zero."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    rss_mib: float = 0.0
    trouble: str = ""


def nothing_to_check(_: str) -> str:
    """For programs that print no metrics."""
    return ""


def environment(env: Mapping[str, str] | None) -> dict[str, str]:
    """This process's, with *env*. Python may keep what it compiled, as it does where a program is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **(env or {})}


def run_to_end(
    command: Sequence[str], directory: Path, check: Check = nothing_to_check, env: Mapping[str, str] | None = None
) -> Outcome:
    """Run a program that ends by itself, all of it: its start is measured too."""
    directory.mkdir(parents=True, exist_ok=True)
    used_path, out_path, err_path = (directory / name for name in ("used.json", "stdout", "stderr"))
    with out_path.open("wb") as out, err_path.open("wb") as err:
        launch = [sys.executable, "-I", LAUNCHER, str(used_path), str(RUN_LIMIT_S), *command]
        subprocess.run(launch, stdout=out, stderr=err, env=environment(env), cwd=directory, check=True)
    used = json.loads(used_path.read_text())
    if used["code"] == -signal.SIGKILL:
        return Outcome(trouble=f"not done after {RUN_LIMIT_S} s")
    if used["code"] != 0:
        return Outcome(trouble=f"exit code {used['code']}: {_last_line(err_path)}")
    if trouble := check(out_path.read_text(errors="replace")):
        return Outcome(trouble=trouble)
    return Outcome(used["cpu_s"], used["wall_s"], used["rss_kib"] / 1024)


def run_daemon(
    command: Sequence[str], directory: Path, log: Path, port: int, check: Check, env: Mapping[str, str] | None = None
) -> Outcome:
    """Run a program that goes on, until it has read *log* and rests; then scrape it and end it."""
    directory.mkdir(parents=True, exist_ok=True)
    err_path = directory / "stderr"
    with err_path.open("wb") as err:
        daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err, env=environment(env), cwd=directory)
    try:
        outcome = _until_quiet(daemon, log)
        if daemon.poll() is not None:
            return Outcome(trouble=f"ended early: {_last_line(err_path)}")
        if outcome.trouble:
            return outcome
        time.sleep(FLUSH_S)
        trouble = check(scrape(port))
        return Outcome(trouble=trouble) if trouble else outcome
    except (OSError, http.client.HTTPException) as error:
        return Outcome(trouble=f"no answer: {error}")
    finally:
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _until_quiet(daemon: subprocess.Popen[bytes], log: Path) -> Outcome:
    """Times count up to the last look at which the daemon was busy."""
    started_s = seen_s = busy_s = time.perf_counter()
    cpu_s = busy_cpu_s = 0.0
    size_bytes = log.stat().st_size
    while daemon.poll() is None:
        time.sleep(LOOK_S)
        now_s = time.perf_counter()
        now_cpu_s = cpu_seconds(daemon.pid)
        if now_cpu_s - cpu_s > BUSY_SHARE * (now_s - seen_s):
            busy_s, busy_cpu_s = now_s, now_cpu_s
        seen_s, cpu_s = now_s, now_cpu_s
        if _read_bytes(daemon.pid) >= size_bytes and now_s - busy_s > QUIET_S:
            return Outcome(busy_cpu_s, busy_s - started_s, peak_mib(daemon.pid))
        if now_s - started_s > RUN_LIMIT_S:
            return Outcome(trouble=f"not done after {RUN_LIMIT_S} s")
    return Outcome()


def cpu_seconds(pid: int) -> float:
    """CPU of all threads of a process that runs, to the nanosecond; 0 when it is gone."""
    total_ns = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            total_ns += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    except (OSError, IndexError):
        pass
    return total_ns / 1e9


def peak_mib(pid: int) -> float:
    """The most memory that a process that runs has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _read_bytes(pid: int) -> int:
    """How much the process has read so far, of all files and however it reads them."""
    counts = Path(f"/proc/{pid}/io").read_text()
    return next(int(line.split()[1]) for line in counts.splitlines() if line.startswith("rchar"))


def scrape(port: int) -> str:
    """What http://127.0.0.1:*port*/metrics says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _last_line(path: Path) -> str:
    """What a program said last, without the places of this machine."""
    lines = path.read_text(errors="replace").strip().splitlines() or [""]
    return lines[-1].replace(str(path.parent), ".")[:200]


def interleave(runs: Mapping[str, Callable[[], Outcome]], rounds: int) -> dict[str, list[dict[str, float | str]]]:
    """Each of *runs* once, then each once more, and so on: what disturbs the machine disturbs all of them alike.

    One that went wrong is not tried again.
    """
    outcomes: dict[str, list[dict[str, float | str]]] = {name: [] for name in runs}
    for round_number in range(rounds):
        for name, run in runs.items():
            if any(outcome["trouble"] for outcome in outcomes[name]):
                continue
            outcome = run()
            outcomes[name].append(asdict(outcome))
            told = outcome.trouble or f"{outcome.cpu_s:.2f} s CPU, {outcome.wall_s:.2f} s, {outcome.rss_mib:.0f} MiB"
            print(f"  {round_number + 1}/{rounds} {name}: {told}", file=sys.stderr, flush=True)
    return outcomes
