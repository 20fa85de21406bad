"""Config and pack files -> frozen specs, with every problem found in one go."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from logmetrics.config.alerts import alerts_spec
from logmetrics.config.document import Document, KeyPath, parse_document
from logmetrics.config.exposed_names import check_names
from logmetrics.config.expression import CONTEXT_NAMES, ExpressionError, check_pattern, did_you_mean
from logmetrics.config.journals import journal_logs, mistake_in_match, mistake_in_unit
from logmetrics.config.model import (
    ConfigModel,
    LimitsModel,
    MetricModel,
    PackModel,
    RuleModel,
    RuleSetModel,
    SourceModel,
)
from logmetrics.config.outputs import host_and_port
from logmetrics.config.rule_sets import RuleSetReader
from logmetrics.config.shape import sound_items, validate
from logmetrics.config.specs import (
    Config,
    JournalLogSpec,
    LimitsSpec,
    MetricSpec,
    PackSpec,
    RuleSet,
    RuleSpec,
    SourceSpec,
)
from logmetrics.config.time_zones import zone_of
from logmetrics.config.tree import Call, Context, Expr, Literal, has_memory, parts_of
from logmetrics.errors import ConfigError, Problem

CONFIG_BYTES_MAX = 4 * 1024 * 1024


def load_config(path: str, packs: Mapping[str, PackSpec]) -> Config:
    """The config in the file *path*. Raises ConfigError with all that is wrong in it."""
    return parse_config(read_text(path), path, packs)


def read_text(path: str) -> str:
    """The text of a config file. Raises ConfigError when it cannot be read, is no text, or is far too long."""
    try:
        with open(path, "rb") as file:
            raw = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError([Problem(path, 0, 0, "", f"cannot be read: {error.strerror}")]) from error
    if len(raw) > CONFIG_BYTES_MAX:
        raise ConfigError([Problem(path, 0, 0, "", f"is longer than {CONFIG_BYTES_MAX:,} bytes, and no config is")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(path, 0, 0, "", f"is not UTF-8 text: {error}")]) from error


def parse_config(text: str, file: str, packs: Mapping[str, PackSpec]) -> Config:
    """The config in *text*; *file* is for messages."""
    document = parse_document(text, file)
    if document.values is None:
        document.values = {}
    problems: list[Problem] = []
    model = validate(ConfigModel, document, problems)
    if not isinstance(document.values, dict):
        raise ConfigError(problems)
    chosen = _chosen_packs(document, packs, problems)
    inherited = {name: spec for pack in chosen for name, spec in pack.rule_set.metrics.items()}
    own = _rule_set(model, document, inherited, problems)
    rule_set = merge([pack.rule_set for pack in chosen] + [own])
    check_names(rule_set.metrics, own.metrics, document, problems)
    whole = {"sources": [], "limits": {}, **document.values}
    # What is sound is looked at whatever is wrong elsewhere, so that all is told at once.
    found = dict(enumerate(model.sources)) if model else sound_items(SourceModel, whole["sources"])
    sources = _read_sources(found, document, problems)
    limits = model.limits if model else sound_items(LimitsModel, {"limits": whole["limits"]}).get("limits")
    if limits is not None:
        rule_set = _with_limits(rule_set, limits, document, problems)
    if model is not None:
        _check_listen(model.listen, document, problems)
        alerts = alerts_spec(model.alerts, rule_set.metrics, document, problems)
    if problems or model is None:
        raise ConfigError(problems)
    return Config(
        sources=sources,
        rule_set=rule_set,
        packs=tuple(pack.name for pack in chosen),
        listen=tuple(model.listen),
        limits=_limits_spec(model.limits),
        commit_interval_s=model.commit_interval,
        poll_interval_s=model.poll_interval,
        watchdog=model.watchdog,
        open_files_max=model.open_files_max,
        state_dir=model.state_dir,
        web_config=_beside(file, model.web_config),
        first_zero=model.first_zero,
        created_samples=model.created_samples,
        instance=model.instance,
        advertise=model.advertise,
        sd_file=model.sd_file,
        textfile=model.textfile,
        textfile_interval_s=model.textfile_interval,
        alerts=alerts,
    )


def _check_listen(addresses: Sequence[str], document: Document, problems: list[Problem]) -> None:
    given = document.values.get("listen")
    for index, address in enumerate(addresses):
        path: KeyPath = ("listen", index) if isinstance(given, list) else ("listen",)
        try:
            parts = host_and_port(address)
        except ValueError as error:
            problems.append(document.problem(path, str(error)))
            continue
        # Port 0 is another one each time.
        if address in addresses[:index] and (parts is None or parts[1] != 0):
            problems.append(document.problem(path, f"{address} is named twice"))


def _beside(file: str, name: str | None) -> str | None:
    """The path of a file that the config *file* names."""
    return None if name is None else os.path.join(os.path.dirname(file), os.path.expanduser(name))


def parse_pack(text: str, name: str, file: str, inherited: Mapping[str, MetricSpec]) -> PackSpec:
    """A built-in pack's YAML, which can use the metrics *inherited*. Raises ConfigError, as a config does."""
    document = parse_document(text, file, fast=True)
    problems: list[Problem] = []
    model = validate(PackModel, document, problems)
    rule_set = _rule_set(model, document, inherited, problems)
    recognise = None
    if model is not None and model.recognise is not None:
        reader = RuleSetReader(document, {}, problems)
        reader.read_define(model.define)
        recognise = reader.expression(model.recognise, ("recognise",))
        calls = [part.name for part in parts_of(recognise) if isinstance(part, Call)] if recognise else []
        if {"once", "rise", "delta"} & set(calls):
            problems.append(document.problem(("recognise",), "of what came before it can only ask remember()"))
    if problems or model is None:
        raise ConfigError(problems)
    rules = [replace(rule, name=f"{name}/{rule.name}", pack=name, recognise=recognise) for rule in rule_set.rules]
    metrics = {metric: replace(spec, pack=name) for metric, spec in rule_set.metrics.items()}
    used = {update.metric for rule in rules for update in rule.updates} - set(metrics)
    metrics.update({metric: spec for metric, spec in inherited.items() if metric in used})
    return PackSpec(name, model.description, RuleSet(metrics, tuple(rules)), text)


