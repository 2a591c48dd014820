"""One unit of work as statements in one transaction. A reply that is not `Committed` asks the caller to roll back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from incidentkit.backends.instant import instant, microseconds, optional_microseconds
from incidentkit.backends.sql import rows
from incidentkit.backends.sql import statements as sql
from incidentkit.backends.sql.rows import shard_of
from incidentkit.backends.sql.session import Session, TakenError
from incidentkit.backends.unit import Runs, runs_of, writes_in_order
from incidentkit.model import (
    AlertWrite,
    Bucket,
    CellWrite,
    Committed,
    Conflict,
    CounterAdd,
    CounterRead,
    Duplicate,
    IncidentWrite,
    Settle,
    SettleKind,
    UnitOfWork,
)

__all__ = ["commit", "read_counters", "revision_of"]


def commit(session: Session, ns: str, unit: UnitOfWork, now: datetime) -> Committed | Conflict | Duplicate:
    """Apply the whole *unit*, or return why it must be rolled back."""
    runs = runs_of(unit.events)
    revision = revision_of(session, ns)
    if unit.source is not None and not session.change(sql.ENTER, (ns, unit.source, unit.seq, microseconds(now))):
        return Duplicate(store_now=now, doc_revision=revision)
    if unit.settle and (stale := _settle(session, ns, unit.settle, now)):
        return Conflict(store_now=now, what=f"work {stale[0]}: the claim is no longer ours", doc_revision=revision, stale=stale)
    numbers: dict[tuple[str, str], int] = {}
    try:
        what = _incidents(session, ns, unit, runs, numbers) or _alerts(session, ns, unit.alerts) or _cells(session, ns, unit.cells, now)
    except TakenError as error:
        what = str(error)
    if what:
        return Conflict(store_now=now, what=what, doc_revision=revision)
    _append(session, ns, unit, now)
    given = {identifier: number for (_, identifier), number in numbers.items()}
    return Committed(store_now=now, doc_revision=revision, numbers=given, counters=read_counters(session, ns, unit.reads),
                     not_open=_not_open(session, ns, unit.counters))


def revision_of(session: Session, ns: str) -> int:
    """Return the revision of the namespace's documents."""
    found = session.rows(sql.GET_META, (f"rev:{ns}",))
    return int(found[0][0]) if found else 0


def _settle(session: Session, ns: str, settles: Sequence[Settle], now: datetime) -> tuple[str, ...]:
    """End claims; return the ids of those that are not ours any more."""
    stale = []
    at = microseconds(now)
    for settle in settles:
        is_retry = settle.kind is SettleKind.RETRY
        due_at = (at if settle.retry_at is None else microseconds(settle.retry_at)) if is_retry else None
        values = (settle.error, int(is_retry and settle.is_failure), due_at, None if is_retry else at, at,
                  "open" if is_retry else settle.kind.value, ns, shard_of(settle.tenant), settle.tenant, settle.work_id, settle.attempt)
        if not session.change(sql.SETTLE, values):
            stale.append(settle.work_id)
    return tuple(stale)


def _incidents(session: Session, ns: str, unit: UnitOfWork, runs: Runs, numbers: dict[tuple[str, str], int]) -> str:
    ordered = writes_in_order(unit.incidents)
    changes = [write for write in ordered if write.expect]
    new = [write for write in ordered if not write.expect]
    if changes and (what := _update(session, ns, changes, runs)):
        return what
    if new:
        numbers.update(_number(session, ns, [write for write in unit.incidents if not write.expect]))
        if what := _insert(session, ns, new, runs, numbers):
            return what
    if unit.events:
        written = {(write.incident.tenant, write.incident.id) for write in unit.incidents}
        for (tenant, identifier), run in runs.items():
            values = (len(run), ns, shard_of(tenant), tenant, identifier, run[0].seq - 1)
            if (tenant, identifier) not in written and not session.change(sql.APPEND_TO_INCIDENT, values):
                return f"incident {identifier}: event {run[0].seq} cannot follow what is there"
        session.change_many(sql.INSERT_EVENT, [rows.event_values(ns, entry) for entry in unit.events])
    return ""


def _update(session: Session, ns: str, writes: Sequence[IncidentWrite], runs: Runs) -> str:
    values = []
    for write in writes:
        incident = write.incident
        run = runs.get((incident.tenant, incident.id), ())
        values.append((len(run), *rows.incident_change(write), ns, shard_of(incident.tenant), incident.tenant, incident.id, write.expect,
                       run[0].seq - 1 if run else None))
    if session.change_many(sql.UPDATE_INCIDENT, values) == len(writes):
        return ""
    for write in writes:
        incident = write.incident
        found = session.rows(sql.FIND_VERSION, (ns, shard_of(incident.tenant), incident.tenant, incident.id))
        if not found or found[0][0] != write.expect + 1:
            there = f"found {found[0][0]} with {found[0][1]} events" if found else "found nothing"
            return f"incident {incident.id}: expected version {write.expect}, {there}"
    return "an incident: stale version"


def _number(session: Session, ns: str, writes: Sequence[IncidentWrite]) -> dict[tuple[str, str], int]:
    """Return numbers for new incidents, by (tenant, id), in the order of the unit."""
    free: dict[str, int] = {}
    for tenant, size in Counter(write.incident.tenant for write in writes).items():
        free[tenant] = session.rows(sql.NEXT_NUMBERS, (ns, shard_of(tenant), tenant, size))[0][0] - size + 1
    numbers = {}
    for write in writes:
        numbers[write.incident.tenant, write.incident.id] = free[write.incident.tenant]
        free[write.incident.tenant] += 1
    return numbers


