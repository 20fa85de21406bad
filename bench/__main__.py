"""Measures, and writes results.json, RESULTS.md and plots/.

python -m bench [--size quick|full] [SECTION...]     all sections, or these
python -m bench --write                              nothing is measured; what is written is made anew
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from bench import commit, curves, exposition, files, limits, live, machine, packs, replay, report, soak, throughput
from bench.model import SIZES

# In the order of RESULTS.md. Each has `run` and `show`; see the package's docstring.
SECTIONS: dict[str, ModuleType] = {
    "throughput": throughput,
    "limits": limits,
    "packs": packs,
    "curves": curves,
    "live": live,
    "files": files,
    "exposition": exposition,
    "commit": commit,
    "soak": soak,
    "replay": replay,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md of what was measured before")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; default: all")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")

    results = report.load()
    if not arguments.write:
        size = SIZES[arguments.size]
        described = machine.describe()
        with tempfile.TemporaryDirectory(prefix="logmetrics-bench.") as directory:
            for name in arguments.sections or SECTIONS:
                print(f"{name}:", file=sys.stderr, flush=True)
                started_s = time.monotonic()
                load = machine.load()
                raw = SECTIONS[name].run(size, Path(directory))
                results[name] = {
                    "size": size.name,
                    "rounds": size.rounds,
                    "curve_rounds": size.curve_rounds,
                    "load": load,
                    "machine": described,
                    "raw": raw,
                }
                # After each: what was measured outlives a run that is interrupted.
                report.save(results)
                print(f"{name}: {time.monotonic() - started_s:.0f} s", file=sys.stderr, flush=True)
    if not results:
        parser.error("nothing was measured yet")
    report.write(results, SECTIONS)
    print(f"written: {report.RESULTS_MD}", file=sys.stderr)


if __name__ == "__main__":
    main()
