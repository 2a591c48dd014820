"""What evidence proves, at its exact boundaries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from incidentkit.model import Bucket, Incident, Recovery, Severity, Threshold
from incidentkit.policy.windows import EPOCH, held_until, window_sum
from incidentkit.resolve import EvidenceReport, judge, report_cell, report_of_cell
from incidentkit.settings import Settings
from incidentkit.testing import ManualClock
from tests.lifecycle_support import MINUTE, NOW

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


def report(**fields) -> EvidenceReport:
    return EvidenceReport(**{"process": "p", "is_reporter": True, "active_at": NOW, **fields})


def proved(*reports, now=NOW, held=NOW - MINUTE, dead=frozenset()) -> bool:
    return judge(reports, held_until=held, now=now, settings=Settings(), dead=dead).is_proved


@pytest.mark.parametrize(("late", "expected"), [(timedelta(0), True), (-TICK, False)])
def test_proof_must_reach_the_instant_at_which_the_condition_stopped_holding(late, expected):
    assert proved(report(proof_last_at=NOW + late), held=NOW) is expected


def test_without_a_report_nothing_is_proved():
    assert not proved()
    assert not proved(report(run_last_at=NOW, run_started_at=NOW - MINUTE))


@pytest.mark.parametrize(("silent", "counts"), [(10 * MINUTE, True), (10 * MINUTE + TICK, False)])
def test_a_reporter_that_is_silent_too_long_no_longer_counts_and_then_others_do(silent, counts):
    """While a process that reported the failure is there, only its evidence counts; afterwards anybody's."""
    reporter = report(process="reporter", active_at=NOW - silent)
    other = report(process="other", is_reporter=False, proof_last_at=NOW)
    assert proved(reporter, other) is not counts


def test_a_dead_reporter_counts_no_longer():
    reporter = report(process="reporter")
    other = report(process="other", is_reporter=False, proof_last_at=NOW)
    assert not proved(reporter, other)
    assert proved(reporter, other, dead=frozenset({"reporter"}))


def test_a_report_survives_its_cell():
    full = report(successes=412, failures=1, since=NOW - MINUTE, run_count=3, run_started_at=NOW, run_last_at=NOW, proof_last_at=NOW)
    assert report_of_cell(report_cell(full)) == full
    assert judge([full], held_until=NOW, now=NOW, settings=Settings()).statement == "412 successes, 1 failures in 1 min"


@pytest.mark.parametrize(("seconds", "successes", "expected"), [(60, 3, True), (59.999, 3, False), (60, 2, False), (600, 4, True)])
def test_a_run_is_proof_at_three_successes_over_sixty_seconds_and_not_before(seconds, successes, expected):
    from incidentkit.engine.sites import Tracker

    clock = ManualClock()
    incident = Incident(id="i", key="k", title="t", severity=Severity.MAJOR, opened_at=clock.now(), updated_at=clock.now(),
                        first_seen_at=clock.now(), last_seen_at=clock.now(), recovery=Recovery.PROVED,
                        when=Threshold(count=1, within=MINUTE))
    tracker = Tracker(incident, process="p", clock=clock, settings=Settings(), is_reporter=True)
    for number in range(successes):
        tracker.success()
        if number < successes - 1:
            clock.advance(seconds / (successes - 1))
    assert tracker.has_new_proof is expected
    tracker.failure()
    assert tracker.report().run_count == 0


def test_the_window_slides_by_slots_and_ends_where_the_oracle_says():
    threshold = Threshold(count=5, within=MINUTE)
    buckets = [Bucket(bucket=100, n=3, first_at=NOW, last_at=NOW), Bucket(bucket=103, n=2, first_at=NOW, last_at=NOW)]
    assert held_until(buckets, threshold) == EPOCH + 106 * 10 * SECOND
    counts = {100: 3, 103: 2}
    assert window_sum(counts, threshold, EPOCH + 106 * 10 * SECOND - TICK) == 5
    assert window_sum(counts, threshold, EPOCH + 106 * 10 * SECOND) == 2
    assert held_until(buckets[:1], threshold) is None
