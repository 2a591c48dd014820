"""Sender: does the HTTP for all HttpNotifiers of one process. What belongs here: its life (start, fork, close) and whom it asks what."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from incidentkit.model import Delivery, Notification, Outcome, Request, Response
from incidentkit.notifiers._http import checked_url
from incidentkit.ports import HttpNotifier
from incidentkit.settings import Settings

if TYPE_CHECKING:
    from incidentkit.notifiers._wire import Job, Wire

__all__ = ["Sender"]


class Sender:
    """
    One loop, one TLS context and small pools for every channel that speaks HTTP.

    Redirects are never followed and cookies never kept; 64 KiB of an answer are read; an attempt takes `settings.send_timeout` at most,
    all its tries together. HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are read at start unless *trust_env* is False; this machine's
    own addresses are never asked through a proxy. Nothing of a URL but scheme, host and port is ever in a reason or a log.

    *guard* sees each request before anything is sent; what it raises ends the future, and nothing is sent. Requests are made on the
    caller's thread; verdicts on the sender's, so they must be what the protocol says: pure.
    """

    def __init__(
        self, settings: Settings | None = None, *, guard: Callable[[Request], None] | None = None, trust_env: bool = True,
    ) -> None:
        # Now, not at import of the package (cost), and not at the first page (while something is failing).
        from incidentkit.notifiers import _wire

        self._module = _wire
        self._settings = settings or Settings()
        self._guard = guard
        self._trust_env = trust_env
        self._wire: Wire | None = None
        self._is_closed = False
        #: A lock for each process: the parent's may be held by a thread that a forked child does not have.
        self._locks: dict[int, threading.Lock] = {}
        #: Loops of parent processes. Never used, never freed: closing one would take the parent's sockets out of the epoll they share.
        self._inherited: list[Wire] = []

    @property
    def fault(self) -> str:
        """Return what is wrong with the sender itself, for `health()`, or "" when nothing is."""
        return self._wire.fault if self._wire is not None else ""

    def start(self) -> None:
        """
        Start the threads. Idempotent; opens a closed sender again.

        Raises:
            RuntimeError: The interpreter is going down, or there are no threads left.
        """
        self._is_closed = False
        self._ready()

    def close(self, timeout: float) -> None:
        """Stop taking requests, let those in flight end, return after at most *timeout* seconds. Idempotent. The rest ends as retry."""
        self._is_closed = True
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if wire.pid != os.getpid():
            self._inherited.append(wire)
            return
        wire.close(timeout)

    def submit(
        self, notifier: HttpNotifier, notification: Notification, *, fresh_until: float, monotonic: Callable[[], float],
    ) -> Future[Delivery]:
        """
        Send *notification* by *notifier* and return the future answer, which is a Delivery even when the notifier has a fault.

        No try starts when `monotonic()` is past *fresh_until* (law 5): the answer is then "retry". Only the guard makes the future raise.
        """
        job = self._job(notifier, notification, fresh_until=fresh_until, monotonic=monotonic)
        if isinstance(job, Delivery):
            return _ended(job)
        if self._guard is not None:
            try:
                self._guard(job.request)
            except Exception as error:  # noqa: BLE001 it goes on, to whoever waits
                forbidden: Future[Delivery] = Future()
                forbidden.set_exception(error)
                return forbidden
        if self._is_closed:
            return _ended(Delivery.retry("the sender was closed"))
        try:
            wire = self._ready()
        except RuntimeError:
            return _ended(Delivery.retry("the sender has no thread: the interpreter is going down"))
        return wire.submit(job, lambda response: _judged(notifier, response, notification))

    def _job(
        self, notifier: HttpNotifier, notification: Notification, *, fresh_until: float, monotonic: Callable[[], float],
    ) -> Job | Delivery:
        try:
            request: object = notifier.request(notification)
            if not isinstance(request, Request):
                return Delivery.refused(f"{type(notifier).__name__}.request returned {type(request).__name__}")
            checked_url("request.url", request.url)
            return self._module.Job(request, fresh_until=fresh_until, monotonic=monotonic)
        except Exception as error:  # noqa: BLE001 a notifier's fault must not stop the dispatcher; its text may hold a secret
            return Delivery.refused(f"{type(notifier).__name__}.request failed: {type(error).__name__}")

    def _ready(self) -> Wire:
        wire, pid = self._wire, os.getpid()
        if wire is not None and wire.pid == pid:
            return wire
        with self._locks.setdefault(pid, threading.Lock()):
            wire = self._wire
            if wire is not None and wire.pid == pid:
                return wire
            if wire is not None:
                self._inherited.append(wire)
            self._wire = self._module.Wire(timeout=self._settings.send_timeout.total_seconds(), trust_env=self._trust_env)
            return self._wire


def _ended(delivery: Delivery) -> Future[Delivery]:
    future: Future[Delivery] = Future()
    future.set_result(delivery)
    return future


def _judged(notifier: HttpNotifier, response: Response, notification: Notification) -> Delivery:
    try:
        delivery: object = notifier.verdict(response, notification)
    except Exception as error:  # noqa: BLE001 as above
        fault = f"failed: {type(error).__name__}"
    else:
        if isinstance(delivery, Delivery):
            return delivery
        fault = f"returned {type(delivery).__name__}"
    # The service has answered; what it meant is not known.
    return Delivery(outcome=Outcome.REFUSED, reason=f"{type(notifier).__name__}.verdict {fault}", may_have_arrived=True)
