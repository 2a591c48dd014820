"""Senders: where sends run. HTTP on the shared sender, our own channels on delivery threads, user code on threads of its own."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from incidentkit.model import Delivery, Notification
from incidentkit.ports import Clock, HttpNotifier, Notifier, SendNotifier
from incidentkit.settings import Settings

__all__ = ["Senders"]


class _Pool:
    """A few daemon threads, all started at once: none is started while something fails or the interpreter ends."""

    def __init__(self, name: str, size: int) -> None:
        self._queue: SimpleQueue[tuple[Callable[[], Delivery], Future[Delivery]] | None] = SimpleQueue()
        self._size = size
        for number in range(size):
            threading.Thread(target=self._run, name=f"incidentkit-{name}-{number}", daemon=True).start()

    def submit(self, call: Callable[[], Delivery]) -> Future[Delivery]:
        future: Future[Delivery] = Future()
        self._queue.put((call, future))
        return future

    def close(self) -> None:
        for _ in range(self._size):
            self._queue.put(None)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            call, future = item
            future.set_result(_guarded(call))


class Senders:
    """All notifiers of an engine, behind one `submit`."""

    def __init__(
        self, notifiers: Mapping[str, Notifier], settings: Settings, clock: Clock, *, is_inline: bool,
        guard: Callable[[Any], None] | None = None, loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.notifiers = dict(notifiers)
        self._settings = settings
        self._clock = clock
        self._is_inline = is_inline
        self._loop = loop
        self._limit = settings.delivery_threads * 8
        self.in_flight = 0
        has_http = any(isinstance(notifier, HttpNotifier) for notifier in notifiers.values())
        self._sender: Any = None
        if has_http:
            from incidentkit.notifiers import Sender

            self._sender = Sender(settings, guard=guard)
            self._sender.start()
        self._ours = None if is_inline else _Pool("delivery", settings.delivery_threads)
        users = any(not self._is_ours(notifier) for notifier in notifiers.values())
        self._users = _Pool("user", settings.delivery_threads) if users and not is_inline else None

    @staticmethod
    def _is_ours(notifier: Notifier) -> bool:
        return type(notifier).__module__.startswith("incidentkit.")

    @property
    def can(self) -> frozenset[str]:
        """Return what this process can do, as needs of work."""
        return frozenset(f"notify:{name}" for name in self.notifiers)

    @property
    def free(self) -> int:
        """Return how many more sends may be claimed now."""
        return max(0, self._limit - self.in_flight)

    def submit(self, notification: Notification, fresh_until: float) -> Future[Delivery]:
        """Return the future of a send, none of whose tries starts after *fresh_until* (monotonic)."""
        notifier = self.notifiers.get(notification.notifier)
        if notifier is None:
            return _done(Delivery.refused(f"this process has no notifier named {notification.notifier!r}"))
        if isinstance(notifier, HttpNotifier):
            future: Future[Delivery] = self._sender.submit(notifier, notification, fresh_until=fresh_until, monotonic=self._clock.monotonic)
            return future
        if not isinstance(notifier, SendNotifier):
            return _done(Delivery.refused(f"notifier {notification.notifier!r} has neither send() nor request()"))
        def call() -> Delivery:
            return self._call(notifier, notification)

        if self._is_inline:
            return _done(_guarded(call))
        pool = self._ours if self._is_ours(notifier) or self._users is None else self._users
        return _done(Delivery.retry("stopped")) if pool is None else pool.submit(call)

    def _call(self, notifier: SendNotifier, notification: Notification) -> Delivery:
        answer = notifier.send(notification)
        if inspect.isawaitable(answer):
            answer = self._await(answer)
        if isinstance(answer, Delivery):
            return answer
        return Delivery.refused(f"send() of notifier {notification.notifier!r} returned {type(answer).__name__}, expected a Delivery")

    def _await(self, answer: Any) -> Any:
        async def ended() -> Any:
            return await answer

        if self._loop is not None and self._loop.is_running():
            return asyncio.run_coroutine_threadsafe(ended(), self._loop).result(self._settings.send_timeout.total_seconds())
        return asyncio.run(asyncio.wait_for(ended(), self._settings.send_timeout.total_seconds()))

    def close(self, timeout: float) -> None:
        """Let the threads end; what still runs is left behind (they are daemons)."""
        for pool in (self._ours, self._users):
            if pool is not None:
                pool.close()
        if self._sender is not None:
            self._sender.close(timeout)


def _guarded(call: Callable[[], Delivery]) -> Delivery:
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - a user's send may raise anything; the page must not be lost for it
        return Delivery.retry(f"send raised {type(error).__name__}")


def _done(delivery: Delivery) -> Future[Delivery]:
    future: Future[Delivery] = Future()
    future.set_result(delivery)
    return future
