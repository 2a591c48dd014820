"""Dispatch: claimed work is done. A timer becomes its event; a page is sent if the state, read again, still allows it; then settled."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import attrs

from incidentkit.errors import UnavailableError
from incidentkit.lifecycle import decide
from incidentkit.model import (
    AckLapsed,
    Alert,
    Claim,
    Committed,
    Conflict,
    Delivery,
    DeliveryRecord,
    Event,
    Incident,
    Loaded,
    Lookup,
    Notification,
    Outcome,
    Page,
    PageAbandoned,
    PageClaimLost,
    PageSent,
    PageWithheld,
    Settle,
    SettleKind,
    StepDue,
    UnitOfWork,
    Unmuted,
    Wake,
    WakeReason,
    Work,
)
from incidentkit.respond import compose, may_tell
from incidentkit.runtime._overlay import Overlay
from incidentkit.runtime.command import with_alerts
from incidentkit.runtime.evidence import quiet_facts
from incidentkit.runtime.requests import Flow, Ground, _Stale, commit, load, send

__all__ = ["dispatch"]

ATTEMPTS: Final = 20


def dispatch(claim: Claim, ground: Ground) -> Flow[None]:
    """
    Do one claimed row of work and settle it.

    Raises:
        UnavailableError: It could not be settled; its lease ends and it is claimed again.
    """
    work = claim.work
    if work.incident_id is None:
        yield from _settle_alone(Settle(work_id=work.id, tenant=work.tenant, attempt=work.attempt))
    elif isinstance(work.body, Wake):
        yield from _ring(work, work.body, work.incident_id, ground)
    else:
        yield from _tell(claim, work.body, work.incident_id, ground)


def _settle_alone(settle: Settle) -> Flow[None]:
    yield from commit(UnitOfWork(settle=(settle,)))


# -- timers ------------------------------------------------------------------------------------------------------------------------


def _ring(work: Work, wake: Wake, incident_id: str, ground: Ground) -> Flow[None]:
    """Turn a timer into its event. The transition and the settle are one unit, so its effect is exactly once (storage.md 2)."""
    settle = Settle(work_id=work.id, tenant=work.tenant, attempt=work.attempt)
    for _ in range(ATTEMPTS):
        loaded, incident = yield from with_alerts(incident_id, work.tenant)
        event = yield from _event_of(work, wake, incident, loaded.store_now, ground)
        overlay = Overlay(loaded, ground, work.tenant)
        overlay.apply(decide(incident, event, now=overlay.now))
        reply = yield from commit(overlay.unit(settle=(settle,)))
        if isinstance(reply, Committed) or (isinstance(reply, Conflict) and work.id in reply.stale):
            return
    raise UnavailableError(f"{ATTEMPTS} conflicts in a row on timer {work.id}")


def _event_of(work: Work, wake: Wake, incident: Incident, now: datetime, ground: Ground) -> Flow[Event]:
    match wake.reason:
        case WakeReason.STEP:
            return StepDue(plan=wake.plan, generation=work.generation, channel="timer")
        case WakeReason.ACK_TIMEOUT:
            return AckLapsed(channel="timer")
        case WakeReason.MUTE_END:
            return Unmuted(is_timer=True, channel="timer")
        case WakeReason.QUIET:
            return (yield from quiet_facts(incident, now, ground))


# -- pages -------------------------------------------------------------------------------------------------------------------------


def _tell(claim: Claim, page: Page, incident_id: str, ground: Ground) -> Flow[None]:
    work = claim.work
    if claim.is_exhausted:
        poison = Delivery.refused(f"claimed {work.crashes} times and never finished: it kills who sends it")
        yield from _finish(work, incident_id, ground, poison)
        return
    facts = ground.book.notifiers.get(page.notifier)
    is_quiet = facts is None or facts.is_quiet
    while True:
        loaded = yield from _read(work.tenant, incident_id, page)
        incident = loaded.incidents.get(incident_id)
        if incident is None:  # purged while it waited
            yield from _settle_alone(Settle(work_id=work.id, tenant=work.tenant, attempt=work.attempt))
            return
        permission = may_tell(incident, work.id, page, is_quiet=is_quiet, now=loaded.store_now)
        if not permission.is_granted:
            yield from _withhold(work, incident_id, ground, permission.why, permission.again_at)
            return
        answer = yield from send(_notification(work, page, incident, loaded), loaded.store_now)
        if not isinstance(answer, _Stale):
            yield from _finish(work, incident_id, ground, answer)
            return


def _read(tenant: str, incident_id: str, page: Page) -> Flow[Loaded]:
    """Read the incident; for a page, which shows where it failed, with its first alert in one snapshot: permission and words agree."""
    loaded = yield from load(Lookup(tenant=tenant, ids=(incident_id,)))
    incident = loaded.incidents.get(incident_id)
    if incident is None or not page.kind.is_page or not incident.alerts:
        return loaded
    return (yield from load(Lookup(tenant=tenant, ids=(incident_id,), fingerprints=incident.alerts[:1])))


def _notification(work: Work, page: Page, incident: Incident, loaded: Loaded) -> Notification:
    alert: Alert | None = loaded.alerts.get(incident.alerts[0]) if incident.alerts else None
    exception = None if alert is None else alert.exception
    title, lines = compose(incident, kind=page.kind, at=loaded.store_now, note=page.note, exception=exception)
    ref = next((told.ref for told in incident.told if told.ref and (told.notifier, told.target) == (page.notifier, page.target)), "")
    return Notification(kind=page.kind, incident=incident, title=title, lines=lines, notifier=page.notifier, target=page.target,
                        person=page.person, idempotency_key=work.id, attempt=work.attempt, ref=ref, note=page.note,
                        sent_at=loaded.store_now)


def _withhold(work: Work, incident_id: str, ground: Ground, why: str, again_at: datetime | None) -> Flow[None]:
    if again_at is not None:
        settle = Settle(work_id=work.id, tenant=work.tenant, attempt=work.attempt, kind=SettleKind.RETRY, retry_at=again_at, error=why)
        yield from _settle_alone(settle)
        return
    settle = Settle(work_id=work.id, tenant=work.tenant, attempt=work.attempt, error=why)
    # An earlier claim that never answered may have sent it: its target then counts as told (law 4).
    event = PageWithheld(page=work.id, why=why, is_possible=work.crashes > 1)
    yield from _record(work, incident_id, ground, (event,), settle=settle)


def _finish(work: Work, incident_id: str, ground: Ground, delivery: Delivery) -> Flow[None]:
    """Settle a send: the delivery, what it means for the plan, and the end of the claim, in one unit."""
    page = work.body
    assert isinstance(page, Page)  # noqa: S101 - narrows the type; only pages come here
    loaded = yield from load(Lookup(tenant=work.tenant, ids=(incident_id,)))
    now = loaded.store_now
    events: tuple[Event, ...] = (PageClaimLost(page=work.id, by=page.notifier),) if delivery.may_have_arrived else ()
    settle = Settle(work_id=work.id, tenant=work.tenant, attempt=work.attempt)
    if delivery.outcome is Outcome.ACCEPTED:
        events += (PageSent(page=work.id, notifier=page.notifier, target=page.target, ref=delivery.ref, attempt=work.attempt,
                            is_possible_duplicate=work.crashes > 1, by=page.notifier),)
    else:
        retry_at = _retry_at(work, delivery, ground, now)
        if retry_at is not None:
            settle = attrs.evolve(settle, kind=SettleKind.RETRY, retry_at=retry_at, error=delivery.reason, is_failure=True)
        else:
            settle = attrs.evolve(settle, kind=SettleKind.DEAD, error=delivery.reason)
            events += (PageAbandoned(page=work.id, notifier=page.notifier, target=page.target, why=delivery.reason, by=page.notifier),)
    record = DeliveryRecord(work_id=work.id, tenant=work.tenant, attempt=work.attempt, incident_id=incident_id, notifier=page.notifier,
                            target=page.target, at=now, outcome=delivery.outcome, ref=delivery.ref, error=delivery.reason)
    yield from _record(work, incident_id, ground, events, settle=settle, record=record)


def _retry_at(work: Work, delivery: Delivery, ground: Ground, now: datetime) -> datetime | None:
    """Return when to try again, or None when the page is dead: refused, or its notifier's deadline would pass."""
    if delivery.outcome is Outcome.REFUSED:
        return None
    settings = ground.settings
    pause = min(settings.retry_first * 2 ** min(work.retries, 16), settings.retry_most)
    at = now + max(pause, delivery.retry_after or timedelta(0))
    began = work.created_at or now
    return at if at <= began + settings.page_deadline else None


def _record(
    work: Work, incident_id: str, ground: Ground, events: tuple[Event, ...], *, settle: Settle, record: DeliveryRecord | None = None,
) -> Flow[None]:
    """Commit the end of a claim with what it did to the incident; when the claim is no longer ours, record only that it was sent."""
    is_ours = True
    for _ in range(ATTEMPTS):
        loaded, incident = yield from with_alerts(incident_id, work.tenant)
        overlay = Overlay(loaded, ground, work.tenant)
        for event in events:
            incident = overlay.apply(decide(incident, event, now=overlay.now))
        deliveries = () if record is None else (record,)
        reply = yield from commit(overlay.unit(settle=(settle,) if is_ours else (), deliveries=deliveries))
        if isinstance(reply, Committed):
            return
        if isinstance(reply, Conflict) and work.id in reply.stale:
            # A paused process that woke: somebody else has the work now. What was sent was sent, and may be sent twice.
            sent = tuple(attrs.evolve(event, is_possible_duplicate=True) for event in events if isinstance(event, PageSent))
            if not sent:
                return
            is_ours, events = False, sent
    raise UnavailableError(f"{ATTEMPTS} conflicts in a row on page {work.id}")
