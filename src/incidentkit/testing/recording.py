"""RecordingNotifier: a channel that keeps what it was given. What belongs here: that one double."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta

from incidentkit.model import Delivery, Notification

__all__ = ["RecordingNotifier"]


class RecordingNotifier:
    """
    Keeps every notification and answers by *script*: one answer for each send, in order, then accepted for ever; or a function.

    Usable from several threads. An accepted answer without a reference gets "name:1", "name:2", ...
    """

    def __init__(
        self, name: str = "recording", to: str = "recording", *, script: Iterable[Delivery] | Callable[[Notification], Delivery] = (),
        is_quiet: bool = True, deadline: timedelta = timedelta(minutes=15),
    ) -> None:
        self.name = name
        self.to = to
        self.is_quiet = is_quiet
        self.deadline = deadline
        self._answer = script if callable(script) else None
        self._script: deque[Delivery] = deque() if callable(script) else deque(script)
        self._sent: list[Notification] = []
        self._arrived = threading.Condition()

    def __repr__(self) -> str:
        return f"RecordingNotifier({self.name!r}, {len(self._sent)} sent)"

    @property
    def notifications(self) -> tuple[Notification, ...]:
        """Return what was sent so far, in order."""
        with self._arrived:
            return tuple(self._sent)

    def send(self, notification: Notification, /) -> Delivery:
        """Keep *notification* and return the next answer of the script."""
        with self._arrived:
            self._sent.append(notification)
            count = len(self._sent)
            answer = self._script.popleft() if self._script else Delivery.accepted(f"{self.name}:{count}")
            self._arrived.notify_all()
        return answer if self._answer is None else self._answer(notification)

    def wait_for(self, count: int, timeout: float = 5.0) -> tuple[Notification, ...]:
        """
        Return what was sent, as soon as there are *count* of them.

        Raises:
            TimeoutError: There were fewer after *timeout* seconds.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._sent) >= count, timeout):
                raise TimeoutError(f"{self.name}: {len(self._sent)} of {count} notifications in {timeout:g} s")
            return tuple(self._sent)

    def clear(self) -> None:
        """Forget what was sent; the script goes on where it stands."""
        with self._arrived:
            self._sent.clear()