def merge(rule_sets: Sequence[RuleSet]) -> RuleSet:
    """All rules of *rule_sets*; a later definition of a metric replaces an earlier one."""
    metrics: dict[str, MetricSpec] = {}
    rules: list[RuleSpec] = []
    for rule_set in rule_sets:
        metrics.update(rule_set.metrics)
        rules.extend(rule_set.rules)
    return RuleSet(metrics, tuple(rules))


def _limits_spec(model: LimitsModel) -> LimitsSpec:
    return LimitsSpec(
        series=model.series,
        series_per_metric=model.series_per_metric,
        values_per_label=model.values_per_label,
        label_value_bytes=model.label_value_bytes,
        idle_s=model.idle,
        admission=model.admission,
        parked=model.parked,
    )


def _with_limits(rule_set: RuleSet, model: LimitsModel, document: Document, problems: list[Problem]) -> RuleSet:
    """The metrics of *rule_set* with the budgets under ``limits.metrics``."""
    declared = document.values.get("metrics")
    reader = RuleSetReader(document, {}, problems)
    metrics = dict(rule_set.metrics)
    for name, limits in model.metrics.items():
        path = ("limits", "metrics", name)
        if name in metrics:
            metrics[name] = reader.limited(metrics[name], limits, path)
        elif not isinstance(declared, dict) or name not in declared:  # else its own mistakes are told
            what = f"no metric is called {name!r}{did_you_mean(name, metrics)}"
            problems.append(document.problem(path, what, of_key=True))
    return RuleSet(metrics, rule_set.rules)


def _chosen_packs(document: Document, packs: Mapping[str, PackSpec], problems: list[Problem]) -> list[PackSpec]:
    wanted = document.values.get("packs") if isinstance(document.values, dict) else None
    if not isinstance(wanted, list):
        return list(packs.values())
    chosen = []
    for index, name in enumerate(wanted):
        if name in packs:
            chosen.append(packs[name])
        elif isinstance(name, str):
            near = did_you_mean(name, packs) or f"; there are: {', '.join(packs)}"
            problems.append(document.problem(("packs", index), f"no pack is called {name!r}{near}"))
    return chosen


def _source_spec(model: SourceModel, journals: tuple[JournalLogSpec, ...], agent: Expr | None) -> SourceSpec:
    return SourceSpec(
        name=model.name,
        paths=tuple(model.paths or ()),
        journals=journals,
        exclude=tuple(model.exclude),
        format=model.format[0],
        pattern=model.format[1],
        exclude_lines=tuple(model.exclude_lines),
        unwraps=model.framing == "auto",
        timezone=model.timezone,
        max_line_bytes=model.max_line_bytes,
        start_at_end=model.from_ == "end",
        agent=agent,
    )


