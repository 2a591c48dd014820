"""Claims on one space: leasing due work, lengthening leases, and when the next row is due."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import datetime

import attrs

from incidentkit.backends.memory.store import Space
from incidentkit.backends.unit import CRASH_LIMIT
from incidentkit.model import Claim, Work, WorkState

__all__ = ["claim", "extend", "next_due"]


def claim(space: Space, owner: str, can: frozenset[str] | None, limit: int, until: datetime, now: datetime) -> list[Claim]:
    """Lease at most *limit* due rows until *until*, oldest due first."""
    claims: list[Claim] = []
    set_aside: list[tuple[datetime, str, str]] = []
    while space.due and len(claims) < limit and space.due[0][0] <= now:
        entry = heapq.heappop(space.due)
        work = _row_of(space, entry)
        if work is None:
            continue
        if not _is_able(work, can):
            set_aside.append(entry)
            continue
        leased = attrs.evolve(work, attempt=work.attempt + 1, crashes=work.crashes + 1, due_at=until)
        space.work[work.tenant, work.id] = leased
        space.holders[work.tenant, work.id] = owner
        claims.append(Claim(work=attrs.evolve(leased, due_at=work.due_at), leased_until=until, is_exhausted=leased.crashes > CRASH_LIMIT))
    for entry in set_aside:
        heapq.heappush(space.due, entry)
    for taken in claims:
        heapq.heappush(space.due, (until, taken.work.tenant, taken.work.id))
    return claims


def extend(space: Space, claims: Sequence[tuple[str, str, int]], until: datetime) -> set[str]:
    """Lengthen the leases of (tenant, work id, attempt) to *until*; return the work ids still held."""
    held: set[str] = set()
    for tenant, identifier, attempt in claims:
        work = space.work.get((tenant, identifier))
        if work is None or work.attempt != attempt or work.state is not WorkState.OPEN or (tenant, identifier) not in space.holders:
            continue
        held.add(identifier)
        if until > work.due_at:
            space.work[tenant, identifier] = longer = attrs.evolve(work, due_at=until)
            space.becomes_due(longer)
    return held


def next_due(space: Space, can: frozenset[str] | None) -> datetime | None:
    """Return when the next row that *can* covers is due."""
    while space.due and _row_of(space, space.due[0]) is None:
        heapq.heappop(space.due)
    if not space.due:
        return None
    first = _row_of(space, space.due[0])
    if first is not None and _is_able(first, can):
        return first.due_at
    return min((work.due_at for entry in space.due if (work := _row_of(space, entry)) is not None and _is_able(work, can)), default=None)


def _row_of(space: Space, entry: tuple[datetime, str, str]) -> Work | None:
    """Return the open row that a heap entry stands for, or None when the row has moved on."""
    work = space.work.get((entry[1], entry[2]))
    return work if work is not None and work.state is WorkState.OPEN and work.due_at == entry[0] else None


def _is_able(work: Work, can: frozenset[str] | None) -> bool:
    return can is None or not work.needs or work.needs in can
