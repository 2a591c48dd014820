"""Driver: answers what the loops ask. Everything but a send is answered at once, on the one thread that owns the backend."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import attrs

from incidentkit.engine.senders import Senders
from incidentkit.errors import UnavailableError
from incidentkit.model import Committed, Delivery, IncidentQuery, PurgePolicy, Status, UnitOfWork
from incidentkit.ports import Backend, Clock
from incidentkit.resolve import EvidenceReport
from incidentkit.runtime import STALE, Ask, ClaimDue, Commit, Flow, Load, LocalEvidence, OpenSites, Purge, Send
from incidentkit.settings import Settings

__all__ = ["Driver"]

T = TypeVar("T")
#: Reads remembered: a permission older than all of these is stale anyway.
READS: Final = 256
_OPEN: Final = frozenset({Status.TRIGGERED, Status.ACKNOWLEDGED, Status.MONITORING})


class Driver:
    """Runs loops. `run` drives one to its end; `start` up to its first send, which goes on elsewhere; `resume` takes it up again."""

    def __init__(  # noqa: PLR0913 - its ports
        self, *, ns: str, process: str, settings: Settings, clock: Clock, is_virtual: bool, senders: Senders,
        local: Callable[[str], EvidenceReport | None], committed: Callable[[UnitOfWork], None], ended: Callable[[Any], None],
    ) -> None:
        self.ns = ns
        self.process = process
        self.backend: Backend | None = None
        self.senders = senders
        self._settings = settings
        self._clock = clock
        self._is_virtual = is_virtual
        self._local = local
        self._committed = committed
        self._ended = ended
        self.last_commit_at: datetime | None = None
        self.units = 0
        self._reads: dict[datetime, float] = {}

    @property
    def now(self) -> datetime | None:
        """Return the instant to tell the backend: None where it has a clock of its own, the virtual one in simulation."""
        return self._clock.now() if self._is_virtual else None

    def run(self, flow: Flow[T]) -> T:
        """Return the result of a loop; a send on its way is waited for."""
        answer: Any = None
        try:
            request = next(flow)
            while True:
                try:
                    answer = _delivery(self._send(request)) if isinstance(request, Send) else self.answer(request)
                except Exception as error:  # noqa: BLE001 - the loop decides what a failing store means
                    request = flow.throw(error)
                    continue
                request = flow.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def start(self, flow: Flow[None]) -> None:
        """Drive a loop up to its first send; when that has ended, the loop is handed to `ended` to be resumed on this thread."""
        self._advance(flow, lambda: next(flow))

    def resume(self, flow: Flow[None], delivery: Any) -> None:
        """Go on with a loop whose send has ended."""
        self.senders.in_flight -= 1
        self._advance(flow, lambda: flow.send(delivery))

    def _advance(self, flow: Flow[None], step: Callable[[], Ask]) -> None:
        try:
            request = step()
            while not isinstance(request, Send):
                try:
                    answer = self.answer(request)
                except Exception as error:  # noqa: BLE001 - as in run
                    request = flow.throw(error)
                    continue
                request = flow.send(answer)
        except StopIteration:
            return
        self.senders.in_flight += 1
        self._send(request).add_done_callback(lambda future: self._ended((flow, _delivery(future))))

    def _send(self, request: Send) -> Future[Any]:
        read_mono = self._reads.get(request.read_at)
        fresh_until = None if read_mono is None else read_mono + self._settings.fresh_for.total_seconds()
        if fresh_until is None or self._clock.monotonic() > fresh_until:
            stale: Future[Any] = Future()
            stale.set_result(STALE)
            return stale
        future: Future[Any] = self.senders.submit(request.notification, fresh_until)
        return future

    def answer(self, request: Ask) -> Any:
        """Return the backend's answer to *request*."""
        if self.backend is None:
            raise UnavailableError("the store is not open")
        backend, ns, now = self.backend, self.ns, self.now
        match request:
            case Load():
                began = self._clock.monotonic()  # before the read: what it shows is at least this fresh
                loaded = backend.load(ns, request.lookup, now=now)
                self._reads[loaded.store_now] = began
                while len(self._reads) > READS:
                    self._reads.pop(next(iter(self._reads)))
                return loaded
            case Commit():
                reply = backend.commit(ns, request.unit, now=now)
                if isinstance(reply, Committed):
                    self.units += 1
                    self.last_commit_at = reply.store_now
                    self._committed(_numbered(request.unit, reply))
                return reply
            case ClaimDue():
                can = self.senders.can if self.senders.free else frozenset[str]()
                return backend.claim(ns, owner=self.process, can=can, limit=request.limit, lease=self._settings.lease_for, now=now)
            case LocalEvidence():
                return self._local(request.incident_id)
            case OpenSites():
                return backend.query(ns, IncidentQuery(statuses=_OPEN), cursor=request.cursor, limit=200)
            case Purge():
                keep = self._settings
                policy = PurgePolicy(incidents=keep.keep_incidents, alerts=keep.keep_incidents, work=keep.keep_raw, counters=keep.keep_raw,
                                     sources=max(keep.keep_raw, timedelta(days=1)))
                return backend.purge(ns, policy, now=now)
            case Send():
                return Delivery.retry("a send is not answered here")


def _delivery(future: Future[Any]) -> Any:
    """Return how a send ended; what a guard forbade was never sent, and the page is dead, not lost."""
    error = future.exception()
    return Delivery.refused(f"{type(error).__name__}: {error}") if error is not None else future.result()


def _numbered(unit: UnitOfWork, reply: Committed) -> UnitOfWork:
    """Return the unit with its incidents as they are now: their numbers and versions."""
    writes = tuple(attrs.evolve(write, incident=attrs.evolve(write.incident, version=write.expect + 1,
                                                             number=reply.numbers.get(write.incident.id, write.incident.number)))
                   for write in unit.incidents)
    return attrs.evolve(unit, incidents=writes) if writes else unit
