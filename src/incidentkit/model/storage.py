"""What goes to a backend and comes back from it: the unit of work, lookups, queries and their replies. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import attrs

from incidentkit.model.alert import Alert
from incidentkit.model.event import TimelineEntry
from incidentkit.model.incident import Incident
from incidentkit.model.notification import DeliveryRecord
from incidentkit.model.severity import Status
from incidentkit.model.signal import EMPTY
from incidentkit.model.work import Settle, Work

__all__ = [
    "AlertWrite",
    "Bucket",
    "Capabilities",
    "Cell",
    "CellWrite",
    "Committed",
    "Conflict",
    "CounterAdd",
    "CounterRead",
    "Doc",
    "DocSet",
    "DocWrite",
    "Duplicate",
    "Durability",
    "IncidentQuery",
    "IncidentWrite",
    "Lease",
    "Listing",
    "Loaded",
    "Lookup",
    "PurgePolicy",
    "PurgeReport",
    "SchemaInfo",
    "UnitOfWork",
]


class Durability(Enum):
    """What a committed unit survives."""

    PROCESS = "process"
    HOST = "host"
    REPLICATED = "replicated"


@attrs.frozen(kw_only=True)
class Capabilities:
    """What a backend is able to promise. `max_batch` bounds the number of rows in one unit."""

    durability: Durability
    is_shared_between_processes: bool
    max_batch: int = 5_000


@attrs.frozen(kw_only=True)
class SchemaInfo:
    """The schema found or made: its version, whether this call changed it, and facts for `doctor` (journal mode, path, ...)."""

    version: int
    was_migrated: bool = False
    facts: Mapping[str, str] = EMPTY


@attrs.frozen(kw_only=True)
class IncidentWrite:
    """Compare-and-set of one incident. `expect` 0: it must be absent and no other incident of (tenant, key) may be open."""

    expect: int
    incident: Incident


@attrs.frozen(kw_only=True)
class AlertWrite:
    """Compare-and-set of one alert. `expect` 0: it must be absent."""

    expect: int
    alert: Alert


@attrs.frozen(kw_only=True)
class CounterAdd:
    """
    A commutative add. It always applies. When `incident_id` is given and that incident is not open after the unit, the reply's `not_open`
    names `fingerprint`. Owners: `a|fingerprint` (minute buckets), `s|site|slot seconds` (slot buckets), `i|incident id` (bucket 0).
    """

    tenant: str = ""
    owner: str
    bucket: int = 0
    n: int
    first_at: datetime
    last_at: datetime
    incident_id: str | None = None
    fingerprint: str = ""


@attrs.frozen(kw_only=True)
class Bucket:
    """One counter row."""

    bucket: int
    n: int
    first_at: datetime
    last_at: datetime


@attrs.frozen(kw_only=True)
class CounterRead:
    """Ask for an owner's buckets from `since` on."""

    tenant: str = ""
    owner: str
    since: int = 0


@attrs.frozen(kw_only=True)
class Cell:
    """A small named value; `version` for compare-and-set; gone when `expires_at` is reached."""

    name: str
    value: str
    version: int = 1
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class CellWrite:
    """Write a cell in the unit. `expect` None: whatever is there; 0: it must be absent (or expired). `value` None deletes it."""

    name: str
    value: str | None
    expect: int | None = None
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class UnitOfWork:
    """
    Everything that changes together. (source, seq) makes it idempotent: units of one source go in order, one in flight.

    `reads` are counters whose buckets come back in the reply, as they are after the adds of this unit.
    """

    source: str | None = None
    seq: int | None = None
    incidents: tuple[IncidentWrite, ...] = ()
    alerts: tuple[AlertWrite, ...] = ()
    counters: tuple[CounterAdd, ...] = ()
    events: tuple[TimelineEntry, ...] = ()
    work: tuple[Work, ...] = ()
    #: Ids of work that is not needed any more. The holder of a running claim may still settle once.
    cancel: tuple[tuple[str, str], ...] = ()  # (tenant, work id)
    settle: tuple[Settle, ...] = ()
    deliveries: tuple[DeliveryRecord, ...] = ()
    cells: tuple[CellWrite, ...] = ()
    reads: tuple[CounterRead, ...] = ()

    @property
    def rows(self) -> int:
        """Return the number of rows this unit touches."""
        return (len(self.incidents) + len(self.alerts) + len(self.counters) + len(self.events) + len(self.work) + len(self.cancel)
                + len(self.settle) + len(self.deliveries) + len(self.cells))


