"""Alertmanager's own test tables judge our matchers and our tree (tests/data/alertmanager). Every deviation is listed, with our answer."""

import json
from pathlib import Path

import pytest

from incidentkit.errors import ConfigurationError
from incidentkit.model import Signal
from incidentkit.policy import Book, Comparison, Match, NotifierFacts, Op, Policy, Step, Subject, parse_match

DATA = Path(__file__).parents[1] / "data" / "alertmanager"
MATCHERS = json.loads((DATA / "matchers.json").read_text("utf-8"))["cases"]
ROUTES = json.loads((DATA / "route.json").read_text("utf-8"))

ONE_GRAMMAR = "we have one grammar, the newer (utf8) one, and it refuses this too"
#: case: (our answer, why); None is "refused".
DEVIATIONS = {
    "labels.TestMatchers[4] {foo=`}": (None, ONE_GRAMMAR),
    "labels.TestMatchers[26] tricky=~~~": (None, ONE_GRAMMAR),
    "labels.TestMatchers[30] {foo=bar}},}": (None, ONE_GRAMMAR),
    "labels.TestMatchers[32] {foo=bar\\t}": (None, ONE_GRAMMAR),
    "labels.TestMatchers[34] {foo=bar\\}": (None, ONE_GRAMMAR),
    'labels.TestMatchers[36] {foo=bar\\"}': (None, ONE_GRAMMAR),
    'labels.TestMatchers[42] {invalid-name = "valid label"}': (
        [{"name": "invalid-name", "op": "=", "value": "valid label"}], "the newer grammar takes a dash in a name"),
    "labels.TestMatchers[52] {foo=}b": (None, ONE_GRAMMAR),
}
#: We have no JSON form of a matcher: its text is the form that is stored and shown.
NOT_SUPPORTED = {"to_json", "from_json"}


def our_answer(case):
    match case["kind"]:
        case "match":
            match = Match((Comparison("x", Op(case["op"]), (case["pattern"],)),))
            return match.holds(Subject.of(Signal(title="", labels={"x": case["value"]})))
        case "string":
            stated = case["matcher"]
            return str(Match((Comparison(stated["name"], Op(stated["op"]), (stated["value"],)),)))
        case "parse" | "parse_one":
            try:
                found = parse_match(case["input"]).comparisons
            except ConfigurationError:
                return None
            if case["kind"] == "parse_one" and len(found) != 1:
                return None
            return [{"name": one.name, "op": one.op.value, "value": one.values[0]} for one in found]
        case "to_json" | "from_json":
            return "not supported"
    raise AssertionError(case["kind"])


@pytest.mark.parametrize("case", MATCHERS, ids=lambda case: case["name"])
def test_a_matcher_means_what_alertmanager_means(case):
    answer = our_answer(case)
    if case["kind"] in NOT_SUPPORTED:
        assert answer == "not supported"
    elif case["name"] in DEVIATIONS:
        assert answer == DEVIATIONS[case["name"]][0]
        assert answer != case["expected"], "the deviation is gone: take it off the list"
    else:
        assert answer == case["expected"]


def test_every_deviation_names_a_case():
    assert set(DEVIATIONS) <= {case["name"] for case in MATCHERS}


def policies_of(routes):
    made = []
    for number, route in enumerate(routes):
        matchers = tuple(Comparison(stated["name"], Op(stated["op"]), (stated["value"],)) for stated in route["matchers"])
        made.append(Policy(
            str(number), match=Match(matchers), continue_=route["continue"], group_by=route["group_by"],
            steps=None if route["receiver"] is None else [Step(route["receiver"])], policies=policies_of(route["routes"])))
    return made


def told(route):
    return [target for step in route.steps for target in step.tell]


@pytest.mark.parametrize("case", ROUTES["cases"], ids=lambda case: case["name"])
def test_a_tree_routes_as_alertmanager_does(case):
    """Its root, which has no matchers, is our default policy. Timers and the group of all labels ('...') are not in this version."""
    tree = ROUTES["trees"][case["tree"]]["tree"]
    receivers = {"notify-def", "notify-A", "notify-testing", "notify-productionA", "notify-productionB", "notify-BC"}
    notifiers = {name: NotifierFacts(name=name, to="x" if name == tree["receiver"] else "") for name in receivers}
    facts = {name: NotifierFacts(name=name, to="x") for name in receivers}
    book = Book.build(policies=policies_of(tree["routes"]), notifiers=facts)
    found = book.route(Subject.of(Signal(title="", labels=case["labels"])))
    default = Book.build(notifiers=notifiers).tree.default
    answer = [told(default if route.is_default else route) for route in found]
    inherits_root = [["notify-def"] if not route.is_default and not route.steps else names for route,
    names in zip(found, answer, strict=True)]
    assert inherits_root == [[expected["receiver"]] for expected in case["expected"]]
    assert [sorted(route.group_by) for route in found] == [
        sorted(["..."] if expected["group_by_all"] else expected["group_by"]) for expected in case["expected"]]
    assert len({route.policy for route in found}) == len(set(case["expected_keys"]))
