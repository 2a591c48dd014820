"""Random lives of incidents: what must hold whatever happens, in whatever order."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from incidentkit.lifecycle import RULES, decide
from incidentkit.model import (
    AckLapsed,
    Acknowledged,
    AlertFired,
    AlertRecovered,
    Muted,
    Noted,
    Page,
    PageAbandoned,
    PageClaimLost,
    PageSent,
    PageWithheld,
    PlanState,
    QuietElapsed,
    Reopened,
    Resolved,
    Severity,
    Status,
    StepDue,
    Succeeded,
    ToldState,
    Unacknowledged,
    Unmuted,
    decode,
    encode,
)
from tests.lifecycle_support import NOW, apply, plan, stored, watched


def events(incident, now):
    """Every event that could come now, with the facts this incident would give it."""
    page = incident.told[-1].page if incident.told else "gone"
    made = [StepDue(plan=0, generation=incident.plans[0].generation), StepDue(plan=0, generation=0), Acknowledged(by="ada"),
            Acknowledged(by="ada", until=now + timedelta(hours=1)), AckLapsed(), Unacknowledged(by="ada"), Resolved(by="ada"),
            Reopened(by="ada"), Muted(by="ada"), Muted(by="ada", until=now + timedelta(minutes=7)), Unmuted(by="ada"),
            Unmuted(is_timer=True), Noted(by="ada", text="x"), PageSent(page=page, notifier="slack", ref="r"),
            PageAbandoned(page=page, notifier="slack"), PageWithheld(page=page, why="x"),
            PageWithheld(page=page, why="x", is_possible=True), PageClaimLost(page=page), AlertRecovered(fingerprint="f1", at=now), Succeeded(held_until=now, evidence=""),
            QuietElapsed(last_seen_at=NOW, is_proved=True, held_until=now - timedelta(minutes=6)), QuietElapsed(last_seen_at=NOW)]
    made += [AlertFired(fingerprint=name, severity=severity, holds=holds)
             for name in ("f1", "f2") for severity in (Severity.MAJOR, Severity.CRITICAL) for holds in (True, False)]
    return made


choices = st.lists(st.tuples(st.integers(0, 29), st.sampled_from([0, 1, 59, 60, 300, 301, 900, 14_400])), max_size=40)


@settings(max_examples=200, deadline=None)
@given(choices=choices, rounds=st.sampled_from([1, 2, None]))
def test_a_random_life_keeps_its_promises(choices, rounds):
    incident = watched(plan("slack", "phone", rounds=rounds))
    elapsed = timedelta(0)
    seen_work: set[str] = {told.page for told in incident.told}
    for which, seconds in choices:
        elapsed += timedelta(seconds=seconds)
        possible = events(incident, NOW + elapsed)
        event = possible[which % len(possible)]
        before = incident
        decision = apply(before, event, at=elapsed)
        after = decision.incident
        assert decide(before, event, now=NOW + elapsed) == decide(before, event, now=NOW + elapsed)
        if not decision.is_change:
            assert (after, decision.work, decision.events) == (before, (), ())
            continue
        incident = stored(after)
        for row in decision.work:
            if isinstance(row.body, Page) and row.body.kind.is_page:
                assert after.status in {Status.TRIGGERED, Status.MONITORING}, f"paged while {after.status}"
                assert row.id not in seen_work, "the same page twice"
                seen_work.add(row.id)
        for one in after.plans:
            assert (one.next_at is not None) == (one.state is PlanState.RUNNING)
            assert (one.wait_left is not None) == (one.state is PlanState.PAUSED)
        if after.status is Status.RESOLVED:
            assert after.resolved_at is not None
            assert after.cause
            assert not [one for one in after.plans if one.state is PlanState.RUNNING]
        else:
            assert after.resolved_at is None
        if after.status is Status.ACKNOWLEDGED:
            assert after.acknowledged_at is not None
            assert not [one for one in after.plans if one.state is PlanState.RUNNING]
        if before.status is Status.RESOLVED and after.is_open:
            assert after.status is Status.TRIGGERED
            assert after.cycle == before.cycle + 1
        assert set(after.recovered) <= set(after.alerts)
        settled = [told for told in after.told if told.state is not ToldState.PENDING]
        assert len({(told.notifier, told.target, told.state) for told in settled if told.state is ToldState.ACCEPTED}) <= 3
        assert decode(type(incident), encode(incident)) == incident


@given(status=st.sampled_from(list(Status)), at=st.integers(0, 100_000))
def test_decide_is_total(status, at):
    import attrs

    incident = attrs.evolve(watched(), status=status)
    for event in events(incident, NOW + timedelta(seconds=at)):
        assert (status, type(event)) in RULES
        assert apply(incident, event, at=timedelta(seconds=at)).incident.id == incident.id
