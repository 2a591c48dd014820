"""decide(): state, event and time go in; the next state and what is to be done come out. Pure and total."""

from __future__ import annotations

from datetime import datetime

import attrs

from incidentkit.lifecycle._decision import Decision, Tell, arm, start_step
from incidentkit.lifecycle._rules import RULES
from incidentkit.model import Event, Incident, Opened, WakeReason, Work

__all__ = ["decide", "open_incident"]


def decide(incident: Incident, event: Event, *, now: datetime) -> Decision:
    """
    Return what *event* makes of *incident* at *now*.

    Total: every (status, event) pair has a row in RULES; an event type from a newer version is recorded as ignored.
    """
    rule = RULES.get((incident.status, type(event)))
    if rule is None:
        return Decision.ignored(incident, event, "not known to this version")
    return _stamped(rule(incident, event, now), incident, now)


def open_incident(incident: Incident, event: Opened, *, now: datetime) -> Decision:
    """Return the decision that opens *incident*: every plan's first step, and the timer of the quiet window."""
    tells: list[Tell] = []
    work: list[Work] = []
    for index in range(len(incident.plans)):
        incident, more, timers = start_step(incident, index, now=now)
        tells.extend(more)
        work.extend(timers)
    quiet_at = incident.last_seen_at + incident.quiet_after
    incident = attrs.evolve(incident, quiet_at=quiet_at, opened_at=now, updated_at=now)
    work.append(arm(incident, WakeReason.QUIET, quiet_at))
    return Decision(incident=incident, events=(event,), tells=tuple(tells), work=tuple(work))


def _stamped(decision: Decision, before: Incident, now: datetime) -> Decision:
    if not decision.is_change or decision.incident is before:
        return decision
    return attrs.evolve(decision, incident=attrs.evolve(decision.incident, updated_at=now))
