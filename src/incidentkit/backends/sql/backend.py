"""`SqlBackend`: the protocol over SQL. How a transaction is run belongs to whoever extends it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from incidentkit.backends.clock import StoreClock
from incidentkit.backends.sql import _claim, _commit, _load, _purge
from incidentkit.backends.sql.session import Session
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
    IncidentQuery,
    Lease,
    Listing,
    Loaded,
    Lookup,
    PurgePolicy,
    PurgeReport,
    UnitOfWork,
    Work,
    WorkState,
)

__all__ = ["SqlBackend"]

T = TypeVar("T")


class SqlBackend(ABC):
    """Everything of `ports.Backend` but `open` and `close`."""

    capabilities: Capabilities
    _clock: StoreClock

    @abstractmethod
    def _read(self, act: Callable[[Session], T]) -> T:
        """Run *act* on one consistent snapshot."""

    @abstractmethod
    def _write(self, act: Callable[[Session], T]) -> T:
        """Run *act* in one transaction: committed, unless it raises or returns a `Conflict` or `Duplicate`. It may run again."""

    def commit(self, ns: str, unit: UnitOfWork, *, now: datetime | None = None) -> Committed | Conflict | Duplicate:
        """Apply the whole unit, or nothing of it."""
        check_unit(unit, self.capabilities.max_batch)
        return self._write(lambda session: _commit.commit(session, ns, unit, self._clock.now(now)))

    def load(self, ns: str, lookup: Lookup, *, now: datetime | None = None) -> Loaded:
        """Return one consistent snapshot of what was asked for."""
        return self._read(lambda session: _load.load(session, ns, lookup, self._clock.now(now)))

    def claim(
        self, ns: str, *, owner: str, can: frozenset[str] | None, limit: int, lease: timedelta, now: datetime | None = None,
    ) -> list[Claim]:
        """Lease at most *limit* due rows, oldest due first. A claim's `work.due_at` is when the row had been due."""
        # Looking first takes no lock when nothing is due, which is nearly always. It is a hint: what is claimed is read again below.
        if not self._read(lambda session: bool(_claim.find_due(session, ns, can, min(limit, 1), self._clock.now(now)))):
            return []
        return self._write(lambda session: _claim.claim(session, ns, owner, can, limit, lease, self._clock.now(now)))

    def extend(self, ns: str, claims: Sequence[tuple[str, str, int]], lease: timedelta, *, now: datetime | None = None) -> set[str]:
        """Lengthen leases; return the work ids that are still held."""
        return self._write(lambda session: _claim.extend(session, ns, claims, self._clock.now(now) + lease))

    def lease(
        self, ns: str, name: str, owner: str, ttl: timedelta, *, token: int | None = None, release: bool = False,
        now: datetime | None = None,
    ) -> Lease | None:
        """Acquire (token None), renew or release a named lease."""
        return self._write(lambda session: _claim.lease(session, ns, name, owner, ttl, token, release=release, now=self._clock.now(now)))

    def query(self, ns: str, query: IncidentQuery, *, cursor: str | None = None, limit: int = 50) -> Listing:
        """Return incidents, newest update first; `since` bounds `updated_at`."""
        return self._read(lambda session: _load.query(session, ns, query, cursor, limit))

    def history(self, ns: str, incident_id: str, *, tenant: str = "", after_seq: int = 0, limit: int = 200) -> Listing:
        """Return timeline entries in order of seq; the cursor is the last seq."""
        return self._read(lambda session: _load.history(session, ns, tenant, incident_id, after_seq, limit))

    def deliveries(self, ns: str, incident_id: str, *, tenant: str = "", limit: int = 200) -> tuple[DeliveryRecord, ...]:
        """Return the attempts of an incident's pages, oldest first."""
        return self._read(lambda session: _load.deliveries(session, ns, tenant, incident_id, limit))

    def work(
        self, ns: str, *, states: frozenset[WorkState], tenant: str | None = None, incident_id: str | None = None, limit: int = 200,
    ) -> tuple[Work, ...]:
        """Return rows of work in these states, by due_at."""
        return self._read(lambda session: _load.list_work(session, ns, states, tenant, incident_id, limit))

    def next_due(self, ns: str, *, can: frozenset[str] | None) -> datetime | None:
        """Return when the next claimable row is due, or None."""
        return self._read(lambda session: _claim.next_due(session, ns, can))

    def docs(self, ns: str, *, since: int = 0) -> DocSet:
        """Return documents changed after revision *since*, deleted ones included."""
        return self._read(lambda session: _load.docs(session, ns, since))

    def put_docs(self, ns: str, writes: Sequence[DocWrite], *, now: datetime | None = None) -> Committed | Conflict:
        """Compare-and-set documents and bump the revision, all or nothing."""
        check_docs(writes)
        return self._write(lambda session: _claim.put_docs(session, ns, writes, self._clock.now(now)))

    def purge(self, ns: str, policy: PurgePolicy, *, limit: int = 1_000, now: datetime | None = None) -> PurgeReport:
        """Delete what is older than the policy, at most *limit* rows."""
        return self._write(lambda session: _purge.purge(session, ns, policy, limit, self._clock.now(now)))
