"""One unit of work against one space: the draft validates everything first, then steps that cannot fail apply it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from incidentkit.backends.memory._draft import Draft
from incidentkit.backends.memory.store import Space
from incidentkit.backends.unit import runs_of
from incidentkit.model import (
    Bucket,
    Committed,
    Conflict,
    CounterAdd,
    CounterRead,
    DeliveryRecord,
    Duplicate,
    Status,
    UnitOfWork,
    Work,
    WorkState,
)

__all__ = ["commit"]


def commit(space: Space, unit: UnitOfWork, now: datetime) -> Committed | Conflict | Duplicate:
    """Apply the whole *unit*, or nothing of it."""
    draft = Draft(space, now, runs_of(unit.events))
    if unit.source is not None and unit.seq is not None:
        applied = space.sources.get(unit.source)
        if applied is not None and unit.seq <= applied[0]:
            return Duplicate(store_now=now, doc_revision=space.revision)
    what = draft.settle(unit.settle) or draft.write(unit.incidents) or draft.note() or draft.alert(unit.alerts) or draft.cell(unit.cells)
    if what:
        return Conflict(store_now=now, what=what, doc_revision=space.revision, stale=tuple(draft.stale))
    if unit.source is not None and unit.seq is not None:
        space.sources[unit.source] = (unit.seq, now)
    numbers = draft.apply(unit.incidents)
    _add(space, unit.counters)
    _work(space, unit, now)
    _deliver(space, unit.deliveries)
    return Committed(store_now=now, doc_revision=space.revision, numbers=numbers, counters=_read(space, unit.reads),
                     not_open=_not_open(space, unit.counters))


def _add(space: Space, adds: Sequence[CounterAdd]) -> None:
    for add in adds:
        rows = space.counters.setdefault((add.tenant, add.owner), {})
        was = rows.get(add.bucket)
        if was is None:
            rows[add.bucket] = (add.n, add.first_at, add.last_at)
        else:
            rows[add.bucket] = (was[0] + add.n, min(was[1], add.first_at), max(was[2], add.last_at))


def _not_open(space: Space, adds: Sequence[CounterAdd]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for add in adds:
        if add.incident_id is not None:
            row = space.incidents.get((add.tenant, add.incident_id))
            if row is None or row.incident.status is Status.RESOLVED:
                found[add.fingerprint] = None
    return tuple(found)


def _read(space: Space, reads: Sequence[CounterRead]) -> dict[str, tuple[Bucket, ...]]:
    found = {read.owner: space.buckets(read.tenant, read.owner, read.since) for read in reads}
    return {owner: buckets for owner, buckets in found.items() if buckets}


def _work(space: Space, unit: UnitOfWork, now: datetime) -> None:
    for work in unit.work:
        key = (work.tenant, work.id)
        if key not in space.work:
            new = work if _is_new(work) else _as_new(work)
            space.work[key] = new
            space.becomes_due(new)
    for key in unit.cancel:
        row = space.work.get(key)
        if row is not None and row.state is WorkState.OPEN:
            # Whoever holds it keeps its claim: the holder may settle once, so that "sent after cancel" is on record.
            space.work[key] = attrs.evolve(row, state=WorkState.CANCELLED, done_at=now)


def _is_new(work: Work) -> bool:
    return (work.state is WorkState.OPEN and not work.attempt and not work.crashes and not work.retries and not work.last_error
            and work.done_at is None)


def _as_new(work: Work) -> Work:
    return attrs.evolve(work, state=WorkState.OPEN, attempt=0, crashes=0, retries=0, last_error="", done_at=None)


def _deliver(space: Space, records: Sequence[DeliveryRecord]) -> None:
    for record in records:
        space.deliveries.setdefault((record.tenant, record.incident_id), {})[record.work_id, record.attempt] = record