@attrs.frozen(kw_only=True)
class Committed:
    """The unit was applied. `numbers` are those given to new incidents, by id."""

    store_now: datetime
    doc_revision: int = 0
    numbers: Mapping[str, int] = EMPTY
    counters: Mapping[str, tuple[Bucket, ...]] = EMPTY  # by owner, for `reads`
    not_open: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Conflict:
    """Nothing was applied: a version, an open key, an event seq, a cell or a settle was stale. `what` names the first for logs."""

    store_now: datetime
    what: str
    doc_revision: int = 0
    #: Work ids whose settle was stale: the claim is no longer ours.
    stale: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Duplicate:
    """Nothing was applied, because this (source, seq), or a later one of that source, was applied before."""

    store_now: datetime
    doc_revision: int = 0


@attrs.frozen(kw_only=True)
class Lookup:
    """What to load in one consistent snapshot. For each key: the open incident if there is one, else the newest closed one."""

    tenant: str = ""
    fingerprints: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    counters: tuple[CounterRead, ...] = ()
    cells: tuple[str, ...] = ()
    cell_prefixes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Loaded:
    """
    A snapshot. `incidents` holds, by id, those asked for by id or number, those found by key, and those the loaded alerts are pinned to,
    with occurrences, first and last seen joined from the counter `i|id`.
    """

    store_now: datetime
    doc_revision: int = 0
    alerts: Mapping[str, Alert] = EMPTY
    incidents: Mapping[str, Incident] = EMPTY
    by_key: Mapping[str, str] = EMPTY
    counters: Mapping[str, tuple[Bucket, ...]] = EMPTY
    cells: Mapping[str, Cell] = EMPTY


@attrs.frozen(kw_only=True)
class IncidentQuery:
    """Filters that compose by AND; None does not filter. Newest `updated_at` first, ties by id, keyset cursor."""

    tenant: str | None = None
    statuses: frozenset[Status] | None = None
    service: str | None = None
    since: datetime | None = None
    number: int | None = None


@attrs.frozen(kw_only=True)
class Listing:
    """One page of a listing. `cursor` None: there is no more."""

    items: tuple[Any, ...]
    cursor: str | None = None


@attrs.frozen(kw_only=True)
class Lease:
    """A named lease: `token` grows with every term."""

    name: str
    owner: str
    token: int
    expires_at: datetime


@attrs.frozen(kw_only=True)
class Doc:
    """An operator's document: a silence, maintenance, override, a configuration; kept by version."""

    kind: str
    id: str
    version: int = 0
    body: str = "{}"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_deleted: bool = False
    revision: int = 0


@attrs.frozen(kw_only=True)
class DocWrite:
    """Compare-and-set of one document; `expect` 0: it must be absent."""

    expect: int
    doc: Doc


@attrs.frozen(kw_only=True)
class DocSet:
    """Documents changed since a revision, deleted ones included, with the revision they bring the reader to."""

    revision: int
    docs: tuple[Doc, ...] = ()


@attrs.frozen(kw_only=True)
class PurgePolicy:
    """How long things are kept. Open incidents, their events and open work are always kept."""

    incidents: timedelta = timedelta(days=400)
    alerts: timedelta = timedelta(days=400)
    work: timedelta = timedelta(days=30)
    counters: timedelta = timedelta(days=30)
    sources: timedelta = timedelta(days=30)


@attrs.frozen(kw_only=True)
class PurgeReport:
    """Rows deleted by kind; `is_more`: call again."""

    deleted: Mapping[str, int] = EMPTY
    is_more: bool = False
