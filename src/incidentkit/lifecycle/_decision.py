"""Decision: what decide() answers; and the few moves that several rules share."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Final

import attrs

from incidentkit.model import (
    Event,
    Ignored,
    Incident,
    Page,
    PageKind,
    Plan,
    PlanState,
    Told,
    ToldState,
    Wake,
    WakeReason,
    Work,
)

__all__ = ["REACHED", "Decision", "Tell", "announce", "arm", "page_id", "page_work", "start_step"]

#: States of a page that mean somebody knows, or may know.
REACHED: Final = frozenset({ToldState.ACCEPTED, ToldState.POSSIBLE})


@attrs.frozen(kw_only=True)
class Tell:
    """An effect: tell the targets of this step. Who that is, is found when the decision is addressed (see `address`)."""

    plan: int
    step: int
    round: int
    targets: tuple[str, ...]
    #: The step before it reached nobody and no step is left: tell the fallback.
    is_fallback: bool = False


@attrs.frozen(kw_only=True)
class Decision:
    """The next state, the facts to append, and what is to be done: work to store with them, steps to tell."""

    incident: Incident
    events: tuple[Event, ...] = ()
    work: tuple[Work, ...] = ()
    tells: tuple[Tell, ...] = ()
    #: False: nothing changed and nothing is to be recorded (a stale timer).
    is_change: bool = True

    @classmethod
    def void(cls, incident: Incident) -> Decision:
        """Return the decision that changes and records nothing."""
        return cls(incident=incident, is_change=False)

    @classmethod
    def ignored(cls, incident: Incident, event: Event, reason: str) -> Decision:
        """Return the decision that only records that *event* came too late, and why."""
        fact = Ignored(event=type(event).__name__, reason=reason, by=event.by, channel=event.channel)
        return cls(incident=incident, events=(fact,))

    def plus(self, *, events: tuple[Event, ...] = (), work: tuple[Work, ...] = ()) -> Decision:
        """Return this decision with more facts and work."""
        return attrs.evolve(self, events=self.events + events, work=self.work + work)


def page_id(incident: Incident, why: str, notifier: str, target: str, person: str) -> str:
    """Return the stable id, and so the idempotency key, of one page."""
    digest = blake2b(f"{notifier}\0{target}\0{person}".encode(), digest_size=6).hexdigest()
    return f"{incident.id}/{why}/{notifier}/{digest}"


def page_work(incident: Incident, identity: str, page: Page, *, now: datetime) -> Work:
    """Return the row of work that sends *page*, due now."""
    return Work(id=identity, tenant=incident.tenant, incident_id=incident.id, body=page, due_at=now, needs=f"notify:{page.notifier}",
                target=page.target, created_at=now)


def arm(incident: Incident, reason: WakeReason, at: datetime, *, plan: int = 0, generation: int = 0) -> Work:
    """
    Return the timer that rings at *at*.

    Its id holds the version this decision will make, so the same decision twice is one timer, and a later one never collides with it.
    """
    identity = f"{incident.id}/w/{reason.value}/{incident.version + 1}.{plan}"
    return Work(id=identity, tenant=incident.tenant, incident_id=incident.id, body=Wake(reason=reason, plan=plan), due_at=at,
                generation=generation)


def start_step(incident: Incident, index: int, *, now: datetime) -> tuple[Incident, tuple[Tell, ...], tuple[Work, ...]]:
    """
    Return the incident with plan *index* moved to its next step, what to tell, and the timer of its wait.

    A step's wait counts from the moment it is told. After the last step of the last round the plan is SPENT.
    """
    plan = incident.plans[index]
    step, turn = plan.step + 1, plan.round
    if step >= len(plan.steps):
        step, turn = 0, turn + 1
    if not plan.steps or (plan.rounds is not None and turn > plan.rounds):
        return _with_plan(incident, index, attrs.evolve(plan, state=PlanState.SPENT, next_at=None, wait_left=None)), (), ()
    is_last = plan.rounds is not None and turn == plan.rounds and step == len(plan.steps) - 1
    next_at = None if is_last else now + plan.steps[step].then_wait
    moved = attrs.evolve(plan, state=PlanState.SPENT if is_last else PlanState.RUNNING, step=step, round=turn,
                         generation=plan.generation + 1, next_at=next_at, wait_left=None, waiting_for=(), reached=False)
    tell = Tell(plan=index, step=step, round=turn, targets=plan.steps[step].tell)
    timers = () if next_at is None else (arm(incident, WakeReason.STEP, next_at, plan=index, generation=moved.generation),)
    return _with_plan(incident, index, moved), (tell,), timers


def _with_plan(incident: Incident, index: int, plan: Plan) -> Incident:
    plans = (*incident.plans[:index], plan, *incident.plans[index + 1:])
    return attrs.evolve(incident, plans=plans)


def announce(incident: Incident, kind: PageKind, *, now: datetime, note: str = "", only: tuple[Told, ...] | None = None) -> Decision:
    """
    Return the incident with a quiet message (update, resolve) on its way to everybody who was reached, one for each target.

    *only* limits it to these. Which targets are quiet at all is for the sender to say: a phone is never rung for it.
    """
    work: dict[str, Work] = {}
    for told in incident.told if only is None else only:
        if told.state not in REACHED:
            continue
        why = f"r{incident.cycle}" if kind is PageKind.RESOLVED else f"u{incident.version + 1}"
        identity = page_id(incident, why, told.notifier, told.target, told.person)
        page = Page(kind=kind, notifier=told.notifier, target=told.target, person=told.person, cycle=incident.cycle, note=note)
        work.setdefault(identity, page_work(incident, identity, page, now=now))
    return Decision(incident=incident, work=tuple(work.values()))
