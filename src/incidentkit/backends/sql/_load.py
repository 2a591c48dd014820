"""Reading rows back: snapshots in a constant number of statements, and listings by keyset."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from incidentkit.backends.cursor import cursor_after, place_of
from incidentkit.backends.instant import microseconds, optional_instant
from incidentkit.backends.sql import rows
from incidentkit.backends.sql import statements as sql
from incidentkit.backends.sql._commit import read_counters, revision_of
from incidentkit.backends.sql.rows import shard_of
from incidentkit.backends.sql.session import Row, Session
from incidentkit.model import (
    Cell,
    DeliveryRecord,
    DocSet,
    Incident,
    IncidentQuery,
    Listing,
    Loaded,
    Lookup,
    Status,
    Work,
    WorkState,
)

__all__ = ["deliveries", "docs", "history", "list_work", "load", "query"]

_LAST: Final = "\U0010ffff"


def load(session: Session, ns: str, lookup: Lookup, now: datetime) -> Loaded:
    """Return one snapshot of what was asked for."""
    tenant = lookup.tenant
    place = (ns, shard_of(tenant), tenant)
    alerts = {}
    wanted: dict[str, None] = dict.fromkeys(lookup.ids)
    for fingerprint, version, incident_id, body in _in(session, sql.GET_ALERTS, place, lookup.fingerprints):
        alerts[fingerprint] = rows.alert_of(version, body)
        if incident_id is not None:
            wanted[incident_id] = None
    by_key = _by_key(session, place, lookup.keys)
    wanted.update(dict.fromkeys(by_key.values()))
    wanted.update((row[0], None) for row in _in(session, sql.FIND_BY_NUMBER, place, lookup.numbers))
    found = _incidents(session, ns, tenant, _in(session, sql.GET_INCIDENTS, place, list(wanted)))
    return Loaded(store_now=now, doc_revision=revision_of(session, ns), alerts=alerts, by_key=by_key,
                  incidents={incident.id: incident for incident in found}, counters=read_counters(session, ns, lookup.counters),
                  cells=_cells(session, ns, lookup, now))


def _in(session: Session, statement: str, place: tuple[Any, ...], values: Sequence[Any]) -> list[Row]:
    """Run a statement with a list of values, or nothing for an empty list."""
    if not values:
        return []
    filled = sql.padded(list(dict.fromkeys(values)))
    return session.rows(sql.expand(statement, len(filled)), (*place, *filled))


def _by_key(session: Session, place: tuple[Any, ...], keys: Sequence[str]) -> dict[str, str]:
    if not keys:
        return {}
    filled = sql.padded(list(dict.fromkeys(keys)))
    statement = sql.FIND_BY_KEY.replace("{keys}", ", ".join(["(CAST(? AS TEXT))"] * len(filled)))
    return {key: identifier for key, identifier in session.rows(statement, (*place, *place, *filled)) if identifier is not None}


def _incidents(session: Session, ns: str, tenant: str, found: Sequence[Row]) -> list[Incident]:
    """Return the incidents of rows of one tenant, with their counts."""
    owners = ["i|" + row[1] for row in found]
    counted = _in(session, sql.COUNT_INCIDENTS, (ns, shard_of(tenant), tenant), owners)
    counts = {owner: (n, first_at, last_at) for owner, n, first_at, last_at in counted}
    return [rows.incident_of(row, counts.get("i|" + row[1])) for row in found]


def _cells(session: Session, ns: str, lookup: Lookup, now: datetime) -> dict[str, Cell]:
    found = _in(session, sql.GET_CELLS, (ns,), lookup.cells)
    for prefix in lookup.cell_prefixes:
        found += session.rows(sql.GET_CELL_RANGE, (ns, prefix, prefix + _LAST))
    at = microseconds(now)
    return {name: Cell(name=name, value=value, version=version, expires_at=optional_instant(expires_at))
            for name, value, version, expires_at in found if expires_at is None or expires_at > at}


def query(session: Session, ns: str, asked: IncidentQuery, cursor: str | None, limit: int) -> Listing:
    """Return a page of incidents, newest update first: one statement a status, each along its index, merged here."""
    filters, values = "", list[Any]()
    after = place_of(cursor)
    if asked.tenant is not None:
        filters, values = filters + sql.OF_TENANT, [*values, asked.tenant]
    if asked.service is not None:
        filters, values = filters + sql.OF_SERVICE, [*values, asked.service]
    if asked.since is not None:
        filters, values = filters + sql.SINCE, [*values, microseconds(asked.since)]
    if asked.number is not None:
        filters, values = filters + sql.OF_NUMBER, [*values, asked.number]
    if after is not None:
        filters, values = filters + sql.AFTER_PLACE, [*values, microseconds(after[0]), after[1], after[2]]
    statement = sql.LIST_INCIDENTS.replace("{filters}", filters)
    pages = [session.rows(statement, (ns, status.value, *values, limit + 1)) for status in Status
             if asked.statuses is None or status in asked.statuses]
    merged = heapq.nlargest(limit + 1, (row for page in pages for row in page), key=lambda row: (row[6], row[1], row[0]))
    items = _counted(session, ns, merged[:limit])
    return Listing(items=items, cursor=cursor_after(items[-1]) if items and len(merged) > limit else None)


def _counted(session: Session, ns: str, page: Sequence[Row]) -> tuple[Incident, ...]:
    """Return the incidents of rows of several tenants, in the same order: one statement a tenant for their counts."""
    by_place: dict[tuple[str, str], Incident] = {}
    for tenant in dict.fromkeys(row[0] for row in page):
        of_tenant = _incidents(session, ns, tenant, [row for row in page if row[0] == tenant])
        by_place.update(((tenant, incident.id), incident) for incident in of_tenant)
    return tuple(by_place[row[0], row[1]] for row in page)


def history(session: Session, ns: str, tenant: str, incident_id: str, after_seq: int, limit: int) -> Listing:
    """Return a page of an incident's timeline."""
    found = session.rows(sql.GET_EVENTS, (ns, shard_of(tenant), tenant, incident_id, after_seq, limit + 1))
    items = tuple(rows.entry_of(tenant, incident_id, row) for row in found[:limit])
    return Listing(items=items, cursor=str(items[-1].seq) if items and len(found) > limit else None)


