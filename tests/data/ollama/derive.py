"""What the logs here amount to in the metrics of the pack ollama; run it to print expected_series.json.

Every line is searched for what the servers' own sources print; nothing is parsed that no metric needs. Access lines are
cut at their bars. A load is the first "started in" after a "loaded runners", if no error came between. A crash: between
two loads, each line that says that a runner was terminated is one, and where there is none, any other sign of a crash
is one. Cached prompt tokens are, of each completion, the prompt's length less what was evaluated. Gauges have the last
value of the file.
expected.json holds an older count of the same files, made by another script; tests compare both.
"""

from __future__ import annotations

import json
import re
import sys
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
ROUTES = {
    f"/api/{name}" for name in ("chat", "copy", "delete", "embed", "embeddings", "generate", "ps", "pull", "show")
}
ROUTES |= {"/", "/api/tags", "/api/version", "/v1/chat/completions"}
MESSAGE = re.compile(r'time=\S+T\S+ level=(\S+)(?: source=\S+)?(?: msg=("(?:[^"\\]|\\.)*"|\S*))?(.*)')
TIMING = re.compile(r"(print_timing|print_timings).*?(prompt|generation|) +eval time += +([0-9.]+) ms / +(\d+) ")
PARTS = {"model weights": "weights", "kv cache": "kv_cache", "compute graph": "compute_graph", "total memory": "total"}
SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": Fraction(1, 1000), "ns": Fraction(1, 10**9)}
FAILED = (
    "error loading llama server",
    "Load failed",
    "NewLlamaServer failed",
    "failed to create server",
    "model is too large for system memory",
)
SPAWNED = ("starting llama server", "starting llama-server", "starting runner", "loaded runners")


def seconds(text: str) -> Fraction:
    """A Go duration; whatever stands before "s" and is no other unit was a micro sign once."""
    parts = re.findall(r"([0-9.]+)([^0-9.]+)", text)
    return sum((Fraction(number) * SECONDS.get(unit, Fraction(1, 10**6)) for number, unit in parts), Fraction(0))


def size(text: str) -> Fraction:
    number, unit = text.split()
    return Fraction(float(number)) * UNITS[unit]


def reason_of_failure(text: str) -> str:
    classes = {
        "canceled": ("context canceled",),
        "out_of_memory": ("out of memory", "too large"),
        "unsupported": ("unknown model architecture",),
        "crash": ("terminated",),
    }
    return next((name for name, signs in classes.items() if any(sign in text for sign in signs)), "other")


def reason_of_crash(text: str) -> str:
    signs = {
        "out of memory": "out_of_memory",
        "CUDA error": "gpu_error",
        "signal: killed": "killed",
        "signal": "signal",
        "exit status": "exit_status",
    }
    return next((name for sign, name in signs.items() if sign in text), "other")


