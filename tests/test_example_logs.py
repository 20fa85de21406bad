"""The logs in examples/logs are what examples/make_logs.py draws, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def make_logs(*arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / "make_logs.py"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_make_logs_writes_the_same_bytes_again(tmp_path):
    """Regenerating gives every file of examples/logs byte for byte, and there are no others."""
    make_logs(str(tmp_path))

    assert contents(tmp_path) == contents(EXAMPLES / "logs")


def test_expect_agrees_with_a_plain_reading():
    """The counts that --expect prints are those of the lines, read without logmetrics."""
    expected = json.loads(make_logs("--expect"))
    records: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for path in sorted((EXAMPLES / "logs" / "agents").iterdir()):
        # The lines that are no records name no agent; each agent has a file of its own.
        for line in path.read_text("utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                refused[path.stem] += 1
                continue
            records[path.stem] += 1
            tokens[path.stem] += record.get("usage", record).get("prompt_tokens", 0)

    assert records == {agent: sum(levels.values()) for agent, levels in expected["records"].items()}
    assert tokens == {agent: types["prompt"] for agent, types in expected["tokens"].items()}
    assert refused == {agent: sum(kinds.values()) for agent, kinds in expected["malformed_lines"].items()}

    lines = (EXAMPLES / "logs" / "ollama" / "server.log").read_text("utf-8").splitlines()
    requests = Counter(tuple(line.split()[i] for i in (11, 12, 5)) for line in lines if line.startswith("[GIN]"))
    assert requests == {
        (method, f'"{path}"', status): drawn["count"]
        for method, paths in expected["ollama"]["requests"].items()
        for path, statuses in paths.items()
        for status, drawn in statuses.items()
    }
