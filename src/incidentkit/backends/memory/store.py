"""What memory keeps: one space per namespace, of immutable values in plain dictionaries. No rule about them is here."""

from __future__ import annotations

import heapq
import threading
from datetime import datetime
from operator import attrgetter

import attrs

from incidentkit.model import Alert, Bucket, DeliveryRecord, Doc, Incident, Lease, TimelineEntry, Work

__all__ = ["CellRow", "CounterRow", "IncidentRow", "Key", "MemoryStore", "Space"]

#: (tenant, id | fingerprint | group key | owner of a counter)
Key = tuple[str, str]
#: n, first_at, last_at
CounterRow = tuple[int, datetime, datetime]
#: value (None: deleted), version, expires_at
CellRow = tuple[str | None, int, datetime | None]


@attrs.define(eq=False)
class IncidentRow:
    """One incident as it was handed in, with what the store knows better, and the value last shown to a reader."""

    incident: Incident
    version: int
    number: int
    event_seq: int
    events: list[TimelineEntry]
    view: Incident | None = None
    seen: CounterRow | None = None


class Space:
    """Everything of one namespace."""

    __slots__ = ("alerts", "by_key", "cells", "counters", "deliveries", "docs", "due", "holders", "incidents", "last_number", "leases",
                 "numbers", "open_keys", "revision", "sources", "work")

    def __init__(self) -> None:
        self.revision = 0
        self.incidents: dict[Key, IncidentRow] = {}
        self.open_keys: dict[Key, str] = {}
        self.by_key: dict[Key, tuple[str, ...]] = {}
        self.numbers: dict[str, dict[int, str]] = {}
        self.last_number: dict[str, int] = {}
        self.alerts: dict[Key, tuple[Alert, int]] = {}
        self.counters: dict[Key, dict[int, CounterRow]] = {}
        self.work: dict[Key, Work] = {}
        #: Who holds a claim that was not settled yet.
        self.holders: dict[Key, str] = {}
        #: A heap of (due_at, tenant, id); entries that no longer agree with their row are skipped.
        self.due: list[tuple[datetime, str, str]] = []
        self.deliveries: dict[Key, dict[tuple[str, int], DeliveryRecord]] = {}
        self.cells: dict[str, CellRow] = {}
        self.docs: dict[tuple[str, str], Doc] = {}
        self.leases: dict[str, Lease] = {}
        self.sources: dict[str, tuple[int, datetime]] = {}

    def becomes_due(self, work: Work) -> None:
        """Note when *work* is due; what it was noted for before is void."""
        heapq.heappush(self.due, (work.due_at, work.tenant, work.id))

    def forget_key(self, tenant: str, key: str, incident_id: str) -> None:
        """List the incident under that key no longer."""
        left = tuple(identifier for identifier in self.by_key.get((tenant, key), ()) if identifier != incident_id)
        if left:
            self.by_key[tenant, key] = left
        else:
            self.by_key.pop((tenant, key), None)

    def forget_incident(self, key: Key) -> None:
        """Delete an incident's row and what lists it; its events, deliveries and counters are gone already."""
        row = self.incidents.pop(key)
        self.forget_key(key[0], row.incident.key, key[1])
        self.numbers[key[0]].pop(row.number, None)
        self.deliveries.pop(key, None)
        self.counters.pop((key[0], "i|" + key[1]), None)

    def count_of(self, tenant: str, incident_id: str) -> CounterRow | None:
        """Return the sum of the counter `i|incident_id`, or None when there is none."""
        buckets = self.counters.get((tenant, "i|" + incident_id))
        if not buckets:
            return None
        rows = list(buckets.values())
        return rows[0] if len(rows) == 1 else (sum(row[0] for row in rows), min(row[1] for row in rows), max(row[2] for row in rows))

    def incident(self, key: Key) -> Incident | None:
        """Return the incident as readers see it: version, number, event_seq and counts joined in; None when there is none."""
        row = self.incidents.get(key)
        if row is None:
            return None
        count = self.count_of(*key)
        if row.view is None or row.seen != count:
            known = row.incident
            n, first, last = count if count is not None else (known.occurrences, known.first_seen_at, known.last_seen_at)
            row.view = attrs.evolve(known, version=row.version, number=row.number, event_seq=row.event_seq, is_stored=True,
                                    occurrences=n, first_seen_at=first, last_seen_at=last)
            row.seen = count
        return row.view

    def alert(self, key: Key) -> Alert | None:
        """Return the alert with its version, or None."""
        found = self.alerts.get(key)
        if found is None:
            return None
        alert, version = found
        if alert.version != version:
            alert = attrs.evolve(alert, version=version)
            self.alerts[key] = (alert, version)
        return alert

    def buckets(self, tenant: str, owner: str, since: int) -> tuple[Bucket, ...]:
        """Return the buckets of a counter from *since* on, in order."""
        rows = self.counters.get((tenant, owner), {})
        found = [Bucket(bucket=number, n=n, first_at=first, last_at=last) for number, (n, first, last) in rows.items() if number >= since]
        return tuple(sorted(found, key=attrgetter("bucket")))


class MemoryStore:
    """What several `MemoryBackend` handles share, as several processes share a database. It lives as long as somebody holds it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._spaces: dict[str, Space] = {}

    def space(self, ns: str) -> Space:
        """Return the space of a namespace."""
        found = self._spaces.get(ns)
        if found is None:
            found = self._spaces[ns] = Space()
        return found
