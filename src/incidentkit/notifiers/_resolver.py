"""
Looking up names without asyncio's thread pool, which refuses work once the interpreter is going down, when the last pages are sent.

What belongs here: the resolver's threads, and the event loop that uses them.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

__all__ = ["Loop", "Resolver"]

# A lookup blocks for as long as the system likes; equal lookups share one, so a name that hangs takes one thread, not both.
_THREADS: Final = 2


class Resolver:
    """Daemon threads that call `socket.getaddrinfo`; they exist from the start, for none can be started at exit."""

    def __init__(self, prefix: str) -> None:
        self._asked: SimpleQueue[tuple[asyncio.Future[Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._open: dict[tuple[Any, ...], asyncio.Future[Any]] = {}
        for number in range(_THREADS):
            threading.Thread(target=self._serve, name=f"{prefix}resolver-{number}", daemon=True).start()

    async def resolve(self, question: tuple[Any, ...]) -> Any:
        """Return what `socket.getaddrinfo(*question)` returns, or raise what it raises."""
        future = self._open.get(question)
        if future is None:
            future = self._open[question] = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda done: self._forget(question, done))
            self._asked.put((future, question))
        return await asyncio.shield(future)  # who gives up must not take the answer away from the others

    def close(self) -> None:
        """Let the threads end when they are done with what they do."""
        for _ in range(_THREADS):
            self._asked.put(None)

    def _forget(self, question: tuple[Any, ...], done: asyncio.Future[Any]) -> None:
        self._open.pop(question, None)
        if not done.cancelled():
            done.exception()  # seen, so that asyncio does not log it when nobody waits any more

    def _serve(self) -> None:
        while (item := self._asked.get()) is not None:
            future, question = item
            try:
                answer, error = socket.getaddrinfo(*question), None
            except Exception as caught:  # noqa: BLE001 the asker gets it
                answer, error = [], caught
            with suppress(RuntimeError):  # the loop was closed meanwhile
                future.get_loop().call_soon_threadsafe(_settle, future, answer, error)


def _settle(future: asyncio.Future[Any], answer: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)


class Loop(asyncio.SelectorEventLoop):
    """An event loop that looks names up on threads which already run."""

    def __init__(self, resolver: Resolver) -> None:
        super().__init__()
        self._resolver = resolver

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0,  # noqa: A002 asyncio's word
    ) -> Any:
        """Return what `socket.getaddrinfo` returns."""
        return await self._resolver.resolve((host, port, family, type, proto, flags))
