"""A process that commits twice into a state directory, to be disturbed from outside: see test_commit_faults.

Each commit writes one number everywhere, so that a mixture shows. Prints what it knows of each commit.
"""

from __future__ import annotations

import sys

from logmetrics.store.state import Batch, CommitError, StateFile


def batch(number: int) -> Batch:
    """Position, series and pairs that all say *number*; more pages than one, and rows that go."""
    value = f"[{number}]" + " " * 200
    series = [(key, 1, f'["{key}"]', False, value, 0.0, 0.0, 0.0, 0) for key in range(1, 150)]
    files = [(key, "s", b"p", b"p", "1", str(key), number, 0, b"", 0, 0, 0, 0, 0, 0, 0, 0, 0) for key in range(1, 30)]
    return {
        "series": series,
        "series_gone": [(1000 + number - 1,)],
        "parked_gone": [(1, str(number - 1))],
        "parked": [(1, str(number), value, 0.0)],
        "newcomers": [(1, 0, "[]", number, 0, number)],
        "refusals": [(1, number, 0, 0.0, b"", "[]")],
        "files": files,
        "fingerprints": [(1, str(number).encode(), "[]")],
        "pairs": [("s", "r", f'"{number}"', number, "[]")],
        "pairs_gone": [("s", "r", f'"{number - 1}"')],
    }


def numbers(directory: str) -> set[int]:
    """The numbers that a start would find; more than one is a mixture."""
    state = StateFile(directory)
    found = {int(row[4].strip()[1:-1]) for row in state.rows("series")} | {row[6] for row in state.rows("files")}
    found |= {int(row[1]) for row in state.rows("parked")} | {row[3] for row in state.rows("newcomers")}
    found |= {row[1] for row in state.rows("refusals")}
    found |= {int(row[1]) for row in state.rows("fingerprints")} | {row[3] for row in state.rows("pairs")}
    state.close()
    return found


def main(directory: str, number: int) -> None:
    state = StateFile(directory)
    for value in (number, number):  # the second time is the retry
        try:
            state.write(batch(value))
        except CommitError as error:  # noqa: PERF203 - each try is one commit
            print(f"failed {error}", flush=True)  # noqa: T201
        else:
            print("committed", flush=True)  # noqa: T201
    state.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
