"""`MemoryBackend`: the reference backend. It calls the rules of this folder, each under the lock of the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Literal

import attrs

from incidentkit.backends.clock import StoreClock
from incidentkit.backends.confinement import Confinement
from incidentkit.backends.memory import _claim, _load, _purge
from incidentkit.backends.memory._commit import commit
from incidentkit.backends.memory.store import MemoryStore
from incidentkit.backends.unit import check_docs, check_unit
from incidentkit.model import (
    Capabilities,
    Claim,
    Committed,
    Conflict,
    DeliveryRecord,
    DocSet,
    DocWrite,
    Duplicate,
    Durability,
    IncidentQuery,
    Lease,
    Listing,
    Loaded,
    Lookup,
    PurgePolicy,
    PurgeReport,
    SchemaInfo,
    UnitOfWork,
    Work,
    WorkState,
)

__all__ = ["MemoryBackend"]


class MemoryBackend:
    """
    Keeps everything in plain dictionaries: for tests, the simulation, and hosts that want no durability.

    Handles made with the same *store* see the same state, as several processes see one database. *clock* is the store's clock.
    """

    capabilities: Capabilities = Capabilities(durability=Durability.PROCESS, is_shared_between_processes=False)

    def __init__(self, store: MemoryStore | None = None, *, clock: Callable[[], datetime] | None = None) -> None:
        self.store = store if store is not None else MemoryStore()
        self._clock = StoreClock(clock)
        self._confinement = Confinement("MemoryBackend")

    def open(self, mode: Literal["migrate", "verify"] = "migrate") -> SchemaInfo:
        """Give this handle to the calling thread. There is nothing to migrate or to verify."""
        del mode
        if self._confinement.is_open:
            self._confinement.check()
        self._confinement.enter()
        return SchemaInfo(version=1, facts={"backend": "memory"})

    def close(self) -> None:
        """Give this handle free. The state lives on in the store."""
        self._confinement.leave()

    def commit(self, ns: str, unit: UnitOfWork, *, now: datetime | None = None) -> Committed | Conflict | Duplicate:
        """Apply the whole unit, or nothing of it."""
        self._confinement.check()
        check_unit(unit, self.capabilities.max_batch)
        with self.store.lock:
            return commit(self.store.space(ns), unit, self._clock.now(now))

    def load(self, ns: str, lookup: Lookup, *, now: datetime | None = None) -> Loaded:
        """Return one consistent snapshot of what was asked for."""
        self._confinement.check()
        with self.store.lock:
            return _load.load(self.store.space(ns), lookup, self._clock.now(now))

    def claim(
        self, ns: str, *, owner: str, can: frozenset[str] | None, limit: int, lease: timedelta, now: datetime | None = None,
    ) -> list[Claim]:
        """Lease at most *limit* due rows, oldest due first. A claim's `work.due_at` is when the row had been due."""
        self._confinement.check()
        with self.store.lock:
            at = self._clock.now(now)
            return _claim.claim(self.store.space(ns), owner, can, limit, at + lease, at)

    def extend(self, ns: str, claims: Sequence[tuple[str, str, int]], lease: timedelta, *, now: datetime | None = None) -> set[str]:
        """Lengthen leases; return the work ids that are still held."""
        self._confinement.check()
        with self.store.lock:
            return _claim.extend(self.store.space(ns), claims, self._clock.now(now) + lease)

    def lease(
        self, ns: str, name: str, owner: str, ttl: timedelta, *, token: int | None = None, release: bool = False,
        now: datetime | None = None,
    ) -> Lease | None:
        """Acquire (token None), renew or release a named lease."""
        self._confinement.check()
        with self.store.lock:
            at = self._clock.now(now)
            leases = self.store.space(ns).leases
            held = leases.get(name)
            runs = held is not None and held.expires_at > at
            if token is None:
                if runs or release:
                    return None
                term = 1 if held is None else held.token + 1
            elif not runs or held is None or (held.owner, held.token) != (owner, token):
                return None
            else:
                term = token
            leases[name] = lease = Lease(name=name, owner=owner, token=term, expires_at=at if release else at + ttl)
            return lease

    def query(self, ns: str, query: IncidentQuery, *, cursor: str | None = None, limit: int = 50) -> Listing:
        """Return incidents, newest update first; `since` bounds `updated_at`."""
        self._confinement.check()
        with self.store.lock:
            return _load.query(self.store.space(ns), query, cursor, limit)

    def history(self, ns: str, incident_id: str, *, tenant: str = "", after_seq: int = 0, limit: int = 200) -> Listing:
        """Return timeline entries in order of seq; the cursor is the last seq."""
        self._confinement.check()
        with self.store.lock:
            return _load.history(self.store.space(ns), tenant, incident_id, after_seq, limit)

    def deliveries(self, ns: str, incident_id: str, *, tenant: str = "", limit: int = 200) -> tuple[DeliveryRecord, ...]:
        """Return the attempts of an incident's pages, oldest first."""
        self._confinement.check()
        with self.store.lock:
            records = self.store.space(ns).deliveries.get((tenant, incident_id), {}).values()
            return tuple(sorted(records, key=attrgetter("at", "work_id", "attempt"))[:limit])

    def work(
        self, ns: str, *, states: frozenset[WorkState], tenant: str | None = None, incident_id: str | None = None, limit: int = 200,
    ) -> tuple[Work, ...]:
        """Return rows of work in these states, by due_at."""
        self._confinement.check()
        with self.store.lock:
            rows = [work for work in self.store.space(ns).work.values() if work.state in states
                    and (tenant is None or work.tenant == tenant) and (incident_id is None or work.incident_id == incident_id)]
            return tuple(sorted(rows, key=attrgetter("due_at", "tenant", "id"))[:limit])

    def next_due(self, ns: str, *, can: frozenset[str] | None) -> datetime | None:
        """Return when the next claimable row is due, or None."""
        self._confinement.check()
        with self.store.lock:
            return _claim.next_due(self.store.space(ns), can)

    def docs(self, ns: str, *, since: int = 0) -> DocSet:
        """Return documents changed after revision *since*, deleted ones included."""
        self._confinement.check()
        with self.store.lock:
            return _load.docs(self.store.space(ns), since)

    def put_docs(self, ns: str, writes: Sequence[DocWrite], *, now: datetime | None = None) -> Committed | Conflict:
        """Compare-and-set documents and bump the revision, all or nothing."""
        self._confinement.check()
        check_docs(writes)
        with self.store.lock:
            space, at = self.store.space(ns), self._clock.now(now)
            for write in writes:
                found = space.docs.get((write.doc.kind, write.doc.id))
                version = 0 if found is None else found.version
                if version != write.expect:
                    what = f"{write.doc.kind} {write.doc.id}: expected version {write.expect}, found {version}"
                    return Conflict(store_now=at, what=what, doc_revision=space.revision)
            space.revision += bool(writes)
            for write in writes:
                doc = attrs.evolve(write.doc, version=write.expect + 1, revision=space.revision)
                space.docs[doc.kind, doc.id] = doc
            return Committed(store_now=at, doc_revision=space.revision)

    def purge(self, ns: str, policy: PurgePolicy, *, limit: int = 1_000, now: datetime | None = None) -> PurgeReport:
        """Delete what is older than the policy, at most *limit* rows."""
        self._confinement.check()
        with self.store.lock:
            return _purge.purge(self.store.space(ns), policy, limit, self._clock.now(now))
