"""The rules of an incident's life, one behaviour each, with the exact instants."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from incidentkit.lifecycle import RULES, decide, state_diagram
from incidentkit.model import (
    EVENT_TYPES,
    AckLapsed,
    Acknowledged,
    AlertFired,
    AlertRecovered,
    Event,
    Ignored,
    Muted,
    NobodyReachable,
    Noted,
    Page,
    PageAbandoned,
    PageClaimLost,
    PageKind,
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
    Wake,
    WakeReason,
)
from tests.lifecycle_support import MINUTE, NOW, after, apply, opened, plan, stored, watched

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


def page_of(incident, notifier="slack"):
    return next(told.page for told in incident.told if told.notifier == notifier)


def sent(incident, notifier="slack"):
    return PageSent(page=page_of(incident, notifier), notifier=notifier, ref="r1")


def step_due(incident):
    return StepDue(plan=0, generation=incident.plans[0].generation)


def pages(decision):
    return [(row.body.kind, row.body.notifier) for row in decision.work if isinstance(row.body, Page)]


def wakes(decision):
    return {row.body.reason: row.due_at for row in decision.work if isinstance(row.body, Wake)}


def test_every_status_and_event_pair_has_a_row():
    """A new status or event fails here until somebody decides what it means."""
    assert {(status, kind) for status in Status for kind in EVENT_TYPES} == set(RULES)


@pytest.mark.parametrize("status", list(Status))
def test_an_event_of_a_newer_version_is_recorded_as_ignored(status):
    class Teleported(Event):
        pass

    decision = decide(attrs.evolve(opened(), status=status), Teleported(), now=NOW)
    assert decision.events == (Ignored(event="Teleported", reason="not known to this version"),)


def test_the_state_diagram_names_every_row():
    diagram = state_diagram()
    assert diagram.count("\n| ") == len(RULES) + 1
    assert "triggered --> acknowledged: Acknowledged" in diagram


def test_opening_tells_the_first_step_only():
    incident = opened()
    assert [(told.notifier, told.state) for told in incident.told] == [("slack", ToldState.PENDING)]
    assert incident.plans[0].next_at == NOW + 5 * MINUTE


def test_the_next_step_is_told_at_the_very_instant_its_wait_is_over():
    incident = opened()
    assert not apply(incident, step_due(incident), at=5 * MINUTE - TICK).is_change
    assert pages(apply(incident, step_due(incident), at=5 * MINUTE)) == [(PageKind.FIRST, "phone")]


def test_a_timer_of_an_older_generation_is_void():
    incident = opened()
    assert not apply(incident, StepDue(plan=0, generation=incident.plans[0].generation - 1), at=5 * MINUTE).is_change


def test_the_second_round_reminds_those_who_were_told():
    incident = opened(plan("slack", rounds=2))
    incident = after(incident, (SECOND, sent(incident)))
    decision = apply(incident, step_due(incident), at=5 * MINUTE)
    assert pages(decision) == [(PageKind.REMINDER, "slack")]
    assert decision.incident.plans[0].state is PlanState.SPENT


def test_a_plan_without_an_end_never_is_spent():
    incident = opened(plan("slack", rounds=None))
    for turn in range(1, 6):
        decision = apply(incident, step_due(incident), at=turn * 5 * MINUTE)
        assert pages(decision) == [(PageKind.FIRST, "slack")]
        incident = stored(decision.incident)
    assert incident.plans[0].round == 6


def test_acknowledging_stops_the_plan():
    incident = after(opened(), (MINUTE, Acknowledged(by="ada")))
    assert (incident.status, incident.acknowledged_by, incident.responders) == (Status.ACKNOWLEDGED, "ada", ("ada",))
    assert not apply(incident, step_due(incident), at=5 * MINUTE).is_change


def test_a_second_acknowledgement_is_recorded_as_ignored():
    incident = after(opened(), (MINUTE, Acknowledged(by="ada")))
    assert apply(incident, Acknowledged(by="grace"), at=2 * MINUTE).events == (
        Ignored(event="Acknowledged", reason="already acknowledged by ada", by="grace"),)


def test_an_acknowledgement_without_timeout_never_lapses():
    incident = after(opened(), (MINUTE, Acknowledged(by="ada")))
    assert incident.ack_until is None
    assert not apply(incident, AckLapsed(), at=timedelta(days=365)).is_change


def test_a_lapsed_acknowledgement_goes_on_at_the_next_step_at_the_exact_instant():
    incident = after(opened(ack_timeout=30 * MINUTE), (MINUTE, Acknowledged(by="ada")))
    assert not apply(incident, AckLapsed(), at=31 * MINUTE - TICK).is_change
    decision = apply(incident, AckLapsed(), at=31 * MINUTE)
    assert decision.incident.status is Status.TRIGGERED
    assert pages(decision) == [(PageKind.FIRST, "phone")]


def test_a_lapsed_acknowledgement_of_a_spent_plan_starts_again():
    """An acknowledged CRITICAL that nobody works on must page somebody, also when the plan had no step left."""
    incident = after(opened(plan("slack"), ack_timeout=30 * MINUTE), (SECOND, Acknowledged(by="ada")))
    assert pages(apply(incident, AckLapsed(), at=30 * MINUTE + SECOND)) == [(PageKind.FIRST, "slack")]


def test_snoozing_lapses_at_its_own_instant():
    incident = after(opened(), (MINUTE, Acknowledged(by="ada", until=NOW + 60 * MINUTE)))
    assert not apply(incident, AckLapsed(), at=60 * MINUTE - TICK).is_change
    assert apply(incident, AckLapsed(), at=60 * MINUTE).incident.status is Status.TRIGGERED


def test_giving_it_back_goes_on_at_the_next_step():
    incident = after(opened(), (MINUTE, Acknowledged(by="ada")))
    assert pages(apply(incident, Unacknowledged(by="ada"), at=2 * MINUTE)) == [(PageKind.FIRST, "phone")]


def test_worse_severity_after_an_acknowledgement_pages_again():
    incident = after(opened(), (MINUTE, Acknowledged(by="ada")))
    decision = apply(incident, AlertFired(fingerprint="f1", severity=Severity.CRITICAL), at=2 * MINUTE)
    assert decision.incident.severity is Severity.CRITICAL
    assert decision.incident.status is Status.TRIGGERED
    assert pages(decision) == [(PageKind.FIRST, "slack")]


def test_the_same_severity_after_an_acknowledgement_pages_nobody():
    incident = after(opened(), (MINUTE, Acknowledged(by="ada")))
    decision = apply(incident, AlertFired(fingerprint="f2", severity=Severity.MAJOR), at=2 * MINUTE)
    assert decision.incident.alerts == ("f1", "f2")
    assert pages(decision) == []


def test_a_dead_letter_moves_the_plan_on_at_once():
    incident = opened()
    decision = apply(incident, PageAbandoned(page=page_of(incident), notifier="slack", why="410"), at=SECOND)
    assert pages(decision) == [(PageKind.FIRST, "phone")]


def test_a_dead_letter_waits_for_the_other_targets_of_its_step():
    steps = plan("slack", "phone")
    both = attrs.evolve(steps, steps=(attrs.evolve(steps.steps[0], tell=("slack", "mail")), steps.steps[1]))
    incident = opened(both)
    incident = after(incident, (SECOND, PageAbandoned(page=page_of(incident, "slack"), notifier="slack")))
    assert incident.plans[0].step == 0
    decision = apply(incident, PageAbandoned(page=page_of(incident, "mail"), notifier="mail"), at=2 * SECOND)
    assert pages(decision) == [(PageKind.FIRST, "phone")]


def test_a_dead_letter_beside_an_accepted_page_moves_nothing():
    steps = plan("slack", "phone")
    both = attrs.evolve(steps, steps=(attrs.evolve(steps.steps[0], tell=("slack", "mail")), steps.steps[1]))
    incident = opened(both)
    incident = after(incident, (SECOND, sent(incident, "mail")))
    assert pages(apply(incident, PageAbandoned(page=page_of(incident), notifier="slack"), at=2 * SECOND)) == []


def test_a_dead_letter_of_the_last_step_tells_the_fallback():
    incident = opened(plan("slack"))
    decision = apply(incident, PageAbandoned(page=page_of(incident), notifier="slack"), at=SECOND)
    assert pages(decision) == [(PageKind.FIRST, "last")]
    assert any(isinstance(event, NobodyReachable) for event in decision.events)


def test_a_target_that_means_nobody_is_a_fact_with_a_fallback():
    incident = opened(plan("nobody", "phone"))
    assert [told.notifier for told in incident.told] == ["last"]


def test_resolving_tells_everybody_who_was_reached_and_nobody_else():
    incident = opened()
    incident = after(incident, (SECOND, sent(incident)))
    incident = after(incident, (5 * MINUTE, step_due(incident)))
    decision = apply(incident, Resolved(by="ada"), at=6 * MINUTE)
    assert pages(decision) == [(PageKind.RESOLVED, "slack")]


def test_a_page_that_was_sent_while_the_incident_was_resolved_gets_its_resolve():
    incident = opened()
    resolved = after(incident, (SECOND, Resolved(by="ada")))
    assert pages(apply(resolved, sent(incident), at=2 * SECOND)) == [(PageKind.RESOLVED, "slack")]


def test_a_page_that_may_have_been_sent_gets_its_resolve():
    """A crash between send and settle: the person may have been woken, so the person hears that it is over."""
    incident = opened()
    resolved = after(incident, (SECOND, Resolved(by="ada")))
    withheld = PageWithheld(page=page_of(incident), why="resolved", is_possible=True)
    assert pages(apply(resolved, withheld, at=2 * SECOND)) == [(PageKind.RESOLVED, "slack")]
    surely_not = attrs.evolve(withheld, is_possible=False)
    assert pages(apply(resolved, surely_not, at=2 * SECOND)) == []


def test_a_lost_answer_counts_as_told_at_the_resolve():
    incident = opened()
    incident = after(incident, (SECOND, PageClaimLost(page=page_of(incident))))
    assert pages(apply(incident, Resolved(by="ada"), at=2 * SECOND)) == [(PageKind.RESOLVED, "slack")]


def test_monitoring_begins_when_the_condition_no_longer_holds_and_never_before():
    incident = watched()
    held = NOW + MINUTE
    assert not apply(incident, Succeeded(held_until=held, evidence=""), at=MINUTE - TICK).is_change
    decision = apply(incident, Succeeded(held_until=held, evidence=""), at=MINUTE)
    assert decision.incident.status is Status.MONITORING
    assert wakes(decision) == {WakeReason.QUIET: held + 5 * MINUTE}


def test_what_nothing_can_prove_is_never_monitored():
    assert not apply(opened(), Succeeded(held_until=NOW, evidence=""), at=MINUTE).is_change


def monitored(**fields):
    incident = watched(**fields)
    incident = after(incident, (SECOND, sent(incident)))
    return after(incident, (MINUTE, Succeeded(held_until=NOW + MINUTE, evidence="")))


def quiet(*, proved=True, seen=timedelta(0), recheck=None):
    return QuietElapsed(last_seen_at=NOW + seen, is_proved=proved, evidence="412 successes, 0 failures in 5 min", recheck_at=recheck)


def test_proved_needs_the_whole_window_and_the_evidence():
    incident = monitored()
    assert not apply(incident, quiet(), at=6 * MINUTE - TICK).is_change
    decision = apply(incident, quiet(), at=6 * MINUTE)
    assert (decision.incident.status, decision.incident.cause) == (Status.RESOLVED, "proved")
    assert decision.incident.evidence == "412 successes, 0 failures in 5 min"
    assert pages(decision) == [(PageKind.RESOLVED, "slack")]


def test_without_evidence_the_window_alone_resolves_nothing():
    decision = apply(monitored(), quiet(proved=False, recheck=NOW + 7 * MINUTE), at=6 * MINUTE)
    assert decision.incident.status is Status.MONITORING
    assert wakes(decision) == {WakeReason.QUIET: NOW + 7 * MINUTE}


def test_without_evidence_it_is_quiet_after_the_long_wait_and_says_so():
    incident = attrs.evolve(monitored(), quiet_at=NOW + 240 * MINUTE)
    decision = apply(incident, quiet(proved=False), at=240 * MINUTE)
    assert (decision.incident.status, decision.incident.cause) == (Status.RESOLVED, "quiet")


def test_monitoring_pauses_the_plan_and_a_relapse_resumes_the_wait_that_was_left():
    incident = monitored()
    assert incident.plans[0].wait_left == 4 * MINUTE
    decision = apply(incident, AlertFired(fingerprint="f1", severity=Severity.MAJOR), at=3 * MINUTE)
    assert decision.incident.status is Status.TRIGGERED
    assert decision.incident.plans[0].next_at == NOW + 7 * MINUTE
    assert pages(decision) == [(PageKind.UPDATE, "slack")]


def test_a_failure_below_the_condition_is_no_relapse():
    assert not apply(monitored(), AlertFired(fingerprint="f1", severity=Severity.MAJOR, holds=False), at=3 * MINUTE).is_change


def test_an_acknowledgement_survives_monitoring():
    incident = watched()
    incident = after(incident, (SECOND, sent(incident)), (2 * SECOND, Acknowledged(by="ada")),
                     (MINUTE, Succeeded(held_until=NOW + MINUTE, evidence="")))
    decision = apply(incident, AlertFired(fingerprint="f1", severity=Severity.MAJOR), at=3 * MINUTE)
    assert decision.incident.status is Status.ACKNOWLEDGED
    assert PageKind.FIRST not in [kind for kind, _ in pages(decision)]


def test_an_acknowledgement_that_lapses_while_monitored_pages_at_the_relapse():
    incident = watched(ack_timeout=10 * MINUTE)
    incident = after(incident, (SECOND, sent(incident)), (2 * SECOND, Acknowledged(by="ada")),
                     (MINUTE, Succeeded(held_until=NOW + MINUTE, evidence="")), (11 * MINUTE, AckLapsed()))
    decision = apply(incident, AlertFired(fingerprint="f1", severity=Severity.MAJOR), at=12 * MINUTE)
    assert decision.incident.status is Status.TRIGGERED
    assert (PageKind.FIRST, "phone") in pages(decision)


def test_after_three_relapses_monitoring_no_longer_pauses_the_plan():
    incident = watched(plan("slack", "phone", wait=60 * MINUTE))
    for turn in range(3):
        incident = after(incident, ((2 * turn + 1) * MINUTE, Succeeded(held_until=NOW, evidence="")),
                         ((2 * turn + 2) * MINUTE, AlertFired(fingerprint="f1", severity=Severity.MAJOR)))
        assert incident.relapses == turn + 1
    incident = after(incident, (10 * MINUTE, Succeeded(held_until=NOW, evidence="")))
    assert incident.status is Status.MONITORING
    assert incident.plans[0].state is PlanState.RUNNING


@pytest.mark.parametrize(("late", "status"), [(timedelta(0), Status.TRIGGERED), (TICK, Status.RESOLVED)])
def test_it_is_the_same_incident_up_to_the_very_end_of_reopen_within(late, status):
    incident = after(opened(), (MINUTE, Resolved(by="ada")))
    decision = apply(incident, AlertFired(fingerprint="f1", severity=Severity.MAJOR), at=16 * MINUTE + late)
    assert decision.incident.status is status


def test_a_reopened_incident_is_triggered_and_an_acknowledged_plan_starts_at_step_one():
    incident = opened()
    incident = after(incident, (SECOND, sent(incident)), (2 * SECOND, Acknowledged(by="ada")), (MINUTE, Resolved(by="ada")))
    decision = apply(incident, Reopened(by="grace"), at=2 * MINUTE)
    assert decision.incident.status is Status.TRIGGERED
    assert decision.incident.acknowledged_by == ""
    assert pages(decision) == [(PageKind.REMINDER, "slack")]


def test_a_reopened_incident_whose_plan_was_running_goes_on_where_it_stood():
    incident = opened()
    incident = after(incident, (SECOND, sent(incident)), (2 * MINUTE, Resolved(by="ada")))
    decision = apply(incident, Reopened(by="grace"), at=4 * MINUTE)
    assert decision.incident.plans[0].next_at == NOW + 7 * MINUTE
    assert pages(decision) == [(PageKind.UPDATE, "slack")]


def test_muting_holds_the_plan_and_unmuting_resumes_what_was_left():
    incident = after(opened(), (MINUTE, Muted(by="ada", until=NOW + 60 * MINUTE)))
    assert not apply(incident, StepDue(plan=0, generation=incident.plans[0].generation), at=6 * MINUTE).is_change
    assert not apply(incident, Unmuted(is_timer=True), at=60 * MINUTE - TICK).is_change
    decision = apply(incident, Unmuted(is_timer=True), at=60 * MINUTE)
    assert not decision.incident.is_muted
    assert decision.incident.plans[0].next_at == NOW + 64 * MINUTE


def test_a_mute_into_the_past_is_ignored():
    assert isinstance(apply(opened(), Muted(by="ada", until=NOW), at=timedelta(0)).events[0], Ignored)


def test_all_alerts_ok_resolves_and_one_of_two_does_not():
    incident = after(opened(), (SECOND, AlertFired(fingerprint="f2", severity=Severity.MAJOR)))
    incident = after(incident, (MINUTE, AlertRecovered(fingerprint="f1", at=NOW)))
    assert incident.status is Status.TRIGGERED
    decision = apply(incident, AlertRecovered(fingerprint="f2", at=NOW), at=2 * MINUTE)
    assert (decision.incident.status, decision.incident.cause) == (Status.RESOLVED, "proved")


def test_what_is_not_seen_for_four_hours_is_quiet_and_not_called_proved():
    incident = opened()
    assert not apply(incident, quiet(), at=240 * MINUTE - TICK).is_change
    decision = apply(incident, quiet(), at=240 * MINUTE)
    assert decision.incident.cause == "quiet"


def test_a_repeat_moves_the_quiet_end():
    decision = apply(opened(), quiet(seen=100 * MINUTE), at=240 * MINUTE)
    assert decision.incident.status is Status.TRIGGERED
    assert wakes(decision) == {WakeReason.QUIET: NOW + 340 * MINUTE}


@pytest.mark.parametrize("event", [Acknowledged(by="a"), Unacknowledged(by="a"), Resolved(by="a"), Muted(by="a")])
def test_a_late_command_on_a_resolved_incident_is_recorded_with_the_reason(event):
    incident = after(opened(), (MINUTE, Resolved(by="ada")))
    decision = apply(incident, event, at=2 * MINUTE)
    assert decision.incident.status is Status.RESOLVED
    assert [type(fact) for fact in decision.events] == [Ignored]


def test_a_note_changes_only_the_timeline():
    incident = opened()
    decision = apply(incident, Noted(by="ada", text="looking"))
    assert attrs.evolve(decision.incident, updated_at=incident.updated_at) == incident
    assert decision.events == (Noted(by="ada", text="looking"),)
