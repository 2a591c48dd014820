"""Claims, leases and documents as statements: each function is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from incidentkit.backends.instant import instant, microseconds
from incidentkit.backends.sql import rows
from incidentkit.backends.sql import statements as sql
from incidentkit.backends.sql._commit import revision_of
from incidentkit.backends.sql.rows import shard_of
from incidentkit.backends.sql.session import Row, Session
from incidentkit.backends.unit import CRASH_LIMIT
from incidentkit.model import Claim, Committed, Conflict, DocWrite, Lease

__all__ = ["claim", "extend", "find_due", "lease", "next_due", "put_docs"]


def _needs(can: frozenset[str] | None) -> tuple[str, list[str]]:
    """Return the filter on needs and its values."""
    if can is None:
        return "", []
    values = sql.padded(["", *sorted(can)])
    return sql.expand(sql.WITH_NEEDS, len(values)), values


def find_due(session: Session, ns: str, can: frozenset[str] | None, limit: int, now: datetime) -> list[Row]:
    """Return rows that are due: candidates for a claim."""
    filters, values = _needs(can)
    return session.rows(sql.FIND_DUE.replace("{filters}", filters), (ns, microseconds(now), *values, limit))


def claim(
    session: Session, ns: str, owner: str, can: frozenset[str] | None, limit: int, lease_for: timedelta, now: datetime,
) -> list[Claim]:
    """Lease at most *limit* due rows, oldest due first."""
    until = now + lease_for
    claims = []
    for row in find_due(session, ns, can, limit, now):
        identifier, tenant, due_at, attempt = row[0], row[1], row[5], row[11]
        values = (owner, microseconds(until), ns, shard_of(tenant), tenant, identifier, attempt, due_at)
        if session.change(sql.CLAIM, values):
            work = rows.work_of(row)
            work = attrs.evolve(work, attempt=work.attempt + 1, crashes=work.crashes + 1)
            claims.append(Claim(work=work, leased_until=until, is_exhausted=work.crashes > CRASH_LIMIT))
    return claims


def extend(session: Session, ns: str, claims: Sequence[tuple[str, str, int]], until: datetime) -> set[str]:
    """Lengthen the leases of (tenant, work id, attempt) to *until*; return the work ids still held."""
    at = microseconds(until)
    return {identifier for tenant, identifier, attempt in claims
            if session.change(sql.EXTEND, (at, at, ns, shard_of(tenant), tenant, identifier, attempt))}


def next_due(session: Session, ns: str, can: frozenset[str] | None) -> datetime | None:
    """Return when the next row that *can* covers is due."""
    filters, values = _needs(can)
    found = session.rows(sql.NEXT_DUE.replace("{filters}", filters), (ns, *values))
    return instant(found[0][0]) if found else None


def lease(
    session: Session, ns: str, name: str, owner: str, ttl: timedelta, token: int | None, *, release: bool, now: datetime,
) -> Lease | None:
    """Acquire (token None), renew or release a named lease."""
    at = microseconds(now)
    expires_at = now if release else now + ttl
    if token is not None:
        is_ours = session.change(sql.RENEW, (microseconds(expires_at), ns, name, owner, token, at))
        return Lease(name=name, owner=owner, token=token, expires_at=expires_at) if is_ours else None
    if release:
        return None
    found = session.rows(sql.ACQUIRE, (ns, name, owner, microseconds(expires_at), at))
    return Lease(name=name, owner=owner, token=found[0][0], expires_at=expires_at) if found else None


def put_docs(session: Session, ns: str, writes: Sequence[DocWrite], now: datetime) -> Committed | Conflict:
    """Compare-and-set documents and bump the revision; a `Conflict` asks the caller to roll back."""
    before = revision_of(session, ns)
    if not writes:
        return Committed(store_now=now, doc_revision=before)
    for write in writes:
        doc = write.doc
        found = session.rows(sql.FIND_DOC, (ns, doc.kind, doc.id))[0][0] or 0
        if found != write.expect or not session.change(sql.INSERT_DOC, rows.doc_values(ns, doc, write.expect + 1, before + 1)):
            what = f"{doc.kind} {doc.id}: expected version {write.expect}, found {found}"
            return Conflict(store_now=now, what=what, doc_revision=before)
    session.change(sql.PUT_META, (f"rev:{ns}", str(before + 1)))
    return Committed(store_now=now, doc_revision=before + 1)
