"""What Aider's analytics log here amounts to; run it to print expected.json.

A message_send is an LLM call that went well and has its tokens, a message_send_exception one that failed. The file is
cut behind each of these ends; the last start within such a piece is taken for the end's own (earlier ones in the piece
were broken off, or belong to another Aider that writes to the same file). A piece without a start gives no latency.
Times are whole seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, json_lines, run


def derive(path: Path) -> Expectation:
    expected = Expectation()
    piece_starts: list[int] = []
    for record in json_lines(path):
        expected.see("aider", record["user_id"])
        if record["event"] == "message_send_starting":
            piece_starts.append(record["time"])
        elif record["event"] in ("message_send", "message_send_exception"):
            if piece_starts:
                expected.observe("agent_llm_latency_seconds", record["time"] - piece_starts[-1], "aider")
            piece_starts = []
        if record["event"] == "message_send":
            spent = record["properties"]
            model = spent.get("main_model") or "unknown"
            expected.count("agent_llm_calls_total", "aider", "unknown" if model == "None" else model, "success")
            expected.tokens("aider", prompt=spent["prompt_tokens"], completion=spent["completion_tokens"])
        elif record["event"] == "message_send_exception":
            expected.count("agent_llm_calls_total", "aider", "unknown", "error")
    return expected


if __name__ == "__main__":
    run(__file__, "aider", derive)
