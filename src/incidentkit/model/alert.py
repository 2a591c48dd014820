"""Alert: the deduplicated stream of signals with one fingerprint. It outlives incidents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from incidentkit.model.severity import AlertStatus, Severity
from incidentkit.model.signal import EMPTY, ExceptionInfo, Recovery, frozen_mapping

__all__ = ["Alert"]


@attrs.frozen(kw_only=True)
class Alert:
    """
    What is known of one fingerprint. Counts live in counters beside it (commutative), so that a repeat never rewrites this value.

    `incident_id` is the pin: while the alert is firing, its signals go to that incident. `version` is 0 until it is stored.
    """

    tenant: str = ""
    fingerprint: str
    status: AlertStatus
    title: str
    key: str = ""
    source: str = ""
    service: str = ""
    environment: str = ""
    severity: Severity = Severity.MINOR
    labels: Mapping[str, str] = attrs.field(factory=dict, converter=frozen_mapping)
    details: Mapping[str, Any] = attrs.field(factory=dict, converter=frozen_mapping)
    exception: ExceptionInfo | None = None
    recovery: Recovery = Recovery.QUIET
    site: str = ""
    incident_id: str | None = None
    first_at: datetime
    last_at: datetime
    last_ok_at: datetime | None = None
    version: int = 0
    extra: Mapping[str, Any] = EMPTY

    @property
    def is_firing(self) -> bool:
        """Return True while the last word was "broken"."""
        return self.status is AlertStatus.FIRING
