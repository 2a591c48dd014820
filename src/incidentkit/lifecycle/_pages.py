"""The rules of what happened to pages, and how a step's targets become pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from incidentkit.lifecycle._decision import REACHED, Decision, Tell, announce, page_id, page_work, start_step
from incidentkit.model import (
    Event,
    Incident,
    NobodyReachable,
    Page,
    PageAbandoned,
    PageClaimLost,
    PageKind,
    PageSent,
    PageWithheld,
    Plan,
    PlanAdvanced,
    PlanState,
    Told,
    ToldState,
    Work,
)
from incidentkit.respond import Nobody, Recipient

__all__ = ["Addresses", "abandoned", "address", "claim_lost", "sent", "withheld"]

#: Who a target expression means at this moment; None asks for the fallback.
Addresses = Callable[[str | None], "tuple[Recipient, ...] | Nobody"]


def sent(incident: Incident, event: PageSent, now: datetime) -> Decision:
    """A service accepted a message. Somebody who is told of an incident that is over meanwhile is told that too (law 4)."""
    if _find(incident, event.page) is None:  # an update or a resolve notice: a fact, not a page of the plan
        return Decision(incident=incident, events=(event,))
    known = _settled(incident, event.page, ToldState.ACCEPTED, now=now, ref=event.ref)
    return _late(known, event.page, event, now)


def withheld(incident: Incident, event: PageWithheld, now: datetime) -> Decision:
    """A page was not sent for good. If an earlier claim may have sent it, its target counts as told."""
    if _find(incident, event.page) is None:
        return Decision(incident=incident, events=(event,))
    state = ToldState.POSSIBLE if event.is_possible else ToldState.NOT_TOLD
    return _late(_settled(incident, event.page, state, now=now), event.page, event, now)


def claim_lost(incident: Incident, event: PageClaimLost, now: datetime) -> Decision:
    """A send whose answer was lost: its target may have been told."""
    told = _find(incident, event.page)
    if told is None or told.state in REACHED:
        return Decision.void(incident)
    return Decision(incident=_marked(incident, event.page, ToldState.POSSIBLE, now=now), events=(event,))


def abandoned(incident: Incident, event: PageAbandoned, now: datetime) -> Decision:
    """A page is dead. When no target of its step is left, the plan moves on at once (law 3)."""
    told = _find(incident, event.page)
    if told is None:
        return Decision(incident=incident, events=(event,))
    index = next((at for at, plan in enumerate(incident.plans) if event.page in plan.waiting_for), None)
    # A page whose answer was lost stays "possible": the resolve must still reach that target.
    state = ToldState.POSSIBLE if told.state is ToldState.POSSIBLE else ToldState.NOT_TOLD
    known = _settled(incident, event.page, state, now=now)
    if index is None or known.plans[index].waiting_for or known.plans[index].reached:
        return Decision(incident=known, events=(event,))
    plan = known.plans[index]
    if plan.state is PlanState.RUNNING:
        moved, tells, work = start_step(known, index, now=now)
        return Decision(incident=moved, events=(event,), tells=tells, work=work)
    if plan.state is PlanState.SPENT and incident.is_open and not _anybody(known):
        fallback = Tell(plan=index, step=plan.step, round=plan.round, targets=(), is_fallback=True)
        return Decision(incident=known, events=(event,), tells=(fallback,))
    return Decision(incident=known, events=(event,))


def address(decision: Decision, addresses: Addresses, now: datetime) -> Decision:
    """
    Return *decision* with its tells turned into pages: who is on call, reachable and not asked twice is found now, and recorded.

    A target that means nobody is a fact with a fallback, never silence.
    """
    incident, events, work = decision.incident, decision.events, decision.work
    for tell in decision.tells:
        incident, more_events, more_work = _addressed(incident, tell, addresses, now)
        events, work = events + more_events, work + more_work
    paged = {(row.body.notifier, row.body.target) for row in work if isinstance(row.body, Page) and row.body.kind.is_page}
    kept = tuple(row for row in work if not (_is_update(row) and _at(row) in paged))
    return attrs.evolve(decision, incident=incident, events=events, work=kept, tells=())


def _is_update(row: Work) -> bool:
    return isinstance(row.body, Page) and row.body.kind is PageKind.UPDATE


def _at(row: Work) -> tuple[str, str]:
    return (row.body.notifier, row.body.target) if isinstance(row.body, Page) else ("", "")


def _addressed(
    incident: Incident, tell: Tell, addresses: Addresses, now: datetime,
) -> tuple[Incident, tuple[Event, ...], tuple[Work, ...]]:
    events: list[Event] = []
    found: dict[tuple[str, str], Recipient] = {}
    for target in (None,) if tell.is_fallback else tell.targets:
        answer = addresses(target)
        if isinstance(answer, Nobody):
            events.append(NobodyReachable(target=target or "", why=answer.why, fallback="everybody with a default target"))
            answer = addresses(None)
        if not isinstance(answer, Nobody):
            found.update({(recipient.notifier, recipient.target): recipient for recipient in answer})
    if tell.is_fallback:
        dead = {(told.notifier, told.target) for told in incident.told}
        found = {at: recipient for at, recipient in found.items() if at not in dead}
        events.append(NobodyReachable(target="", why="no target of the last step could be told",
                                      fallback=", ".join(map(_name, found.values())) or "nobody is left"))
    plan = incident.plans[tell.plan]
    pages = tuple(_page(incident, tell, plan, recipient, now) for recipient in found.values())
    told = tuple(Told(page=row.id, notifier=row.body.notifier, target=row.body.target, person=row.body.person, ref=_ref(incident, row.body))
                 for row in pages if isinstance(row.body, Page))
    waiting = attrs.evolve(plan, waiting_for=plan.waiting_for + tuple(row.id for row in pages))
    plans = (*incident.plans[:tell.plan], waiting, *incident.plans[tell.plan + 1:])
    incident = attrs.evolve(incident, told=incident.told + told, plans=plans)
    if not tell.is_fallback:
        names = tuple(map(_name, found.values()))
        events.append(PlanAdvanced(plan=tell.plan, step=tell.step, round=tell.round, told=names))
    return incident, tuple(events), pages


def _name(recipient: Recipient) -> str:
    at = f"{recipient.notifier}:{recipient.target}" if recipient.target else recipient.notifier
    return f"{recipient.person} by {recipient.notifier}" if recipient.person else at


def _page(incident: Incident, tell: Tell, plan: Plan, recipient: Recipient, now: datetime) -> Work:
    known = any(told.state in REACHED and (told.notifier, told.target) == (recipient.notifier, recipient.target) for told in incident.told)
    body = Page(kind=PageKind.REMINDER if known else PageKind.FIRST, notifier=recipient.notifier, target=recipient.target,
                person=recipient.person, plan=tell.plan, step=tell.step, round=tell.round, cycle=incident.cycle)
    why = f"p{tell.plan}.{plan.generation}" + ("f" if tell.is_fallback else "")
    return page_work(incident, page_id(incident, why, recipient.notifier, recipient.target, recipient.person), body, now=now)


def _ref(incident: Incident, page: Page) -> str:
    return next((told.ref for told in incident.told if told.ref and (told.notifier, told.target) == (page.notifier, page.target)), "")


def _find(incident: Incident, page: str) -> Told | None:
    return next((told for told in incident.told if told.page == page), None)


def _anybody(incident: Incident) -> bool:
    return any(told.state in REACHED or told.state is ToldState.PENDING for told in incident.told)


def _marked(incident: Incident, page: str, state: ToldState, *, now: datetime, ref: str = "") -> Incident:
    told = tuple(attrs.evolve(told, state=state, at=now, ref=told.ref or ref) if told.page == page else told for told in incident.told)
    return attrs.evolve(incident, told=told)


def _settled(incident: Incident, page: str, state: ToldState, *, now: datetime, ref: str = "") -> Incident:
    """Return the incident that knows how *page* ended. Of one target's pages only the last that has an outcome is kept: bounded."""
    known = _marked(incident, page, state, now=now, ref=ref)
    mine = _find(known, page)
    if mine is not None and state in REACHED:
        same = (mine.notifier, mine.target, mine.person)
        told = tuple(other for other in known.told if other.page == page or other.state is ToldState.PENDING
                     or (other.notifier, other.target, other.person) != same)
        known = attrs.evolve(known, told=told)
    elif mine is not None and any(other.state in REACHED and (other.notifier, other.target) == (mine.notifier, mine.target)
                                  for other in known.told):
        known = attrs.evolve(known, told=tuple(other for other in known.told if other.page != page))

    def without(plan: Plan) -> Plan:
        if page not in plan.waiting_for:
            return plan
        left = tuple(waiting for waiting in plan.waiting_for if waiting != page)
        return attrs.evolve(plan, waiting_for=left, reached=plan.reached or state is ToldState.ACCEPTED)

    return attrs.evolve(known, plans=tuple(map(without, known.plans)))


def _late(incident: Incident, page: str, event: Event, now: datetime) -> Decision:
    told = _find(incident, page)
    if incident.is_open or told is None or told.state not in REACHED:
        return Decision(incident=incident, events=(event,))
    notice = announce(incident, PageKind.RESOLVED, now=now, only=(told,))
    return Decision(incident=incident, events=(event,), work=notice.work)
