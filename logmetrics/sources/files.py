"""The files of all sources: scans for what came and went, and the turns in which they are read."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from logmetrics.sources.content import StopFlag, file_id_of
from logmetrics.sources.discovery import Discovery, FileId, FoundFile
from logmetrics.sources.identity import Identity, why
from logmetrics.sources.known import Known
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.tail import ContentChangedError, Tail

# While scrapes wait, a file that was read is verified so much later.
HURRIED_VERIFY_S = 0.25
# A file that lost its name may still be written to by a program that holds it open.
NAMELESS_IDLE_S = 60.0
# A file that was written to this long ago has a turn in every pass.
BUSY_S = 10.0
# So much of one file is read before the next has its turn: a large backlog must not starve a small live file.
BLOCKS_PER_TURN = 8

_Found = dict[FileId, tuple[SourceReader, FoundFile]]


def open_files_max(wanted: int) -> int:
    """Let the process open as many files as the system allows it: so many logs, half of them and *wanted* at the most.

    The usual soft limit of 1,024 is for select().
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(hard // 2, wanted)


class Files:
    """Scans and turns. Only the engine's thread touches it."""

    def __init__(
        self, readers: Iterable[SourceReader], say: Callable[[str], None], stop: StopFlag, open_max: int
    ) -> None:
        self.readers = {reader.spec.name: reader for reader in readers}
        self.say = say
        self.known = Known(say, stop, open_max)
        self.identity = Identity(self.known)

    def adopt(self, discoveries: Mapping[str, Discovery], now_s: float) -> bool:
        """Bring everything in line with what was found on the disk, by source; True when there are new files."""
        known = self.known
        known.look_again = False
        known.give_back()
        found = self._by_file(discoveries)
        for discovery in discoveries.values():
            for file_id, names in discovery.aliases.items():
                self._note_aliases(file_id, names)
        problems = {name: dict(discovery.problems) for name, discovery in discoveries.items()}
        self._follow_names(found, now_s)
        unknown = [(r, file) for r, file in found.values() if not (file.file_id in known.tails or self._is_old(file))]
        all_of_them = not unknown or self.identity.meet(unknown, problems, now_s)
        for file_id in known.passed_over.keys() - found.keys():
            del known.passed_over[file_id]
        for file_id in known.aliases.keys() - found.keys():
            del known.aliases[file_id]
        self._settle(now_s)
        for name, reader in self.readers.items():
            self._tell_problems(reader, problems.get(name, {}))
            if all_of_them:
                known.looked_through(discoveries[name].roots)
        at_start, self.identity.at_start = self.identity.at_start, False
        return not at_start and any(file.file_id in known.tails for _, file in unknown)

    def change_readers(
        self, readers: Iterable[SourceReader], discoveries: Mapping[str, Discovery], now_s: float
    ) -> None:
        """The sources are those of *readers* from now on; *discoveries* is what they find.

        Logs go on where they are, and those that lost their name with the source that has theirs. Files that no source
        names any more are left.
        """
        before, self.readers = self.readers, {reader.spec.name: reader for reader in readers}
        found = self._by_file(discoveries)
        for tail in list(self.known.tails.values()):
            spec, same = tail.reader.spec, self.readers.get(tail.reader.spec.name)
            if tail.position.file_id in found:
                tail.move_to(*found[tail.position.file_id])
            elif same is not None and not _has_its_name(tail):
                tail.move_to(same, tail.found)
            else:
                self.known.leave(tail, now_s)
                continue
            if tail.content is not None and tail.identified and not spec.frames_like(tail.reader.spec):
                with suppress(ContentChangedError, OSError):  # its turn will find that too
                    tail.resume()
        for name in before.keys() & self.readers.keys():
            self.readers[name].problems, self.readers[name].troubles = before[name].problems, before[name].troubles
        self.known.passed_over.clear()

    def _by_file(self, discoveries: Mapping[str, Discovery]) -> _Found:
        found: _Found = {}
        for name, discovery in discoveries.items():
            for file_id, file in discovery.files.items():
                # A file that two sources name is read once, by the first.
                found.setdefault(file_id, (self.readers[name], file))
        return found

    def _note_aliases(self, file_id: FileId, names: list[str]) -> None:
        """A copy may have the name of any of them."""
        tail = self.known.tails.get(file_id)
        if tail is not None and tail.identified and self.known.aliases.get(file_id) != names:
            self.known.aliases[file_id] = names
            self.known.begins(tail, tail.first)
        self.known.aliases[file_id] = names

    def _is_old(self, file: FoundFile) -> bool:
        """Whether *file* was passed over, and nothing changed since."""
        entry = self.known.passed_over.get(file.file_id)
        if entry is None or entry.version != self.known.orphans.version:
            return False
        return entry.signature == file.signature

    def _follow_names(self, found: _Found, now_s: float) -> None:
        names = {file.path for _, file in found.values()}
        for file_id, tail in list(self.known.tails.items()):
            if file_id not in found:
                self._lost_name(tail, now_s, replaced=tail.position.path in names)
                continue
            position, file = tail.position, found[file_id][1]
            if tail.content is None and not position.raw and self._may_be_another(tail, file):
                self.known.lose(tail, "deleted", now_s)
                continue
            tail.move_to(*found[file_id])
            self.known.nameless.pop(file_id, None)
            if position.path != file.path:
                tail.reader.rotations += 1
                position.path, position.source = file.path, tail.reader.spec.name
                self.known.note(position)

    def _may_be_another(self, tail: Tail, file: FoundFile) -> bool:
        """Whether the inode of a file that is not open may have been given to another file since.

        One that only grew is verified when it is read.
        """
        if file.signature == tail.position.signature:
            return False
        return file.path != tail.position.path or file.signature[0] < tail.position.signature[0]

    def _lost_name(self, tail: Tail, now_s: float, *, replaced: bool) -> None:
        """Read on for a while, then close: the descriptor keeps the inode from being used for another file."""
        since_s = self.known.nameless.get(tail.position.file_id)
        if since_s is None:
            self.known.nameless[tail.position.file_id] = since_s = now_s
            self.known.orphans.version += 1  # a copy may take its place
            tail.reader.rotations += replaced
        idle_s = now_s - max(since_s, tail.grown_s)
        if tail.content is None or (tail.lag_bytes == 0 and idle_s > NAMELESS_IDLE_S):
            self.known.lose(tail, "deleted", now_s)

    def _settle(self, now_s: float) -> None:
        """Write off what is not to be found any more, and forget the oldest of too many logs without a file."""
        orphans = self.known.orphans
        for position in orphans.write_off_due(now_s):
            self.known.note(position)
        for position in orphans.trim():
            self.known.forget(position)

    def _tell_problems(self, reader: SourceReader, problems: dict[str, str]) -> None:
        for path, what in problems.items():
            if reader.problems.get(path) != what:
                self.say(f"{path}: {what}")
        reader.problems = problems
        if self.identity.at_start and not problems and not any(t.reader is reader for t in self.known.tails.values()):
            self.say(f"no files there yet: {', '.join(reader.spec.paths)}")

    # -- turns

    def round(self, now_s: float, *, all_of_them: bool, hurry: bool) -> Iterator[Tail]:
        """The files whose turn it is, in order: of the busy ones, or of all of them, those that are not still. In a
        *hurry* files that were just read are verified later.

        A round of all that is broken off goes on where it ended.
        """
        known, turns = self.known, self.known.turns
        verify_s = now_s - (HURRIED_VERIFY_S if hurry else 0.0)
        if all_of_them:
            for _ in range(len(turns)):
                if not turns:
                    return
                tail = turns[0]
                turns.rotate(-1)
                if not tail.is_still(verify_s):
                    yield tail
                elif tail.content is not None and tail.content.compressed:
                    tail.content.rest()
        else:
            for tail in list(known.busy):
                if not tail.is_still(verify_s) and tail in known.busy:
                    yield tail
                elif tail.content is not None and tail.content.compressed:
                    tail.content.rest()
        for tail in [tail for tail in known.busy if now_s - tail.grown_s >= BUSY_S and not tail.lag_bytes]:
            del known.busy[tail]

    def turn(self, tail: Tail, clock_s: float, now_s: float) -> bool:
        """Give *tail* its turn: apply the rules to some blocks. True when there is more to read.

        *clock_s* is wall time, for `active` metrics; *now_s* is monotonic.
        """
        try:
            seen = tail.position.signature
            if tail.content is None and not (tail.has_changed() and self.identity.reopen(tail, now_s)):
                return False
            if not tail.look(now_s):
                return False
            place = tail.looked_to
            if tail.position.signature is not seen:
                self.known.note(tail.position)
            if not tail.identified:
                self.identity.recognise(tail, now_s)
                if not tail.identified:
                    return False
            if tail.content is not None:
                self._read(tail, clock_s, now_s)
        except FileNotFoundError:
            self.known.look_again = True  # the next scan will miss it too
            return False
        except OSError as error:
            self._trouble(tail, error)
            return False
        # Without progress there is nothing to do now, whatever the size says.
        return tail.lag_bytes > 0 and tail.looked_to != place

    def _read(self, tail: Tail, clock_s: float, now_s: float) -> None:
        end = tail.position.end
        if not tail.holds():
            self.identity.reconsider(tail, now_s)
            return
        if tail.position.end != end:
            self.known.note(tail.position)
        if tail.content is not None and not tail.content.compressed:
            self.known.orphans.cut_off(tail.position, end)
        if not tail.lag_bytes:
            return
        tail.grown_s = now_s
        self.known.busy[tail] = None
        reader, before, changed = tail.reader, tail.offset, False
        try:
            self._apply_blocks(tail, clock_s)
            reader.troubles.pop(tail.position.path, None)
        except ContentChangedError:
            changed = True
        finally:
            self._account(tail, before)
        if changed:
            self.identity.reconsider(tail, now_s)

    def _apply_blocks(self, tail: Tail, clock_s: float) -> None:
        reader, log = tail.reader, tail.log
        for _ in range(BLOCKS_PER_TURN):
            records = tail.read_records()
            if records is None:
                return
            if records:
                reader.apply(records, log, clock_s)
            if not tail.lag_bytes:
                return

    def _account(self, tail: Tail, before: int) -> None:
        """Whatever ended the reading: what was applied is counted up to here, and the position says so."""
        reader = tail.reader
        reader.bytes += tail.offset - before
        reader.lines += tail.lines
        reader.oversize += tail.oversize
        reader.nul_bytes += tail.nul_bytes
        tail.lines = tail.oversize = tail.nul_bytes = 0
        tail.note()
        self.known.note(tail.position)

    def _trouble(self, tail: Tail, error: OSError) -> None:
        """The file of *tail* cannot be read now. Its place is kept; the next scan tries again."""
        path, what = tail.position.path, why(error)
        if tail.reader.troubles.get(path) != what:
            tail.reader.troubles[path] = what
            self.say(f"{path}: {what}")
        if tail.position.file_id not in self.known.nameless:  # else it could not be opened again
            self.known.close(tail)
        tail.position.signature = (0, 0)

    def close(self) -> None:
        """Give all descriptors back."""
        for tail in self.known.tails.values():
            self.known.close(tail)


def _has_its_name(tail: Tail) -> bool:
    """Whether the path of the log still leads to its file."""
    try:
        return file_id_of(os.stat(tail.position.path)) == tail.position.file_id
    except OSError:
        return False
