"""What is in force: the command line, the unit, the config, the state directory, and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from logmetrics.doctor.machine import Account, Machine
from logmetrics.doctor.units import Unit, find_unit
from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.sources.discovery import Discovery, discover

if TYPE_CHECKING:
    from logmetrics.config.specs import Config, SourceSpec

CONFIG = "/etc/logmetrics/config.yaml"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the doctor was asked on the command line; or what a unit's ``logmetrics watch`` is."""

    paths: tuple[str, ...] = ()
    config_file: str | None = None
    state_dir: str | None = None
    listen: tuple[str, ...] = ()
    web_config: str | None = None
    # Units whose journal is read, and where it is.
    journal: tuple[str, ...] = ()
    journal_dir: str | None = None
    no_state: bool = False
    user: str | None = None
    unit: str = "logmetrics.service"
    prometheus: str = "http://127.0.0.1:9090"

    @property
    def names_logs(self) -> bool:
        """Whether it says itself what is read, so that no config need."""
        return bool(self.paths or self.journal)


Load: TypeAlias = Callable[[Asked], "Config"]
PlaceOfState: TypeAlias = Callable[["Config", Asked, str | None], str]


@dataclass(frozen=True, slots=True)
class Setup:
    """All that the topics are about. ``config`` is None when it is wrong; ``config_problem`` tells how."""

    asked: Asked
    unit: Unit | None
    # The command line names the logs.
    names_logs: bool
    config: Config | None
    config_file: str | None
    config_why: str
    config_problem: str
    state_dir: str | None
    state_why: str
    listen: tuple[str, ...]
    web_config: str | None
    # Who is to read the logs.
    accounts: tuple[Account, ...] = field(default=())
    # The user that is asked for, or that the unit names, when there is no such user.
    missing_user: str = ""
    # Each source's files, which several topics are about and which take a while to find.
    _files: dict[str, Discovery] = field(default_factory=dict)

    def files_of(self, source: SourceSpec) -> Discovery:
        """What *source* finds on the disk, looked for once."""
        if source.name not in self._files:
            self._files[source.name] = discover(source)
        return self._files[source.name]

    @property
    def reader(self) -> Account:
        """The user that will run it: the last of ``accounts``."""
        return self.accounts[-1]


def parse_watch(words: Sequence[str]) -> Asked | None:
    """The arguments of a ``logmetrics watch ...`` in a unit; None when it is another command."""
    if "watch" not in words:
        return None
    rest = list(words[words.index("watch") + 1 :])
    values: dict[str, list[str]] = {}
    paths = []
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            paths.append(word)
        elif equals:
            values.setdefault(name, []).append(value)
        elif name in WITH_VALUE and rest:
            values.setdefault(name, []).append(rest.pop(0))
        else:
            values.setdefault(name, [])
            if rest and not rest[0].startswith("-") and name not in FLAGS:
                rest.pop(0)

    def last(*names: str) -> str | None:
        return next((values[name][-1] for name in names if values.get(name)), None)

    return Asked(
        paths=tuple(paths),
        config_file=last("--config", "-c"),
        state_dir=last("--state-dir"),
        listen=tuple(values.get("--listen", ())),
        web_config=last("--web-config"),
        journal=tuple(values.get("--journal", ())),
        journal_dir=last("--journal-dir"),
        no_state="--no-state" in values,
    )


# The options of watch; one that is not known here is taken for one with a value.
WITH_VALUE = (
    *("--config", "-c", "--pack", "--listen", "--web-config", "--journal", "--journal-dir", "--from", "--state-dir"),
    *("--instance", "--advertise", "--sd-file", "--textfile", "--push", "--push-job", "--push-label"),
)
FLAGS = ("--once", "--no-state", "--reset-state", "--serve-early", "--no-watchdog", "--no-listen")


