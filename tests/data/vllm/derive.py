"""What the vLLM logs here amount to; run it to print expected_series.json.

Of a statistics line the figures are taken by their place among all numbers that stand before a unit. A gauge has the
last value; an access line is what ends in a status and its words.
"""

from __future__ import annotations

import json
import re
import sys
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation

KNOWN = ("/health", "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
V0 = ["prompt_tokens_per_second", "generation_tokens_per_second", "requests_running", "requests_swapped"]
V0 += ["requests_waiting", "kv_cache_usage_ratio", ""]
V1 = [*V0[:3], "requests_waiting", "kv_cache_usage_ratio", "prefix_cache_hit_ratio", "", ""]


def derive(path: Path) -> Expectation:
    expected = Expectation()
    for line in path.read_text().splitlines():
        if request := re.search(r'INFO: {5}\S+ - "(\w+) ([^ ?]+)\S* HTTP/1\.1" (\d{3}) [A-Z]', line):
            method, asked, status = request.groups()
            expected.count("vllm_requests_total", method, asked if asked in KNOWN else "other", status)
        elif "Avg prompt throughput" in line:
            which = re.search(r"Engine (\d+):", line)
            engine = which[1] if which else "all" if "Aggregated" in line else "000"
            figures = re.findall(r"([0-9.]+)( tokens/s| reqs|%)", line)
            for name, (figure, unit) in zip(V0 if "Swapped" in line else V1, figures, strict=False):
                if name:
                    value = Fraction(figure) / (100 if unit == "%" else 1)
                    expected.counters.setdefault(f"vllm_{name}", {})[engine] = value
        elif "SpecDecoding" in line:
            accepted, drafted = re.findall(r": (\d+) tokens,", line)
            expected.count("vllm_draft_tokens_total", "accepted", by=int(accepted))
            expected.count("vllm_draft_tokens_total", "drafted", by=int(drafted))
        elif "API server version" in line:
            expected.count("vllm_starts_total")
            expected.count("vllm_build_info", line.split()[-1])
    return expected


if __name__ == "__main__":
    samples = {path.name: derive(path).to_json() for path in sorted(Path(__file__).parent.glob("*.log"))}
    json.dump({"pack": "vllm", "samples": samples}, sys.stdout, indent=1)
    sys.stdout.write("\n")
