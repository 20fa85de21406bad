"""Which log a file is: the decisions of ``position`` and ``recognition``, carried out."""

from __future__ import annotations

from logmetrics.sources.content import CompressedContent, Content, file_id_of, open_content
from logmetrics.sources.discovery import FoundFile
from logmetrics.sources.known import Known
from logmetrics.sources.names import log_path
from logmetrics.sources.position import HEAD_BYTES, WINDOW_BYTES, Action, Position, compare, decide
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.recognition import Heir, find_heir, find_original
from logmetrics.sources.tail import ContentChangedError, Tail

# A copy that has more than its original, which has been still for so long: its rest is nobody else's.
OUTGROWN_S = 60.0

Unknown = tuple[SourceReader, FoundFile]
# File path -> why it cannot be read, by source.
Problems = dict[str, dict[str, str]]


class Identity:
    """Meets files that are unknown or changed, and finds each its position."""

    def __init__(self, known: Known) -> None:
        self.known = known
        # True in the first scan: what is there now was there before.
        self.at_start = True

    def meet(self, unknown: list[Unknown], problems: Problems, now_s: float) -> None:
        """Find out what each file is: by inode and content, by name and content, then by content alone.

        When too many are open, those that are left over come next time, and ``look_again`` says so.
        """
        for by_name in (False, True):
            positions = [position for position in self.known.orphans.positions.values() if position.offset]
            candidates = {(p.path if by_name else p.file_id): p for p in positions}
            rest = []
            for reader, file in unknown:
                position = candidates.get(file.path if by_name else file.file_id)
                if position is None or position not in self.known.orphans:
                    rest.append((reader, file))
                    continue
                try:
                    settled = self._go_on(reader, file, position, now_s, by_name=by_name)
                except OSError as error:
                    problems[reader.spec.name][file.path] = why(error)
                    settled = True
                if not settled:
                    rest.append((reader, file))
            unknown = rest
        # A rotated name is more likely a copy than the log itself.
        unknown.sort(key=lambda pair: log_path(pair[1].path) != pair[1].path)
        for number, (reader, file) in enumerate(unknown):
            if self.known.is_full:
                self.known.look_again = number > 0  # else they wait for files that are still, not for the next pass
                return
            try:
                self._meet_new(reader, file, now_s)
            except OSError as error:
                problems[reader.spec.name][file.path] = why(error)

    def _go_on(self, reader: SourceReader, file: FoundFile, position: Position, now_s: float, *, by_name: bool) -> bool:
        """Try whether *file* is still the log of *position*; True when nothing else is to be tried now."""
        moved = "resumed" if position.path == file.path else "moved"
        unchanged = position.signature == (file.size_bytes, file.mtime_ns) and not position.unread_bytes
        if unchanged and not by_name:
            tail = Tail(position, reader, file, None)
            self.known.add(tail)
            self.known.identified(tail, moved)
            return True
        content = self.known.open(file)
        if content is None:
            return True
        seen = compare(position, content.views()[-1] if position.raw else content)
        decision = decide(position.offset, seen)
        shortened = decision.reason == "shortened"
        # A new file under the old name that is shorter is the old one only if there is enough of it to tell.
        if decision.action is not Action.CONTINUE or (shortened and by_name and seen.end < HEAD_BYTES):
            self.known.close_content(content)
            if decision.action is Action.WAIT:
                self.known.pass_over(file, now_s, again=True)
            return decision.action is Action.WAIT
        tail = Tail(position, reader, file, content)
        if shortened:
            cut(tail, decision.offset)
        self._resume(tail, decision.reason if shortened else moved, now_s)
        return True

    def _meet_new(self, reader: SourceReader, file: FoundFile, now_s: float) -> None:
        content = self.known.open(file)
        if content is None:
            return
        # A generation that was not seen before belongs to its log, and has the log's name in labels.
        met_path = file.path if file.role == "log" else log_path(file.path)
        tail = Tail(self.known.new_position(reader, file, met_path), reader, file, content)
        self.known.add(tail)
        try:
            self.recognise(tail, now_s)
        except OSError:
            self._pass_over(tail, now_s)
            raise

    def recognise(self, tail: Tail, now_s: float) -> None:
        """Decide which log the file of *tail* is, once it has content. Raises OSError."""
        content, file = tail.content, tail.found
        assert content is not None
        if content.compressed and not self.at_start and self._is_being_written(file):
            self._pass_over(tail, now_s, again=True)
            return
        tail.first = content.read(0, HEAD_BYTES)
        if not tail.first:
            return
        heir = find_heir(self.known.orphans, file.path, content)
        original = None if heir else find_original(self.known.living, file.path, content, self._reopened)
        if original is not None and self._is_replaced(original, content):
            self.known.lose(original, "deleted", now_s)
            heir = find_heir(self.known.orphans, file.path, content)
        elif heir is None and original is None:
            # The log that it is a copy of may have been truncated a moment ago.
            version = self.known.orphans.version
            for suspect in list(self.known.living(tail.first, file.path)):
                self.verify(suspect, now_s)
            if version != self.known.orphans.version:
                heir = find_heir(self.known.orphans, file.path, content)
        if heir is not None:
            self._inherit(tail, heir, now_s)
        elif original is not None:
            self._copy(original, tail, now_s)
        elif file.role == "excluded":
            self._pass_over(tail, now_s)
        else:
            self._begin(tail, now_s)

    def _is_being_written(self, file: FoundFile) -> bool:
        """Whether a compressed file changed since the scan before."""
        entry = self.known.passed_over.get(file.file_id)
        return entry is None or entry.signature != (file.size_bytes, file.mtime_ns)

    def _is_replaced(self, original: Tail, copy: Content) -> bool:
        """Whether the file of *original* was deleted and all of it was read: a copy with its content takes over.

        Not a compressed one: a program that still holds the deleted file may write to it.
        """
        return original.is_deleted and not copy.compressed and not original.lag_bytes

    def _inherit(self, tail: Tail, heir: Heir, now_s: float) -> None:
        position, content = heir.position, tail.content
        assert content is not None
        self.known.orphans.found_shorter(position, heir.end)
        self.known.remove(tail)
        self.known.forget(tail.position)
        tail.restart(position)
        if heir.offset < position.offset:
            cut(tail, heir.offset)
        self._resume(tail, "compressed" if content.compressed else "moved", now_s)

    def _copy(self, original: Tail, tail: Tail, now_s: float) -> None:
        """Not counted; but what a copy has beyond an original that stays as it is, is nobody else's."""
        content, entry = tail.content, self.known.passed_over.get(tail.found.file_id)
        assert content is not None
        longer = content.end(original.position.end) > original.position.end
        still_s = now_s - max(original.grown_s, now_s if entry is None else entry.since_s)
        if longer and original.lag_bytes == 0 and still_s >= OUTGROWN_S:
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
        first_look = (tail.reader.spec.name, tail.found.root) not in self.known.roots
        tail.grown_s = now_s
        if first_look and old_generation and isinstance(tail.content, CompressedContent):
            self._set_down(tail)
        elif first_look and (old_generation or tail.reader.spec.start_at_end):
            tail.start_at_end()
        self.known.identified(tail, "new" if not tail.position.offset else "skipped")

    def _set_down(self, tail: Tail) -> None:
        """A compressed file from before the first start is known as it is, so that a copy of it is not counted."""
        assert tail.content is not None
        raw, position = tail.content.views()[-1], tail.position
        status = raw.status()
        size = min(WINDOW_BYTES, status.st_size)
        position.raw = True
        position.grow_head(raw.read(0, HEAD_BYTES))
        position.advance(status.st_size, raw.read(status.st_size - size, size))
        position.end = status.st_size
        position.signature = (status.st_size, status.st_mtime_ns)
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
        decision = decide(position.offset, compare(position, content))
        if decision.action is Action.WAIT:
            return
        if decision.action is Action.RESTART:
            self.known.decided(tail, decision.reason)
            self.known.orphan(tail, "truncated", now_s)
            tail.restart(self.known.new_position(tail.reader, tail.found, position.met_path))
            return
        if decision.reason == "shortened":
            cut(tail, decision.offset)
            self.known.decided(tail, decision.reason)
            self.known.note(position)
        try:
            tail.resume()
        except ContentChangedError:
            tail.unsettle(now_s)

    def reopen(self, tail: Tail, now_s: float) -> bool:
        """Open the changed file of *tail* again; False when it is not its log any more. Raises OSError."""
        tail.stale = False
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

    def _resume(self, tail: Tail, reason: str, now_s: float) -> None:
        """Go on at the position of *tail*, which is not among the known tails yet."""
        try:
            if tail.position.raw:
                self.known.close(tail)
            else:
                tail.resume()
        except ContentChangedError:
            self.known.close(tail)
            self.known.pass_over(tail.found, now_s, again=True)
            return
        tail.grown_s = now_s
        self.known.add(tail)
        self.known.identified(tail, reason)

    def _pass_over(self, tail: Tail, now_s: float, *, again: bool = False) -> None:
        self.known.remove(tail)
        self.known.close(tail)
        self.known.forget(tail.position)
        self.known.pass_over(tail.found, now_s, again=again)


def cut(tail: Tail, offset: int) -> None:
    """The log of *tail* ends before the place up to which it was counted."""
    assert tail.content is not None
    size = min(WINDOW_BYTES, offset)
    tail.position.cut(offset, tail.content.read(offset - size, size))


def why(error: OSError) -> str:
    """An OSError in a few words for a person."""
    text = error.strerror or str(error)
    return (
        f"{text}; raise the limit of open files (systemd: LimitNOFILE=, shell: ulimit -n)"
        if error.errno == 24
        else text
    )
