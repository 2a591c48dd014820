"""Laws 3 to 7 in virtual time, with the real loops: who is told, who is told again, who is not, and who hears that it is over."""

from __future__ import annotations

from datetime import timedelta

import incidentkit as ik
from incidentkit.model import Delivery, PageKind, Status
from incidentkit.testing import World

SLACK = {"type": "slack", "url": "https://hooks.slack.com/services/T/B/X"}
HOOK = {"type": "webhook", "url": "https://ops.example.com/hook"}
PLAN = ik.Policy(name="all", rounds=1, steps=[ik.Step(tell="slack", then_wait="5m"), ik.Step(tell="hook", then_wait="10m")])


def world(**keys) -> World:
    return World(**{"notifiers": {"slack": SLACK, "hook": HOOK}, "policies": [PLAN], **keys})


def told(made: World) -> list[tuple[str, str]]:
    return [(one.notification.notifier, one.notification.kind.value) for one in made.sent]


def facts(made: World) -> list[str]:
    return [type(entry.event).__name__ for entry in made.engine.history(1)]


def test_a_refused_page_is_a_dead_letter_and_the_plan_moves_on_at_once():
    with world(answers={"slack": Delivery.refused("410 Gone")}) as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        assert told(made) == [("slack", "first"), ("hook", "first")]
        (dead,) = made.engine.dead_letters()
        assert dead.last_error == "410 Gone"
        made.resolve(by="ada")
        made.advance("1s")
        assert told(made)[2:] == [("hook", "resolved")], "who was never reached is not told of the resolve"


def test_a_page_is_tried_again_with_the_same_key_and_not_before_the_service_allows():
    answers = iter([Delivery.retry("429", after=timedelta(seconds=90)), Delivery.accepted("r")])
    with world(answers={"slack": lambda _: next(answers)}) as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("80s")
        assert len(made.sent) == 1
        made.advance("20s")
        first, second = made.sent
        assert first.notification.idempotency_key == second.notification.idempotency_key
        assert second.at - first.at >= timedelta(seconds=90)


def test_a_page_that_nobody_takes_dies_at_its_deadline_and_the_plan_had_moved_on():
    with world(answers={"slack": Delivery.retry("503")}) as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("30m")
        assert [row.id for row in made.engine.dead_letters()] == [made.sent[0].notification.idempotency_key]
        assert "PageAbandoned" in facts(made)
        assert ("hook", "first") in told(made)


def test_everybody_dead_tells_the_fallback_and_says_so():
    with world(answers={"slack": Delivery.refused("no"), "hook": Delivery.refused("no")}) as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("1h")
        assert "NobodyReachable" in facts(made)


def test_nobody_is_paged_after_an_acknowledgement():
    with world() as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        made.acknowledge(by="ada")
        made.assert_nobody_paged(during="3h")


def test_an_acknowledged_critical_is_paged_again_after_half_an_hour():
    with world() as made:
        ik.report("it broke", key="k", severity="critical")
        made.advance("1s")
        made.acknowledge(by="ada")
        made.assert_nobody_paged(during="29m")
        made.advance("2m")
        assert told(made)[-1] == ("hook", "first")


def test_a_muted_page_is_sent_at_the_end_of_the_mute():
    with world() as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("1m")
        made.engine.mute(1, by="ada", until=made.clock.now() + timedelta(hours=1))
        made.assert_nobody_paged(during="59m")
        made.advance("10m")
        assert told(made) == [("slack", "first"), ("hook", "first")], "the wait that was left is waited, then the next step is told"


def test_a_relapse_tells_everybody_once_and_is_the_same_incident():
    watch = ik.watch("telling.relapse", severity="major", when="1 in 1m", quiet="5m")

    def fail() -> None:
        try:
            with watch:
                raise TimeoutError("db")
        except TimeoutError:
            return

    with world() as made:
        fail()
        made.advance("70s")
        for _ in range(10):
            with watch:
                made.advance("1s")
        assert made.incidents[0].status is Status.MONITORING
        fail()
        made.advance("2s")
        assert made.incidents[0].status is Status.TRIGGERED
        assert told(made) == [("slack", "first"), ("slack", "update")]
        assert len(made.incidents) == 1


