"""Purging in bounded steps. Order and conditions are those of the memory backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from incidentkit.backends.instant import microseconds
from incidentkit.backends.sql import statements as sql
from incidentkit.backends.sql.session import Row, Session
from incidentkit.backends.unit import CELL_GRACE
from incidentkit.model import PurgePolicy, PurgeReport

__all__ = ["purge"]


def purge(session: Session, ns: str, policy: PurgePolicy, limit: int, now: datetime) -> PurgeReport:
    """Delete at most *limit* rows that are older than *policy* at *now*."""
    step = _Step(session, ns, limit)
    step.incidents(microseconds(now - policy.incidents))
    work = microseconds(now - policy.work)
    step.sweep("work", sql.OLD_WORK, (work, work), sql.DELETE_WORK)
    step.sweep("alerts", sql.OLD_ALERTS, (microseconds(now - policy.alerts),), sql.DELETE_ALERT)
    step.sweep("counters", sql.OLD_BUCKETS, (microseconds(now - policy.counters),), sql.DELETE_BUCKET)
    step.sweep("sources", sql.OLD_SOURCES, (microseconds(now - policy.sources),), sql.DELETE_SOURCE)
    step.sweep("cells", sql.OLD_CELLS, (microseconds(now - CELL_GRACE),), sql.DELETE_CELL)
    return PurgeReport(deleted=dict(step.deleted), is_more=step.left <= 0)


class _Step:
    """One bounded step. An incident's own row goes last, so that an interrupted step is resumed by the next one."""

    def __init__(self, session: Session, ns: str, limit: int) -> None:
        self._session, self._ns = session, ns
        self.left = limit
        self.deleted: Counter[str] = Counter()

    def incidents(self, before: int) -> None:
        """Delete resolved incidents with all that is theirs, the oldest first."""
        if self.left <= 0:
            return
        for place in self._session.rows(sql.OLD_INCIDENTS, (self._ns, before, self.left)):
            self._children("events", sql.SOME_EVENTS, place, sql.DELETE_EVENT, (self._ns, *place))
            self._children("deliveries", sql.SOME_DELIVERIES, place, sql.DELETE_DELIVERY, (self._ns, *place[:2]))
            owner = (*place[:2], "i|" + place[2])
            self._children("counters", sql.SOME_BUCKETS, owner, sql.DELETE_BUCKET, (self._ns, *place[:2]))
            if self.left <= 0:
                return
            self._delete("incidents", sql.DELETE_INCIDENT, [(self._ns, *place)])

    def _children(self, kind: str, find: str, place: Row, delete: str, prefix: tuple[Any, ...]) -> None:
        if self.left > 0:
            found = self._session.rows(find, (self._ns, *place, self.left))
            self._delete(kind, delete, [(*prefix, *row) for row in found])

    def sweep(self, kind: str, find: str, values: Sequence[Any], delete: str) -> None:
        """Delete what *find* names."""
        if self.left > 0:
            found = self._session.rows(find, (self._ns, *values, self.left))
            self._delete(kind, delete, [(self._ns, *row) for row in found])

    def _delete(self, kind: str, statement: str, places: Iterable[Sequence[Any]]) -> None:
        deleted = self._session.change_many(statement, places)
        if deleted:
            self.deleted[kind] += deleted
            self.left -= deleted