class Truth:
    """One log, line by line."""

    def __init__(self) -> None:
        self.expected = Expectation()
        self.loading = False
        self.loaded = 0
        self.crashes: list[str] = []
        self.signs: list[str] = []
        self.prompts: dict[str, int] = {}

    def gauge(self, metric: str, value: float | Fraction, *labels: str) -> None:
        self.expected.counters.setdefault(metric, {})["|".join(labels)] = Fraction(value)

    def line(self, line: str) -> None:
        count = self.expected.count
        if line.startswith('{"'):
            self.json_line(json.loads(line))
        elif access := re.search(r"\[GIN\] \d{4}/.*", line):
            self.access(access[0])
        elif message := MESSAGE.search(line):
            level, msg, rest = message.groups()
            count("ollama_log_messages_total", "TRACE" if level == "DEBUG-4" else level)
            pairs = re.findall(r'("[^"]+"|[^ ="]+)=("(?:[^"\\]|\\.)*"|[^ "]*)', rest)
            self.message(level, (msg or "").strip('"'), {key.strip('"'): value.strip('"') for key, value in pairs})
        elif level := re.search(r"^(?:.*\]: )?\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \w+\.go:\d+: ([A-Z]+) ", line):
            count("ollama_log_messages_total", level[1])
        else:
            self.text(line)

    def access(self, line: str) -> None:
        _, status, latency, _, request = line.split("|", 4)
        method, path = re.findall(r'^ *(\w+) +"(.*)"', request)[0]
        path = path.partition("?")[0]
        route = path if path in ROUTES else "other"
        self.expected.count("ollama_requests_total", method, route, status.strip())
        self.expected.observe("ollama_request_duration_seconds", seconds(latency.strip()), method, route)

    def message(self, level: str, msg: str, of: dict[str, str]) -> None:
        count = self.expected.count
        if version := re.match(r"Listening on .*\(version (.*)\)", msg):
            count("ollama_starts_total")
            self.expected.counters["ollama_build_info"] = {version[1]: Fraction(1)}
            self.loaded, self.loading = 0, False
        elif msg == "loaded runners":
            self.loaded = int(of["count"])
        elif msg == "sending an unloaded event" and self.loaded:
            self.loaded -= 1
        self.load(level, msg, of)
        self.memory(msg, of)
        if aborted := re.match(r"aborting (\w+?)s? request", msg):
            count("ollama_requests_aborted_total", aborted[1])
        elif msg in ("truncating input prompt", "input exceeds context length"):
            count("ollama_prompts_truncated_total")
        elif msg.startswith("downloading "):
            count("ollama_downloads_total")
        elif re.search(r"part \d+ stalled", msg):
            count("ollama_download_retries_total", "stalled")
        elif re.search(r"part \d+ attempt \d+ failed", msg):
            count("ollama_download_retries_total", "failed")
        elif msg == "loading cache slot":
            count("ollama_tokens_total", "prompt", by=int(of["prompt"]) - int(of["used"]))
            count("ollama_prompt_tokens_cached_total", by=int(of["used"]))

    def load(self, level: str, msg: str, of: dict[str, str]) -> None:
        count = self.expected.count
        if msg == "loaded runners":
            self.loading = True
        elif (started := re.search(r"started in (.*) seconds", msg)) and self.loading:
            self.loading = False
            count("ollama_model_loads_total")
            self.expected.observe("ollama_model_load_duration_seconds", Fraction(started[1]))
        elif msg == "error loading llama server":
            self.loading = False
        elif msg == "template selection":
            name = of["model"].removeprefix("registry.ollama.ai/").removeprefix("library/")
            count("ollama_model_loads_by_name_total", name)
        why = of.get("error") or of.get("string") or msg
        if msg in SPAWNED and not (msg == "starting runner" and " --model " not in of.get("cmd", "")):
            self.end_of_crash()
        elif msg.endswith(" terminated") and level == "ERROR":
            self.crashes.append(why)
        elif "no longer running" in msg or ("has terminated" in why and msg in FAILED):
            self.signs.append(why)
        if msg in FAILED:
            count("ollama_model_load_failures_total", reason_of_failure(why))

    def end_of_crash(self) -> None:
        for why in self.crashes or self.signs[:1]:
            self.expected.count("ollama_runner_crashes_total", reason_of_crash(why))
        self.crashes, self.signs = [], []

    def memory(self, msg: str, of: dict[str, str]) -> None:
        if msg == "offload" or msg.startswith("offload to"):
            # The oldest versions do not tell how many layers the model has.
            whole = of.get("layers.offload") == of.get("layers.model")
            names = {"total": "required.full", "kv_cache": "required.kv", "weights": "weights.total"}
            names["compute_graph"] = "graph.full" if whole else "graph.partial"
            for part, name in names.items():
                self.gauge("ollama_model_memory_bytes", size(of[f"memory.{name}"]), part, "all")
            self.gauge("ollama_offloaded_layers", int(of.get("layers.offload", of.get("layers.real", 0))))
        if "model layers" in of or "layers.model" in of:
            self.gauge("ollama_model_layers", int(of.get("model layers") or of["layers.model"]))
        if msg in PARTS and "size" in of:
            device = of.get("device", of.get("buffer", "all"))
            self.gauge("ollama_model_memory_bytes", size(of["size"]), PARTS[msg], device)
        self.layers(msg)
        if msg in ("inference compute", "gpu memory", "updated VRAM based on existing loaded models"):
            gpu, library = of.get("gpu", of.get("id", "")), of.get("library", "").lower()
            free = of.get("free", of.get("available"))
            if library != "cpu" and free:
                self.gauge("ollama_gpu_memory_available_bytes", size(free), gpu, library)
                if msg == "inference compute":
                    self.gauge("ollama_gpu_memory_total_bytes", size(of["total"]), gpu, library)

    def layers(self, text: str) -> None:
        if found := re.search(r"offloaded (\d+)/(\d+) layers to GPU", text):
            self.gauge("ollama_offloaded_layers", int(found[1]))
            self.gauge("ollama_model_layers", int(found[2]))

    def text(self, line: str) -> None:
        count = self.expected.count
        self.layers(line)
        slot = re.search(r"id +(\d+ \| task \d+) \|", line)
        if timing := TIMING.search(line):
            kind = "prompt" if timing[2] == "prompt" else "completion"
            count("ollama_tokens_total", kind, by=int(timing[4]))
            self.expected.count("ollama_eval_seconds_total", kind, by=Fraction(timing[3]) / 1000)
            if kind == "completion":
                count("ollama_completions_total")
            elif slot:
                count("ollama_prompt_tokens_cached_total", by=self.prompts.pop(slot[1]) - int(timing[4]))
        elif (prompt := re.search(r"new prompt, .*n_tokens = (\d+)", line)) and slot:
            self.prompts[slot[1]] = int(prompt[1])
        elif re.search(r"stop processing: .*truncated = 1\s*$|slot released .*truncated=true", line):
            count("ollama_contexts_exceeded_total")
        elif "INFO [update_slots] input truncated" in line:
            count("ollama_prompts_truncated_total")
        elif cached := re.search(r"slot progression .*n_past=(\d+)", line):
            count("ollama_prompt_tokens_cached_total", by=int(cached[1]))

    def json_line(self, record: dict[str, float | str | bool]) -> None:
        count = self.expected.count
        if record.get("function") == "print_timings":
            for key, spent, kind in (
                ("n_prompt_tokens_processed", "t_prompt_processing", "prompt"),
                ("n_decoded", "t_token_generation", "completion"),
            ):
                if key in record:
                    count("ollama_tokens_total", kind, by=int(record[key]))
                    self.expected.count("ollama_eval_seconds_total", kind, by=Fraction(float(record[spent])) / 1000)
                    if kind == "completion":
                        count("ollama_completions_total")
        elif record.get("msg") == "slot progression":
            count("ollama_prompt_tokens_cached_total", by=int(record["n_past"]))
        elif record.get("msg") == "slot released" and record["truncated"]:
            count("ollama_contexts_exceeded_total")


def derive(path: Path) -> Expectation:
    truth = Truth()
    for raw in path.read_bytes().split(b"\n"):
        truth.line(re.sub(rb"\x1b\[[0-9;]*m|\0|^\xef\xbb\xbf|\r$", b"", raw).decode("utf-8", "replace"))
    truth.end_of_crash()
    truth.gauge("ollama_loaded_models", truth.loaded)
    return truth.expected


if __name__ == "__main__":
    paths = sorted(Path(__file__).parent.glob("[0-9w]*.*"))
    samples = {path.name: derive(path).to_json() for path in paths if path.suffix in (".log", ".txt")}
    json.dump({"pack": "ollama", "samples": samples}, sys.stdout, indent=1)
    sys.stdout.write("\n")
