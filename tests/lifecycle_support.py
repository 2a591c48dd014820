"""Incidents and addresses for tests of the pure core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from incidentkit.lifecycle import Decision, address, decide, open_incident
from incidentkit.model import Event, Incident, Opened, Plan, PlanStep, Recovery, Severity, Threshold
from incidentkit.respond import Nobody, Recipient

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def addresses(target: str | None) -> tuple[Recipient, ...] | Nobody:
    """Every target is a notifier of that name; "nobody" is nobody; the fallback is "last"."""
    if target is None:
        return (Recipient(notifier="last", target="", person=""),)
    if target == "nobody":
        return Nobody(why="nobody is on call")
    return (Recipient(notifier=target, target="", person=""),)


def plan(*tells: str, wait: timedelta = 5 * MINUTE, rounds: int | None = 1) -> Plan:
    """Return a plan with one step for each target."""
    return Plan(policy="test", steps=tuple(PlanStep(tell=(tell,), then_wait=wait) for tell in tells), rounds=rounds)


def opened(*plans: Plan, now: datetime = NOW, **fields: Any) -> Incident:
    """Return a stored incident that has just opened."""
    stated: dict[str, Any] = {"id": "i1", "key": "k", "title": "it broke", "severity": Severity.MAJOR, "opened_at": now, "updated_at": now,
                              "first_seen_at": now, "last_seen_at": now, "alerts": ("f1",), "plans": plans or (plan("slack", "phone"),)}
    incident = Incident(**{**stated, **fields})
    event = Opened(reason="first sighting", fingerprint="f1", severity=incident.severity)
    return stored(address(open_incident(incident, event, now=now), addresses, now).incident)


def watched(*plans: Plan, **fields: Any) -> Incident:
    """Return an incident of a watched site: evidence can prove its recovery."""
    stated = {"recovery": Recovery.PROVED, "when": Threshold(count=5, within=MINUTE), "quiet_for": 5 * MINUTE}
    return opened(*plans, **{**stated, **fields})


def stored(incident: Incident) -> Incident:
    """Return *incident* as the store would give it back."""
    return attrs.evolve(incident, version=incident.version + 1)


def apply(incident: Incident, event: Event, *, at: timedelta = timedelta(0)) -> Decision:
    """Return the addressed decision of *event*, so long after NOW."""
    now = NOW + at
    return address(decide(incident, event, now=now), addresses, now)


def after(incident: Incident, *steps: tuple[timedelta, Event]) -> Incident:
    """Return what *incident* becomes by these events."""
    for at, event in steps:
        incident = stored(apply(incident, event, at=at).incident)
    return incident
