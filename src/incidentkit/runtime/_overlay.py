"""Overlay: a snapshot with the changes of one unit laid over it. Loops read through it and turn it into the unit in the end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from incidentkit.lifecycle import Decision, address
from incidentkit.model import (
    Alert,
    AlertStatus,
    AlertWrite,
    Bucket,
    CellWrite,
    CounterAdd,
    CounterRead,
    DeliveryRecord,
    Event,
    Incident,
    IncidentWrite,
    Loaded,
    Settle,
    TimelineEntry,
    UnitOfWork,
    Work,
)
from incidentkit.respond import Nobody, Recipient, expand, fallback
from incidentkit.runtime.requests import Ground

__all__ = ["Overlay"]


class Overlay:
    """What one unit will change, readable as if it had. Lives for one attempt; on Conflict a new one is made from a new snapshot."""

    def __init__(self, loaded: Loaded, ground: Ground, tenant: str) -> None:
        self.now: datetime = loaded.store_now
        self.ground = ground
        self.tenant = tenant
        self._loaded = loaded
        self._alerts: dict[str, Alert] = {}
        self._incidents: dict[str, Incident] = {}
        self._by_key: dict[str, str] = dict(loaded.by_key)
        self._events: list[TimelineEntry] = []
        self._work: list[Work] = []
        self._adds: dict[tuple[str, int, str | None], CounterAdd] = {}

    # -- reading -------------------------------------------------------------------------------------------------------------------

    def alert(self, fingerprint: str) -> Alert | None:
        """Return the alert as this unit will leave it."""
        return self._alerts.get(fingerprint) or self._loaded.alerts.get(fingerprint)

    def incident(self, incident_id: str | None) -> Incident | None:
        """Return the incident as this unit will leave it."""
        if incident_id is None:
            return None
        return self._incidents.get(incident_id) or self._loaded.incidents.get(incident_id)

    def of_key(self, key: str) -> Incident | None:
        """Return the open incident of a group key, else the newest closed one, else None."""
        return self.incident(self._by_key.get(key))

    def buckets(self, owner: str) -> Mapping[int, Bucket]:
        """Return a counter's buckets, this unit's adds included."""
        merged = {bucket.bucket: bucket for bucket in self._loaded.counters.get(owner, ())}
        for (of, number, _), add in self._adds.items():
            if of == owner:
                old = merged.get(number)
                n, first, last = (add.n, add.first_at, add.last_at) if old is None else (
                    old.n + add.n, min(old.first_at, add.first_at), max(old.last_at, add.last_at))
                merged[number] = Bucket(bucket=number, n=n, first_at=first, last_at=last)
        return merged

    def window(self, owner: str) -> Mapping[int, int]:
        """Return a counter's failures by slot."""
        return {number: bucket.n for number, bucket in self.buckets(owner).items()}

    @property
    def changed(self) -> Mapping[str, Incident]:
        """Return the incidents this unit writes, by id."""
        return self._incidents

    # -- changing ------------------------------------------------------------------------------------------------------------------

    def put_alert(self, alert: Alert) -> None:
        """Write *alert*."""
        self._alerts[alert.fingerprint] = alert

    def add(self, add: CounterAdd) -> None:
        """Add to a counter; adds to one bucket become one."""
        at = (add.owner, add.bucket, add.incident_id)
        old = self._adds.get(at)
        self._adds[at] = add if old is None else attrs.evolve(
            old, n=old.n + add.n, first_at=min(old.first_at, add.first_at), last_at=max(old.last_at, add.last_at))

    def apply(self, decision: Decision) -> Incident:
        """Write what a decision made of its incident: state, timeline, work. When it resolved, its alerts are ok."""
        decision = address(decision, self._addresses, self.now)
        if not decision.is_change:
            return decision.incident
        incident = self._append(decision.incident, decision.events)
        self._work.extend(decision.work)
        self._incidents[incident.id] = incident
        self._by_key[incident.key] = incident.id
        if not incident.is_open:
            self._calm(incident)
        return incident

    def _addresses(self, target: str | None) -> tuple[Recipient, ...] | Nobody:
        if target is None:
            return fallback(self.ground.book)
        return expand(target, self.ground.book, at=self.now)

    def _append(self, incident: Incident, events: tuple[Event, ...]) -> Incident:
        seq = incident.event_seq
        for event in events:
            seq += 1
            self._events.append(TimelineEntry(incident_id=incident.id, seq=seq, at=self.now, event=event, tenant=incident.tenant))
        return attrs.evolve(incident, event_seq=seq) if events else incident

    def _calm(self, incident: Incident) -> None:
        for fingerprint in incident.alerts:
            alert = self.alert(fingerprint)
            if alert is not None and alert.is_firing and alert.incident_id == incident.id:
                self.put_alert(attrs.evolve(alert, status=AlertStatus.OK, last_ok_at=self.now))

    # -- the result ----------------------------------------------------------------------------------------------------------------

    def unit(
        self, *, source: str | None = None, seq: int | None = None, settle: tuple[Settle, ...] = (),
        deliveries: tuple[DeliveryRecord, ...] = (), cells: tuple[CellWrite, ...] = (), reads: tuple[CounterRead, ...] = (),
    ) -> UnitOfWork:
        """Return the unit of all changes, each compare-and-set against the snapshot."""
        before = self._loaded
        incidents = tuple(
            IncidentWrite(expect=before.incidents[id_].version if id_ in before.incidents else 0, incident=incident)
            for id_, incident in self._incidents.items())
        alerts = tuple(
            AlertWrite(expect=before.alerts[fingerprint].version if fingerprint in before.alerts else 0, alert=alert)
            for fingerprint, alert in self._alerts.items() if alert != before.alerts.get(fingerprint))
        counters = tuple(self._adds.values())
        return UnitOfWork(source=source, seq=seq, incidents=incidents, alerts=alerts, counters=counters, events=tuple(self._events),
                          work=tuple(self._work), settle=settle, deliveries=deliveries, cells=cells, reads=reads)
