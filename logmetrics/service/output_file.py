"""A file that another program reads at any time: it is replaced as a whole, and all may read it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from logmetrics.config.outputs import real_path, temporary_path
from logmetrics.errors import LogmetricsError

_MODE = 0o644


class OutputFile:
    """The file at *path* is ours from the first ``write`` on, until another program puts its own there.

    *option* is what the user gave it by, for messages. All methods raise LogmetricsError.
    """

    def __init__(self, path: str, option: str) -> None:
        self.path = real_path(path)
        self.option = option
        self._directory = os.path.dirname(self.path)
        self._temporary = temporary_path(self.path)
        # Device, inode and time of what we put there last.
        self._ours: tuple[int, int, int] | None = None

    def begin(self) -> None:
        """Find out whether the file can be written, and remove what a run that was killed has left there."""
        try:
            os.close(self._open_temporary())
            os.unlink(self._temporary)
            with suppress(FileNotFoundError):
                os.unlink(self.path)
        except OSError as error:
            raise self._explained(error) from error

    def write(self, content: bytes) -> None:
        """Put *content* in place of what is there; readers see the one or the other."""
        try:
            with open(self._open_temporary(), "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), _MODE)  # whatever the umask says
                os.fsync(file.fileno())
                status = os.fstat(file.fileno())
            os.replace(self._temporary, self.path)
        except OSError as error:
            with suppress(OSError):
                os.unlink(self._temporary)
            raise self._explained(error) from error
        self._ours = status.st_dev, status.st_ino, status.st_mtime_ns

    def remove(self) -> None:
        """Remove the file, if it is still what we wrote last."""
        try:
            with suppress(FileNotFoundError):
                status = os.lstat(self.path)
                if self._ours == (status.st_dev, status.st_ino, status.st_mtime_ns):
                    os.unlink(self.path)
        except OSError as error:
            raise self._explained(error) from error

    def _open_temporary(self) -> int:
        with suppress(FileNotFoundError):
            os.unlink(self._temporary)
        # Never through a link that somebody put there.
        return os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)

    def _explained(self, error: OSError) -> LogmetricsError:
        what = f"{self.option} {self.path} cannot be written: {error.strerror or error}"
        if error.errno == errno.ENOENT and not os.path.isdir(self._directory):
            what += f"; there is no directory {self._directory}, make it first"
        elif error.errno in (errno.EACCES, errno.EPERM):
            what += f"; the user that logmetrics runs as needs write permission on {self._directory}"
        elif error.errno == errno.EROFS:
            what += f"; a unit with ProtectSystem=strict needs ReadWritePaths={self._directory}"
        return LogmetricsError(what)