def _insert(session: Session, ns: str, writes: Sequence[IncidentWrite], runs: Runs, numbers: dict[tuple[str, str], int]) -> str:
    values = []
    for write in writes:
        incident = write.incident
        shard = shard_of(incident.tenant)
        name = (incident.tenant, incident.id)
        run = runs.get(name, ())
        if run and run[0].seq != 1:
            return f"incident {incident.id}: event {run[0].seq} cannot be its first"
        # An open one is refused by the unique key; one that is born closed has no open key, and is refused here.
        if not incident.is_open and session.rows(sql.FIND_OPEN, (ns, shard, incident.tenant, incident.key)):
            return f"incident {incident.id}: another incident of key {incident.key!r} is open"
        values.append((ns, shard, *name, numbers[name], len(run), *rows.incident_change(write)))
    if session.change_many(sql.INSERT_INCIDENT, values) == len(writes):
        return ""
    keys = ", ".join(repr(write.incident.key) for write in writes)
    return f"a new incident: its id, or its key, is taken by another one (keys {keys[:200]})"


def _alerts(session: Session, ns: str, writes: Sequence[AlertWrite]) -> str:
    if not writes:
        return ""
    new = [(ns, shard_of(write.alert.tenant), write.alert.tenant, write.alert.fingerprint, *rows.alert_change(write))
           for write in writes if not write.expect]
    changes = [(*rows.alert_change(write), ns, shard_of(write.alert.tenant), write.alert.tenant, write.alert.fingerprint, write.expect)
               for write in writes if write.expect]
    if session.change_many(sql.INSERT_ALERT, new) != len(new):
        return f"a new alert is there already (of {', '.join(str(values[3]) for values in new)[:200]})"
    if session.change_many(sql.UPDATE_ALERT, changes) != len(changes):
        return f"an alert: stale version (of {', '.join(str(values[-2]) for values in changes)[:200]})"
    return ""


def _cells(session: Session, ns: str, writes: Sequence[CellWrite], now: datetime) -> str:
    at = microseconds(now)
    for write in writes:
        found = session.rows(sql.GET_CELL, (ns, write.name))
        value, version, expires_at = found[0] if found else (None, 0, None)
        seen = version if value is not None and (expires_at is None or expires_at > at) else 0
        if write.expect is not None and write.expect != seen:
            return f"cell {write.name}: expected version {write.expect}, found {seen}"
        expiry = at if write.value is None else optional_microseconds(write.expires_at)
        if found:
            changed = session.change(sql.UPDATE_CELL, (write.value, expiry, ns, write.name, version))
        else:
            changed = session.change(sql.INSERT_CELL, (ns, write.name, write.value, expiry))
        if not changed:
            return f"cell {write.name}: somebody else wrote it"
    return ""


def _append(session: Session, ns: str, unit: UnitOfWork, now: datetime) -> None:
    """Apply what always applies."""
    if unit.counters:
        adds = sorted((ns, shard_of(add.tenant), add.tenant, add.owner, add.bucket, add.n, microseconds(add.first_at),
                       microseconds(add.last_at)) for add in unit.counters)  # in order of their keys: no deadlock on a shared server
        session.change_many(sql.ADD_COUNTER, adds)
    if unit.work:
        session.change_many(sql.INSERT_WORK, [rows.work_values(ns, work) for work in unit.work])
    if unit.cancel:
        at = microseconds(now)
        session.change_many(sql.CANCEL, [(at, ns, shard_of(tenant), tenant, identifier) for tenant, identifier in unit.cancel])
    if unit.deliveries:
        session.change_many(sql.PUT_DELIVERY, [rows.delivery_values(ns, record) for record in unit.deliveries])


def _not_open(session: Session, ns: str, adds: Iterable[CounterAdd]) -> tuple[str, ...]:
    pinned = [add for add in adds if add.incident_id is not None]
    if not pinned:
        return ()
    is_open: set[tuple[str, str]] = set()
    for tenant in {add.tenant for add in pinned}:
        ids = sql.padded(list({add.incident_id for add in pinned if add.incident_id is not None and add.tenant == tenant}))
        found = session.rows(sql.expand(sql.WHICH_OPEN, len(ids)), (ns, shard_of(tenant), tenant, *ids))
        is_open.update((tenant, row[0]) for row in found)
    return tuple(dict.fromkeys(add.fingerprint for add in pinned if (add.tenant, add.incident_id) not in is_open))


def read_counters(session: Session, ns: str, reads: Sequence[CounterRead]) -> dict[str, tuple[Bucket, ...]]:
    """Return the buckets asked for, by owner: one statement a tenant."""
    found: dict[str, list[Bucket]] = {}
    for tenant in dict.fromkeys(read.tenant for read in reads):
        since = {read.owner: read.since for read in reads if read.tenant == tenant}
        owners = sql.padded(list(since))
        values = (ns, shard_of(tenant), tenant, min(since.values()), *owners)
        for owner, bucket, n, first_at, last_at in session.rows(sql.expand(sql.READ_COUNTERS, len(owners)), values):
            if bucket >= since[owner]:
                found.setdefault(owner, []).append(Bucket(bucket=bucket, n=n, first_at=instant(first_at), last_at=instant(last_at)))
    return {owner: tuple(buckets) for owner, buckets in found.items()}
