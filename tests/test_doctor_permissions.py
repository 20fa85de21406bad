"""May this user read that? The doctor's answers against the kernel's, and the commands that it gives."""

from __future__ import annotations

import os
import random
import struct
import subprocess
from pathlib import Path

import pytest

from logmetrics.config.specs import SourceSpec
from logmetrics.doctor.logs import access, hidden_by, logs
from logmetrics.doctor.machine import Account
from logmetrics.doctor.permissions import READ, SEARCH, WRITE, may, obstacles, permissions_of
from logmetrics.doctor.units import find_unit
from tests.made_machine import UNIT, looks, machine, setup, told, worst
from tests.test_doctor_setup import UNIT_FILE

# Tests run below /tmp.
SEES_TMP = UNIT.replace("PrivateTmp=yes", "PrivateTmp=no")
ACCOUNT = Account("somebody", 12345, frozenset({12345, 777}))


def access_list(draw: random.Random) -> bytes:
    """A random POSIX access list, as the kernel keeps it: for users 12345 and 555, groups 777 and 888."""
    named = [(0x02, uid) for uid in (555, 12345) if draw.random() < 0.5]
    named_groups = [(0x08, gid) for gid in (777, 888) if draw.random() < 0.5]
    nobody = 0xFFFFFFFF
    entries = [(0x01, nobody), *named, (0x04, nobody), *named_groups, (0x10, nobody), (0x20, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, draw.randrange(8), each) for tag, each in entries)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else, to compare")
def test_the_kernel_agrees(tmp_path: Path) -> None:
    """300 files and directories of random owners, modes and access lists: the same answers for each permission."""
    draw = random.Random(8)
    places = []
    with_list = 0
    for number in range(300):
        place = tmp_path / f"f{number}"
        place.mkdir() if draw.random() < 0.3 else place.write_text("")
        os.chown(place, draw.choice((12345, 555, 0)), draw.choice((777, 888, 12345, 0)))
        place.chmod(draw.randrange(0o1000))
        if draw.random() < 0.5:
            try:
                os.setxattr(place, "system.posix_acl_access", access_list(draw))
                with_list += 1
            except OSError:  # no access lists on this file system
                pass
        places.append(place)
    tmp_path.chmod(0o755)
    script = 'for f in *; do for t in r w x; do test -$t "$f" && echo "$f $t"; done; done; true'
    done = subprocess.run(  # the directory above need not be open: it is entered before
        ["/bin/sh", "-c", script],
        cwd=tmp_path,
        user=12345,
        group=12345,
        extra_groups=[777],
        capture_output=True,
        text=True,
        check=True,
    )
    allowed = set(done.stdout.splitlines())

    assert with_list == 0 or with_list > 100
    for place in places:
        for letter, wanted in (("r", READ), ("w", WRITE), ("x", SEARCH)):
            assert may(ACCOUNT, permissions_of(str(place)), wanted) == (f"{place.name} {letter}" in allowed), place


def test_each_component_of_the_way_must_be_open(tmp_path: Path) -> None:
    """The directory above needs x only, the log r; a symbolic link has two ways."""
    (tmp_path / "real/logs").mkdir(parents=True)
    (tmp_path / "real/logs/a.log").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    look = looks(tmp_path, {"/real": (0, 0, 0o700), "/real/logs": (0, 0, 0o711), "/real/logs/a.log": (0, 4, 0o640)})
    account = Account("ann", 1000, frozenset({1000}))

    found = obstacles(f"{tmp_path}/link/logs/a.log", account, READ, look)
    assert [(os.path.relpath(each.place.path, tmp_path), each.wanted) for each in found] == [
        ("real", SEARCH),
        ("real/logs/a.log", READ),
    ]
    assert obstacles(f"{tmp_path}/link/logs/a.log", Account("root", 0, frozenset()), READ, look) == []


def logs_in(tmp_path: Path, *names: str) -> Path:
    directory = tmp_path / "srv/logs"
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text('{"a": 1}\n')
    return directory


