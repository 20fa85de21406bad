"""What the TGI logs here amount to; run it to print expected_series.json.

Both forms are brought to one: the outermost span's name, the level, the message, the part of the program, the times.
Tokens are the quotient of two times. A failure is what the part "infer" says at level ERROR, except of the tokenizer's
own route, and what begins as a failed or incomplete generation does.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation

UNITS = {"s": 1, "ms": Fraction(1, 1000), "µs": Fraction(1, 10**6), "ns": Fraction(1, 10**9)}
TIMES = ("total_time", "validation_time", "queue_time", "inference_time", "time_per_token")
FAILURES = {"Request failed": "generation", "no permits": "overloaded", "Incomplete": "incomplete"}
NAMES = ("request", "request_validation", "request_queue", "request_inference")
Event = tuple[str, str, str, str, dict[str, Fraction]]


def seconds(text: str) -> Fraction:
    number, unit = re.fullmatch(r"([0-9.]+)(\D+)", text).groups()
    return Fraction(number) * UNITS[unit]


def events(path: Path) -> Iterator[Event]:
    for line in re.sub(r"\x1b\[\d+m", "", path.read_text()).splitlines():
        if line.startswith('{"'):
            record = json.loads(line)
            spans = record.get("spans", [{"name": ""}])
            times = {name: seconds(text) for name, text in spans[-1].items() if name in TIMES}
            message = record.get("message") or record["fields"]["message"]
            yield spans[0]["name"], record["level"], message, record["target"], times
        elif found := re.match(r"\S+Z +(INFO|ERROR) (\w+)(.*): (text_gen[\w:]+): \S+\.rs:\d+: (.*)", line):
            level, span, fields, target, message = found.groups()
            times = {name: seconds(text) for name, text in re.findall(r'(\w+)="([^"\\]+)"', fields) if name in TIMES}
            yield span, level, message, target, times


def derive(path: Path) -> Expectation:
    expected = Expectation()
    for span, level, message, target, times in events(path):
        if message == "Success":
            expected.count("tgi_requests_total", span, "success")
            tokens = times["inference_time"] / times["time_per_token"]
            expected.counters.setdefault("tgi_tokens_total", {}).setdefault("completion", Fraction(0))
            expected.counters["tgi_tokens_total"]["completion"] += tokens
            for name, time in zip(NAMES, TIMES, strict=False):
                labels = [span] if name == "request" else []
                expected.observe(f"tgi_{name}_duration_seconds", float(times[time]), *labels)
            expected.observe("tgi_time_per_token_seconds", float(times["time_per_token"]))
        elif level == "ERROR" and (target.endswith("::infer") or message.startswith(("Request failed", "Incomplete"))):
            why = next((reason for sign, reason in FAILURES.items() if message.startswith(sign)), "validation")
            if not message.startswith("Tokenization"):
                expected.count("tgi_requests_total", span, why)
    return expected


if __name__ == "__main__":
    samples = {path.name: derive(path).to_json() for path in sorted(Path(__file__).parent.glob("*.log"))}
    json.dump({"pack": "tgi", "samples": samples}, sys.stdout, indent=1)
    sys.stdout.write("\n")
