"""
Inbox: where reports arrive, on the caller's thread. Coalesces repeats, spools first sightings, hands portions to the engine.

Nothing here blocks, raises, or does I/O beyond the one write of the spool. A repeat is one dictionary look-up and one counter.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import attrs

from incidentkit.capture import pins, raw_key, signal_of_exception, signal_of_signal, signal_of_title
from incidentkit.engine.health import Faults
from incidentkit.engine.known import Known, Outer, Portion, instant
from incidentkit.engine.spool import SpoolLike
from incidentkit.engine.ticket import Ticket
from incidentkit.host.identity import mark, seen
from incidentkit.model import Recovery, Severity, Signal, SignalStatus, Site, encode
from incidentkit.policy.windows import EPOCH
from incidentkit.ports import Clock
from incidentkit.settings import Settings

__all__ = ["Inbox"]

#: Raw identities remembered; several may lead to one problem (two lines of one function).
RAW_LIMIT: Final = 20_000


class Inbox:
    """The reports of this process that the store may not have."""

    def __init__(
        self, *, settings: Settings, clock: Clock, spool: SpoolLike, wake: Callable[[], None], faults: Faults,
        defaults: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.spool = spool
        self._wake = wake
        self._faults = faults
        self._defaults = dict(defaults)
        self.lock = threading.RLock()
        self._raw: dict[object, Known] = {}
        self._known: dict[tuple[object, ...], Known] = {}
        self._by_serial: dict[int, Known] = {}
        self._status: dict[str, SignalStatus] = {}
        self._pending: dict[Known, None] = {}
        self._ready: deque[Portion] = deque()
        #: Reports made inside a section by its own thread. No bound: a section is short, and a collection may finalise thousands.
        self._late: deque[tuple[Known, int, int]] = deque()
        self._inside = False
        self._serial = 0
        self.folded = 0
        self._flush_after = settings.flush_after.total_seconds()
        self._first_interval = settings.repeat_flush.total_seconds()
        self.sync_clock()

    def sync_clock(self) -> None:
        """Read the wall clock anew; between two readings instants come from the monotonic one."""
        now = self._clock.now() - EPOCH
        mono = self._clock.monotonic()
        self._base_us = (now.days * 86_400 + now.seconds) * 1_000_000 + now.microseconds - int(mono * 1_000_000)

    # -- reports -------------------------------------------------------------------------------------------------------------------

    def exception(self, error: BaseException, site: Site | None, fields: Mapping[str, Any]) -> Ticket | None:
        """Count one exception; one that was seen already is not counted again, except for the sites around it."""
        serial = seen(error)
        if serial is not None:
            known = self._by_serial.get(serial)
            if known is not None:
                return self._enclosed(known, site)
        raw: object = (id(site), raw_key(error)) if not fields else (id(site), raw_key(error), _fields_key(fields))
        known = self._raw.get(raw)
        if known is None:
            known = self._first(raw, lambda: self._of_exception(error, site, fields), pins(error))
        ticket = self._count(known)
        mark(error, known.serial)
        return ticket

    def title(self, title: str, fields: Mapping[str, Any]) -> Ticket | None:
        """Count one report that has only words."""
        key = _fields_key(fields)
        raw = None if key is None else (title, key)
        known = None if raw is None else self._raw.get(raw)
        if known is None:
            known = self._first(raw, lambda: signal_of_title(title, at=instant(self._now_us()), **self._with_defaults(fields)), ())
        return self._count(known)

    def signal(self, signal: Signal) -> Ticket | None:
        """Count a signal that the host made itself."""
        bounded = signal_of_signal(signal, at=instant(self._now_us()))
        empty: dict[str, Any] = {name: value for name, value in self._defaults.items() if not getattr(bounded, name)}
        known = self._first(None, lambda: attrs.evolve(bounded, **empty) if empty else bounded, ())
        return self._count(known, bounded.count)

    def _of_exception(self, error: BaseException, site: Site | None, fields: Mapping[str, Any]) -> Signal:
        stated: dict[str, Any] = self._with_defaults(fields)
        if site is not None:
            stated = {"service": site.service, "severity": site.severity, "labels": site.labels, "source": "watch",
                      "recovery": Recovery.PROVED, "site": site, **stated}
            stated["service"] = stated["service"] or site.service
        return signal_of_exception(error, at=instant(self._now_us()), **stated)

    def _with_defaults(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._defaults, **fields}

    def _now_us(self) -> int:
        return self._base_us + int(self._clock.monotonic() * 1_000_000)

    def _count(self, known: Known, n: int = 1) -> Ticket | None:
        us = self._base_us + int(self._clock.monotonic() * 1_000_000)
        with self.lock:
            if self._inside:  # a signal handler, or a finaliser, inside a report on this thread
                self._late.append((known, n, us))
                return Ticket(self, known, known.total + n)
            self._inside = True
            try:
                known.total += n
                known.last_us = us
                if known.slot is not None:
                    self.spool.add(known.slot, n, us)
                if not known.is_pending:
                    self._make_pending(known, us)
                total = known.total
            finally:
                self._inside = False
        if self._late:
            self._drain_late()
        return Ticket(self, known, total)

    @contextmanager
    def _section(self) -> Generator[None, None, None]:
        """
        Hold the lock, and send what this very thread reports meanwhile (a signal handler, a finaliser that the collector runs) to `_late`.

        The lock alone does not keep it out: it is re-entrant, since the same thread waiting for itself would be a deadlock.
        """
        with self.lock:
            before, self._inside = self._inside, True
            try:
                yield
            finally:
                self._inside = before

    def _make_pending(self, known: Known, us: int) -> None:
        status = known.signal.status
        fingerprint = known.signal.fingerprint
        if self._status.get(fingerprint, status) is not status:
            self._cut()  # a status change is never merged away: what was seen before it goes before it
        self._status[fingerprint] = status
        known.is_pending = True
        known.first_us = us
        known.pending_since = self._clock.monotonic()
        if known.last_flush is not None and known.pending_since - known.last_flush > known.interval + self._first_interval:
            known.interval = 0.0  # it was quiet for a while: this is news again
        self._pending[known] = None
        self._wake()

    def _drain_late(self) -> None:
        while self._late:
            try:
                known, n, us = self._late.popleft()
            except IndexError:
                return
            with self._section():
                known.total += n
                known.last_us = us
                if known.slot is not None:
                    self.spool.add(known.slot, n, us)
                if not known.is_pending:
                    self._make_pending(known, us)

    def _enclosed(self, known: Known, site: Site | None) -> Ticket:
        """A watch around the one that counted: it counts the failure for its own condition, once."""
        own = known.signal.sites[0][0].name if known.signal.sites else None
        if site is not None and site.name != own:
            with self._section():
                if known.outers is None:
                    known.outers = {}
                outer = known.outers.get(site.name)
                if outer is None:
                    outer = known.outers[site.name] = Outer(site, self._sight_outer(known, site))
                outer.total += 1
                us = self._now_us()
                if outer.slot is not None:
                    self.spool.add(outer.slot, 1, us)
                if not known.is_pending:
                    known.last_us = max(known.last_us, us)
                    self._make_pending(known, us)
        return Ticket(self, known, known.total)

    # -- first sightings -----------------------------------------------------------------------------------------------------------

    def _first(self, raw: object, make: Callable[[], Signal], kept: tuple[object, ...]) -> Known:
        signal = attrs.evolve(make(), count=0)
        site = signal.sites[0][0] if signal.sites else None
        of_site = None if site is None else (site.name, str(site.when), site.quiet_for)
        key = (signal.fingerprint, signal.status, signal.severity, tuple(sorted(signal.labels.items())), signal.source, of_site)
        with self.lock:
            known = self._known.get(key)
            if known is None:
                known = self._new(key, signal)
            if raw is not None:
                if len(self._raw) >= RAW_LIMIT:
                    self._raw.clear()
                    for other in self._known.values():
                        other.pins.clear()
                self._raw[raw] = known
                known.pins.append((kept, site, raw))
        return known

    def _new(self, key: tuple[object, ...], signal: Signal) -> Known:
        limit = self._settings.inbox_keys
        # A recovery is never folded into a failure: it may go over the limit, itself bounded.
        if len(self._known) >= limit and not self._evict() and (signal.is_firing or len(self._known) >= 2 * limit):
            return self._overflow(signal)
        self._serial += 1
        stored = attrs.evolve(signal, sites=tuple((site, 0) for site, _ in signal.sites))
        slot = self._sight(stored)
        if (other := self._known.get(key)) is not None:  # a signal handler reported the same while we wrote
            return other
        known = Known(self._serial, key, stored, slot)
        self._known[key] = self._by_serial[known.serial] = known
        return known

    def _sight(self, signal: Signal) -> int | None:
        try:
            payload = encode(signal).encode()
            slot = self.spool.sight(payload)
            if slot is None:
                reduced = attrs.evolve(signal, details={}, exception=None, notes=(*signal.notes, "stored reduced: too large for the spool"))
                slot = self.spool.sight(encode(reduced).encode())
        except Exception as error:  # noqa: BLE001 - the host never pays for a fault of the spool
            self._faults.caught("spool", error)
            return None
        return slot

    def _sight_outer(self, known: Known, site: Site) -> int | None:
        if known.slot is None:
            return None
        return self._sight_bytes(b'{"of":%d,"site":%s}' % (known.slot, encode(site).encode()))

    def _sight_bytes(self, payload: bytes) -> int | None:
        try:
            return self.spool.sight(payload)
        except Exception as error:  # noqa: BLE001 - as above
            self._faults.caught("spool", error)
            return None

    def _evict(self) -> bool:
        """Forget problems the store has whole, oldest first; return whether there is room now."""
        clean = [known for known in self._known.values() if known.is_clean][: max(1, self._settings.inbox_keys // 10)]
        for known in clean:
            del self._known[known.key], self._by_serial[known.serial]
        if clean:
            gone = set(map(id, clean))
            self._raw = {raw: known for raw, known in self._raw.items() if id(known) not in gone}
            self._status = {known.signal.fingerprint: known.signal.status for known in self._known.values()}
        return bool(clean)

    def _overflow(self, signal: Signal) -> Known:
        """Fold a new problem into one counted problem per service: memory is bounded and nothing is dropped silently."""
        self.folded += 1
        if ("overflow", signal.tenant, signal.service) not in self._known and len(self._known) >= 2 * self._settings.inbox_keys:
            signal = attrs.evolve(signal, service="", tenant="")  # services, or tenants, without end: one problem for all of them
        title = f"overflow: more distinct problems than fit ({self._settings.inbox_keys}) in service {signal.service or 'unnamed'}"
        folded = signal_of_title(title, at=instant(self._now_us()), tenant=signal.tenant, key=f"overflow:{signal.service}",
                                 service=signal.service, environment=signal.environment, severity=Severity.MAJOR, source="incidentkit")
        key = ("overflow", signal.tenant, signal.service)
        known = self._known.get(key)
        if known is None:
            self._serial += 1
            known = Known(self._serial, key, attrs.evolve(folded, count=0), self._sight(attrs.evolve(folded, count=0)))
            self._known[key] = self._by_serial[known.serial] = known
        return known

    # -- the engine's side ---------------------------------------------------------------------------------------------------------

    def _cut(self) -> None:
        for known in self._pending:
            self._ready.append(known.portion())
        self._pending.clear()

    def next_due(self) -> float | None:
        """Return the monotonic instant of the next flush, or None while nothing waits."""
        with self._section():
            if self._ready:
                return self._clock.monotonic()
            return min((known.due(self._flush_after) for known in self._pending), default=None)

    def take(self, *, limit: int, everything: bool = False) -> list[Portion]:
        """Return up to *limit* portions of one tenant that are due, in order; with *everything*, also those that are not due yet."""
        self._drain_late()
        with self._section():
            if not self._ready:
                now = self._clock.monotonic()
                due = [known for known in self._pending if everything or known.due(self._flush_after) <= now]
                for known in due:
                    del self._pending[known]
                    self._ready.append(known.portion())
            taken: list[Portion] = []
            while self._ready and len(taken) < limit and (not taken or self._ready[0].signal.tenant == taken[0].signal.tenant):
                taken.append(self._ready.popleft())
            return taken

    def stored(self, portions: list[Portion], incidents: Mapping[int, Any]) -> None:
        """Note that the store has *portions*; *incidents* are theirs, by position. Tickets that waited for it end."""
        waiters: list[Callable[[], None]] = []
        now = self._clock.monotonic()
        with self._section():
            for at, portion in enumerate(portions):
                known = portion.known
                known.acked = max(known.acked, portion.upto)
                known.incident = incidents.get(at)
                known.last_flush = now
                known.interval = min(max(known.interval * 2, self._first_interval), self._settings.repeat_flush_most.total_seconds())
                if known.incident is None and known.signal.sites:
                    known.interval = 0.0  # a threshold waits for it: it stays as fresh as a first sighting
                for outer, upto in portion.outers:
                    outer.acked = max(outer.acked, upto)
                waiters += [call for target, call in known.waiters if target <= known.acked]
                known.waiters = [waiter for waiter in known.waiters if waiter[0] > known.acked]
        for call in waiters:
            call()

    def when_stored(self, known: Known, target: int, call: Callable[[], None]) -> None:
        """Call *call* once *known* is durable up to *target*; somebody waits for it, so it is flushed at once."""
        with self._section():
            if known.acked < target:
                known.waiters.append((target, call))
                known.interval = 0.0
                known.pending_since -= self._flush_after
                self._wake()
                return
        call()

    def urgent(self, site: str) -> None:
        """Make the site's problems news again: its incident changed, and the next failure must be seen at once."""
        with self._section():
            for known in self._known.values():
                if known.signal.sites and known.signal.sites[0][0].name == site:
                    known.interval = 0.0

    def unstored(self) -> list[Known]:
        """Return the problems of which the store has nothing yet."""
        with self._section():
            return [known for known in self._known.values() if known.acked == 0 and known.total]

    def live_slots(self) -> list[int]:
        """Return the spool slots in use."""
        with self._section():
            own = [known.slot for known in self._known.values() if known.slot is not None]
            return own + [outer.slot for known in self._known.values() for outer in (known.outers or {}).values() if outer.slot is not None]

    def tally(self) -> tuple[int, int]:
        """Return how many problems are in memory and how many occurrences the store does not have."""
        with self._section():
            return len(self._known), sum(known.total - known.acked for known in self._known.values())


def _fields_key(fields: Mapping[str, Any]) -> object:
    """Return a hashable identity of *fields*, or None when a value cannot have one."""
    if not fields:
        return ()
    try:
        key = tuple(sorted((name, tuple(sorted(value.items())) if type(value) is dict else value) for name, value in fields.items()))
        hash(key)
    except Exception:  # noqa: BLE001 - evil keys and values: they take the slow way
        return None
    return key
