"""Runs one program to its end and says what it used: CPU, wall time, and the peak of its memory.

    python -I bench/launch.py USED.json LIMIT_S PROGRAM [ARGUMENT...]

A process of its own, because the peak that the kernel reports of a program begins with that of the one that started it:
here the few megabytes of a bare interpreter, not a benchmark with its logs and plots.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time


def main() -> None:
    used_path, limit_s, *command = sys.argv[1:]
    started_s = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.alarm(int(limit_s))
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - started_s
    with open(used_path, "w") as file:
        used = {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": wall_s, "rss_kib": usage.ru_maxrss}
        json.dump({**used, "code": os.waitstatus_to_exitcode(status)}, file)


if __name__ == "__main__":
    main()