def test_the_group_that_would_help(tmp_path: Path) -> None:
    """A log of root:adm 0640 needs adm; a thousand such logs are one finding."""
    directory = logs_in(tmp_path, "a.log", "b.log", "c.log")
    look = looks(tmp_path, {f"/srv/logs/{name}.log": (0, 4, 0o640) for name in "abc"})
    of = machine(tmp_path, {UNIT_FILE: SEES_TMP.replace("SupplementaryGroups=adm systemd-journal\n", "")}, user="root")
    found = access(of, setup(of, directory), look)

    assert told(found, "ok") == ["source logs: user root may read all of it"]
    [problem] = told(found, "problem")
    assert "user logmetrics may not read" in problem
    assert "(root:adm, 0640) and 2 beside it -> usermod -aG adm logmetrics" in problem
    assert "SupplementaryGroups=adm with `systemctl edit logmetrics.service`" in problem


def test_the_groups_of_the_unit_count(tmp_path: Path) -> None:
    """With SupplementaryGroups=adm there is nothing to complain of."""
    directory = logs_in(tmp_path, "a.log")
    look = looks(tmp_path, {"/srv/logs/a.log": (0, 4, 0o640)})
    of = machine(tmp_path, {UNIT_FILE: SEES_TMP}, user="root")

    assert worst(access(of, setup(of, directory), look)) == "ok"


def test_an_access_list_where_no_group_helps(tmp_path: Path) -> None:
    """A private home needs one x on the way, and the logs an access list."""
    directory = logs_in(tmp_path, "a.log")
    look = looks(tmp_path, {"/srv": (1000, 1000, 0o700), "/srv/logs/a.log": (1000, 1000, 0o600)})
    of = machine(tmp_path)
    problems = told(access(of, setup(of, directory, user="logmetrics"), look), "problem")

    assert f"-> setfacl -m u:logmetrics:x {tmp_path}/srv" in problems[0]
    assert f"-> setfacl -R -m u:logmetrics:rX -m d:u:logmetrics:rX {directory}" in problems[1]


def test_logs_that_the_unit_hides(tmp_path: Path) -> None:
    """ProtectHome= and PrivateTmp= hide what permissions would allow; read-only does not hide."""
    unit = find_unit(machine(tmp_path, {UNIT_FILE: UNIT}), "logmetrics.service")
    assert unit is not None
    [problem] = told(hidden_by(unit, ["/home/x/logs", "/tmp/agent.log", "/var/log"]), "problem")
    assert "/tmp/agent.log is hidden from logmetrics.service by PrivateTmp=yes" in problem
    strict = find_unit(
        machine(tmp_path, {UNIT_FILE: UNIT.replace("=read-only", "=yes") + "InaccessiblePaths=/srv/x\n"}),
        "logmetrics.service",
    )
    assert strict is not None
    assert len(told(hidden_by(strict, ["/home/x/logs", "/root", "/homes", "/srv/x/y"]), "problem")) == 3


def source_findings(tmp_path: Path, *paths: str, **keys: object) -> tuple[str, str]:
    """The worst of what is said of a source, and that."""
    from dataclasses import replace

    of = machine(tmp_path)
    there = setup(of, *paths)
    assert there.config is not None
    spec = SourceSpec("s", tuple(paths), **keys)  # type: ignore[arg-type]
    found = logs(of, replace(there, config=replace(there.config, sources=(spec,))))
    mark = worst(found)
    return mark, told(found, mark)[0]


def test_what_sources_match_and_why_not(tmp_path: Path) -> None:
    """How many files and the newest; else whether it is the path, the glob or exclude."""
    directory = logs_in(tmp_path, "a.log", "b.log")
    mark, what = source_findings(tmp_path, f"{directory}/*.log")
    assert (mark, what[:31]) == ("ok", "source s: 2 files, 18 B; newest")
    assert source_findings(tmp_path, f"{directory}/*.txt")[0] == "warning"
    assert "no file matches" in source_findings(tmp_path, f"{directory}/*.txt")[1]
    assert "is not there" in source_findings(tmp_path, f"{directory}/nix.log")[1]
    (tmp_path / "empty").mkdir()
    assert "holds no files" in source_findings(tmp_path, f"{tmp_path}/empty")[1]
    assert "nothing to read" in source_findings(tmp_path, str(directory), exclude=("*.log",))[1]
    os.utime(directory / "a.log", (1e9, 1e9))
    os.utime(directory / "b.log", (1e9, 1e9))
    assert source_findings(tmp_path, str(directory))[0] == "note"