def deliveries(session: Session, ns: str, tenant: str, incident_id: str, limit: int) -> tuple[DeliveryRecord, ...]:
    """Return the attempts of an incident's pages, oldest first."""
    found = session.rows(sql.GET_DELIVERIES, (ns, shard_of(tenant), tenant, incident_id, limit))
    return tuple(rows.delivery_of(row) for row in found)


def list_work(
    session: Session, ns: str, states: Iterable[WorkState], tenant: str | None, incident_id: str | None, limit: int,
) -> tuple[Work, ...]:
    """Return rows of work in these states, by due_at."""
    filters, values = "", list[Any]()
    if tenant is not None:
        filters, values = sql.OF_TENANT, [tenant]
    if incident_id is not None and tenant is not None:
        filters, values = filters + sql.OF_INCIDENT, [*values, shard_of(tenant), incident_id]
    elif incident_id is not None:
        filters, values = filters + sql.OF_INCIDENT_ANYWHERE, [*values, incident_id]
    statement = sql.LIST_WORK.replace("{filters}", filters)
    found = [row for state in states for row in session.rows(statement, (ns, state.value, *values, limit))]
    return tuple(rows.work_of(row) for row in heapq.nsmallest(limit, found, key=lambda row: (row[5], row[1], row[0])))


def docs(session: Session, ns: str, since: int) -> DocSet:
    """Return the documents changed after a revision, in the order of their changes."""
    found = session.rows(sql.GET_DOCS, (ns, since))
    return DocSet(revision=revision_of(session, ns), docs=tuple(rows.doc_of(row) for row in found))
