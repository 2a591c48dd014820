"""Reading one space: snapshots, listings, documents."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime
from operator import attrgetter

from incidentkit.backends.cursor import Place, cursor_after, place_of
from incidentkit.backends.memory.store import Space
from incidentkit.model import Alert, Bucket, Cell, Doc, DocSet, Incident, IncidentQuery, Listing, Loaded, Lookup

__all__ = ["docs", "history", "load", "query"]


def load(space: Space, lookup: Lookup, now: datetime) -> Loaded:
    """Return one snapshot of what was asked for."""
    tenant = lookup.tenant
    alerts: dict[str, Alert] = {}
    wanted: dict[str, None] = dict.fromkeys(lookup.ids)
    for fingerprint in lookup.fingerprints:
        alert = space.alert((tenant, fingerprint))
        if alert is not None:
            alerts[fingerprint] = alert
            if alert.incident_id is not None:
                wanted[alert.incident_id] = None
    by_key = {key: found for key in lookup.keys if (found := _newest(space, tenant, key)) is not None}
    wanted.update(dict.fromkeys(by_key.values()))
    numbers = space.numbers.get(tenant, {})
    wanted.update((numbers[number], None) for number in lookup.numbers if number in numbers)
    incidents = {identifier: incident for identifier in wanted if (incident := space.incident((tenant, identifier))) is not None}
    return Loaded(store_now=now, doc_revision=space.revision, alerts=alerts, incidents=incidents, by_key=by_key,
                  counters=_counters(space, lookup), cells=dict(_cells(space, lookup, now)))


def _newest(space: Space, tenant: str, key: str) -> str | None:
    """Return the id of the open incident of a key, else of the one opened last, else None."""
    if (found := space.open_keys.get((tenant, key))) is not None:
        return found
    ids = space.by_key.get((tenant, key), ())
    return max(ids, key=lambda identifier: (space.incidents[tenant, identifier].incident.opened_at, identifier), default=None)


def _counters(space: Space, lookup: Lookup) -> dict[str, tuple[Bucket, ...]]:
    found = {read.owner: space.buckets(read.tenant, read.owner, read.since) for read in lookup.counters}
    return {owner: buckets for owner, buckets in found.items() if buckets}


def _cells(space: Space, lookup: Lookup, now: datetime) -> Iterator[tuple[str, Cell]]:
    names = dict.fromkeys(lookup.cells)
    if lookup.cell_prefixes:
        names.update(dict.fromkeys(name for name in space.cells if name.startswith(lookup.cell_prefixes)))
    for name in names:
        value, version, expires_at = space.cells.get(name, (None, 0, None))
        if value is not None and (expires_at is None or expires_at > now):
            yield name, Cell(name=name, value=value, version=version, expires_at=expires_at)


def query(space: Space, asked: IncidentQuery, cursor: str | None, limit: int) -> Listing:
    """Return a page of incidents, newest update first."""
    after = place_of(cursor)
    matching = ((row.incident.updated_at, row.incident.id, row.incident.tenant) for row in space.incidents.values()
                if _matches(row.incident, row.number, asked))
    places: list[Place] = heapq.nlargest(limit + 1, (place for place in matching if after is None or place < after))
    items = tuple(incident for _, identifier, tenant in places[:limit] if (incident := space.incident((tenant, identifier))) is not None)
    return Listing(items=items, cursor=cursor_after(items[-1]) if items and len(places) > limit else None)


def _matches(incident: Incident, number: int, asked: IncidentQuery) -> bool:
    return ((asked.tenant is None or incident.tenant == asked.tenant)
            and (asked.statuses is None or incident.status in asked.statuses)
            and (asked.service is None or incident.service == asked.service)
            and (asked.since is None or incident.updated_at >= asked.since)
            and (asked.number is None or number == asked.number))


def history(space: Space, tenant: str, incident_id: str, after_seq: int, limit: int) -> Listing:
    """Return a page of an incident's timeline."""
    row = space.incidents.get((tenant, incident_id))
    entries = [entry for entry in row.events if entry.seq > after_seq] if row is not None else []
    items = tuple(entries[:limit])
    return Listing(items=items, cursor=str(items[-1].seq) if items and len(entries) > limit else None)


def docs(space: Space, since: int) -> DocSet:
    """Return the documents changed after a revision, in the order of their changes."""
    changed: list[Doc] = [doc for doc in space.docs.values() if doc.revision > since]
    return DocSet(revision=space.revision, docs=tuple(sorted(changed, key=attrgetter("revision", "kind", "id"))))
