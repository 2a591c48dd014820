"""The rules of the incident's life, each a pure function (incident, event, now) -> Decision. Which one applies is in RULES."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, TypeVar

import attrs

from incidentkit.lifecycle._decision import Decision, Tell, announce, arm, start_step
from incidentkit.model import (
    AckLapsed,
    Acknowledged,
    AlertFired,
    AlertRecovered,
    Event,
    Incident,
    Muted,
    Noted,
    PageKind,
    Plan,
    PlanState,
    QuietElapsed,
    Recovery,
    Relapsed,
    Reopened,
    Resolved,
    Severity,
    Status,
    StepDue,
    Succeeded,
    Unacknowledged,
    Unmuted,
    WakeReason,
    Work,
)

E = TypeVar("E", bound=Event)
Rule = Callable[[Incident, Any, datetime], Decision]

#: After this many relapses MONITORING no longer pauses a plan (DESIGN.md 6, "Plan").
RELAPSE_LIMIT: Final = 3
#: When evidence is looked at again if nobody knows better.
RECHECK_AFTER: Final = timedelta(seconds=15)


def ignore(reason: str) -> Rule:
    """Return the rule that records the event as ignored, with *reason*."""

    def rule(incident: Incident, event: Event, now: datetime) -> Decision:  # noqa: ARG001 - every rule has this form
        return Decision.ignored(incident, event, reason)

    rule.__name__ = f"ignore: {reason}"
    return rule


def void(incident: Incident, event: Event, now: datetime) -> Decision:  # noqa: ARG001 - every rule has this form
    """Nothing to do and nothing worth recording: a timer that outlived its reason."""
    return Decision.void(incident)


def note(incident: Incident, event: Noted, now: datetime) -> Decision:  # noqa: ARG001 - every rule has this form
    """Write it down."""
    return Decision(incident=incident, events=(event,))


# -- firing ------------------------------------------------------------------------------------------------------------------------


def fired(incident: Incident, event: AlertFired, now: datetime) -> Decision:
    """An alert joined, came back, or got worse, while the incident is open and not monitored."""
    joined = _joined(incident, event)
    if not _is_worse(event.severity, incident.severity):
        return Decision(incident=joined, events=(event,)) if joined != incident else Decision.void(incident)
    worse = attrs.evolve(joined, severity=event.severity)
    if incident.status is not Status.ACKNOWLEDGED:
        return Decision(incident=worse, events=(event,))
    # It was taken at a lower severity: whoever took it must hear that it is worse now (DESIGN.md 6, "Plan").
    return _restart(_untaken(worse, Status.TRIGGERED), now, events=(event,))


def fired_while_monitored(incident: Incident, event: AlertFired, now: datetime) -> Decision:
    """A failure while evidence is gathered: a relapse if the site's condition holds, else only a failure below it."""
    joined = _joined(incident, event)
    if not event.holds:
        return Decision(incident=joined, events=(event,)) if joined != incident else Decision.void(incident)
    back = Status.ACKNOWLEDGED if incident.was_acknowledged else Status.TRIGGERED
    relapsed = attrs.evolve(joined, status=back, relapses=incident.relapses + 1, monitoring_since=None, was_acknowledged=False,
                            held_until=event.held_until)
    if _is_worse(event.severity, incident.severity):
        relapsed = attrs.evolve(relapsed, severity=event.severity)
    fact = Relapsed(fingerprint=event.fingerprint, reason=event.title, by=event.by, channel=event.channel)
    told = announce(relapsed, PageKind.UPDATE, now=now, note="It broke again.")
    lapsed = any(plan.state is PlanState.STOPPED for plan in relapsed.plans)  # its acknowledgement ran out while monitored
    how = _Stopped.NEXT if lapsed else _Stopped.STAYS
    resumed = _resume(relapsed, now, how) if back is Status.TRIGGERED else Decision(incident=relapsed)
    quiet = _watch_quiet(resumed.incident, now + incident.quiet_after)
    return attrs.evolve(resumed, incident=quiet.incident).plus(events=(fact,), work=told.work + quiet.work)


def fired_after_resolve(incident: Incident, event: AlertFired, now: datetime) -> Decision:
    """Soon after a resolve it is the same incident again; later it is not (triage opens a new one)."""
    if not event.holds or not may_reopen(incident, now):
        return Decision.ignored(incident, event, "resolved, and not to be reopened by this")
    joined = _joined(incident, event)
    if _is_worse(event.severity, joined.severity):
        joined = attrs.evolve(joined, severity=event.severity)
    fact = Reopened(reason=event.title, fingerprint=event.fingerprint, severity=event.severity, held_until=event.held_until,
                    by=event.by, channel=event.channel)
    return _reopened(joined, fact, now)


