"""What the doctor takes for being in force: units, command lines, config, state directory, users."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest
import typer

from logmetrics.cli.app import app
from logmetrics.cli.watch import watch
from logmetrics.doctor.configuration import configuration
from logmetrics.doctor.findings import examined, is_healthy
from logmetrics.doctor.machine import Machine, run_command
from logmetrics.doctor.program import binaries, packages, python
from logmetrics.doctor.setup import FLAGS, WITH_VALUE, parse_watch
from logmetrics.doctor.state import state
from logmetrics.doctor.units import find_unit, parse
from tests.made_machine import UNIT, machine, setup, told, worst

UNIT_FILE = "/etc/systemd/system/logmetrics.service"


def test_unit_files_are_read_as_systemd_reads_them() -> None:
    """Lines go on behind a backslash, over comments; what is no assignment is passed over."""
    text = "# x=1\n[Unit]\nDescription=a = b\n[Service]\nExecStart=/bin/x \\\n; no\n   --y\nrubbish\n"

    assert list(parse(text)) == [("Unit", "Description", "a = b"), ("Service", "ExecStart", "/bin/x  --y")]


def test_drop_ins_add_and_replace(tmp_path: Path) -> None:
    """An empty value takes away what was there; names are in order, whatever directory they are in."""
    of = machine(
        tmp_path,
        {
            "/usr/lib/systemd/system/logmetrics.service": "[Service]\nUser=old\n",
            UNIT_FILE: UNIT,
            f"{UNIT_FILE}.d/20-more.conf": "[Service]\nSupplementaryGroups=agents\n",
            "/run/systemd/system/logmetrics.service.d/10-first.conf": "[Service]\nSupplementaryGroups=\nUser=ann\n",
            f"{UNIT_FILE}.d/notes.txt": "[Service]\nUser=nobody\n",
        },
    )
    unit = find_unit(of, "logmetrics.service")

    assert unit is not None
    assert unit.path == UNIT_FILE
    assert [os.path.basename(path) for path in unit.drop_ins] == ["10-first.conf", "20-more.conf"]
    assert unit.words("SupplementaryGroups") == ["agents"]
    assert unit.last("User") == "ann"


def test_an_instance_is_of_its_template(tmp_path: Path) -> None:
    """%i is the instance, in the state directory and in the command."""
    text = "[Service]\nExecStart=/bin/logmetrics watch -c /etc/logmetrics/%i.yaml\nStateDirectory=logmetrics/%i\n"
    of = machine(tmp_path, {"/etc/systemd/system/logmetrics@.service": text})
    unit = find_unit(of, "logmetrics@a.service")

    assert unit is not None
    assert unit.command()[-1] == "/etc/logmetrics/a.yaml"
    assert setup(of, unit="logmetrics@a.service").state_dir == f"{tmp_path}/var/lib/logmetrics/a"


@pytest.mark.parametrize(
    ("command", "config", "paths", "state", "listen"),
    [
        ("/x watch --config /c.yaml", "/c.yaml", (), None, ()),
        ("/x watch -c /c.yaml --state-dir=/s /a /b", "/c.yaml", ("/a", "/b"), "/s", ()),
        ("/x watch --listen :1 /a --serve-early --listen unix:/m", None, ("/a",), None, (":1", "unix:/m")),
        ("/x watch --not-known-yet value /a", None, ("/a",), None, ()),
    ],
)
def test_the_command_of_a_unit(
    command: str, config: str | None, paths: object, state: str | None, listen: object
) -> None:
    """What it is given counts as if the doctor had been given it."""
    asked = parse_watch(command.split())

    assert asked is not None
    assert (asked.config_file, asked.paths, asked.state_dir, asked.listen) == (config, paths, state, listen)


def good_config(tmp_path: Path) -> str:
    (tmp_path / "logs").mkdir(exist_ok=True)
    return f"sources: [{{name: s, paths: [{tmp_path}/logs]}}]\n"


def test_why_the_config_is_in_force(tmp_path: Path) -> None:
    """The command line, else the unit, else the file at its usual place, else none."""
    (tmp_path / "mine.yaml").write_text(good_config(tmp_path))
    bare = machine(tmp_path)
    assert (setup(bare).config_file, setup(bare).config) == (None, None)
    assert setup(bare, config_file=f"{tmp_path}/mine.yaml").config_why == "--config"

    usual = machine(tmp_path, {"/etc/logmetrics/config.yaml": good_config(tmp_path)})
    assert setup(usual).config_file == f"{tmp_path}/etc/logmetrics/config.yaml"
    assert setup(usual, tmp_path / "logs").config_file is None

    command = UNIT.replace("/etc/logmetrics/config.yaml", f"{tmp_path}/mine.yaml")
    by_unit = setup(machine(tmp_path, {UNIT_FILE: command}))
    assert (by_unit.config_file, by_unit.config_why) == (f"{tmp_path}/mine.yaml", "ExecStart= of logmetrics.service")
    assert (by_unit.state_dir, by_unit.state_why) == (
        f"{tmp_path}/var/lib/logmetrics",
        "StateDirectory= of logmetrics.service",
    )
    named = setup(machine(tmp_path, {UNIT_FILE: command}), config_file=f"{tmp_path}/mine.yaml")
    assert (named.state_dir, named.config_why) == (by_unit.state_dir, "--config")


def test_why_the_state_is_there(tmp_path: Path) -> None:
    """The command line, else the config, else what systemd gives, else the user's own."""
    config = tmp_path / "c.yaml"
    config.write_text(good_config(tmp_path) + "state_dir: /srv/state\n")
    of = machine(tmp_path)
    assert setup(of, config_file=str(config)).state_why == "state_dir of the config"
    assert setup(of, config_file=str(config), state_dir="/x").state_why == "--state-dir"
    assert setup(of, tmp_path / "logs").state_why == "the user's own for these logs"
    assert setup(of).state_dir is None


