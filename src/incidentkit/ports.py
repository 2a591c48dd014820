"""Protocols: the seams between the pure part and the world. What belongs here: interfaces only, no implementation, no decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, runtime_checkable

from incidentkit.model import (
    Capabilities,
    Claim,
    Committed,
    Conflict,
    Delivery,
    DeliveryRecord,
    DocSet,
    DocWrite,
    Duplicate,
    IncidentQuery,
    Lease,
    Listing,
    Loaded,
    Lookup,
    Notification,
    PurgePolicy,
    PurgeReport,
    Request,
    Response,
    SchemaInfo,
    Signal,
    Site,
    UnitOfWork,
    Work,
    WorkState,
)

__all__ = ["Backend", "Clock", "Evidence", "HttpNotifier", "IdSource", "Notifier", "Probe", "SendNotifier", "Sink"]


class Clock(Protocol):
    """Time, from outside. Nothing below the engine has another source of it."""

    def now(self) -> datetime:
        """Return the wall-clock instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations inside one process; never stored."""


class IdSource(Protocol):
    """Where new ids come from."""

    def new(self, now: datetime) -> str:
        """Return a new time-ordered id."""


class Probe(Protocol):
    """Something that can be asked whether it works."""

    def __call__(self) -> bool:
        """Return True when it works."""


class Evidence(Protocol):
    """Where a watched site with an open incident puts its successes. A site whose `evidence` is None pays one attribute check."""

    def success(self) -> None:
        """Count one success, now."""


class Sink(Protocol):
    """What the host side (watch, handlers, hooks) knows of the engine. No method raises, blocks, or does I/O beyond one write(2)."""

    def failed(self, error: BaseException, site: Site | None, fields: Mapping[str, Any], /) -> Any:
        """Report an exception seen by a watch (with its site) or by a handler or hook (None). Return its ticket."""

    def report(self, what: BaseException | Signal | str, fields: Mapping[str, Any], /) -> Any:
        """Report what the host states itself: an exception, a signal or a title. Return its ticket."""

    def ok(self, fields: Mapping[str, Any], /) -> Any:
        """Report that the problem with the key (and tenant) in *fields* is over. Return its ticket."""


@runtime_checkable
class Backend(Protocol):
    """
    Keeps state; never decides. Synchronous, thread-confined, no callback, no transaction open across calls.

    `now` overrides the store's clock (tests, simulation). Errors: the four kinds of `BackendError`, nothing else.
    Source: storage.md 2 as amended by DESIGN.md 6, "Storage".
    """

    capabilities: Capabilities

    def open(self, mode: Literal["migrate", "verify"] = "migrate") -> SchemaInfo:
        """Connect and bring the schema up to date (or only check it). Idempotent."""

    def close(self) -> None:
        """Release everything. Idempotent."""

    def commit(self, ns: str, unit: UnitOfWork, *, now: datetime | None = None) -> Committed | Conflict | Duplicate:
        """Apply the whole unit in one transaction, or nothing of it."""

    def load(self, ns: str, lookup: Lookup, *, now: datetime | None = None) -> Loaded:
        """Return one consistent snapshot of what was asked for; what is not there is simply missing."""

    def claim(
        self, ns: str, *, owner: str, can: frozenset[str] | None, limit: int, lease: timedelta, now: datetime | None = None,
    ) -> list[Claim]:
        """
        Lease at most *limit* due rows, oldest due first: due_at <= now, state OPEN, `needs` empty or in *can* (None: all).

        A claim moves due_at to the lease's end and adds one to `attempt` and to `crashes`; any settle resets `crashes`. Rows whose
        `crashes` are above the limit (5) come back with `is_exhausted`.
        """

    def extend(self, ns: str, claims: Sequence[tuple[str, str, int]], lease: timedelta, *, now: datetime | None = None) -> set[str]:
        """Lengthen the leases of (tenant, work id, attempt); return the work ids that are still held."""

    def lease(
        self, ns: str, name: str, owner: str, ttl: timedelta, *, token: int | None = None, release: bool = False,
        now: datetime | None = None,
    ) -> Lease | None:
        """Acquire (token None), renew or release a named lease; None: somebody else holds it, or our term is over."""

    def query(self, ns: str, query: IncidentQuery, *, cursor: str | None = None, limit: int = 50) -> Listing:
        """Return incidents, newest update first."""

    def history(self, ns: str, incident_id: str, *, tenant: str = "", after_seq: int = 0, limit: int = 200) -> Listing:
        """Return `TimelineEntry` values in order of seq."""

    def deliveries(self, ns: str, incident_id: str, *, tenant: str = "", limit: int = 200) -> tuple[DeliveryRecord, ...]:
        """Return the attempts of an incident's pages, oldest first."""

    def work(
        self, ns: str, *, states: frozenset[WorkState], tenant: str | None = None, incident_id: str | None = None, limit: int = 200,
    ) -> tuple[Work, ...]:
        """Return rows of work in these states, by due_at: what is late, what is dead."""

    def next_due(self, ns: str, *, can: frozenset[str] | None) -> datetime | None:
        """Return when the next claimable row is due, or None. A hint for sleeping, nothing else."""

    def docs(self, ns: str, *, since: int = 0) -> DocSet:
        """Return documents changed after revision *since*, deleted ones included."""

    def put_docs(self, ns: str, writes: Sequence[DocWrite], *, now: datetime | None = None) -> Committed | Conflict:
        """Compare-and-set documents and bump the revision of the namespace, all or nothing."""

    def purge(self, ns: str, policy: PurgePolicy, *, limit: int = 1_000, now: datetime | None = None) -> PurgeReport:
        """Delete what is older than the policy, at most *limit* rows; call again while `is_more`."""


class Notifier(Protocol):
    """
    One channel: four facts about it, which plain attributes state as well as properties.

    A notifier is either a `SendNotifier` or an `HttpNotifier`.
    """

    @property
    def name(self) -> str:
        """Return the name that policies use."""

    @property
    def to(self) -> str:
        """Return the default target, "" when there is none."""

    @property
    def is_quiet(self) -> bool:
        """Return False for what rings."""

    @property
    def deadline(self) -> timedelta:
        """Return how long one page is tried before it becomes a dead letter."""


@runtime_checkable
class SendNotifier(Notifier, Protocol):
    """Anything with a `send`, plain or async."""

    send: Callable[[Notification], Any]


@runtime_checkable
class HttpNotifier(Notifier, Protocol):
    """HTTP as two pure functions; the shared sender does the I/O."""

    def request(self, notification: Notification, /) -> Request:
        """Return the request that tells it."""

    def verdict(self, response: Response, notification: Notification, /) -> Delivery:
        """Return what the response means."""