def _read_sources(
    models: Mapping[int, SourceModel], document: Document, problems: list[Problem]
) -> tuple[SourceSpec, ...]:
    defined = RuleSetReader(document, {}, [])  # what is wrong in them is told already
    defined.read_define(document.values.get("define") if models else None)
    reader = RuleSetReader(document, {}, problems)
    reader.names = defined.names
    specs = []
    seen: set[str] = set()
    for index, source in models.items():
        if source.name in seen:
            problems.append(document.problem(("sources", index, "name"), f"a second source called {source.name!r}"))
        seen.add(source.name)
        if "-" in (source.paths or ()):
            what = "standard input is for the command line: logmetrics watch -; a file of this name is ./-"
            problems.append(document.problem(("sources", index, "paths"), what))
        for number, text in enumerate(source.exclude_lines):
            if not text:
                place = ("sources", index, "exclude_lines", number)
                problems.append(document.problem(place, "an empty text is in every line"))
        try:
            zone_of(source.timezone)
        except ValueError as error:
            problems.append(document.problem(("sources", index, "timezone"), str(error)))
        if source.format[0] == "regex":
            try:
                check_pattern(source.format[1])
                if "(?P<" not in source.format[1]:
                    raise ExpressionError("needs named groups, which are the fields: (?P<level>[A-Z]+)")
            except ExpressionError as error:
                problems.append(document.problem(("sources", index, "format", "regex"), str(error)))
        journals = _journals(source, document, ("sources", index), problems)
        specs.append(_source_spec(source, journals, _agent(source.agent, reader, ("sources", index, "agent"))))
    return tuple(specs)


def _journals(
    source: SourceModel, document: Document, path: KeyPath, problems: list[Problem]
) -> tuple[JournalLogSpec, ...]:
    """The journals of *source*, which has either these or paths."""
    model = source.journald
    if model is None:
        if source.paths is None:
            problems.append(document.problem(path, "has nothing to read: give it paths, or journald"))
        return ()
    if source.paths is not None:
        problems.append(document.problem((*path, "journald"), "and paths are two sources"))
    if source.exclude:
        problems.append(document.problem((*path, "exclude"), "goes with paths; match leaves out entries of a journal"))
    if not (model.unit or model.user_unit or model.match):
        problems.append(document.problem((*path, "journald"), "says not whose entries: give unit, user_unit or match"))
    mistakes = [
        document.problem((*path, "journald", key, number), what)
        for key, texts, mistake in (
            ("unit", model.unit, mistake_in_unit),
            ("user_unit", model.user_unit, mistake_in_unit),
            ("match", model.match, mistake_in_match),
        )
        for number, text in enumerate(texts)
        if (what := mistake(text))
    ]
    problems += mistakes
    return () if mistakes else journal_logs(model.unit, model.user_unit, model.match, model.directory)


def _agent(text: str | None, reader: RuleSetReader, path: KeyPath) -> Expr | None:
    """What `source.agent` stands for: an expression, or a word that is the name itself."""
    if text is None or text in reader.names or text in CONTEXT_NAMES or not _WORD.fullmatch(text):
        tree = None if text is None else reader.expression(text, path)
        if tree is not None and (has_memory(tree) or Context("source.agent") in parts_of(tree)):
            reader.problems.append(reader.document.problem(path, "can ask neither what came before nor itself"))
            return None
        return tree
    return Literal(text)


_WORD = re.compile(r"[A-Za-z0-9_-]+")


def _rule_set(
    model: RuleSetModel | None, document: Document, inherited: Mapping[str, MetricSpec], problems: list[Problem]
) -> RuleSet:
    """Metrics and rules. With *model* None (its shape is wrong somewhere) whatever part is sound is still checked."""
    reader = RuleSetReader(document, inherited, problems)
    values = document.values if isinstance(document.values, dict) else {}
    reader.read_define(values.get("define"))
    reader.read_metrics(model.metrics if model else sound_items(MetricModel, values.get("metrics")))
    declared = values.get("metrics")
    if model is None and isinstance(declared, dict):
        reader.names_only.update(map(str, declared))
    reader.read_rules(dict(enumerate(model.rules)) if model else sound_items(RuleModel, values.get("rules")))
    return RuleSet(reader.metrics, tuple(reader.rules))
