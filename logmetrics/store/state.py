"""state.db: what was counted and how far the logs were read, in one SQLite file and one transaction.

A commit writes absolute values, never differences, so that one whose outcome is unknown can simply be written again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from logmetrics.errors import StateError

SCHEMA_VERSION = 5
APPLICATION_ID = 0x6C6F676D  # "logm"
FILE_NAME = "state.db"
LOCK_NAME = "lock"
# Metrics that no config has named for so many starts are forgotten: one, so that a rollback finds its values.
UNUSED_STARTS_MAX = 1
# How long a reader such as the sqlite3 shell may hold up a commit before it counts as failed.
BUSY_S_MAX = 2.0

Row = tuple[Any, ...]

_SCHEMA = """
CREATE TABLE families (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, shape TEXT NOT NULL, limits TEXT NOT NULL, unused_starts INTEGER NOT NULL
);
CREATE TABLE series (
  id INTEGER PRIMARY KEY, family INTEGER NOT NULL, labels TEXT NOT NULL, overflow INTEGER NOT NULL, value TEXT NOT NULL,
  created_s REAL NOT NULL, touched_s REAL NOT NULL, past REAL NOT NULL, mark INTEGER NOT NULL
);
CREATE TABLE parked (
  family INTEGER, labels TEXT, value TEXT NOT NULL, created_s REAL NOT NULL, PRIMARY KEY (family, labels)
) WITHOUT ROWID;
CREATE TABLE newcomers (
  family INTEGER, slot INTEGER, labels TEXT NOT NULL, count INTEGER NOT NULL, error INTEGER NOT NULL,
  serial INTEGER NOT NULL, PRIMARY KEY (family, slot)
) WITHOUT ROWID;
CREATE TABLE refusals (
  family INTEGER PRIMARY KEY, refused INTEGER NOT NULL, look_at INTEGER NOT NULL, halved_s REAL NOT NULL,
  registers BLOB NOT NULL, longest TEXT NOT NULL
);
CREATE TABLE files (
  id INTEGER PRIMARY KEY, source TEXT NOT NULL, path BLOB NOT NULL, met_path BLOB NOT NULL, device TEXT NOT NULL,
  inode TEXT NOT NULL, offset INTEGER NOT NULL, window_bytes INTEGER NOT NULL, window_hash BLOB NOT NULL,
  skipping INTEGER NOT NULL, ahead INTEGER NOT NULL, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  log_end INTEGER NOT NULL, read_to INTEGER NOT NULL, raw INTEGER NOT NULL, told_lost INTEGER NOT NULL,
  begun INTEGER NOT NULL
);
CREATE TABLE fingerprints (file INTEGER PRIMARY KEY, head BLOB NOT NULL, marks TEXT NOT NULL);
CREATE TABLE pairs (
  source TEXT, rule TEXT, key TEXT, serial INTEGER NOT NULL, kept TEXT NOT NULL, PRIMARY KEY (source, rule, key)
) WITHOUT ROWID;
CREATE TABLE roots (path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE journals (
  key TEXT PRIMARY KEY, source TEXT NOT NULL, cursor TEXT NOT NULL, time_us INTEGER NOT NULL, ahead INTEGER NOT NULL,
  read_cursor TEXT NOT NULL, read_us INTEGER NOT NULL, seen_us INTEGER NOT NULL
) WITHOUT ROWID;
"""

# What a commit can write: a name for each statement, and the columns in the order of its rows.
STATEMENTS: Mapping[str, str] = {
    "series_gone": "DELETE FROM series WHERE id = ?",
    "series": "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "parked_gone": "DELETE FROM parked WHERE family = ? AND labels = ?",
    "parked": "INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?)",
    "newcomers_gone": "DELETE FROM newcomers WHERE family = ? AND slot = ?",
    "newcomers": "INSERT OR REPLACE INTO newcomers VALUES (?, ?, ?, ?, ?, ?)",
    "refusals": "INSERT OR REPLACE INTO refusals VALUES (?, ?, ?, ?, ?, ?)",
    "files": "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "files_gone": "DELETE FROM files WHERE id = ?",
    "fingerprints": "INSERT OR REPLACE INTO fingerprints (file, head, marks) VALUES (?, ?, ?)",
    "fingerprints_gone": "DELETE FROM fingerprints WHERE file = ?",
    "pairs_cleared": "DELETE FROM pairs WHERE source = ? AND rule = ?",
    "pairs": "INSERT OR REPLACE INTO pairs (source, rule, key, serial, kept) VALUES (?, ?, ?, ?, ?)",
    "pairs_gone": "DELETE FROM pairs WHERE source = ? AND rule = ? AND key = ?",
    "roots": "INSERT OR IGNORE INTO roots (path) VALUES (?)",
    "journals": "INSERT OR REPLACE INTO journals VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
}

Batch = dict[str, list[Row]]


class CommitError(Exception):
    """A commit was not made durable. Internal: the engine keeps what it has and tries again."""


class StateReader:
    """What can be read of a state, also of one that a daemon is using."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, FILE_NAME)
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def open(cls, directory: str) -> StateReader:
        """The state in *directory*, to be read only. Raises StateError."""
        reader = cls(directory)
        if not os.path.exists(reader.path):
            raise StateError(f"{directory} holds no state of logmetrics: there is no {FILE_NAME}")
        try:
            reader._connection = sqlite3.connect(f"file:{_quoted(reader.path)}?mode=ro", uri=True, timeout=BUSY_S_MAX)
            check(reader._connection, reader.path)
            reader._connection.execute("BEGIN")  # all that is read is of one commit
        except sqlite3.Error as error:
            raise StateError(f"{reader.path} cannot be read: {error}") from error
        return reader

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def rows(self, table: str) -> list[Row]:
        """All rows of *table*, in the order of its key."""
        order = {"files": "id", "series": "id", "pairs": "serial"}.get(table, "1")
        return self._open_connection().execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()  # noqa: S608

    def rows_of(self, table: str, family: int) -> list[Row]:
        """The rows of *table* that belong to a family."""
        select = f"SELECT * FROM {table} WHERE family = ?"  # noqa: S608
        return self._open_connection().execute(select, (family,)).fetchall()

    def parked_labels(self, family: int) -> list[str]:
        """The label sets that are parked for a family."""
        rows = self._open_connection().execute("SELECT labels FROM parked WHERE family = ?", (family,))
        return [labels for (labels,) in rows]

    def _open_connection(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection


class StateFile(StateReader):
    """An open, locked state directory. Only the engine's thread uses it."""

    def __init__(self, directory: str, *, reset: bool = False) -> None:
        """Open *directory*, making it if need be; *reset* sets an old state aside. Raises StateError."""
        super().__init__(directory)
        # Where the old state is after a reset, if there was one.
        self.set_aside: str | None = None
        self._lock_fd = _lock(directory)
        try:
            if reset:
                self._set_aside()
            self._connection = self._open()
            # SQLite writes on happily into a file that has no name any more.
            self._opened = self._file_id()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the directory free."""
        super().close()
        os.close(self._lock_fd)

    def owns(self, path: str) -> bool:
        """Whether *path* is a file of this directory."""
        return os.path.abspath(path).startswith(os.path.abspath(self.directory) + os.sep)

    # -- commits

    def write(self, batch: Batch) -> None:
        """Make *batch* durable, all of it or nothing. Raises CommitError."""
        try:
            connection = self._open_connection()
            if self._file_id() != self._opened:
                raise OSError(0, "was removed or replaced while in use; what was counted since is lost with a restart")
            execute = connection.execute
            execute("BEGIN IMMEDIATE")
            for name, rows in batch.items():
                connection.executemany(STATEMENTS[name], rows)
            execute("COMMIT")
        except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
            self._abandon()
            raise CommitError(f"{self.path}: {_why(error)}") from error

    def _open_connection(self) -> sqlite3.Connection:
        """The connection, after an error a new one. Raises sqlite3.Error."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _file_id(self) -> tuple[int, int]:
        status = os.stat(self.path)
        return status.st_dev, status.st_ino

    def _abandon(self) -> None:
        """Drop the connection: after a failed fsync nothing that it holds in memory can be trusted."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(sqlite3.Error):
                connection.close()  # rolls back

    def parked(self, family: int, labels: str) -> Row | None:
        """What was kept of a parked series: value and created_s. Raises CommitError."""
        try:
            select = "SELECT value, created_s FROM parked WHERE family = ? AND labels = ?"
            row: Row | None = self._open_connection().execute(select, (family, labels)).fetchone()
        except sqlite3.Error as error:
            self._abandon()
            raise CommitError(f"{self.path}: {_why(error)}") from error
        return row

    # -- what a start needs

    def known_families(self, wanted: Mapping[str, tuple[str, str]]) -> dict[str, int]:
        """The ids of those families *wanted* that are kept in their shape; see ``adopt_families``."""
        known = {(name, shape): key for key, name, shape, _, _ in self.rows("families")}
        return {name: known[name, shape] for name, (shape, _) in wanted.items() if (name, shape) in known}

    def adopt_families(self, wanted: Mapping[str, tuple[str, str]]) -> tuple[dict[str, int], list[str]]:
        """The ids of the families *wanted*, and the names of those whose shape changed.

        *wanted* gives for each name its shape, which must be the same for its values to be used, and its limits, which
        are noted for people. Families that were kept and are not asked for stay for one more start.
        """
        execute = self._open_connection().execute
        rows = self.rows("families")
        known = {(name, shape) for _, name, shape, _, _ in rows}
        changed = sorted({name for name, shape in known if name in wanted and wanted[name][0] != shape})
        ids = self.known_families(wanted)
        if {(name, *wanted.get(name, ()), 0) for name in wanted} == {tuple(row[1:]) for row in rows}:
            return ids, []
        try:
            execute("BEGIN IMMEDIATE")
            execute("UPDATE families SET unused_starts = unused_starts + 1")
            for name, (shape, limits) in wanted.items():
                if name not in ids:
                    insert = "INSERT INTO families (name, shape, limits, unused_starts) VALUES (?, ?, '', 0)"
                    ids[name] = execute(insert, (name, shape)).lastrowid or 0
                execute("UPDATE families SET unused_starts = 0, limits = ? WHERE id = ?", (limits, ids[name]))
            for table in _OF_FAMILIES:
                forgotten = "SELECT id FROM families WHERE unused_starts > ?"
                execute(f"DELETE FROM {table} WHERE family IN ({forgotten})", _UNUSED)  # noqa: S608
            execute("DELETE FROM families WHERE unused_starts > ?", _UNUSED)
            execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon()
            raise StateError(f"{self.path}: cannot be written: {error}; {_ELSEWHERE_HINT}") from error
        return ids, [name for name in changed if (name, wanted[name][0]) not in known]

    # -- opening

    def _open(self) -> sqlite3.Connection:
        if not os.path.exists(self.path):
            if os.path.exists(f"{self.path}-wal"):
                raise StateError(f"{self.path} is missing, but its log {self.path}-wal is there; {_RESET_HINT}")
            self._create()
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            # "Operational" is what the system refused; anything else is the file's fault.
            what = "cannot be opened" if isinstance(error, sqlite3.OperationalError) else "is damaged"
            raise StateError(f"{self.path} {what}: {error}; {_RESET_HINT}") from error
        try:
            check(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        """A connection to the file that is there. Raises sqlite3.Error."""
        uri = f"file:{_quoted(self.path)}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S_MAX)
        try:
            # FULL: a commit that was shown must survive a power cut, else a counter could go back.
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        """Make an empty state under another name, then give it its own: a file of that name is always whole."""
        new = f"{self.path}.new"
        try:
            for suffix in _SUFFIXES:
                with suppress(FileNotFoundError):
                    os.unlink(new + suffix)
            # Log contents end up in here (label values, keys): for the owner only. SQLite copies the mode to its WAL.
            os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(new, isolation_level=None)
            try:
                connection.executescript(f"PRAGMA synchronous = FULL; BEGIN; {_SCHEMA} COMMIT")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                connection.execute("PRAGMA journal_mode = WAL")
            finally:
                connection.close()
            os.rename(new, self.path)
            _sync_directory(self.directory)
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{self.path}: cannot be made: {_why(error)}; {_ELSEWHERE_HINT}") from error

    def _set_aside(self) -> None:
        """Rename the old state, so that nothing is lost by a hasty `--reset-state`, or by two."""
        if not any(os.path.exists(self.path + suffix) for suffix in _SUFFIXES):
            return
        old, number = f"{self.path}.old", 1
        while any(os.path.lexists(old + suffix) for suffix in _SUFFIXES):
            number += 1
            old = f"{self.path}.old.{number}"
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                os.rename(self.path + suffix, old + suffix)
        self.set_aside = old


# A database and what SQLite puts beside it.
_SUFFIXES = ("", "-wal", "-shm")
_UNUSED = (UNUSED_STARTS_MAX,)
_OF_FAMILIES = ("series", "parked", "newcomers", "refusals")
_RESET_HINT = "--reset-state sets it aside and starts from zero"
_ELSEWHERE_HINT = "choose another directory with --state-dir, or run with --no-state"


def check(connection: sqlite3.Connection, path: str) -> None:
    """Raise StateError unless the file behind *connection* is a sound state of a version that is known here."""
    try:
        ours = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if ours != APPLICATION_ID:
            raise StateError(f"{path} is no state of logmetrics; {_RESET_HINT}")
        if version > SCHEMA_VERSION:
            what = f"is of version {version}, and this logmetrics knows up to {SCHEMA_VERSION}"
            raise StateError(f"{path} {what}; run the newer one, or {_RESET_HINT}")
        if version < SCHEMA_VERSION:
            raise StateError(f"{path} is of version {version}, from before the first release; {_RESET_HINT}")
        problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise StateError(f"{path} is damaged: {error}; {_RESET_HINT}") from error
    if problem != "ok":
        raise StateError(f"{path} is damaged: {problem}; {_RESET_HINT}")


def first_free_key(rows: Iterable[Sequence[Any]]) -> int:
    """The first id that is free behind those of *rows*, whose first column is the id."""
    return max((row[0] for row in rows), default=0) + 1


def _lock(directory: str) -> int:
    """Make *directory* if need be and hold its lock; the lock falls with the process. Raises StateError."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        owner = os.stat(directory).st_uid
        if owner not in (os.geteuid(), 0):
            raise StateError(f"{directory} belongs to user {owner}, not to the one that runs this; {_ELSEWHERE_HINT}")
        fd = os.open(os.path.join(directory, LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"state directory {directory}: {_why(error)}; {_ELSEWHERE_HINT}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise StateError(f"state directory {directory}: {_why(error)}; {_ELSEWHERE_HINT}") from error
        what = f"state directory {directory} is in use by the logmetrics with process id {holder}"
        raise StateError(f"{what}; stop that one, or give this one a --state-dir of its own") from error
    with suppress(OSError):  # it helps people only, and a full disk is no reason not to start
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
    return fd


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(os.path.abspath(path))


def _sync_directory(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
