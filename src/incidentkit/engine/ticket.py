"""Ticket: the receipt of a report. It ends when the report's unit is durable; one that is dropped loses nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from incidentkit.errors import NotStoredError
from incidentkit.model import Incident

if TYPE_CHECKING:
    from incidentkit.engine.inbox import Inbox
    from incidentkit.engine.known import Known

__all__ = ["Ticket"]


class Ticket:
    """
    What `report()` returns. `await ticket`, or `ticket.wait(timeout)`: the incident, or None when none is open for the signal
    (its condition does not hold yet, a rule dropped it, an ok signal).
    """

    __slots__ = ("_inbox", "_known", "_target")

    def __init__(self, inbox: Inbox, known: Known, target: int) -> None:
        self._inbox = inbox
        self._known = known
        self._target = target

    @property
    def is_stored(self) -> bool:
        """Return True once the store has it."""
        return self._known.acked >= self._target

    def wait(self, timeout: float = 5) -> Incident | None:
        """
        Return the incident, or None, when the report is durable in the store.

        Raises:
            NotStoredError: *timeout* seconds passed first. The report is in the spool and nothing is lost.
        """
        if not self.is_stored:
            done = threading.Event()
            self._inbox.when_stored(self._known, self._target, done.set)
            if not done.wait(timeout):
                raise NotStoredError(f"not durable within {timeout:g} s; it is in the spool and is stored when the store is back")
        return self._known.incident

    def __await__(self) -> Generator[Any, None, Incident | None]:
        if not self.is_stored:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[None] = loop.create_future()
            self._inbox.when_stored(self._known, self._target, _resolver(loop, future))
            yield from future
        return self._known.incident


def _resolver(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> Callable[[], None]:
    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    def from_engine() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(resolve)

    return from_engine
