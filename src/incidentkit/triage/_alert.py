"""The alert's side of a signal: a repeat, a first sighting, a recovery, or history."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import attrs

from incidentkit.model import Alert, AlertStatus, Severity, Signal
from incidentkit.policy import Triaged

__all__ = ["AlertChange", "Streamed", "stream"]


class AlertChange(Enum):
    """What a signal did to its alert."""

    #: First sighting, or firing again after an ok.
    FIRED = "fired"
    #: Firing while it fires: only the counters change.
    REPEATED = "repeated"
    RECOVERED = "recovered"
    #: An ok for an alert that was ok, or never seen: remembered, so that an older firing is history.
    CALM = "calm"
    #: A firing older than the alert's last ok: counted, and nothing else.
    HISTORY = "history"


@attrs.frozen(kw_only=True)
class Streamed:
    """The alert after a signal, and what changed. `must_write` is False when the stored value may stay as it is."""

    alert: Alert
    change: AlertChange
    must_write: bool


def stream(alert: Alert | None, signal: Signal, triaged: Triaged, *, now: datetime) -> Streamed:
    """Return what *signal* makes of *alert* (None: never seen). Times in the future are clamped to *now*."""
    at = min(signal.occurred_at or now, now)
    first_at = min(signal.first_at or at, at)
    if not signal.is_firing:
        return _recovered(alert, signal, triaged, at=at)
    if alert is None:
        return Streamed(alert=_new(signal, triaged, first_at=first_at, last_at=at), change=AlertChange.FIRED, must_write=True)
    if alert.last_ok_at is not None and at < alert.last_ok_at:
        return Streamed(alert=alert, change=AlertChange.HISTORY, must_write=False)
    if alert.is_firing:
        severity = Severity.worst(alert.severity, triaged.severity)
        site = alert.site or (signal.sites[0][0].name if signal.sites else "")
        again = attrs.evolve(alert, severity=severity, site=site, last_at=max(alert.last_at, at))
        is_changed = (severity, site) != (alert.severity, alert.site)
        return Streamed(alert=again, change=AlertChange.REPEATED, must_write=is_changed)
    fresh = _new(signal, triaged, first_at=alert.first_at, last_at=at)
    fired = attrs.evolve(fresh, last_ok_at=alert.last_ok_at, incident_id=alert.incident_id, version=alert.version, extra=alert.extra)
    return Streamed(alert=fired, change=AlertChange.FIRED, must_write=True)


def _recovered(alert: Alert | None, signal: Signal, triaged: Triaged, *, at: datetime) -> Streamed:
    if alert is None:
        calm = attrs.evolve(_new(signal, triaged, first_at=at, last_at=at), status=AlertStatus.OK, last_ok_at=at)
        return Streamed(alert=calm, change=AlertChange.CALM, must_write=True)
    if alert.is_firing and at < alert.last_at:
        return Streamed(alert=alert, change=AlertChange.HISTORY, must_write=False)  # it fired again after this recovery
    change = AlertChange.RECOVERED if alert.is_firing else AlertChange.CALM
    last_ok_at = at if alert.last_ok_at is None else max(at, alert.last_ok_at)
    return Streamed(alert=attrs.evolve(alert, status=AlertStatus.OK, last_ok_at=last_ok_at), change=change, must_write=True)


def _new(signal: Signal, triaged: Triaged, *, first_at: datetime, last_at: datetime) -> Alert:
    return Alert(tenant=signal.tenant, fingerprint=signal.fingerprint, status=AlertStatus.FIRING, title=triaged.title, key=signal.key,
                 source=signal.source, service=signal.service, environment=signal.environment, severity=triaged.severity,
                 labels=triaged.labels, details=signal.details, exception=signal.exception, recovery=signal.recovery,
                 site=signal.sites[0][0].name if signal.sites else "", first_at=first_at, last_at=last_at)
