"""Engine: the public face. Reports come in without ever blocking; questions and commands run on the one thread that owns the store."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime
from typing import Any, TypeVar

from incidentkit.capture import signal_of_title
from incidentkit.engine.config import Config
from incidentkit.engine.context import Installation
from incidentkit.engine.health import Health
from incidentkit.engine.process import Process
from incidentkit.engine.ticket import Ticket
from incidentkit.errors import ConfigurationError, NotInstalledError, NotStoredError, UnavailableError
from incidentkit.host.report import TransparentTicket
from incidentkit.model import (
    Acknowledged,
    Alert,
    DeliveryRecord,
    Event,
    Incident,
    IncidentQuery,
    Lookup,
    Muted,
    Noted,
    Reopened,
    Resolved,
    Severity,
    Signal,
    SignalStatus,
    Site,
    Status,
    TimelineEntry,
    Unacknowledged,
    Unmuted,
    Work,
    WorkState,
)
from incidentkit.ports import Notifier
from incidentkit.runtime import Explanation, command, explain, find

__all__ = ["Engine"]

T = TypeVar("T")


class Engine:
    """
    One engine: policies, a store, notifiers, and the threads that use them.

    `Engine(**keys)` checks the configuration and starts nothing. `start()` opens the store and starts the threads; `installed()` also makes
    it the engine that `ik.watch` and `ik.report` of this process use.

    Raises:
        ConfigurationError: A key or value is wrong; see `Config`.
    """

    def __init__(self, **keys: Any) -> None:
        self.config = Config.of(keys)
        #: True inside a World: `configure()` then returns this engine and starts nothing.
        self.is_virtual = False
        self._process = Process(self.config)

    # -- running -------------------------------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Return True between `start()` and `stop()` in this process."""
        return self._process.is_running

    def start(self) -> Engine:
        """
        Open the store, start the threads, and return the engine. Twice is once.

        Raises:
            BackendError: The stated store cannot be opened. The engine runs on its spool nevertheless, and a later `start()` tries again.
        """
        self._process.start()
        return self

    def stop(self, timeout: float | None = None) -> bool:
        """
        Commit what is in memory, send the first pages that are due, and end. Return False if *timeout* seconds (default: the setting
        `exit_timeout`) were not enough; what is left is in the spool.
        """
        return self._process.stop(self.config.settings.exit_timeout.total_seconds() if timeout is None else timeout)

    def flush(self, timeout: float = 5) -> bool:
        """Commit everything reported so far; return whether the store has it within *timeout* seconds."""
        core = self._process.core
        if core is None:
            return False

        def flush() -> bool:
            while core.flusher.flush(everything=True):
                pass
            return True

        try:
            return self.call(flush, timeout)
        except (UnavailableError, FutureTimeoutError, NotInstalledError):
            return False

    def step(self) -> float | None:
        """
        Manual mode (`engine="manual"`): do everything that is due, on this thread; return the monotonic instant of the next beat or None.

        Raises:
            NotInstalledError: The engine is not started, or has a thread of its own.
        """
        return self._process.step()

    def is_due(self, mono: float) -> bool:
        """Return whether, in manual mode, a `step()` has anything to do up to the monotonic instant *mono*."""
        return self._process.is_due(mono)

    def installed(self) -> Installation:
        """Return a context manager (sync and async): installs and starts; on exit flushes, stops, and restores what was there before."""
        return Installation(self)

    def health(self) -> Health:
        """Return what the engine says of itself: losses, faults, lateness. Never raises and never waits for the store."""
        return self._process.health()

    # -- reporting: never blocks, never raises -------------------------------------------------------------------------------------

    def report(self, what: BaseException | Signal | str, /, **fields: Any) -> Ticket | TransparentTicket:
        """
        Report an exception, a signal, or a title with its fields (key, service, severity, labels, details, ...).

        Returns a ticket: await it, or `wait()`, for the incident; or drop it, which loses nothing. Never raises, never does network or
        database I/O.
        """
        return self._process.guarded(lambda: self._process.accept(what, fields))

    def failed(self, error: BaseException, site: Site | None, fields: Mapping[str, Any], /) -> Ticket | TransparentTicket:
        """Report an exception seen by a watch (with its site), a handler or a hook. Part of the `Sink` protocol."""
        return self._process.failed(error, site, fields)

    def ok(self, *, key: str, tenant: str = "", **fields: Any) -> Ticket | TransparentTicket:
        """Report that *key* works again: its alert recovers, else all alerts of the incident with that group key."""
        signal = signal_of_title(f"{key} is ok", at=self._process.clock.now(), key=key, tenant=tenant, **fields)
        return self.report(_ok(signal))

    def raise_incident(self, title: str, /, *, timeout: float = 5, **fields: Any) -> Incident:
        """
        Report *title* and return its incident once it is stored.

        Inside a running event loop it does not block: it returns an incident with `is_stored=False` and warns once with the remedy.

        Raises:
            NotStoredError: It was not durable within *timeout* seconds; the signal is in the spool. Or no incident came of it.
        """
        ticket = self.report(title, **fields)
        if _in_event_loop():
            remedy = "raise_incident() inside a running event loop does not wait: `await engine.report(...)` instead, or use AsyncEngine"
            warnings.warn(remedy, RuntimeWarning, stacklevel=2)
            return self._unstored(title, fields)
        if self.config.engine == "manual":
            self.flush()
        incident = ticket.wait(timeout=timeout)
        if incident is None:
            raise NotStoredError(f"no incident came of {title!r}: no engine runs, a rule drops it, or its condition does not hold yet")
        return incident

    def _unstored(self, title: str, fields: Mapping[str, Any]) -> Incident:
        now = self._process.clock.now()
        key = str(fields.get("key", ""))
        try:
            severity = Severity.parse(fields.get("severity", Severity.MINOR))
        except ConfigurationError:
            severity = Severity.MINOR
        return Incident(id="", key=key, title=title, severity=severity, opened_at=now, updated_at=now, first_seen_at=now, last_seen_at=now,
                        occurrences=1, is_stored=False)

    # -- people --------------------------------------------------------------------------------------------------------------------

    def acknowledge(self, key: str | int, /, *, by: str, note: str = "", tenant: str = "", channel: str = "code") -> Incident:
        """Take an incident, by id or number: nobody else is paged. Late ones are recorded as ignored. Returns the incident after it."""
        return self.tell(key, Acknowledged(by=by, note=note, channel=channel), tenant=tenant)

    def unacknowledge(self, key: str | int, /, *, by: str, tenant: str = "", channel: str = "code") -> Incident:
        """Give an incident back: its plan goes on at the next step."""
        return self.tell(key, Unacknowledged(by=by, channel=channel), tenant=tenant)

    def snooze(self, key: str | int, /, *, until: datetime, by: str, note: str = "", tenant: str = "", channel: str = "code") -> Incident:
        """Acknowledge an incident until an instant (aware); then it is paged again."""
        return self.tell(key, Acknowledged(by=by, note=note, until=_aware(until, "until"), channel=channel), tenant=tenant)

    def resolve(
        self, key: str | int, /, *, by: str, cause: str = "person", note: str = "", tenant: str = "", channel: str = "code",
    ) -> Incident:
        """Say that an incident is over. Everybody who was told of it is told that, quietly."""
        return self.tell(key, Resolved(by=by, cause=cause, note=note, channel=channel), tenant=tenant)

    def reopen(self, key: str | int, /, *, by: str, reason: str = "", tenant: str = "", channel: str = "code") -> Incident:
        """Say that a resolved incident is not over: it is triggered again and paged from the first step."""
        return self.tell(key, Reopened(by=by, reason=reason, channel=channel), tenant=tenant)

    def mute(
        self, key: str | int, /, *, by: str, until: datetime | None = None, note: str = "", tenant: str = "", channel: str = "code",
    ) -> Incident:
        """Keep an incident open and quiet, until an instant or until unmuted."""
        until = None if until is None else _aware(until, "until")
        return self.tell(key, Muted(by=by, until=until, note=note, channel=channel), tenant=tenant)

    def unmute(self, key: str | int, /, *, by: str, tenant: str = "", channel: str = "code") -> Incident:
        """Tell of an incident again."""
        return self.tell(key, Unmuted(by=by, channel=channel), tenant=tenant)

    def note(self, key: str | int, text: str, /, *, by: str, tenant: str = "", channel: str = "code") -> Incident:
        """Write something on an incident's timeline."""
        return self.tell(key, Noted(by=by, text=text[:4_000], channel=channel), tenant=tenant)

    def tell(self, key: str | int, event: Event, /, *, tenant: str = "", timeout: float = 5) -> Incident:
        """
        Apply *event* to an incident and return what it became.

        Raises:
            UnknownIncidentError: No such incident of that tenant.
            UnavailableError: The store is away. Nothing was changed.
        """
        return self.call(lambda: self._process.running_core().driver.run(command(key, event, self._process.ground, tenant=tenant)), timeout)

    # -- questions -----------------------------------------------------------------------------------------------------------------

    def get(self, key: str | int, /, *, tenant: str = "") -> Incident:
        """
        Return the incident of an id or a number.

        Raises:
            UnknownIncidentError: There is none of that tenant.
        """
        return self.call(lambda: self._process.running_core().driver.run(find(key, tenant)))[1]

    def incidents(
        self, *, status: Status | str | None = None, service: str | None = None, since: datetime | None = None, tenant: str | None = None,
        limit: int = 50,
    ) -> list[Incident]:
        """Return incidents, newest change first. *status* may be "open"."""
        statuses = _statuses(status)
        query = IncidentQuery(tenant=tenant, statuses=statuses, service=service, since=since)

        def ask() -> list[Incident]:
            core = self._process.running_core()
            found: list[Incident] = []
            cursor: str | None = None
            while len(found) < limit:
                listing = core.store().query(self.config.ns, query, cursor=cursor, limit=min(limit - len(found), 200))
                found += listing.items
                cursor = listing.cursor
                if cursor is None:
                    break
            return found

        return self.call(ask)

    def alerts(self, key: str | int, /, *, tenant: str = "") -> list[Alert]:
        """Return the alerts inside an incident, in the order they came."""

        def ask() -> list[Alert]:
            core = self._process.running_core()
            _, incident = core.driver.run(find(key, tenant))
            loaded = core.store().load(self.config.ns, Lookup(tenant=tenant, fingerprints=incident.alerts), now=core.driver.now)
            return [loaded.alerts[fingerprint] for fingerprint in incident.alerts if fingerprint in loaded.alerts]

        return self.call(ask)

    def history(self, key: str | int, /, *, tenant: str = "") -> list[TimelineEntry]:
        """Return an incident's whole timeline, oldest first: every fact, by whom, over which channel, at which instant."""

        def ask() -> list[TimelineEntry]:
            core = self._process.running_core()
            _, incident = core.driver.run(find(key, tenant))
            found: list[TimelineEntry] = []
            while True:
                after = found[-1].seq if found else 0
                listing = core.store().history(self.config.ns, incident.id, tenant=tenant, after_seq=after)
                found += listing.items
                if listing.cursor is None:
                    return found

        return self.call(ask)

    def deliveries(self, key: str | int, /, *, tenant: str = "") -> list[DeliveryRecord]:
        """Return every attempt to send for an incident: what was tried, when, how it ended, what the provider calls it."""

        def ask() -> list[DeliveryRecord]:
            core = self._process.running_core()
            _, incident = core.driver.run(find(key, tenant))
            return list(core.store().deliveries(self.config.ns, incident.id, tenant=tenant))

        return self.call(ask)

    def dead_letters(self, *, limit: int = 100) -> list[Work]:
        """Return pages that could not be sent."""
        dead = frozenset({WorkState.DEAD})
        return self.call(lambda: list(self._process.running_core().store().work(self.config.ns, states=dead, limit=limit)))

    def explain(self, signal: Signal | BaseException | str, /, *, at: datetime | None = None, **fields: Any) -> Explanation:
        """
        Return what would become of *signal* now, or as if it came at *at*: rules, condition, route, incident, who would be told, timers.

        It is found by the code that decides, on the store's view; nothing is stored.
        """
        when = at or self._process.clock.now()
        made = self._process.signal_of(signal, fields, at=when)
        return self.call(lambda: self._process.running_core().driver.run(explain(made, self._process.ground, at=at)))

    # -- the engine's thread -------------------------------------------------------------------------------------------------------

    def call(self, ask: Callable[[], T], timeout: float = 5) -> T:
        """
        Return the result of *ask*, run on the thread that owns the store.

        Raises:
            NotInstalledError: The engine is not running.
            UnavailableError: The store did not answer within *timeout* seconds.
        """
        future = self.submit(ask)
        try:
            return future.result(timeout)
        except FutureTimeoutError:
            future.cancel()
            raise UnavailableError(f"the store did not answer within {timeout:g} s") from None

    def submit(self, ask: Callable[[], T]) -> Future[T]:
        """Return the future of *ask*, run on the thread that owns the store. Raises NotInstalledError when the engine is not running."""
        return self._process.submit(ask)

    def stands_in(self, stderr: Notifier) -> None:
        """Become the engine of a World: `configure()` returns it, and *stderr* takes what would go there."""
        self.is_virtual = True
        self._process.stderr = stderr

    def open_in(self, loop: Any) -> None:
        """Run user coroutines (async notifiers) on *loop*; before `start()`."""
        self._process.loop = loop

    def __repr__(self) -> str:
        state = "running" if self.is_running else "not running"
        return f"<Engine {self.config.ns} {state}>"


def _ok(signal: Signal) -> Signal:
    import attrs

    return attrs.evolve(signal, status=SignalStatus.OK)


def _aware(instant: datetime, name: str) -> datetime:
    if instant.tzinfo is None:
        remedy = "Give it a zone, for example datetime.now(timezone.utc)."
        raise ConfigurationError.at(name, str(instant), "an aware datetime", remedy=remedy)
    return instant


def _statuses(status: Status | str | None) -> frozenset[Status] | None:
    if status is None:
        return None
    if status == "open":
        return frozenset(one for one in Status if one.is_open)
    try:
        return frozenset({Status(status)})
    except ValueError:
        raise ConfigurationError.at("status", status, "a status", known=["open", *(one.value for one in Status)]) from None


def _in_event_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


