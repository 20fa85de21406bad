"""Windows of samples -> blocks in the data directory of a Prometheus, which finds them within a minute.

Nothing is written twice, however often a replay runs and wherever it was killed:

- With a server to ask, only samples are written that it does not have yet.
- A block's ULID tells what is in it: its last 80 bits are a hash of the text that the block was made of, its first 48
  the time, as ever. Prometheus lists the ULIDs of all blocks that went into a compacted one in that one's ``meta.json``
  (``compaction.sources``), through all levels. So the data directory itself says which windows it has, also in the
  minute before the server does, and without a server. No file of ours has to be believed, and what retention deleted
  is known to be gone.

  Why the first bits are not hashed too: Prometheus deletes a block that is the parent of another at the next look,
  so a block that is written again, after its samples were deleted through the API, must have another name.

Blocks are made in a directory of our own inside the data directory, hence on the same file system; Prometheus passes
over it, as its name is no ULID. A block is moved out by one rename when it is complete and durable. Whatever a killed
run left there is removed by the next one, which a lock keeps apart from one that still runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType

import msgspec
import orjson

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import Window
from logmetrics.replay.targets.head import head_limit_s, safe_end_s
from logmetrics.replay.targets.openmetrics import sync_directory, texts, write_atomically
from logmetrics.replay.targets.prometheus_api import PrometheusApi
from logmetrics.replay.targets.promtool import Promtool
from logmetrics.replay.targets.verify import (
    PICK_UP_S,
    Comparison,
    compare_found,
    missing,
    shared_labels,
    span_of,
    utc,
    verify,
)

STAGING = ".logmetrics-staging"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_CHARACTERS = 10
_ULID_CHARACTERS = 26


class TsdbBlocks:
    """Writes blocks into *directory*, what Prometheus has as --storage.tsdb.path; a context manager.

    Without *api* no server is asked: the last three hours before *now_s* are refused, and promtool is asked what is in
    the blocks.
    """

    def __init__(self, directory: Path, api: PrometheusApi | None, now_s: float) -> None:
        self.directory = directory
        self._api = api
        self._promtool = Promtool()
        self._owner = _owner(directory)
        self._now_s = now_s
        self._end_s = head_limit_s(api, now_s)
        self._staging = directory / STAGING
        self._lock = _lock(self._staging, directory)
        for stale in self._staging.iterdir():
            _remove(stale)
        # How many samples were missing, and are in blocks now.
        self.samples = 0
        # The windows to look for when all are written, in files: they may be many.
        self._expected: list[Path] = []

    def __enter__(self) -> TsdbBlocks:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what is left of the work, and let others in."""
        shutil.rmtree(self._staging, ignore_errors=True)
        os.close(self._lock)

    def write(self, window: Window) -> str | None:
        """Make and move in the block of *window*; its ULID, or None if nothing of it was missing."""
        rest = missing(window, self._api) if self._api else window
        if not rest.size:
            return None
        self._keep_off_the_head(rest)
        text = self._staging / "window.om"
        digest = hashlib.sha256()
        write_atomically(text, _hashed(texts(rest), digest))
        identity = _crockford(int.from_bytes(digest.digest()[:10], "big"), _ULID_CHARACTERS - _TIME_CHARACTERS)
        if self._api:
            self._expect(window)
        if identity in self._waiting():
            return None
        if identity in self._compacted() and not (self._api and missing(rest, self._api).size):
            return None
        block = self._make(rest, text)
        ulid = self._move_in(block, identity)
        self.samples += rest.size
        _remove(block.parent)
        text.unlink()
        return ulid

    def verify(self, wait: Callable[[float], object], patience_s: float = PICK_UP_S) -> list[str]:
        """What the server does not show of all that was written, in words; nothing if all is there.

        New blocks are found once a minute; *wait* sleeps for some seconds in between.
        """
        assert self._api, "without a server each block was read back as it was made"
        problems: list[str] = []
        for path in reversed(self._expected):  # found together, but for the last ones
            window = msgspec.msgpack.decode(path.read_bytes(), type=Window)
            problems[:0] = verify(window, self._api, wait=wait, patience_s=patience_s)
            if problems:
                patience_s = 0
        if problems:
            problems.append(
                f"if all is missing: is {self.directory} what {self._api.url} has as --storage.tsdb.path, and what "
                "does its log say of these blocks?"
            )
        return problems

    def _keep_off_the_head(self, window: Window) -> None:
        """Fail if *window* is too new for a block; the guards told the user before, unless nobody asked them."""
        series, span = [each for family in window.families for each in family.series], span_of(window)
        assert span
        if span[1] < self._end_s:
            return
        names = list(dict.fromkeys(each.name for each in series))
        self._end_s = safe_end_s(self._api, self._now_s, span[1] + 0.001, shared_labels(series), names)
        if span[1] >= self._end_s:
            raise ReplayError(
                f"the block of {utc(window.start_s)} would have samples up to {utc(span[1])}, but Prometheus may have "
                f"live samples since {utc(self._end_s)} in no block: at its next restart it would drop all of them "
                f"before the block's end; end with --until {utc(-(-self._end_s // window.step_s) * window.step_s)}"
            )

    def _expect(self, window: Window) -> None:
        path = self._staging / f"expected-{window.start_s}"
        path.write_bytes(msgspec.msgpack.encode(window, enc_hook=list))
        self._expected.append(path)

    def _waiting(self) -> set[str]:
        """The identities of all blocks that are there."""
        return {block.name[_TIME_CHARACTERS:] for block in self._blocks()}

    def _compacted(self) -> set[str]:
        """The identities of all blocks that went into those that are there."""
        found: set[str] = set()
        for block in self._blocks():
            with suppress(OSError, orjson.JSONDecodeError):  # just deleted, or not complete and so none of ours
                meta = orjson.loads((block / "meta.json").read_bytes())
                found.update(ulid[_TIME_CHARACTERS:] for ulid in meta.get("compaction", {}).get("sources", ()))
        return found

    def _blocks(self) -> list[Path]:
        """The directories of blocks, without those that are about to be deleted, which have longer names."""
        return [path for path in self.directory.iterdir() if len(path.name) == _ULID_CHARACTERS]

    def _make(self, window: Window, text: Path) -> Path:
        """The one block of *text*, and in it all of *window*; in the staging directory."""
        place = Path(mkdtemp(dir=self._staging))  # another than that of a promtool whose replay was killed
        made = self._promtool.create_blocks(text, place)
        problems = [] if len(made) == 1 else [f"promtool made {len(made)} blocks of one window"]
        for block in made[:1]:
            stats = orjson.loads((block / "meta.json").read_bytes())["stats"]
            if stats.get("numSamples") != window.size:
                problems.append(f"promtool took {stats.get('numSamples')} of {window.size} samples")
        if not problems and self._api is None:
            problems = self._read_back(window, place)
        if problems:
            raise ReplayError(f"the block of {utc(window.start_s)} is not what it should be: {'; '.join(problems)}")
        return made[0]

    def _read_back(self, window: Window, place: Path) -> list[str]:
        """What promtool says of the last moment in the blocks in *place*, held against *window*.

        All moments would take three times as long as making the block; that none is missing, its meta.json says.
        """
        span, found = span_of(window), Comparison(Window(window.start_s, window.step_s))
        assert span
        last_s = span[1]
        last = Window(window.start_s, window.step_s)
        for family in window.families:
            ends = [each for each in family.series if each.times_s and each.times_s[-1] == last_s]
            series = [replace(each, times_s=[last_s], values=each.values[-1:]) for each in ends]
            last.families.append(replace(family, series=series))
        compare_found(last, self._promtool.dump(place, last_s, last_s), (last_s, last_s), 0.0, found)
        return found.problems()

    def _move_in(self, block: Path, identity: str) -> str:
        """Give *block* its name and owner, and move it into the data directory, whole and durable."""
        ulid = block.name[:_TIME_CHARACTERS] + identity
        meta = orjson.loads((block / "meta.json").read_bytes())
        meta["ulid"] = ulid
        meta["compaction"]["sources"] = [ulid]
        write_atomically(block / "meta.json", iter([orjson.dumps(meta, option=orjson.OPT_INDENT_2)]))
        try:
            if self._owner:
                for path in (block, *block.rglob("*")):
                    os.chown(path, *self._owner)
            block.rename(self.directory / ulid)
            sync_directory(self.directory)
        except OSError as error:
            raise ReplayError(f"{self.directory / ulid}: cannot be moved there: {error.strerror}") from error
        return ulid


