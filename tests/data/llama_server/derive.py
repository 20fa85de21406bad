"""What the llama-server logs here amount to; run it to print expected_series.json.

The logs are read as text in one piece. Timings are found wherever they stand, those of the whole process excepted.
Cached prompt tokens are, of the prompts that were answered, their lengths less what was evaluated, as sums.
A line with a port in front is one of a router's servers: its requests and starts are the router's too.
"""

from __future__ import annotations

import json
import re
import sys
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation

ROUTES = ("/chat/completions", "/v1/chat/completions", "/v1/completions", "/models")


def derive(path: Path) -> Expectation:
    expected = Expectation()
    text = re.sub(r".*llama_perf_.*\n", "", path.read_text())
    own = re.sub(r"^\[\d+\].*\n", "", text, flags=re.MULTILINE)
    for method, asked, status in re.findall(r"request: ([A-Z]+) (\S+) \S+ (\d+)$", own, re.MULTILINE):
        expected.count("llama_server_requests_total", method, asked if asked in ROUTES else "other", status)
    evaluated = 0
    for prompt, spent, tokens in re.findall(r"(prompt|) +eval time = +([0-9.]+) ms / +(\d+) tokens", " " + text):
        kind = "prompt" if prompt else "completion"
        expected.count("llama_server_tokens_total", kind, by=int(tokens))
        expected.counters.setdefault("llama_server_eval_seconds_total", {}).setdefault(kind, Fraction(0))
        expected.counters["llama_server_eval_seconds_total"][kind] += Fraction(spent) / 1000
        evaluated += int(tokens) if prompt else 0
    for spent in re.findall(r"total time = +([0-9.]+) ms", text):
        expected.observe("llama_server_completion_duration_seconds", float(Fraction(spent) / 1000))
    prompts = sum(map(int, re.findall(r"new prompt, .*tokens = (\d+)", text)))
    expected.count("llama_server_prompt_tokens_cached_total", by=prompts - evaluated)
    for accepted, generated in re.findall(r"(\d+) accepted / +(\d+) generated", text):
        expected.count("llama_server_draft_tokens_total", "accepted", by=int(accepted))
        expected.count("llama_server_draft_tokens_total", "generated", by=int(generated))
    expected.count("llama_server_contexts_exceeded_total", by=text.count("truncated = 1\n"))
    on_gpu, layers = re.findall(r"offloaded (\d+)/(\d+) layers", text)[-1]
    expected.count("llama_server_offloaded_layers", by=int(on_gpu))
    expected.count("llama_server_model_layers", by=int(layers))
    expected.count("llama_server_starts_total", by=own.count("server is listening on"))
    expected.count("llama_server_build_info", re.findall(r"\bbuild:? (\d+)", text)[-1])
    return expected


if __name__ == "__main__":
    samples = {path.name: derive(path).to_json() for path in sorted(Path(__file__).parent.glob("*.log"))}
    json.dump({"pack": "llama-server", "samples": samples}, sys.stdout, indent=1)
    sys.stdout.write("\n")