def may_reopen(incident: Incident, now: datetime) -> bool:
    """Return True while a firing returns this resolved incident instead of opening a new one: up to and including `reopen_within`."""
    return incident.resolved_at is not None and now - incident.resolved_at <= incident.reopen_within


def reopen(incident: Incident, event: Reopened, now: datetime) -> Decision:
    """Somebody says it is not over."""
    return _reopened(incident, event, now)


def _reopened(incident: Incident, fact: Reopened, now: datetime) -> Decision:
    fresh = attrs.evolve(_untaken(incident, Status.TRIGGERED), resolved_at=None, cause="", evidence="", cycle=incident.cycle + 1,
                         monitoring_since=None, held_until=fact.held_until, is_muted=False, muted_until=None)
    told = announce(fresh, PageKind.UPDATE, now=now, note="It is back.")
    resumed = _resume(fresh, now, _Stopped.FIRST)
    quiet = _watch_quiet(resumed.incident, now + incident.quiet_after)
    return attrs.evolve(resumed, incident=quiet.incident).plus(events=(fact,), work=told.work + quiet.work)


def _joined(incident: Incident, event: AlertFired) -> Incident:
    alerts = incident.alerts if event.fingerprint in incident.alerts else (*incident.alerts, event.fingerprint)
    recovered = tuple(fingerprint for fingerprint in incident.recovered if fingerprint != event.fingerprint)
    if alerts == incident.alerts and recovered == incident.recovered:
        return incident
    return attrs.evolve(incident, alerts=alerts, recovered=recovered)


def _is_worse(severity: Severity, than: Severity) -> bool:
    return severity.rank < than.rank


# -- recovery ----------------------------------------------------------------------------------------------------------------------


def recovered(incident: Incident, event: AlertRecovered, now: datetime) -> Decision:
    """An ok signal came for one alert; when it was the last one firing, the incident is over."""
    if event.fingerprint not in incident.alerts or event.fingerprint in incident.recovered:
        return Decision.void(incident)
    calm = attrs.evolve(incident, recovered=(*incident.recovered, event.fingerprint))
    if calm.firing:
        return Decision(incident=calm, events=(event,))
    count = len(calm.alerts)
    evidence = f"ok signal for {'the alert' if count == 1 else f'all {count} alerts'}"
    closed = _closed(calm, Resolved(cause="proved", evidence=evidence, by=event.by, channel=event.channel), now)
    return attrs.evolve(closed, events=(event, *closed.events))


def succeeded(incident: Incident, event: Succeeded, now: datetime) -> Decision:
    """The code works again after its condition stopped holding: from now on it is monitored, and the plan waits."""
    if incident.recovery is not Recovery.PROVED or now < event.held_until:
        return Decision.void(incident)
    watched = attrs.evolve(incident, status=Status.MONITORING, monitoring_since=now, held_until=event.held_until,
                           was_acknowledged=incident.status is Status.ACKNOWLEDGED)
    paused = _pause(watched, now) if incident.relapses < RELAPSE_LIMIT else watched
    quiet = _watch_quiet(paused, max(event.held_until + incident.quiet_for, now))
    return Decision(incident=quiet.incident, events=(event,), work=quiet.work)


def quiet_while_monitored(incident: Incident, event: QuietElapsed, now: datetime) -> Decision:
    """The quiet window may be over: resolve on evidence, or look again when there can be some."""
    if incident.quiet_at is None or now < incident.quiet_at:
        return Decision.void(incident)
    held = max((instant for instant in (incident.held_until, event.held_until) if instant is not None), default=now)
    over_at = held + incident.quiet_for
    if now >= over_at and event.is_proved:
        return _closed(incident, Resolved(cause="proved", evidence=event.evidence), now)
    if now >= event.last_seen_at + incident.quiet_after:
        return _closed(incident, Resolved(cause="quiet", evidence=event.evidence), now)
    again = over_at if now < over_at else (event.recheck_at or now + RECHECK_AFTER)
    quiet = _watch_quiet(attrs.evolve(incident, held_until=held), min(again, event.last_seen_at + incident.quiet_after))
    return Decision(incident=quiet.incident, work=quiet.work)


