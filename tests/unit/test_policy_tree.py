from datetime import timedelta

import pytest

from incidentkit.errors import ConfigurationError
from incidentkit.model import Severity, Signal
from incidentkit.policy import DEFAULT, Book, NotifierFacts, Policy, ResolveOn, Step, Subject
from incidentkit.settings import Settings

FACTS = {"slack": NotifierFacts(name="slack", to="#ops"), "log": NotifierFacts(name="log")}
STEPS = [{"tell": "slack"}]


def routes(*policies, **labels):
    book = Book.build(policies=policies, notifiers=FACTS)
    return book.route(Subject.of(Signal(title="t", severity=Severity.MAJOR, service="payments", labels=labels)))


def names(*policies, **labels):
    return [route.policy for route in routes(*policies, **labels)]


def node(name, match="", *policies, **more):
    return {"name": name, "match": match, "policies": list(policies), **more}


def test_the_first_that_matches_is_taken():
    assert names(node("a", "x=1"), node("b", "x=2"), node("c", "x=2"), x="2") == ["b"]


def test_continue_goes_on_to_the_next_that_matches():
    assert names(node("a", "x=1", **{"continue": True}), node("b", "y=1"), node("c"), node("d"), x="1") == ["a", "c"]


def test_children_come_before_their_parent_which_is_taken_when_none_matches():
    tree = node("a", "x=1", node("b", "y=1", node("c", "z=1")), node("d", "y=2"))
    assert names(tree, x="1", y="1", z="1") == ["a/b/c"]
    assert names(tree, x="1", y="1") == ["a/b"]
    assert names(tree, x="1", y="2") == ["a/d"]
    assert names(tree, x="1") == ["a"]
    assert names(tree, y="1") == [DEFAULT]


def test_a_child_that_continues_adds_its_neighbours_and_leaves_the_parent_out():
    tree = node("a", "", node("b", "", **{"continue": True}), node("c", "y=1"), node("d"))
    assert names(tree, node("e")) == ["a/b", "a/d"]


def test_continue_of_the_parent_is_about_its_own_neighbours():
    tree = node("a", "", node("b"), **{"continue": True})
    assert names(tree, node("e")) == ["a/b", "e"]


def test_a_route_says_which_matches_led_to_it():
    (route,) = routes(node("a", "x=1", node("b", "", node("c", 'y=~"1.*"'))), x="1", y="12")
    assert route.why == 'x="1", y=~"1.*"'
    assert route.path == ("a", "b", "c")
    assert routes(node("a"))[0].why == "matches everything"
    assert routes(node("a", "", node("b", "x=1")), x="1")[0].why == 'x="1"'
    assert routes()[0].why == "no policy matches"


def test_what_a_child_leaves_out_it_inherits():
    parent = {"steps": [{"tell": ["slack", "log:x"], "then_wait": "7m"}], "rounds": 3, "group_by": ["service"], "quiet_after": "1h",
              "ack_timeout": "10m", "reopen_within": "0s", "resolve_on": "first", "environments": ["staging"]}
    (route,) = routes(node("a", "", node("b"), **parent))
    assert route.steps == (Step(["slack", "log:x"], "7m"),)
    assert (route.rounds, route.group_by, route.quiet_after) == (3, ("service",), timedelta(hours=1))
    assert (route.ack_timeout, route.reopen_within, route.resolve_on) == (timedelta(minutes=10), timedelta(0), ResolveOn.FIRST)
    assert route.environments == ("staging",)


def test_what_a_child_states_is_its_own():
    parent = {"steps": STEPS, "rounds": 3, "group_by": ["service"], "ack_timeout": "10m", "environments": ["staging"]}
    (route,) = routes(node("a", "", node("b", steps=[], rounds="forever", group_by=[], ack_timeout="1m", environments=[]), **parent))
    assert (route.steps, route.rounds, route.group_by, route.ack_timeout, route.environments) == ((), None, (), timedelta(minutes=1), ())


def test_without_a_word_the_timers_are_those_of_the_settings():
    settings = Settings(quiet_after=timedelta(hours=9), reopen_within=timedelta(minutes=9), repeat_every=timedelta(hours=2))
    book = Book.build(policies=[node("a", "x=1", steps=STEPS)], notifiers=FACTS, settings=settings)
    for found in (book.route(Subject.of(Signal(title="", labels={"x": "1"}))), book.route(Subject.of(Signal(title="")))):
        assert (found[0].quiet_after, found[0].reopen_within, found[0].ack_timeout) == (timedelta(hours=9), timedelta(minutes=9), None)
    assert book.tree.default.repeat_every == timedelta(hours=2)
    assert book.tree.routes()[0].repeat_every is None


