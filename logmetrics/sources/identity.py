"""Which log a file is: the decisions of ``position`` and ``recognition``, carried out."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from functools import partial

from logmetrics.sources.content import (
    CompressedContent,
    Content,
    file_id_of,
    go_on,
    open_content,
    with_its_kind,
)
from logmetrics.sources.discovery import FileId, FoundFile, absolute, signature_of
from logmetrics.sources.known import Known
from logmetrics.sources.names import log_name, log_path
from logmetrics.sources.position import (
    HEAD_BYTES,
    WINDOW_BYTES,
    Action,
    Decision,
    Position,
    compare,
    decide,
    is_telling,
)
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.recognition import Kind, Match, Surroundings, best_match
from logmetrics.sources.tail import ContentChangedError, Tail

# A copy that has more than its original, which has been still for so long: its rest is nobody else's.
OUTGROWN_S = 60.0

Unknown = tuple[SourceReader, FoundFile]
# File path -> why it cannot be read, by source.
Problems = dict[str, dict[str, str]]
Step = Callable[[Tail, float], bool]


class Identity:
    """Meets files that are unknown or changed, and finds each its position."""

    def __init__(self, known: Known) -> None:
        self.known = known
        # True in the first scan.
        self.at_start = True
        # Files that are there and could not be looked at in this scan: they may be what others only look like.
        self._unmet: set[FileId] = set()
        # True when files were not met in the last scan, because one that was there before could not be read.
        self._postponed = False
        # Files that are met in this scan.
        self._met: set[Tail] = set()

    def meet(self, unknown: list[Unknown], problems: Problems, now_s: float) -> bool:
        """Find out what each file is.

        First those that are as they were left, by inode; then those that go on with a log that lost its file, by
        content; then the others. False when too many are open: those that are left over come next time.
        """
        if not self._look_at_those_before(now_s) and not self._postponed:
            self._postponed = self.known.look_again = True  # once: what cannot be read may never be
            return False
        self._postponed = False
        orphans = self.known.orphans
        by_inode = {position.file_id: position for position in orphans.positions.values() if position.offset}
        changed = [pair for pair in unknown if not self._is_as_left(*pair, by_inode.get(pair[1].file_id))]
        # The file that a log had is more likely the log than its copy is, and a rotated name more likely a copy.
        changed.sort(key=lambda pair: (pair[1].file_id not in by_inode, log_path(pair[1].path) != pair[1].path))
        met: list[Tail] = []
        all_of_them = True
        for number, (reader, file) in enumerate(changed):
            if self.known.is_full:
                all_of_them = False
                self.known.look_again = number > 0  # else they wait for files that are still, not for the next pass
                break
            go_on(self.known.stop)
            taken = self._take_up(reader, file, problems, now_s)
            if taken is not None and not self._try(self._go_on, taken, problems, now_s):
                met.append(taken)
        self._met = set(met)
        self._unmet = {file.file_id for _, file in changed} - self.known.tails.keys()
        for tail in met:
            go_on(self.known.stop)
            if self.known.tails.get(tail.found.file_id) is tail:
                self._try(self.recognise, tail, problems, now_s)
        self._met.clear()
        return all_of_them

    def _look_at_those_before(self, now_s: float) -> bool:
        """Files that are read already may be what new ones are copies of, if only it was known what is in them.

        False when one of them cannot be read now; its turn will tell of that.
        """
        try:
            for tail in [self.known.tails[file_id] for file_id in self.known.nameless]:
                self.verify(tail, now_s)
            for tail in [t for t in self.known.tails.values() if not t.identified and t.content is not None]:
                self.recognise(tail, now_s)
        except OSError:
            return False
        return True

    def _is_as_left(self, reader: SourceReader, file: FoundFile, position: Position | None) -> bool:
        """Go on with *position* without opening *file*, if by inode, size and time it did not change since."""
        if position is None or position not in self.known.orphans:
            return False
        if position.signature != file.signature or position.unread_bytes:
            return False
        tail = Tail(position, reader, file, None)
        self.known.add(tail)
        self.known.identified(tail, "resumed" if position.path == file.path else "moved")
        return True

    def _try(self, step: Step, tail: Tail, problems: Problems, now_s: float) -> bool:
        try:
            return step(tail, now_s)
        except OSError as error:
            problems[tail.reader.spec.name][tail.found.path] = why(error)
            if self.known.tails.get(tail.found.file_id) is not tail:
                self.known.add(tail)
            self._pass_over(tail, now_s, again=bool(error.errno))  # without a number it is damaged, and stays so
            return True

    def _take_up(self, reader: SourceReader, file: FoundFile, problems: Problems, now_s: float) -> Tail | None:
        """Open *file* and give it turns; None when it cannot be."""
        try:
            content = self.known.open(file)
        except OSError as error:
            problems[reader.spec.name][file.path] = why(error)
            return None
        if content is None:
            return None
        # A generation that was not seen before belongs to its log, and has the log's name in labels.
        met_path = file.path if file.role == "log" else log_path(file.path)
        tail = Tail(self.known.new_position(reader, file, met_path), reader, file, content)
        tail.grown_s = now_s
        self.known.add(tail)
        return tail

    def _go_on(self, tail: Tail, now_s: float) -> bool:
        """Let *tail* go on with a log that lost its file, if its file has that log's content."""
        match = self._match(tail) if self._is_readable(tail, now_s) else None
        if match is None or match.kind is not Kind.HEIR:
            return False
        self._inherit(tail, match, now_s)
        return True

    def _match(self, tail: Tail) -> Match | None:
        assert tail.content is not None
        around = Surroundings(
            self.known.orphans, self._living_like(tail), self._reopened, self._unmet, shortened=tail in self._met
        )
        return best_match(tail.found, tail.content, around)

    def _living_like(self, tail: Tail) -> Callable[[bytes], Iterator[Tail]]:
        """The logs with a file that *tail* could be a copy of, by how they begin.

        Compressing a log makes no new one, whatever the name; plain files may be logs that begin alike.
        """
        assert tail.content is not None
        return partial(self.known.living, path=tail.found.path, any_name=tail.content.compressed)

    def recognise(self, tail: Tail, now_s: float) -> bool:
        """Decide which log the file of *tail* is, once it has content; True when that is done. Raises OSError."""
        if not self._is_readable(tail, now_s):
            return False
        file = tail.found
        match = self._match(tail)
        while self._is_outdated(match, tail, now_s):
            match = self._match(tail)
        if match is None and file.role == "excluded":
            self._pass_over(tail, now_s)
        elif match is None:
            self._begin(tail, now_s)
        elif match.kind is Kind.HEIR:
            self._inherit(tail, match, now_s)
        elif match.tail is not None:
            self._copy(match, match.tail, tail, now_s)
        elif match.offset == 0:
            self._pass_over(tail, now_s, again=True)  # too little of it is there
        else:
            self._inherit_part(tail, match, now_s)
        return True

    def _is_readable(self, tail: Tail, now_s: float) -> bool:
        """Whether there is enough to see what the file of *tail* is: it may have been empty when it was opened."""
        assert tail.content is not None
        if not tail.content.compressed:
            content = with_its_kind(tail.content, self.known.stop)
            if content is None:
                return False
            tail.content = content
        if tail.content.compressed and not self.at_start and self._is_being_written(tail.found):
            self._pass_over(tail, now_s, again=True)
            return False
        tail.first = tail.content.read(0, HEAD_BYTES)
        if tail.content.compressed and not is_telling(tail.first):
            self._pass_over(tail, now_s, again=True)
            return False
        return bool(tail.first)

    def _is_outdated(self, match: Match | None, tail: Tail, now_s: float) -> bool:
        """Look again at the logs that *tail* may be a copy of: one that was truncated a moment ago makes it an heir."""
        assert tail.content is not None
        version = self.known.orphans.version
        original = match.tail if match is not None else None
        alike = list(self.known.living(tail.first, tail.found.path, any_name=True))
        for suspect in alike if original is None else [original]:
            self.verify(suspect, now_s)
        if original is not None and self._is_replaced(original, tail.content):
            self.known.lose(original, "deleted", now_s)
        return version != self.known.orphans.version

    def _is_being_written(self, file: FoundFile) -> bool:
        """Whether a compressed file changed since the scan before."""
        entry = self.known.passed_over.get(file.file_id)
        return entry is None or entry.signature != file.signature

    def _is_replaced(self, original: Tail, copy: Content) -> bool:
        """Whether the file of *original* was deleted and all of it was read: a copy with its content takes over.

        Not a compressed one: a program that still holds the deleted file may write to it.
        """
        return original.identified and original.is_deleted and not copy.compressed and not original.lag_bytes

    def _inherit(self, tail: Tail, heir: Match, now_s: float) -> None:
        position, content = heir.position, tail.content
        assert content is not None
        self.known.remove(tail)
        self.known.forget(tail.position)
        read_to, told = position.read_to, position.told_lost
        # How long a compressed log is, is known only when it was read that far.
        end = content.end(position.end) if content.compressed and position.unread_bytes else heir.end
        tail.restart(position)
        if not position.offset:  # nothing of it was counted, and its head is what was
            tail.first, position.head = position.head, b""
        kept = "resumed" if position.path == tail.found.path else "moved"
        if self._resume(tail, "compressed" if content.compressed else kept, now_s) and not told:
            self.known.orphans.found_shorter(position, read_to, end)

    def _inherit_part(self, tail: Tail, part: Match, now_s: float) -> None:
        """The log lost its end, or this is a copy from before it was written; another copy may have all of it."""
        self.known.remove(tail)
        self.known.forget(tail.position)
        tail.restart(part.position.twin(self.known.new_key()))
        tail.cut(part.offset)
        self._resume(tail, "shortened" if part.kind is Kind.SHORTENED else "moved", now_s)

    def _copy(self, match: Match, original: Tail, tail: Tail, now_s: float) -> None:
        """Not counted; but what a copy has beyond an original that stays as it is, is nobody else's."""
        content, entry = tail.content, self.known.passed_over.get(tail.found.file_id)
        assert content is not None
        longer = content.end(original.position.end) > original.position.end
        still_s = now_s - max(original.grown_s, now_s if entry is None else entry.since_s)
        is_another = match.kind is Kind.FORK or (longer and original.lag_bytes == 0 and still_s >= OUTGROWN_S)
        names = (os.path.basename(tail.found.path), log_name(os.path.basename(original.position.met_path)))
        if is_another and names[0] == names[1] and not original.is_deleted:
            self._begin(tail, now_s)  # it has the name of a log, and is one that only began alike
            return
        if is_another:
            tail.position.go_on_from(original.position)
            self.known.remove(tail)
            self._resume(tail, "outgrown_copy", now_s)
            return
        if entry is None:
            self.known.decided(tail, "copy")
        self._pass_over(tail, now_s, again=longer or original.position.file_id in self.known.nameless)

    def _begin(self, tail: Tail, now_s: float) -> None:
        """A log that was never seen."""
        old_generation = tail.found.role == "generation"
        was_there = absolute(tail.found.root) not in self.known.roots
        tail.grown_s = now_s
        if was_there and old_generation and isinstance(tail.content, CompressedContent):
            self._set_down(tail)
        elif was_there and (old_generation or tail.reader.spec.start_at_end):
            tail.start_at_end()
        if not tail.position.offset:
            tail.remember()
        self.known.identified(tail, "new" if not tail.position.offset else "skipped")

    def _set_down(self, tail: Tail) -> None:
        """A compressed file from before the first start is known as it is, so that a copy of it is not counted."""
        assert tail.content is not None
        raw, position = tail.content.views()[-1], tail.position
        position.signature = signature_of(raw.status())
        position.end = position.signature[0]
        size = min(WINDOW_BYTES, position.end)
        position.raw = True
        position.begun = position.end
        position.grow_head(raw.read(0, HEAD_BYTES))
        position.advance(position.end, raw.read(position.end - size, size))
        tail.first = position.head
        self.known.close(tail)

    # -- a log that has its file

    def verify(self, tail: Tail, now_s: float) -> None:
        """Make sure that the file of *tail* still is its log."""
        if tail.content is not None and tail.look(now_s) and not tail.holds():
            self.reconsider(tail, now_s)

    def reconsider(self, tail: Tail, now_s: float) -> None:
        """What was counted of *tail* is no longer what stands in its file. Raises OSError."""
        position, content = tail.position, tail.content
        assert content is not None
        if not position.offset:
            position.head = tail.first  # all there is to know it by
        seen = compare(position, content)
        decision = decide(position.offset, seen)
        if not position.offset:
            position.head = b""
        if not position.read_to:  # nothing of it was read, but it was seen, and is not as it was
            decision = Decision(Action.RESTART, 0, "other_content" if seen.end else "truncated")
        if decision.action is Action.WAIT:
            return
        if decision.action is Action.RESTART:
            self.known.decided(tail, decision.reason)
            self.known.orphan(tail, "truncated", now_s)
            tail.restart(self.known.new_position(tail.reader, tail.found, position.met_path))
            position.forget_file()
            return
        if seen.end < position.offset or (seen.end < position.end and position.unread_bytes):
            # What else was there is gone, though the beginning is the same; a copy may have it.
            lost = position.twin(self.known.new_key())
            self.known.orphans.add(lost, "truncated", now_s)
            self.known.note(lost)
            self.known.look_again = True
            position.end = seen.end
        if decision.reason == "shortened":
            tail.cut(decision.offset)
            self.known.decided(tail, decision.reason)
        self.known.note(position)
        self.known.begins(tail, content.read(0, HEAD_BYTES))  # what was behind the place may be other than before
        try:
            tail.resume()
        except ContentChangedError:
            tail.unsettle(now_s)

    def reopen(self, tail: Tail, now_s: float) -> bool:
        """Open the changed file of *tail* again; False when it is not its log any more. Raises OSError."""
        self.known.give_back()
        tail.content = self.known.open(tail.found)
        if tail.content is None:
            return False
        if not tail.identified:
            return True
        try:
            tail.resume()
        except ContentChangedError:
            self.reconsider(tail, now_s)
        return True

    def _reopened(self, tail: Tail) -> Content | None:
        """The file of a tail whose descriptor was given back, only to look at; None when it is no more."""
        try:
            content = open_content(tail.position.path, self.known.stop)
        except OSError:
            return None
        if file_id_of(content.status()) != tail.position.file_id:
            content.close()
            return None
        return content.views()[-1] if tail.position.raw else content

    def _resume(self, tail: Tail, reason: str, now_s: float) -> bool:
        """Go on at the position of *tail*, which is not among the known tails yet; False when that cannot be now."""
        try:
            if tail.position.raw:
                self.known.close(tail)
            else:
                tail.resume()
        except ContentChangedError:
            self.known.close(tail)
            self.known.pass_over(tail.found, now_s, again=True)
            return False
        tail.grown_s = now_s
        self.known.add(tail)
        self.known.identified(tail, reason)
        return True

    def _pass_over(self, tail: Tail, now_s: float, *, again: bool = False) -> None:
        self.known.remove(tail)
        self.known.close(tail)
        if tail.position not in self.known.orphans:
            self.known.forget(tail.position)
        self.known.pass_over(tail.found, now_s, again=again)


def why(error: OSError) -> str:
    """An OSError in a few words for a person."""
    text = error.strerror or str(error)
    if error.errno == errno.EMFILE:
        text += "; raise the limit of open files (systemd: LimitNOFILE=, shell: ulimit -n)"
    return text