def quiet_while_open(incident: Incident, event: QuietElapsed, now: datetime) -> Decision:
    """Nothing proves it and it has not been seen for `quiet_after`: over, with that as the stated cause. Else look again then."""
    if incident.quiet_at is None or now < incident.quiet_at:
        return Decision.void(incident)
    over_at = event.last_seen_at + incident.quiet_after
    if now >= over_at:
        hours = incident.quiet_after.total_seconds() / 3600
        return _closed(incident, Resolved(cause="quiet", evidence=f"not seen for {hours:g} h; nothing proves more"), now)
    quiet = _watch_quiet(incident, over_at)
    return Decision(incident=quiet.incident, work=quiet.work)


def resolve(incident: Incident, event: Resolved, now: datetime) -> Decision:
    """Somebody, or a signal, says it is over."""
    return _closed(incident, event, now)


def _closed(incident: Incident, fact: Resolved, now: datetime) -> Decision:
    closed = attrs.evolve(_pause(incident, now), status=Status.RESOLVED, resolved_at=now, cause=fact.cause,
                          evidence=fact.evidence, recovered=incident.alerts, monitoring_since=None, quiet_at=None, ack_until=None,
                          was_acknowledged=False, is_muted=False, muted_until=None)
    told = announce(closed, PageKind.RESOLVED, now=now)
    return Decision(incident=closed, events=(fact,), work=told.work)


def _watch_quiet(incident: Incident, at: datetime) -> Decision:
    return Decision(incident=attrs.evolve(incident, quiet_at=at), work=(arm(incident, WakeReason.QUIET, at),))


# -- people ------------------------------------------------------------------------------------------------------------------------


def acknowledge(incident: Incident, event: Acknowledged, now: datetime) -> Decision:
    """Somebody took it: the plan stops, until the acknowledgement lapses if it can."""
    is_snooze = event.until is not None
    if incident.status is Status.ACKNOWLEDGED and not is_snooze:
        return Decision.ignored(incident, event, f"already acknowledged by {incident.acknowledged_by or 'somebody'}")
    until = event.until or (None if incident.ack_timeout is None else now + incident.ack_timeout)
    is_known = event.by in incident.responders or event.by == "engine"
    responders = incident.responders if is_known else (*incident.responders, event.by)
    taken = attrs.evolve(incident, acknowledged_at=now, acknowledged_by=event.by, responders=responders, ack_until=until)
    if incident.status is Status.MONITORING:
        taken = attrs.evolve(taken, was_acknowledged=True)
    else:
        taken = attrs.evolve(taken, status=Status.ACKNOWLEDGED)
    stopped = _stop(taken)
    work = () if until is None else (arm(incident, WakeReason.ACK_TIMEOUT, until),)
    return Decision(incident=stopped, events=(event,), work=work)


def ack_lapsed(incident: Incident, event: AckLapsed, now: datetime) -> Decision:
    """The acknowledgement ran out: the plan goes on at the next step."""
    if incident.ack_until is None or now < incident.ack_until:
        return Decision.void(incident)
    return _resume(_untaken(incident, Status.TRIGGERED), now, _Stopped.NEXT).plus(events=(event,))


def ack_lapsed_while_monitored(incident: Incident, event: AckLapsed, now: datetime) -> Decision:
    """The acknowledgement ran out while nothing was broken: a relapse will page again."""
    if incident.ack_until is None or now < incident.ack_until:
        return Decision.void(incident)
    return Decision(incident=attrs.evolve(_untaken(incident, Status.MONITORING), was_acknowledged=False), events=(event,))


def unacknowledge(incident: Incident, event: Unacknowledged, now: datetime) -> Decision:
    """Somebody gave it back."""
    if incident.status is Status.MONITORING:
        return Decision(incident=attrs.evolve(_untaken(incident, Status.MONITORING), was_acknowledged=False), events=(event,))
    return _resume(_untaken(incident, Status.TRIGGERED), now, _Stopped.NEXT).plus(events=(event,))


def mute(incident: Incident, event: Muted, now: datetime) -> Decision:
    """Keep it open and quiet: the plan waits, pages that are due are withheld until the end of the mute."""
    if event.until is not None and event.until <= now:
        return Decision.ignored(incident, event, "the end of the mute is in the past")
    paused = _pause(incident, now)
    work = () if event.until is None else (arm(incident, WakeReason.MUTE_END, event.until),)
    return Decision(incident=attrs.evolve(paused, is_muted=True, muted_until=event.until), events=(event,), work=work)


