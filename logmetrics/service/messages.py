"""What a daemon said lately, for those who look at its status and not at its log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from logmetrics.present.amounts import cut
from logmetrics.serve.status.data import Message

MESSAGES_MAX = 50
CHARACTERS_MAX = 400


class Messages:
    """The last messages with their times. ``say`` may be called by any thread."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say = say
        self._clock = clock
        self._last: deque[Message] = deque(maxlen=MESSAGES_MAX)

    def say(self, message: str) -> None:
        """Say it, and keep it for a while."""
        self._last.append(Message(self._clock(), cut(message, CHARACTERS_MAX)))
        self._say(message)

    @property
    def last(self) -> tuple[Message, ...]:
        """Newest first."""
        return tuple(reversed(self._last.copy()))