def test_the_state_of_another_user_is_in_their_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the home of root, who asks; whose user has no home is told so."""
    monkeypatch.setenv("XDG_STATE_HOME", "/root/.local/state")
    (tmp_path / "logs").mkdir()
    of = machine(tmp_path, user="root")
    ann = setup(of, tmp_path / "logs", user="ann")
    assert ann.state_dir is not None
    assert ann.state_dir.startswith(f"{tmp_path}/home/ann/.local/state/logmetrics/logs-")
    assert ann.state_why == "user ann's own"
    nowhere = setup(of, tmp_path / "logs", user="logmetrics")
    assert nowhere.state_dir is None
    assert told(state(of, nowhere), "note")[0].startswith("no state is looked at: user logmetrics has no home")
    assert (setup(of, tmp_path / "logs").state_dir or "").startswith("/root/")


@pytest.mark.parametrize(
    ("paths", "journal", "journal_dir"),
    [(["logs"], [], None), ([], ["ollama"], None), (["logs"], ["ollama", "a"], "/j"), (["-", "logs"], [], None)],
)
def test_the_users_own_state_is_that_of_watch(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    paths: list[str],
    journal: list[str],
    journal_dir: str | None,
) -> None:
    """Whatever it reads, and with a pipe beside files, wherever it is started."""
    seen: list[str | None] = []
    monkeypatch.setattr("logmetrics.cli.watch._serve", lambda *arguments, **_: seen.append(arguments[4]))
    paths = [path if path == "-" else f"{tmp_path}/{path}" for path in paths]
    for directory in ("/", str(tmp_path)):
        monkeypatch.chdir(directory)
        watch(paths, journal=journal, journal_dir=journal_dir)
    asked = setup(machine(tmp_path), *paths, journal=tuple(journal), journal_dir=journal_dir)
    assert seen == [asked.state_dir] * 2


def test_root_looks_for_the_user_of_the_unit(tmp_path: Path) -> None:
    """With the groups that the unit gives it; another one only when it is asked for."""
    root = machine(tmp_path, {UNIT_FILE: UNIT}, user="root")
    assert [account.name for account in setup(root).accounts] == ["root", "logmetrics"]
    assert setup(root).reader.gids == {600, 4, 190}
    assert setup(root, user="ann").reader.name == "ann"
    assert [account.name for account in setup(machine(tmp_path / "bare")).accounts] == ["ann"]
    other = machine(tmp_path)
    assert [account.name for account in setup(other).accounts] == ["logmetrics"]
    assert [account.name for account in setup(other, tmp_path).accounts] == ["ann"]
    missing = configuration(setup(root, user="nix"))
    assert "useradd --system" in told(missing, "problem")[0]


def test_each_mistake_of_a_config_is_told(tmp_path: Path) -> None:
    """With its place; what to do stands once."""
    config = tmp_path / "c.yaml"
    config.write_text("sources: [{name: s, paths: [/x], formt: json}]\nlistn: x\n")
    problems = told(configuration(setup(machine(tmp_path), config_file=str(config))), "problem")

    assert len(problems) == 2
    assert "c.yaml:1:34: sources[0].formt: unknown key" in problems[0]
    assert [" -> " in each for each in problems] == [False, True]


def test_what_watch_would_refuse_is_a_problem(tmp_path: Path) -> None:
    """A config that is not there; and none at all, for then there is nothing to read."""
    of = machine(tmp_path)
    assert worst(configuration(setup(of, config_file="/nix.yaml"))) == "problem"
    assert worst(configuration(setup(of))) == "problem"
    assert worst(configuration(setup(of, tmp_path))) == "ok"


def test_who_may_change_or_read_the_config(tmp_path: Path) -> None:
    """Everybody who may write to it decides what is read; the user of the unit has to read it."""
    config = tmp_path / "etc/logmetrics/config.yaml"
    of = machine(tmp_path, {UNIT_FILE: UNIT, "/etc/logmetrics/config.yaml": good_config(tmp_path)}, user="root")
    config.chmod(0o646)
    assert "chmod o-w" in told(configuration(setup(of, config_file=str(config))), "warning")[0]
    config.chmod(0o600)
    found = told(configuration(setup(of, config_file=str(config), user="ann")), "problem")
    assert found and "user ann may not read" in found[0]


def executable(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_binaries_that_shadow_each_other(tmp_path: Path) -> None:
    """The one that runs, the one that a shell would start, the one of the unit."""
    mine, first, last = (executable(tmp_path / name / "logmetrics") for name in ("mine", "first", "last"))
    of = machine(tmp_path, {UNIT_FILE: UNIT}, environ={"PATH": f"{tmp_path}/first:{tmp_path}/last"})
    found = binaries(of, find_unit(of, "logmetrics.service"), mine)

    assert told(found, "warning")[0].startswith(f"a shell would start another one: {first}")
    assert told(found, "note")[0].startswith(f"{last} is shadowed by {first}")
    assert "starts /usr/local/bin/logmetrics, which is not there" in told(found, "problem")[0]
    assert worst(binaries(of, None, first)) == "note"


def test_pythons_and_packages() -> None:
    """Too old is a problem, newer than tested is not."""
    assert python((3, 9, 1)).mark == "problem"
    assert python((3, 12, 0)).mark == "ok"
    assert python((3, 99, 0)).mark == "note"
    assert worst(packages({"orjson": "0.1"})) == "ok"
    assert "orjson" in told(packages({"orjson": "9999.1"}), "problem")[0]
    assert "the package no-such-package is missing" in told(packages({"no-such-package": "1"}), "problem")[0]
    assert worst(packages({})) == "note"
    assert metadata.version("orjson")


def test_a_topic_that_fails_is_a_finding() -> None:
    """A doctor that falls ill helps nobody."""

    def look() -> list[object]:
        raise RuntimeError("no /proc")

    group = examined("State", look)  # type: ignore[arg-type]
    assert [each.what for each in group.findings] == ["state could not be looked at: no /proc"]
    assert is_healthy([group])


def test_commands_that_are_missing_or_fail() -> None:
    """No exception, but a code."""
    assert run_command(["/nonexistent/command"]).code == 127
    assert run_command(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]) == type(run_command(["/bin/true"]))(
        3, "out\n", "err"
    )


def test_files_of_the_system_that_are_missing(tmp_path: Path) -> None:
    """Nothing is there, and nothing is raised."""
    of: Machine = machine(tmp_path)
    assert of.read("/proc/nothing") is None
    assert of.names_in("/proc") == []
    assert not of.has_systemd()


def test_the_web_config_is_looked_at(tmp_path: Path) -> None:
    """Its mistakes are told like the config's; certificates have to be there."""
    of = machine(tmp_path)
    web = tmp_path / "web.yml"
    web.write_text("tls_server_config: {cert_file: nix.pem, key_file: nix.key}\n")
    found = configuration(setup(of, tmp_path, web_config=str(web)))
    assert any("nix.pem" in each for each in told(found, "problem"))
    web.write_text("basic_auth: {}\n")
    assert "basic_auth: unknown key" in told(configuration(setup(of, tmp_path, web_config=str(web))), "problem")[0]
    web.write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    found = configuration(setup(of, tmp_path, web_config=str(web)))
    assert f"web config: {web}: neither TLS nor access control" in told(found, "ok")


def test_it_knows_the_options_of_watch() -> None:
    """Else the word behind a new one would be taken for a path."""
    watch = typer.main.get_command(app).commands["watch"]  # type: ignore[attr-defined]
    known = {name: option.is_flag for option in watch.params for name in option.opts if name.startswith("-")}

    assert {name for name, is_flag in known.items() if not is_flag} == set(WITH_VALUE)
    assert {name for name, is_flag in known.items() if is_flag} - {"--help"} == set(FLAGS)