def make_setup(machine: Machine, asked: Asked, load: Load, place_of_state: PlaceOfState) -> Setup:
    """What *asked* comes to on *machine*. Raises nothing for what is wrong there.

    *load* makes the config that a command line comes to, *place_of_state* tells where such a run keeps its state;
    with a home, where it does so for the user who lives there.
    """
    unit = find_unit(machine, asked.unit)
    by_unit = parse_watch(unit.command()) if unit else None
    # Whoever names logs or another config asks about those, and not about what the unit runs.
    is_units_config = asked.config_file is None or (by_unit is not None and asked.config_file == by_unit.config_file)
    inherits = by_unit is not None and not asked.names_logs and is_units_config
    told = _merged(asked, by_unit) if by_unit is not None and inherits else asked
    config_file, why = told.config_file, "--config"
    if config_file and config_file != asked.config_file:
        why = f"ExecStart= of {asked.unit}"
    if config_file is None and not told.names_logs and machine.read(CONFIG) is not None:
        config_file, why = machine.path(CONFIG), "it is there"
        told = replace(told, config_file=config_file)
    config, wrong = _load(load, told)
    accounts, missing = _accounts(machine, asked, unit, runs_unit=inherits)
    for_unit = unit if unit and inherits else None
    state_dir, state_why = _fixed_state(machine, asked, told, config, for_unit)
    if not state_why:
        other = accounts[-1] if (asked.user or inherits) and accounts[-1].uid != machine.account.uid else None
        state_dir, state_why = _usual_state(machine, told, config, place_of_state, other)
    return Setup(
        asked=asked,
        unit=unit,
        names_logs=told.names_logs,
        config=config,
        config_file=config_file,
        config_why=why,
        config_problem=wrong,
        state_dir=state_dir,
        state_why=state_why,
        listen=told.listen or (config.listen if config else ("127.0.0.1:8001",)),
        web_config=told.web_config or (config.web_config if config else None),
        accounts=accounts,
        missing_user=missing,
    )


def _merged(asked: Asked, by_unit: Asked) -> Asked:
    return replace(
        asked,
        paths=by_unit.paths,
        config_file=by_unit.config_file,
        journal=by_unit.journal,
        journal_dir=by_unit.journal_dir,
        state_dir=asked.state_dir or by_unit.state_dir,
        listen=asked.listen or by_unit.listen,
        web_config=asked.web_config or by_unit.web_config,
        no_state=by_unit.no_state and not asked.state_dir,
    )


def _load(load: Load, told: Asked) -> tuple[Config | None, str]:
    """The config and what is wrong with it: one line for each mistake."""
    try:
        return load(told), ""
    except UsageError as error:
        return None, str(error) if told.config_file or told.names_logs else ""
    except LogmetricsError as error:
        return None, str(error)


def _accounts(machine: Machine, asked: Asked, unit: Unit | None, *, runs_unit: bool) -> tuple[tuple[Account, ...], str]:
    """Who is to be able to read the logs, and the name of a user who is missing."""
    me = machine.account
    if asked.user is not None:
        account = machine.users.account(asked.user)
        return ((account,), "") if account else ((me,), asked.user)
    name = unit.last("User") if unit and not unit.is_of_user and not unit.is_on("DynamicUser") else ""
    # What a unit runs is its user's business; what somebody else names is theirs.
    if unit is None or not name or not (runs_unit or me.uid == 0):
        return (me,), ""
    account = machine.users.account(name)
    if account is None:
        return (me,), name
    groups = [unit.last("Group"), *unit.words("SupplementaryGroups")]
    more = {gid for group in groups if group and (gid := machine.users.group_id(group)) is not None}
    account = replace(account, gids=account.gids | more)
    return ((me, account) if me.uid == 0 else (account,)), ""


def _fixed_state(
    machine: Machine, asked: Asked, told: Asked, config: Config | None, unit: Unit | None
) -> tuple[str | None, str]:
    """The state directory that somebody chose, or None where there is to be none, and who; else no reason."""
    if told.state_dir:
        return told.state_dir, "--state-dir" if asked.state_dir else f"ExecStart= of {asked.unit}"
    if told.no_state:
        return None, f"--no-state in ExecStart= of {asked.unit}"
    if config is not None and config.state_dir is not None:
        return os.path.expanduser(config.state_dir), "state_dir of the config"
    if unit is not None and (names := unit.words("StateDirectory")):
        home = "/var/lib" if not unit.is_of_user else os.path.join(machine.account.home, ".local/state")
        return machine.path(os.path.join(home, names[0].partition(":")[0])), f"StateDirectory= of {asked.unit}"
    return None, ""


def _usual_state(
    machine: Machine, told: Asked, config: Config | None, place_of_state: PlaceOfState, other: Account | None
) -> tuple[str | None, str]:
    """*other* is who is to run it, when that is somebody else than who asks."""
    if config is None:
        return None, "it follows from the config, and that is wrong" if told.config_file else "there is nothing to read"
    if all(source.is_stdin for source in config.sources):
        return None, "standard input has no place to go on from"
    if other is not None:
        if not os.path.isdir(other.home):
            return None, f"user {other.name} has no home ({other.home}) to keep it in; name a place with --state-dir"
        return place_of_state(config, told, other.home), f"user {other.name}'s own"
    directory = place_of_state(config, told, None)
    if machine.environ.get("STATE_DIRECTORY"):
        return directory, "$STATE_DIRECTORY"
    return directory, "the user's own for these logs" if told.names_logs else "the user's own for this config"
