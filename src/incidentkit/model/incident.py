"""Incident: what people handle. Everything `decide` reads is in here, so that a decision can be replayed from it alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from incidentkit.model.plan import Plan, Told
from incidentkit.model.severity import Priority, Severity, Status
from incidentkit.model.signal import EMPTY, Link, Recovery, Threshold, frozen_mapping

__all__ = ["Incident"]


@attrs.frozen(kw_only=True)
class Incident:
    """
    One or more alerts grouped by key, with a frozen plan.

    `number` is short and for people, unique per tenant, 0 until stored; `id` is time-ordered. `occurrences`, `first_seen_at` and
    `last_seen_at` are read from counters when the incident is loaded. `version` is 0 until it is stored, and `is_stored` says so.
    """

    id: str
    tenant: str = ""
    key: str
    number: int = 0
    title: str
    status: Status = Status.TRIGGERED
    severity: Severity = Severity.MINOR
    priority: Priority = Priority.P3
    service: str = ""
    environment: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict, converter=frozen_mapping)
    links: tuple[Link, ...] = ()
    #: Fingerprints of the alerts inside, in the order they came; the firing ones are those not in `recovered`.
    alerts: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()
    opened_at: datetime
    updated_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    first_seen_at: datetime
    last_seen_at: datetime
    occurrences: int = 0
    cause: str = ""
    evidence: str = ""
    assignees: tuple[str, ...] = ()
    responders: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    is_stored: bool = True
    version: int = 0
    event_seq: int = 0
    # what decide reads
    recovery: Recovery = Recovery.QUIET
    when: Threshold | None = None
    quiet_for: timedelta = timedelta(0)
    quiet_after: timedelta = timedelta(hours=4)
    reopen_within: timedelta = timedelta(minutes=15)
    ack_timeout: timedelta | None = None
    plans: tuple[Plan, ...] = ()
    told: tuple[Told, ...] = ()
    #: Grows with every reopening and relapse after a resolve: part of every idempotency key.
    cycle: int = 1
    relapses: int = 0
    #: When the quiet window is looked at next; a quiet timer that rings earlier is void. So are `ack_until` and `muted_until` fences.
    quiet_at: datetime | None = None
    monitoring_since: datetime | None = None
    held_until: datetime | None = None
    was_acknowledged: bool = False
    ack_until: datetime | None = None
    muted_until: datetime | None = None
    is_muted: bool = False
    config_hash: str = ""
    extra: Mapping[str, Any] = EMPTY

    @property
    def is_open(self) -> bool:
        """Return True until it is resolved."""
        return self.status.is_open

    @property
    def firing(self) -> tuple[str, ...]:
        """Return the fingerprints inside that have not recovered."""
        recovered = set(self.recovered)
        return tuple(fingerprint for fingerprint in self.alerts if fingerprint not in recovered)