def test_without_successes_a_watched_site_is_quiet_after_four_hours_and_never_proved():
    watch = ik.watch("telling.silent", severity="major", when="1 in 1m", quiet="5m")
    with world() as made:
        try:
            with watch:
                raise TimeoutError("db")
        except TimeoutError:
            made.advance("3h 59m".replace(" ", ""))
        assert made.incidents[0].status is Status.TRIGGERED
        made.advance("2m")
        assert (made.incidents[0].status, made.incidents[0].cause) == (Status.RESOLVED, "quiet")


def test_a_problem_that_comes_back_soon_is_the_same_incident_and_later_a_new_one():
    with world() as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        ik.ok(key="k")
        made.advance("14m")
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        assert [incident.status for incident in made.incidents] == [Status.TRIGGERED]
        assert made.incidents[0].occurrences == 2
        ik.ok(key="k")
        made.advance("16m")
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        assert len(made.incidents) == 2
        assert made.incidents[1].number == 2


def test_a_recovery_before_its_firing_and_one_for_something_never_seen_do_no_harm():
    with world() as made:
        ik.ok(key="never-seen")
        made.advance("1s")
        assert made.incidents == []
        ik.report("it broke", key="k", severity="major")
        ik.ok(key="k")
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        (incident,) = made.incidents
        assert incident.status is Status.TRIGGERED, "three reports in one flush keep their order"
        assert incident.occurrences == 2


def test_an_engine_that_slept_for_hours_rings_late_timers_once_and_waits_the_next_wait_in_full():
    """Law 6: nobody beats for two hours in the middle of a plan with a step every five minutes."""
    plan = ik.Policy(name="all", rounds=None, steps=[ik.Step(tell="slack", then_wait="5m")])
    with world(policies=[plan]) as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        made.clock.advance(timedelta(hours=2))
        made.settle()
        assert len(made.pages) == 2
        late = made.pages[-1].at
        made.advance("10m")
        assert [one.at - late for one in made.pages[2:]] == [timedelta(minutes=5), timedelta(minutes=10)]


def test_what_rings_is_never_rung_for_a_resolve():
    class Phone:
        name, to, is_quiet, deadline = "phone", "+49", False, timedelta(minutes=15)

        def send(self, notification):
            return Delivery.accepted("call")

    with World(notifiers={"phone": Phone()}, policies=[ik.Policy(name="all", steps=[ik.Step(tell="phone", then_wait="5m")])]) as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        made.resolve(by="ada")
        made.advance("1m")
        assert [one.notification.kind for one in made.sent] == [PageKind.FIRST]
        assert "resolve not tellable" in str([entry.event for entry in made.engine.history(1)])


def test_the_explanation_equals_the_decision():
    with world(rules=[ik.Rule(match='title=~".*deadlock.*"', severity="critical")]) as made:
        explained = made.engine.explain("deadlock in orders", key="k", service="db")
        assert explained.outcome == "opens"
        ik.report("deadlock in orders", key="k", service="db")
        made.advance("1s")
        (incident,) = made.incidents
        assert incident.severity.value == explained.facts["severity"] == "critical"
        assert [("slack", made.sent[0].notification.target)] == list(explained.facts["told"])
        assert made.engine.explain("deadlock in orders", key="k", service="db").outcome == "joins"


def test_configure_inside_a_world_returns_its_engine_and_starts_nothing():
    with world() as made:
        assert ik.configure(app="other") is made.engine


def test_a_year_of_silence_costs_nothing():
    with world() as made:
        made.advance("365d")
        assert made.sent == []


def test_a_page_that_waits_for_its_next_try_is_withheld_once_somebody_took_it():
    """Law 5: the state is read again before every send, not only before the first."""
    answers = iter([Delivery.retry("503"), Delivery.accepted("r")])
    with world(answers={"slack": lambda _: next(answers)}) as made:
        ik.report("it broke", key="k", severity="major")
        made.advance("1s")
        made.acknowledge(by="ada")
        made.advance("10m")
        assert len(made.sent) == 1
        assert "PageWithheld" in facts(made)


def test_two_successes_are_no_proof_however_long_they_lie_apart():
    watch = ik.watch("telling.two", severity="major", when="1 in 1m", quiet="5m")
    with world() as made:
        try:
            with watch:
                raise TimeoutError("db")
        except TimeoutError:
            made.advance("70s")
        for _ in range(2):
            with watch:
                made.advance("90s")
        made.advance("30m")
        assert made.incidents[0].status is Status.MONITORING
