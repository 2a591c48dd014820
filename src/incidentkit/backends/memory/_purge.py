"""Purging one space in bounded steps: resolved incidents with all that is theirs, settled work, and what nobody refers to."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from operator import itemgetter

from incidentkit.backends.memory.store import IncidentRow, Key, Space
from incidentkit.backends.unit import CELL_GRACE
from incidentkit.model import PurgePolicy, PurgeReport, Status, WorkState

__all__ = ["purge"]


def purge(space: Space, policy: PurgePolicy, limit: int, now: datetime) -> PurgeReport:
    """Delete at most *limit* rows that are older than *policy* at *now*."""
    step = _Step(space, limit)
    step.incidents(now - policy.incidents)
    step.work(now - policy.work)
    step.alerts(now - policy.alerts)
    step.counters(now - policy.counters)
    step.sources(now - policy.sources)
    step.cells(now - CELL_GRACE)
    return PurgeReport(deleted=dict(step.deleted), is_more=step.left <= 0)


class _Step:
    """One bounded step. An incident's own row goes last, so that an interrupted step is resumed by the next one."""

    def __init__(self, space: Space, limit: int) -> None:
        self._space = space
        self.left = limit
        self.deleted: Counter[str] = Counter()

    def _count(self, kind: str, rows: int) -> None:
        if rows:
            self.deleted[kind] += rows
            self.left -= rows

    def incidents(self, before: datetime) -> None:
        old = [(row.incident.updated_at, row.incident.id, key) for key, row in self._space.incidents.items()
               if row.incident.status is Status.RESOLVED and row.incident.updated_at < before]
        for _, _, key in sorted(old, key=itemgetter(0, 1)):
            if self.left <= 0:
                return
            self._incident(key, self._space.incidents[key])

    def _incident(self, key: Key, row: IncidentRow) -> None:
        space = self._space
        events = row.events[:self.left]
        del row.events[:len(events)]
        self._count("events", len(events))
        records = space.deliveries.get(key, {})
        doomed = list(records)[:self.left]
        for name in doomed:
            del records[name]
        self._count("deliveries", len(doomed))
        buckets = space.counters.get((key[0], "i|" + key[1]), {})
        old = list(buckets)[:self.left]
        for bucket in old:
            del buckets[bucket]
        self._count("counters", len(old))
        if self.left > 0:
            space.forget_incident(key)
            self._count("incidents", 1)

    def work(self, before: datetime) -> None:
        old = [key for key, work in self._space.work.items() if work.state is not WorkState.OPEN and work.due_at < before
               and work.done_at is not None and work.done_at < before]
        for key in old[:max(self.left, 0)]:
            del self._space.work[key]
            self._space.holders.pop(key, None)
            self._count("work", 1)

    def alerts(self, before: datetime) -> None:
        space = self._space
        old = [key for key, (alert, _) in space.alerts.items() if alert.last_at < before
               and (alert.incident_id is None or (row := space.incidents.get((key[0], alert.incident_id))) is None
                    or row.incident.status is Status.RESOLVED)]
        for key in old[:max(self.left, 0)]:
            del space.alerts[key]
            self._count("alerts", 1)

    def counters(self, before: datetime) -> None:
        for (tenant, owner), rows in list(self._space.counters.items()):
            if owner.startswith("i|") and (tenant, owner[2:]) in self._space.incidents:
                continue
            for bucket in [bucket for bucket, row in rows.items() if row[2] < before][:max(self.left, 0)]:
                del rows[bucket]
                self._count("counters", 1)
            if not rows:
                del self._space.counters[tenant, owner]

    def sources(self, before: datetime) -> None:
        for source in [source for source, (_, at) in self._space.sources.items() if at < before][:max(self.left, 0)]:
            del self._space.sources[source]
            self._count("sources", 1)

    def cells(self, before: datetime) -> None:
        old = [name for name, (_, _, expires_at) in self._space.cells.items() if expires_at is not None and expires_at < before]
        for name in old[:max(self.left, 0)]:
            del self._space.cells[name]
            self._count("cells", 1)
