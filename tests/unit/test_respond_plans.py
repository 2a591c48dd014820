from datetime import timedelta

import pytest

from incidentkit.model import Plan, PlanState, Severity, Signal, decode, encode
from incidentkit.policy import Book, NotifierFacts, Subject
from incidentkit.respond import plan_of

FACTS = {"slack": NotifierFacts(name="slack", to="#ops"), "log": NotifierFacts(name="log")}
HOUR = timedelta(hours=1)


def route_of(**keys):
    policies = [{"name": "p", **keys}] if keys else []
    return Book.build(policies=policies, notifiers=FACTS).route(Subject.of(Signal(title="")))[0]


def test_the_steps_are_frozen_as_stated():
    plan = plan_of(route_of(steps=[{"tell": ["slack", "log:x"], "then_wait": "7m"}, "slack"], rounds=3), severity=Severity.INFO)
    assert (plan.policy, plan.rounds, plan.step, plan.round, plan.state) == ("p", 3, -1, 1, PlanState.RUNNING)
    assert [(step.tell, step.then_wait) for step in plan.steps] == [(("slack", "log:x"), 7 * HOUR / 60), (("slack",), 5 * HOUR / 60)]


def test_forever_is_no_number_of_rounds():
    assert plan_of(route_of(steps=["slack"], rounds="forever"), severity=Severity.MINOR).rounds is None


def test_a_policy_that_tells_nobody_has_a_plan_without_steps():
    assert plan_of(route_of(match=""), severity=Severity.CRITICAL).steps == ()


@pytest.mark.parametrize(("severity", "steps", "rounds", "wait"), [
    (Severity.CRITICAL, 1, None, 4 * HOUR), (Severity.MAJOR, 1, None, 4 * HOUR), (Severity.MINOR, 1, 1, HOUR / 12),
    (Severity.INFO, 0, 1, None),
])
def test_by_default_all_but_info_are_told_and_major_and_up_again_every_four_hours(severity, steps, rounds, wait):
    plan = plan_of(route_of(), severity=severity)
    assert (len(plan.steps), plan.rounds) == (steps, rounds)
    assert [step.then_wait for step in plan.steps] == [wait][:steps]
    assert all(step.tell == ("slack",) for step in plan.steps)


@pytest.mark.parametrize(("severity", "rounds"), [(Severity.CRITICAL, None), (Severity.MAJOR, None), (Severity.MINOR, 1)])
def test_repeat_every_begins_again_after_the_last_step(severity, rounds):
    plan = plan_of(route_of(steps=["slack", "log:x"], repeat_every="2h", repeat_from="major"), severity=severity)
    assert plan.rounds == rounds
    assert [step.tell for step in plan.steps] == [("slack",), ("log:x",)]
    assert [step.then_wait for step in plan.steps] == [HOUR / 12, 2 * HOUR if rounds is None else HOUR / 12]


def test_repeat_every_without_a_severity_is_for_all():
    assert plan_of(route_of(steps=["slack"], repeat_every="2h"), severity=Severity.INFO).rounds is None


def test_repeat_every_without_steps_repeats_nothing():
    plan = plan_of(route_of(repeat_every="2h"), severity=Severity.CRITICAL)
    assert (plan.steps, plan.rounds) == ((), 1)


def test_the_environments_are_frozen_and_survive_the_store():
    plan = plan_of(route_of(steps=["slack"], environments=["staging"]), severity=Severity.MAJOR)
    assert decode(Plan, encode(plan)).extra["environments"] == ["staging"]
    assert plan_of(route_of(steps=["slack"]), severity=Severity.MAJOR).extra == {}
