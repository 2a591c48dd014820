"""Rows: how a model value becomes the values of a statement, and comes back."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import attrs

from incidentkit.backends.instant import instant, microseconds, optional_instant, optional_microseconds
from incidentkit.backends.sql.session import Row
from incidentkit.model import (
    SCHEMA,
    Alert,
    AlertWrite,
    DeliveryRecord,
    Doc,
    Incident,
    IncidentWrite,
    Outcome,
    TimelineEntry,
    Work,
    WorkState,
    decode,
    decode_event,
    decode_work_body,
    encode,
    encode_event,
    encode_work_body,
)

__all__ = [
    "Count", "alert_change", "alert_of", "delivery_of", "delivery_values", "doc_of", "doc_values", "entry_of", "event_values",
    "incident_change", "incident_of", "shard_of", "work_of", "work_values",
]

#: occurrences, first_seen_at, last_seen_at (microseconds)
Count = tuple[int, int, int]


@lru_cache(maxsize=4096)
def shard_of(tenant: str) -> int:
    """Return the shard that all of a tenant lives on: fixed for ever, so never Python's `hash()`."""
    return int.from_bytes(blake2b(tenant.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") % 256


def incident_change(write: IncidentWrite) -> tuple[Any, ...]:
    """Return the columns that a write sets, from group_key to body."""
    incident = write.incident
    is_open = incident.is_open
    return (incident.key, incident.key if is_open else None, incident.status.value, incident.severity.value, incident.service,
            microseconds(incident.opened_at), microseconds(incident.updated_at),
            None if is_open else microseconds(incident.resolved_at or incident.updated_at), SCHEMA, encode(incident))


def incident_of(row: Row, count: Count | None) -> Incident:
    """Return the incident of (tenant, id, version, number, event_seq, body), with its counts joined in."""
    _, _, version, number, event_seq, body = row[:6]
    incident = decode(Incident, body)
    if count is None:
        return attrs.evolve(incident, version=version, number=number, event_seq=event_seq, is_stored=True)
    return attrs.evolve(incident, version=version, number=number, event_seq=event_seq, is_stored=True, occurrences=count[0],
                        first_seen_at=instant(count[1]), last_seen_at=instant(count[2]))


def alert_change(write: AlertWrite) -> tuple[Any, ...]:
    """Return the columns that a write sets, from status to body."""
    alert = write.alert
    return (alert.status.value, alert.incident_id, microseconds(alert.last_at), SCHEMA, encode(alert))


def alert_of(version: int, body: str) -> Alert:
    """Return the alert of a row."""
    alert = decode(Alert, body)
    return alert if alert.version == version else attrs.evolve(alert, version=version)


def event_values(ns: str, entry: TimelineEntry) -> tuple[Any, ...]:
    """Return the values of a new event."""
    kind, body = encode_event(entry.event)
    return (ns, shard_of(entry.tenant), entry.tenant, entry.incident_id, entry.seq, microseconds(entry.at), kind, entry.event.by, body)


def entry_of(tenant: str, incident_id: str, row: Row) -> TimelineEntry:
    """Return the timeline entry of (seq, at, kind, body)."""
    seq, at, kind, body = row
    return TimelineEntry(incident_id=incident_id, seq=seq, at=instant(at), event=decode_event(kind, body), tenant=tenant)


def work_values(ns: str, work: Work) -> tuple[Any, ...]:
    """Return the values of a new row of work."""
    kind, body = encode_work_body(work.body)
    return (ns, shard_of(work.tenant), work.tenant, work.id, kind, work.incident_id, work.needs, work.target, work.generation,
            microseconds(work.due_at), optional_microseconds(work.created_at), body)


def work_of(row: Row) -> Work:
    """Return the work of a row with the columns of `statements.LIST_WORK`."""
    (identifier, tenant, incident_id, kind, body, due_at, needs, target, generation, created_at, state, attempt, crashes, retries,
     last_error, done_at) = row
    return Work(id=identifier, tenant=tenant, incident_id=incident_id, body=decode_work_body(kind, body), due_at=instant(due_at),
                needs=needs, target=target, generation=generation, created_at=optional_instant(created_at), state=WorkState(state),
                attempt=attempt, crashes=crashes, retries=retries, last_error=last_error, done_at=optional_instant(done_at))


def delivery_values(ns: str, record: DeliveryRecord) -> tuple[Any, ...]:
    """Return the values of an attempt."""
    return (ns, shard_of(record.tenant), record.tenant, record.work_id, record.attempt, record.incident_id, record.notifier, record.target,
            microseconds(record.at), record.outcome.value, record.ref, record.error)


def delivery_of(row: Row) -> DeliveryRecord:
    """Return the attempt of a row of `statements.GET_DELIVERIES`."""
    work_id, tenant, attempt, incident_id, notifier, target, at, outcome, ref, error = row
    return DeliveryRecord(work_id=work_id, tenant=tenant, attempt=attempt, incident_id=incident_id, notifier=notifier, target=target,
                          at=instant(at), outcome=Outcome(outcome), ref=ref, error=error)


def doc_values(ns: str, doc: Doc, version: int, revision: int) -> tuple[Any, ...]:
    """Return the values of a new version of a document."""
    return (ns, doc.kind, doc.id, version, revision, optional_microseconds(doc.starts_at), optional_microseconds(doc.ends_at),
            int(doc.is_deleted), doc.body)


def doc_of(row: Row) -> Doc:
    """Return the document of a row of `statements.GET_DOCS`."""
    kind, identifier, version, revision, starts_at, ends_at, deleted, body = row
    return Doc(kind=kind, id=identifier, version=version, revision=revision, starts_at=optional_instant(starts_at),
               ends_at=optional_instant(ends_at), is_deleted=bool(deleted), body=body)
