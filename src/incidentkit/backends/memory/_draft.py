"""What a unit would change in a space, checked against the space and against the unit itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from incidentkit.backends.memory.store import CellRow, IncidentRow, Key, Space
from incidentkit.backends.unit import Runs, writes_in_order
from incidentkit.model import Alert, AlertWrite, CellWrite, IncidentWrite, Settle, SettleKind, Status, Work, WorkState

__all__ = ["Draft"]


class Draft:
    """The checked changes of a unit. Each step returns what is stale, or "" when all is well."""

    __slots__ = ("_alerts", "_cells", "_now", "_rows", "_runs", "_settled", "_space", "_taken", "stale")

    def __init__(self, space: Space, now: datetime, runs: Runs) -> None:
        self._space, self._now, self._runs = space, now, runs
        self.stale: list[str] = []
        self._settled: dict[Key, Work] = {}
        self._rows: dict[Key, IncidentRow] = {}
        self._taken: dict[Key, str | None] = {}
        self._alerts: dict[Key, tuple[Alert, int]] = {}
        self._cells: dict[str, CellRow] = {}

    def settle(self, settles: Sequence[Settle]) -> str:
        """End claims; all stale ones are named."""
        for settle in settles:
            key = (settle.tenant, settle.work_id)
            work = self._space.work.get(key)
            if work is None or work.attempt != settle.attempt or key not in self._space.holders or key in self._settled:
                self.stale.append(settle.work_id)
            else:
                self._settled[key] = _settled(work, settle, self._now)
        return f"work {self.stale[0]}: the claim is no longer ours" if self.stale else ""

    def write(self, writes: Sequence[IncidentWrite]) -> str:
        """Compare and set incidents."""
        for write in writes_in_order(writes):
            incident = write.incident
            key = (incident.tenant, incident.id)
            row = self._space.incidents.get(key)
            version, last = (0, 0) if row is None else (row.version, row.event_seq)
            if version != write.expect:
                return f"incident {incident.id}: expected version {write.expect}, found {version}"
            run = self._runs.get(key, ())
            if run and run[0].seq != last + 1:
                return f"incident {incident.id}: event {run[0].seq} cannot follow event {last}"
            if not self._take(write, row):
                return f"incident {incident.id}: another incident of key {incident.key!r} is open"
            self._rows[key] = IncidentRow(incident, version + 1, 0 if row is None else row.number, last + len(run),
                                          [] if row is None else row.events)
        return ""

    def _take(self, write: IncidentWrite, row: IncidentRow | None) -> bool:
        """Free and take open keys; return False when somebody else has the key."""
        incident, is_open = write.incident, write.incident.status is not Status.RESOLVED
        group = (incident.tenant, incident.key)
        if row is not None and row.incident.status is not Status.RESOLVED and (not is_open or row.incident.key != incident.key):
            self._taken[incident.tenant, row.incident.key] = None
        holder = self._taken[group] if group in self._taken else self._space.open_keys.get(group)
        if holder is not None and holder != incident.id and (is_open or not write.expect):
            return False
        if is_open:
            self._taken[group] = incident.id
        return True

    def note(self) -> str:
        """Check events of incidents that the unit does not write."""
        for key, run in self._runs.items():
            if key not in self._rows:
                row = self._space.incidents.get(key)
                if row is None:
                    return f"incident {key[1]}: events of an incident that is not there"
                if run[0].seq != row.event_seq + 1:
                    return f"incident {key[1]}: event {run[0].seq} cannot follow event {row.event_seq}"
        return ""

    def alert(self, writes: Sequence[AlertWrite]) -> str:
        """Compare and set alerts."""
        for write in writes:
            key = (write.alert.tenant, write.alert.fingerprint)
            found = self._space.alerts.get(key)
            version = 0 if found is None else found[1]
            if version != write.expect:
                return f"alert {write.alert.fingerprint}: expected version {write.expect}, found {version}"
            self._alerts[key] = (write.alert, version + 1)
        return ""

    def cell(self, writes: Sequence[CellWrite]) -> str:
        """Compare and set cells."""
        for write in writes:
            value, version, expires_at = self._space.cells.get(write.name, (None, 0, None))
            is_there = value is not None and (expires_at is None or expires_at > self._now)
            if write.expect is not None and write.expect != (version if is_there else 0):
                return f"cell {write.name}: expected version {write.expect}, found {version if is_there else 0}"
            # The version of a name never restarts, or the holder of an expired cell would take its successor's for its own.
            self._cells[write.name] = (write.value, version + 1, self._now if write.value is None else write.expires_at)
        return ""

    def apply(self, writes: Sequence[IncidentWrite]) -> dict[str, int]:
        """Make the changes; return the numbers given to new incidents, by id."""
        space = self._space
        for key, work in self._settled.items():
            space.work[key] = work
            del space.holders[key]
            if work.state is WorkState.OPEN:
                space.becomes_due(work)
        numbers = {write.incident.id: self._enter(write) for write in writes if not write.expect}
        for write in writes:
            if write.expect:
                self._move(write)
        space.incidents.update(self._rows)
        for key, run in self._runs.items():
            row = space.incidents[key]
            row.events.extend(run)
            row.event_seq = run[-1].seq
            row.view = None
        for group, holder in self._taken.items():
            if holder is None:
                space.open_keys.pop(group, None)
            else:
                space.open_keys[group] = holder
        space.alerts.update(self._alerts)
        space.cells.update(self._cells)
        return numbers

    def _enter(self, write: IncidentWrite) -> int:
        """Give a new incident its number, and list it under its number and key."""
        space, incident = self._space, write.incident
        number = space.last_number[incident.tenant] = space.last_number.get(incident.tenant, 0) + 1
        self._rows[incident.tenant, incident.id].number = number
        space.numbers.setdefault(incident.tenant, {})[number] = incident.id
        group = (incident.tenant, incident.key)
        space.by_key[group] = (*space.by_key.get(group, ()), incident.id)
        return number

    def _move(self, write: IncidentWrite) -> None:
        """List an incident whose key changed under its new key."""
        space, incident = self._space, write.incident
        before = space.incidents[incident.tenant, incident.id].incident.key
        if before != incident.key:
            space.forget_key(incident.tenant, before, incident.id)
            group = (incident.tenant, incident.key)
            space.by_key[group] = (*space.by_key.get(group, ()), incident.id)


def _settled(work: Work, settle: Settle, now: datetime) -> Work:
    is_retry = settle.kind is SettleKind.RETRY and settle.is_failure
    ended = attrs.evolve(work, crashes=0, last_error=settle.error, retries=work.retries + is_retry)
    if work.state is not WorkState.OPEN:
        return attrs.evolve(ended, done_at=now)
    match settle.kind:
        case SettleKind.DONE:
            return attrs.evolve(ended, state=WorkState.DONE, done_at=now)
        case SettleKind.DEAD:
            return attrs.evolve(ended, state=WorkState.DEAD, done_at=now)
        case SettleKind.RETRY:
            return attrs.evolve(ended, due_at=settle.retry_at if settle.retry_at is not None else now)
