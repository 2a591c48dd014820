"""
Core: the heart that beats on the one thread that owns the backend. Each beat: commands, adoption, flush, evidence, due work, house-keeping.

It has no thread of its own: the worker thread, `step()` in manual mode, the World and `stop()` all drive this one object.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, Final

import attrs

from incidentkit.engine.adoption import adopt
from incidentkit.engine.config import Config
from incidentkit.engine.driver import Driver
from incidentkit.engine.flusher import Flusher
from incidentkit.engine.health import Faults
from incidentkit.engine.inbox import Inbox
from incidentkit.engine.last_resort import LastResort
from incidentkit.engine.last_resort import due as due_for_last_resort
from incidentkit.engine.senders import Senders
from incidentkit.engine.sites import Trackers
from incidentkit.errors import BackendError, IncompatibleError, UnavailableError
from incidentkit.model import Claim, Page, PageKind, Signal, UnitOfWork, WorkState
from incidentkit.ports import Backend, Clock
from incidentkit.resolve import EvidenceReport
from incidentkit.runtime import Ground, claim_due, dispatch, gather, open_sites, purge

__all__ = ["Core"]

#: How often a store that is away is tried again, at most.
BACK_OFF_MOST: Final = 5.0
ADOPT_EVERY: Final = 30.0
IDLE_POLL: Final = 1.0
CLAIMS: Final = 50


class Core:
    """Everything one engine does, one beat at a time. Not thread-safe: one thread at a time drives it."""

    def __init__(  # noqa: PLR0913 - the parts that one process is made of, each made in one place
        self, config: Config, *, process: str, ground: Ground, clock: Clock, is_virtual: bool, inbox: Inbox, senders: Senders,
        faults: Faults, mailbox: SimpleQueue[Any],
    ) -> None:
        self.config = config
        self.ground = ground
        self.clock = clock
        self.inbox = inbox
        self.senders = senders
        self.faults = faults
        self.mailbox = mailbox
        self.trackers = Trackers(process=process, clock=clock, settings=config.settings)
        self.driver = Driver(ns=config.ns, process=process, settings=config.settings, clock=clock, is_virtual=is_virtual, senders=senders,
                             local=self._evidence_of, committed=self._committed, ended=mailbox.put)
        self.flusher = Flusher(inbox, self.driver, ground, faults, process=process, noted=self._note_reported,
                               quarantine=config.state_directory if config.spool != "memory" else None)
        self.last_resort = LastResort(directory=config.state_directory, book=ground.book, settings=config.settings,
                                      names=config.last_resort, senders=senders)
        self.open_backend: Callable[[], Backend] | None = None
        #: Held while the store is used. A fork waits for it: SQLite keeps the locks of an open transaction in the process's memory, and a
        #: child that inherited them would find the file locked for ever.
        self.busy = threading.RLock()
        self.blind_since: float | None = None
        self.is_incompatible = False
        self._retry_at = 0.0
        self._back_off = 0.1
        self._is_virtual = is_virtual
        self._process = process
        self._due: dict[str, float] = {}
        self._next_work: float | None = 0.0
        self.late_work = 0
        self.oldest_due_at: datetime | None = None

    # -- the beat ------------------------------------------------------------------------------------------------------------------

    def beat(self) -> float | None:
        """Do everything that is due; return the monotonic instant of the next beat, or None while nothing is foreseen."""
        self.commands()
        now = self.clock.monotonic()
        if self.driver.backend is None:
            self._try_to_open(now)
        if self.driver.backend is not None and now >= self._retry_at:
            try:
                self._work_through(now)
                self._see_again()
            except BackendError as error:
                self.go_blind(error)
            except Exception as error:  # noqa: BLE001 - a fault of ours ends here; the next beat goes on
                self.faults.caught("engine", error)
                self._retry_at = now + 1.0
        self._resort()
        return self._next_beat()

    def _work_through(self, now: float) -> None:
        if self._is_due("adopt", ADOPT_EVERY, now):
            self._adopt()
        progress = True
        while progress:
            progress = self.flusher.flush()
            self._gather()
            progress = self._claim() or progress
            self.commands()
        if self._is_due("sites", self.config.settings.sites_every.total_seconds(), now):
            self.read_sites()
        if self._is_due("purge", self.config.settings.purge_every.total_seconds(), now):
            self._purge()
        if self._is_due("audit", self.config.settings.late_after.total_seconds(), now):
            self._audit()
        self.flusher.compact()

    def commands(self) -> None:
        """Run what callers asked for, and take up loops whose send has ended."""
        while True:
            try:
                item = self.mailbox.get_nowait()
            except Empty:
                return
            self.take_up(item)

    def take_up(self, item: Any) -> None:
        """Handle one thing from the mailbox: a call with its future, an ended send, or only a nudge."""
        if item is None:
            return
        if isinstance(item[1], Future):
            call, future = item
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller who waits for it
                future.set_exception(error)
            self._next_work = 0.0
            return
        flow, delivery = item
        try:
            self.driver.resume(flow, delivery)
        except BackendError as error:
            self.go_blind(error)
        except Exception as error:  # noqa: BLE001 - the claim's lease ends and it is done again
            self.faults.caught("a page", error)
        self._next_work = 0.0

    # -- the parts of a beat -------------------------------------------------------------------------------------------------------

    def _is_due(self, what: str, every: float, now: float) -> bool:
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every
        return True

    def _adopt(self) -> None:
        if self.config.spool == "memory":
            return
        adopt(self.config.state_directory / "spool", own=self._process, about=self.config.ns.encode(), store=self.flusher.store,
              commit=self._commit_alone, report=self._report, now=self.clock.now(), faults=self.faults)

    def _commit_alone(self, unit: UnitOfWork) -> Any:
        backend = self.driver.backend
        return None if backend is None else backend.commit(self.config.ns, unit, now=self.driver.now)

    def _report(self, signal: Signal) -> None:
        self.inbox.signal(attrs.evolve(signal, environment=self.config.environment))

    def _claim(self) -> bool:
        """Claim and do what is due; return whether anything was."""
        now = self.clock.monotonic()
        if self._next_work is None or now < self._next_work:
            return False
        limit = max(1, min(CLAIMS, self.senders.free or CLAIMS))
        claims = self.driver.run(claim_due(limit))
        for claim in claims:
            self._dispatch(claim)
        self._next_work = now if claims else self._foresee(now)
        return bool(claims)

    def _dispatch(self, claim: Claim) -> None:
        flow = dispatch(claim, self.ground)
        if isinstance(claim.work.body, Page):
            self.driver.start(flow)
        else:
            self.driver.run(flow)

    def _foresee(self, now: float) -> float | None:
        """Return when to ask for work again: when the next row is due; with a shared store, at least every second."""
        backend = self.driver.backend
        if backend is None:
            return now + IDLE_POLL
        can = self.senders.can if self.senders.free else frozenset[str]()
        due_at = backend.next_due(self.config.ns, can=can)
        wait = None if due_at is None else max((due_at - self.clock.now()).total_seconds(), 0.0)
        if self._is_virtual:
            return None if wait is None else now + wait
        return now + (IDLE_POLL if wait is None else min(max(wait, 0.01), IDLE_POLL))

    def _gather(self) -> None:
        now = self.clock.monotonic()
        for tracker in self.trackers.all():
            is_routine = tracker.last_write is None or now - tracker.last_write >= self.config.settings.sites_every.total_seconds()
            must_write = tracker.has_new_proof or (tracker.is_dirty and is_routine)
            if now < tracker.next_gather or not (tracker.is_dirty or must_write):
                continue
            tracker.next_gather = now + self.config.settings.tick.total_seconds() * 2
            tracker.is_dirty = False
            has_proof = tracker.has_new_proof
            incident = self.driver.run(gather(tracker.incident, tracker.report(), self.ground, must_write=must_write,
                                              now_hint=self.clock.now()))
            if must_write:
                tracker.last_write, tracker.written_proof = now, has_proof or tracker.written_proof
            self.trackers.note(incident)

    def read_sites(self) -> None:
        """Read which watched sites have an open incident, wherever it was opened or closed."""
        found = self.driver.run(open_sites())
        self.trackers.keep_only(set(found))
        for incident in found.values():
            self._note(incident)

    def _purge(self) -> None:
        for _ in range(10):
            if not self.driver.run(purge()).is_more:
                return

    # -- what changed --------------------------------------------------------------------------------------------------------------

    def _committed(self, unit: UnitOfWork) -> None:
        for write in unit.incidents:
            self._note(write.incident)
        if unit.work or unit.settle:
            self._next_work = 0.0

    def _note(self, incident: Any) -> None:
        if self.trackers.note(incident):
            self.inbox.urgent(incident.key)

    def _note_reported(self, incident: Any) -> None:
        self.trackers.note(incident, is_reporter=True)

    def _evidence_of(self, incident_id: str) -> EvidenceReport | None:
        tracker = self.trackers.of_incident(incident_id)
        return None if tracker is None else tracker.report()

    # -- a store that is away ------------------------------------------------------------------------------------------------------

    def _try_to_open(self, now: float) -> None:
        if self.open_backend is None or now < self._retry_at:
            return
        try:
            self.driver.backend = self.open_backend()
        except BackendError as error:
            self.go_blind(error)

    def go_blind(self, error: BackendError) -> None:
        """Note that the store refused: back off, and after `blind_after` the last resort tells."""
        now = self.clock.monotonic()
        if self.blind_since is None:
            self.blind_since = now
        self.is_incompatible = isinstance(error, IncompatibleError)
        self.faults.counts["store"] = self.faults.counts.get("store", 0) + 1
        self._retry_at = now + self._back_off
        self._back_off = min(self._back_off * 2, BACK_OFF_MOST)
        self._next_work = 0.0

    def _see_again(self) -> None:
        self.blind_since = None
        self.is_incompatible = False
        self._back_off = 0.1

    def _resort(self) -> None:
        if self.blind_since is None:
            return
        now = self.clock.monotonic()
        blind_after = self.config.settings.blind_after.total_seconds()
        for known in due_for_last_resort(self.inbox.unstored(), blind_for=now - self.blind_since, blind_after=blind_after):
            try:
                self.last_resort.tell(known, now=self.clock.now(), mono=now)
            except Exception as error:  # noqa: BLE001 - one that cannot be told must not keep the others from being told
                self.faults.caught("last resort", error)

    def _next_beat(self) -> float | None:
        settings = self.config.settings
        times = [self._due["sites"]] if "sites" in self._due and not self._is_virtual else []
        if self.blind_since is not None:
            last = self.blind_since + settings.blind_after.total_seconds()
            times += [self._retry_at, *([last] if last > self.clock.monotonic() else [])]
        else:
            times += [at for at in (self.inbox.next_due(), self._next_work, self.flusher.retry_at) if at is not None]
            if self.trackers.all():  # successes make no noise: look at them every second while an incident is open
                times.append(self.clock.monotonic() + IDLE_POLL)
        return min(times, default=None)

    # -- the end -------------------------------------------------------------------------------------------------------------------

    def finish(self, deadline: float, *, wait: Callable[[float], None]) -> bool:
        """
        Commit what is in memory and send the first pages that are due, until *deadline* (monotonic); return whether all of it is done.

        *wait* blocks until something comes into the mailbox or that many seconds have passed.
        """
        try:
            if self.driver.backend is None:
                return False
            while self.flusher.flush(everything=True):
                pass
            self._next_work = 0.0
            while self.clock.monotonic() < deadline:
                self.commands()
                claimed = self.driver.run(claim_due(max(1, self.senders.free)))
                for claim in claimed:
                    if self._is_for_exit(claim):
                        self._dispatch(claim)
                if not claimed and not self.senders.in_flight:
                    break
                if self.senders.in_flight:
                    wait(max(0.0, min(deadline - self.clock.monotonic(), 0.25)))
            return not self.senders.in_flight
        except BackendError as error:
            self.go_blind(error)
            return False

    @staticmethod
    def _is_for_exit(claim: Claim) -> bool:
        body = claim.work.body
        return not isinstance(body, Page) or body.kind in {PageKind.FIRST, PageKind.RESOLVED}

    def store(self) -> Backend:
        """
        Return the open store.

        Raises:
            UnavailableError: It is not open.
        """
        if self.driver.backend is None:
            raise UnavailableError("the store is not open; what is reported is kept in the spool")
        return self.driver.backend

    def _audit(self) -> None:
        """Look for work that is late beyond `late_after`: nobody does it, and health says so."""
        now = self.clock.now()
        rows = self.store().work(self.config.ns, states=frozenset({WorkState.OPEN}), limit=200)
        late = [row.due_at for row in rows if now - row.due_at > self.config.settings.late_after]
        self.late_work, self.oldest_due_at = len(late), min(late, default=None)
