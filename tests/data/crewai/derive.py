"""What CrewAI's task logs here amount to; run it to print expected.json.

Each log is one JSON array. For every completed entry the entries before it are searched backwards for the start of the
same task (its name and text); one that an entry in between completed already, or that is not there, gives no duration.
The agent is the one named at completion, without white space around it; a task without one is CrewAI's own.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, run


def role(entry: dict[str, str]) -> str:
    name = entry["agent"].strip()
    return "crewai" if name == "None" else name


def derive(path: Path) -> Expectation:
    expected = Expectation()
    entries = json.loads(path.read_text())
    for number, entry in enumerate(entries):
        expected.see("crewai", role(entry))
        if entry["status"] != "completed":
            continue
        expected.count("agent_tasks_total", role(entry), "success")
        task = entry["task_name"], entry["task"]
        same = [other for other in entries[:number] if (other["task_name"], other["task"]) == task]
        if same and same[-1]["status"] == "started":
            took = datetime.fromisoformat(entry["timestamp"]) - datetime.fromisoformat(same[-1]["timestamp"])
            expected.observe("agent_task_duration_seconds", took.total_seconds(), role(entry))
    return expected


if __name__ == "__main__":
    run(__file__, "crewai", derive, "crew_*.json")