@pytest.mark.parametrize(("parent", "child", "rounds", "hours"), [
    ({"repeat_every": "4h"}, {}, 1, 4), ({"repeat_every": "4h"}, {"rounds": 2}, 2, None),
    ({"repeat_every": "4h"}, {"rounds": "forever"}, None, None),
    ({"repeat_every": "4h"}, {"rounds": 1}, 1, 4), ({"rounds": 3}, {"repeat_every": "1h"}, 1, 1), ({"rounds": 3}, {}, 3, None),
    ({"repeat_every": "4h"}, {"repeat_every": "2h"}, 1, 2),
])
def test_rounds_and_repeat_every_replace_each_other_on_the_way_down(parent, child, rounds, hours):
    (route,) = routes(node("a", "", node("b", **child), **parent))
    assert (route.rounds, route.repeat_every) == (rounds, None if hours is None else timedelta(hours=hours))


def test_without_a_match_everybody_with_a_default_target_is_told_and_info_is_stored_only():
    (route,) = routes(node("a", "x=1"))
    assert route.is_default
    assert route.steps == (Step("slack"),)
    assert (route.repeat_every, route.repeat_from, route.tell_from) == (timedelta(hours=4), Severity.MAJOR, Severity.MINOR)


def test_without_any_default_target_stderr_is_told():
    for facts in ({}, {"log": FACTS["log"]}):
        assert Book.build(notifiers=facts).tree.default.steps == (Step("stderr"),)


@pytest.mark.parametrize(("match", "labels", "is_found"), [
    ('x=""', {}, True), ('x=""', {"x": ""}, True), ('x=""', {"x": "1"}, False), ('x in ("", "a")', {}, True),
    ('x in ("a", "b")', {"x": "b"}, True),
    ('x=~"a|b"', {"x": "b"}, True), ('x=~"a|"', {}, True), ('x!="1"', {}, True), ("labels.x=1", {"x": "1"}, True),
    ("severity>=major", {}, True),
    ("severity>major", {}, False), ("severity<major", {}, False), ("service=payments, x=1", {"x": "1"}, True),
    ("service=other, x=1", {"x": "1"}, False),
    ("labels.service=payments", {}, False), ("labels.service=a", {"service": "a"}, True),
])
def test_the_index_finds_what_matches(match, labels, is_found):
    """The neighbours make sure that an index is used, and that it has other values of the same names."""
    neighbours = [node(f"n{at}", f'x="n{at}", service="s{at}", details.d="d{at}"') for at in range(5)]
    assert names(*neighbours, node("it", match), **labels) == (["it"] if is_found else [DEFAULT])


def test_details_are_indexed_too():
    book = Book.build(policies=[node(f"p{at}", f"details.order.id={at}") for at in range(10)])
    assert book.route(Subject.of(Signal(title="", details={"order": {"id": 7}})))[0].policy == "p7"


def test_only_candidates_are_asked():
    """The cost must not grow with policies that cannot match: each test of another one would be a growth."""
    book = Book.build(policies=[node(f"p{at}", f'severity>=major, env=prod, label{at}=~"x.*", service="svc{at}"') for at in range(1_000)])
    level = book.tree._top
    for labels in ({}, {"env": "prod"}, {"env": "prod", "label7": "xy"}):
        subject = Subject.of(Signal(title="", service="svc7", severity=Severity.MAJOR, labels=labels))
        assert list(level._candidates(subject)) == [7]


class CountedLabels(dict):
    asked = 0

    def get(self, name, default=None):
        self.asked += 1
        return super().get(name, default)


@pytest.mark.parametrize(("have", "at"), [
    (CountedLabels(label3="x", other="y"), 3), (CountedLabels({f"label{at}": "y" for at in range(200)} | {"label9": "x"}), 9),
])
def test_labels_cost_by_the_fewer_of_those_the_signal_has_and_those_asked_for(have, at):
    book = Book.build(policies=[node(f"p{at}", f"label{at}=x") for at in range(100)])
    assert list(book.tree._top._candidates(Subject.of(Signal(title=""), labels=have))) == [at]
    assert have.asked == min(len(have), 100)


def test_policies_may_be_objects():
    policy = Policy("a", match="x=1", steps=[Step("slack", then_wait="1m"), Step(["log:x"])], rounds=None, continue_=True,
                    policies=[Policy("b", match="y=1", steps=["slack"])])
    table = {"name": "a", "match": "x=1", "steps": [{"tell": "slack", "then_wait": "1m"}, {"tell": ["log:x"]}], "rounds": "forever",
             "continue": True, "policies": [{"name": "b", "match": "y=1", "steps": ["slack"]}]}
    assert Book.build(policies=[policy], notifiers=FACTS).tree.policies == Book.build(policies=[table], notifiers=FACTS).tree.policies


def test_floors_are_bounded():
    table = node("x")
    for _ in range(19):
        table = node("x", "", table)
    assert names(table) == ["/".join("x" * 20)]
    with pytest.raises(ConfigurationError, match="at most 20 floors"):
        names(node("x", "", table))
    policy = Policy("x")
    for _ in range(20):
        policy = Policy("x", policies=[policy])
    with pytest.raises(ConfigurationError, match="at most 20 floors"):
        names(policy)