def _owner(directory: Path) -> tuple[int, int] | None:
    """Whom blocks are to be given to; None if that is us. Prometheus must be able to delete them."""
    try:
        status = directory.stat()
    except OSError as error:
        raise ReplayError(
            f"{directory}: {error.strerror}; give the directory that Prometheus has as --storage.tsdb.path"
        ) from error
    user = os.geteuid()
    if status.st_uid != user and user != 0:
        raise ReplayError(
            f"{directory} belongs to user {_user_name(status.st_uid)}, who could not compact or delete what others put "
            f"there; run this as that user (sudo -u {_user_name(status.st_uid)}) or as root"
        )
    return (status.st_uid, status.st_gid) if user == 0 else None


def _user_name(number: int) -> str:
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"#{number}"


def _lock(staging: Path, directory: Path) -> int:
    """Make the staging directory ours, until the descriptor that is given is closed."""
    while True:
        try:
            staging.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ReplayError(
                f"{staging}: cannot be used: {error.strerror}; if another user's replay left it there, remove it"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ReplayError(f"{directory}: another replay writes blocks there; wait until it has ended") from error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), staging.stat()):
                return descriptor
        os.close(descriptor)  # removed by its last owner before we had the lock


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _hashed(parts: Iterator[str], digest: hashlib._Hash) -> Iterator[bytes]:
    for part in parts:
        chunk = part.encode("utf-8", "replace")
        digest.update(chunk)
        yield chunk


def _crockford(number: int, length: int) -> str:
    """*number* in the digits of ULIDs."""
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(length)))
