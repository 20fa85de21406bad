"""Test files -> frozen tests, with every problem found in one go."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from logmetrics.authoring.trials.model import STEP_KINDS, ExpectModel, StepModel, TestFileModel, TestModel
from logmetrics.authoring.trials.samples import SampleError, sample_of
from logmetrics.authoring.trials.specs import (
    Expectation,
    ExpectedSample,
    Restart,
    Rotate,
    Step,
    Test,
    TestFile,
    Wait,
    Write,
)
from logmetrics.config.document import Document, KeyPath, parse_document
from logmetrics.config.expression import did_you_mean
from logmetrics.config.loading import load_config, merge, read_text
from logmetrics.config.shape import validate
from logmetrics.config.specs import Config, MetricSpec, PackSpec, SourceSpec
from logmetrics.errors import ConfigError, Problem
from logmetrics.packs import builtin_packs
from logmetrics.present.amounts import size
from logmetrics.sources.discovery import is_left_out
from logmetrics.sources.names import COMPRESSED
from logmetrics.store.guard import ALL_LABELS
from logmetrics.store.self_metrics import SELF_METRICS

LOG = "test.log"
# Where logs are whose path says nothing else.
DIRECTORY = "/var/log"
# A sample is held as a whole, and its lines are read one by one.
SAMPLE_BYTES_MAX = 64 * 1024 * 1024
# What file systems take for a name, and less than they take for a path: logs are made in a directory of their own.
_NAME_BYTES_MAX, _PATH_BYTES_MAX = 255, 3_000
_COMPRESSED = tuple(f"*{suffix}" for suffix in COMPRESSED)
_LEVELS = ("bytes", "values", "metric", "process")


def load_tests(path: str, packs: Mapping[str, PackSpec] | None = None) -> TestFile:
    """The tests in the file *path*. Raises ConfigError with all that is wrong in it, or in the config that it names."""
    text = read_text(path)
    document = parse_document(text, path)
    problems: list[Problem] = []
    if not isinstance(document.values, dict):
        raise ConfigError([Problem(path, 1, 1, "", "a test file is a mapping with the keys config, packs and tests")])
    if "tests" not in document.values and {"rules", "metrics", "sources"} & document.values.keys():
        what = f"this is a config; its tests stand in another file, with config: {os.path.basename(path)} and tests"
        raise ConfigError([Problem(path, 1, 1, "", what)])
    model = validate(TestFileModel, document, problems)
    if model is None:
        raise ConfigError(problems)
    config = _config(path, model, builtin_packs() if packs is None else packs, document)
    reader = _Reader(path, text.split("\n"), document, config)
    tests = tuple(reader.test(test, ("tests", number)) for number, test in enumerate(model.tests))
    if reader.problems:
        raise ConfigError(reader.problems)
    names = None if model.packs is None else tuple(model.packs)
    return TestFile(path, _beside(path, model.config), names, config, tests)


def config_of(file: TestFile, packs: Mapping[str, PackSpec]) -> Config:
    """The config that *file* tests, with *packs* for built-in ones. Raises ConfigError."""
    return _merged(file.config_path, file.pack_names, packs)


def _config(path: str, model: TestFileModel, packs: Mapping[str, PackSpec], document: Document) -> Config:
    if model.config is None and not model.packs:
        raise ConfigError([document.problem((), "nothing is tested: name a config, or packs")])
    unknown = [
        document.problem(("packs", index), f"no pack is called {name!r}{_near(name, packs)}")
        for index, name in enumerate(model.packs or ())
        if name not in packs
    ]
    if unknown:
        raise ConfigError(unknown)
    names = None if model.packs is None else tuple(model.packs)
    return _merged(_beside(path, model.config), names, packs)


def _merged(config_path: str | None, names: tuple[str, ...] | None, packs: Mapping[str, PackSpec]) -> Config:
    chosen = packs if names is None else {name: packs[name] for name in names}
    if config_path is not None:
        return load_config(config_path, chosen)
    return Config(sources=(), rule_set=merge([pack.rule_set for pack in chosen.values()]), packs=tuple(chosen))


def _beside(path: str, name: str | None) -> str | None:
    return None if name is None else os.path.normpath(os.path.join(os.path.dirname(path), name))


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    return did_you_mean(name, names) or f"; there are: {', '.join(names)}"


class _Reader:
    """Reads the tests of one file, and collects what is wrong."""

    def __init__(self, path: str, text_lines: list[str], document: Document, config: Config) -> None:
        self.path = path
        self.text_lines = text_lines
        self.document = document
        self.config = config
        self.problems: list[Problem] = []
        self.metrics: dict[str, MetricSpec] = {
            **config.rule_set.metrics,
            **{each.name: MetricSpec(each.name, each.type, each.help, each.labels) for each in SELF_METRICS},
        }
        self.rules = [rule.name for rule in config.rule_set.rules]
        self._names: set[str] = set()
        # The logs of a test so far, each with its source.
        self._logs: set[tuple[str, str]] = set()

    def wrong(self, path: KeyPath, what: str, *, of_key: bool = False) -> None:
        self.problems.append(self.document.problem(path, what, of_key=of_key))

    def test(self, model: TestModel, path: KeyPath) -> Test:
        if model.name in self._names:
            self.wrong((*path, "name"), f"a second test called {model.name!r}")
        self._names.add(model.name)
        self._logs.clear()
        steps: list[Step] = []
        for number, step in enumerate(model.input):
            steps += self._step(step, (*path, "input", number))
        if model.expect is not None:
            steps.append(self.expectation(model.expect, (*path, "expect")))
        elif not any(isinstance(step, Expectation) for step in steps):
            self.wrong(path, "expects nothing: give it expect")
        return Test(model.name, self.document.place(path).line, model.start, tuple(steps))

    def _step(self, model: StepModel, path: KeyPath) -> Iterator[Step]:
        given = [kind for kind in STEP_KINDS if getattr(model, kind) is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} are steps of their own" if given else "does nothing"
            self.wrong(path, f"{what}: a step has one of {', '.join(STEP_KINDS)}")
            return
        self._check_companions(model, given[0], path)
        source = self._source(model, given[0], path)
        if model.after is not None:
            yield Wait(model.after)
        elif model.restart is not None:
            yield Restart(model.restart == "kill")
        elif model.rotate is not None:
            log = self._path(model.rotate, (*path, "rotate"))
            if (log, source) not in self._logs:
                self.wrong((*path, "rotate"), f"there is no log {log} yet")
            yield Rotate(log, source)
        elif model.expect is not None:
            yield self.expectation(model.expect, (*path, "expect"))
        elif model.file is not None:
            yield from self._sample(model, model.file, source, path)
        else:
            yield self._write(model, model.lines or (), source, path)

    def _check_companions(self, model: StepModel, kind: str, path: KeyPath) -> None:
        allowed = {"lines": ("log", "source", "repeat"), "file": ("log", "source"), "rotate": ("source",)}
        for key in ("log", "source", "repeat"):
            if key in model.model_fields_set and key not in allowed.get(kind, ()):
                self.wrong((*path, key), f"does not go with {kind}", of_key=True)

    def _source(self, model: StepModel, kind: str, path: KeyPath) -> str:
        """The name of the source that a step is about; empty where there are none."""
        names = [source.name for source in self.config.sources]
        if model.source is not None:
            if model.source not in names:
                near = _near(model.source, names) if names else "; there are none here"
                self.wrong((*path, "source"), f"no source is called {model.source!r}{near}")
            return model.source
        alike = {replace(source, name="", paths=(), journals=(), exclude=()) for source in self.config.sources}
        if kind in ("lines", "file", "rotate") and len(alike) > 1:
            self.wrong(path, f"sources read differently: say of which one the log is, source: {' or '.join(names)}")
        return names[0] if names else ""

    def _path(self, name: str, path: KeyPath) -> str:
        if ".." in name.split("/"):
            self.wrong(path, "a log's path has no ..")
        encoded = name.encode("utf-8", "replace")
        # A generation that is rotated has a number behind its name.
        if len(encoded) > _PATH_BYTES_MAX or any(len(part) > _NAME_BYTES_MAX - 5 for part in encoded.split(b"/")):
            self.wrong(path, "longer than a file's path can be")
        return os.path.normpath(os.path.join(DIRECTORY, name))

    def _log(self, name: str, source: str, path: KeyPath) -> str:
        """The path of a log that is written to."""
        log = self._path(name, path)
        if is_left_out(log, _COMPRESSED):
            self.wrong(path, f"{log} is no log by its name; a sample that is compressed has to be unpacked first")
        for other, of in self._logs:
            if of == source and (log.startswith(f"{other}/") or other.startswith(f"{log}/")):
                self.wrong(path, f"{log} and {other} cannot be files both")
        self._logs.add((log, source))
        return log

    def _write(self, model: StepModel, texts: tuple[str, ...], source: str, path: KeyPath) -> Write:
        count = model.repeat
        lines = tuple(self._lines_of((*path, "lines"), len(texts))) * count
        if "repeat" in model.model_fields_set:
            texts = tuple(text.replace("<n>", str(number + 1)) for number in range(count) for text in texts)
        data = "".join(f"{text}\n" for text in texts).encode("utf-8", "surrogatepass")
        return Write(self._log(model.log or LOG, source, (*path, "log")), source, data, self.path, lines)

    def _lines_of(self, path: KeyPath, count: int) -> Iterator[int]:
        """In which line of the test file each of so many lines of the value at *path* stands."""
        if (*path, 0) in self.document:
            yield from (self.document.place((*path, number)).line for number in range(count))
            return
        place = self.document.place(path)
        is_block = self.text_lines[place.line - 1][place.column - 1 : place.column] == "|"
        yield from (place.line + (number + 1 if is_block else 0) for number in range(count))

    def _sample(self, model: StepModel, name: str, source: str, path: KeyPath) -> Iterator[Write]:
        file = _beside(self.path, name) or name
        try:
            data = _sample_data(file)
        except OSError as error:
            self.wrong((*path, "file"), f"{file} cannot be read: {error.strerror}")
            return
        log = self._log(model.log or os.path.basename(name), source, (*path, "log" if model.log else "file"))
        yield Write(log, source, data, file, tuple(range(1, data.count(b"\n") + 2)))

    def expectation(self, model: ExpectModel, path: KeyPath) -> Expectation:
        if model.only and model.series is None:
            self.wrong((*path, "only"), "goes with series; without any it is series: ''")
        lines = {kind: getattr(model, kind) for kind in ("unmatched", "unparsable")}
        if not model.model_fields_set:
            self.wrong(path, "expects nothing")
        return Expectation(
            self.document.place(path, of_key=True).line,
            tuple(self._series(model.series or "", (*path, "series"))),
            model.only,
            {kind: given for kind, given in lines.items() if given is not None},
            None if model.refused is None else dict(self._refused(model.refused, (*path, "refused"))),
            None if model.skipped is None else dict(self._skipped(model.skipped, (*path, "skipped"))),
        )

    def _series(self, text: str, path: KeyPath) -> Iterator[ExpectedSample]:
        texts = text.split("\n")
        seen: dict[object, int] = {}
        for line, written in zip(self._lines_of(path, len(texts)), texts, strict=True):
            if not written.strip() or written.lstrip().startswith("#"):
                continue
            try:
                sample = sample_of(written, self.metrics)
            except SampleError as error:
                self.problems.append(self._problem_in(line, path, str(error)))
                continue
            first = seen.setdefault((sample.name, sample.pairs), line)
            if first != line:
                self.problems.append(
                    self._problem_in(line, path, f"stands here a second time; the first is on line {first}")
                )
            yield ExpectedSample(sample, line)

    def _problem_in(self, line: int, path: KeyPath, what: str) -> Problem:
        at = self.document.problem(path, what)
        text = self.text_lines[line - 1]
        return at if line == at.line else replace(at, line=line, column=len(text) - len(text.lstrip()) + 1)

    def _refused(
        self, refused: Mapping[str, Mapping[str, Mapping[str, int]]], path: KeyPath
    ) -> Iterator[tuple[tuple[str, ...], int]]:
        for metric, by_label in refused.items():
            spec = self.config.rule_set.metrics.get(metric)
            if spec is None:
                what = f"no metric is called {metric!r}{did_you_mean(metric, self.config.rule_set.metrics)}"
                self.wrong((*path, metric), what, of_key=True)
                continue
            for label, by_level in by_label.items():
                known = (*spec.labels, ALL_LABELS)
                if label not in known:
                    what = f"{metric} has no label {label!r}{_near(label, known)}"
                    self.wrong((*path, metric, label), what, of_key=True)
                for level, count in by_level.items():
                    if level and level not in _LEVELS:
                        what = f"no level is called {level!r}{_near(level, _LEVELS)}"
                        self.wrong((*path, metric, label, level), what, of_key=True)
                    yield (metric, label, level), count

    def _skipped(
        self, skipped: Mapping[str, Mapping[str, int]], path: KeyPath
    ) -> Iterator[tuple[tuple[str, ...], int]]:
        for rule, by_reason in skipped.items():
            if rule not in self.rules:
                what = f"no rule is called {rule!r}{did_you_mean(rule, self.rules)}"
                self.wrong((*path, rule), what, of_key=True)
            for reason, count in by_reason.items():
                yield (rule, reason), count


def _sample_data(file: str) -> bytes:
    """The bytes of a sample. Raises OSError, also for what is no file, or never ends."""
    size_bytes = os.stat(file).st_size
    if not os.path.isfile(file) and not os.path.isdir(file):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if size_bytes > SAMPLE_BYTES_MAX:
        raise OSError(errno.EFBIG, f"it is longer than {size(SAMPLE_BYTES_MAX)}")
    return Path(file).read_bytes()


def source_spec(config: Config, name: str) -> SourceSpec:
    """The source *name* of *config*; where it has none, one that tells each line by itself."""
    return next((source for source in config.sources if source.name == name), SourceSpec("logs", ()))