def unmute(incident: Incident, event: Unmuted, now: datetime) -> Decision:
    """Tell again: the plan goes on with the wait that was left."""
    if not incident.is_muted:
        return Decision.void(incident) if event.is_timer else Decision.ignored(incident, event, "not muted")
    if event.is_timer and (incident.muted_until is None or now < incident.muted_until):
        return Decision.void(incident)
    loud = attrs.evolve(incident, is_muted=False, muted_until=None)
    if incident.status is not Status.TRIGGERED:
        return Decision(incident=loud, events=(event,))
    return _resume(loud, now, _Stopped.STAYS).plus(events=(event,))


def _untaken(incident: Incident, status: Status) -> Incident:
    return attrs.evolve(incident, status=status, acknowledged_at=None, acknowledged_by="", ack_until=None)


# -- the plan ----------------------------------------------------------------------------------------------------------------------


def step_due(incident: Incident, event: StepDue, now: datetime) -> Decision:
    """A step's wait is over: the next step is told."""
    if event.plan >= len(incident.plans):
        return Decision.void(incident)
    plan = incident.plans[event.plan]
    if plan.generation != event.generation or plan.state is not PlanState.RUNNING or plan.next_at is None or now < plan.next_at:
        return Decision.void(incident)
    moved, tells, work = start_step(incident, event.plan, now=now)
    return Decision(incident=moved, tells=tells, work=work)


def _pause(incident: Incident, now: datetime) -> Incident:
    """Store the wait that was left of every running plan. Its timer becomes void by generation."""

    def paused(plan: Plan) -> Plan:
        if plan.state is not PlanState.RUNNING or plan.next_at is None:
            return plan
        return attrs.evolve(plan, state=PlanState.PAUSED, wait_left=max(plan.next_at - now, timedelta(0)), next_at=None,
                            generation=plan.generation + 1)

    return attrs.evolve(incident, plans=tuple(map(paused, incident.plans)))


def _stop(incident: Incident) -> Incident:

    def stopped(plan: Plan) -> Plan:
        if plan.state not in {PlanState.RUNNING, PlanState.PAUSED}:
            return plan
        return attrs.evolve(plan, state=PlanState.STOPPED, next_at=None, wait_left=None, generation=plan.generation + 1)

    return attrs.evolve(incident, plans=tuple(map(stopped, incident.plans)))


def _restart(incident: Incident, now: datetime, *, events: tuple[Event, ...]) -> Decision:
    rewound = attrs.evolve(incident, plans=tuple(attrs.evolve(plan, step=-1, round=1) for plan in incident.plans))
    return _advance_all(rewound, now, range(len(rewound.plans))).plus(events=events)


def _advance_all(incident: Incident, now: datetime, indexes: range | list[int]) -> Decision:
    tells: tuple[Tell, ...] = ()
    work: tuple[Work, ...] = ()
    for index in indexes:
        incident, more, timers = start_step(incident, index, now=now)
        tells, work = tells + more, work + timers
    return Decision(incident=incident, tells=tells, work=work)


class _Stopped(Enum):
    """Where a plan that an acknowledgement stopped, or that was spent, goes on."""

    STAYS = "stays"
    NEXT = "next"    # after an acknowledgement lapsed: the next step; a spent plan has none left and starts at step 1
    FIRST = "first"  # after a reopening: step 1 (law 7)


def _resume(incident: Incident, now: datetime, stopped: _Stopped) -> Decision:
    """Return the incident with its plans going on. A paused plan waits what was left."""
    advance: list[int] = []
    work: tuple[Work, ...] = ()
    plans = list(incident.plans)
    for index, plan in enumerate(plans):
        if plan.state is PlanState.PAUSED and plan.wait_left is not None:
            next_at = now + plan.wait_left
            plans[index] = attrs.evolve(plan, state=PlanState.RUNNING, next_at=next_at, wait_left=None, generation=plan.generation + 1)
            work += (arm(incident, WakeReason.STEP, next_at, plan=index, generation=plan.generation + 1),)
        elif plan.state in {PlanState.STOPPED, PlanState.SPENT} and stopped is not _Stopped.STAYS:
            if plan.state is PlanState.SPENT or stopped is _Stopped.FIRST:
                plans[index] = attrs.evolve(plan, step=-1, round=1)
            advance.append(index)
    moved = _advance_all(attrs.evolve(incident, plans=tuple(plans)), now, advance)
    return moved.plus(work=work)
