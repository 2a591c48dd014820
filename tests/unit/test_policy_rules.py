import attrs
import pytest

from incidentkit.errors import ConfigurationError
from incidentkit.model import Impact, Link, Priority, Severity, Signal, Urgency
from incidentkit.policy import Rule, apply_rules, parse_match, parse_title, rules_from

SIGNAL = Signal(title="charge fails", fingerprint="f1", service="payments", labels={"team": "a"}, severity=Severity.MINOR)


def triage(*tables, signal=SIGNAL):
    return apply_rules(rules_from(tables), signal)


@pytest.mark.parametrize(("severity", "impact", "urgency", "priority"), [
    (Severity.CRITICAL, Impact.HIGH, Urgency.HIGH, Priority.P1),
    (Severity.MAJOR, Impact.HIGH, Urgency.MEDIUM, Priority.P2),
    (Severity.MINOR, Impact.MEDIUM, Urgency.MEDIUM, Priority.P3),
    (Severity.INFO, Impact.LOW, Urgency.LOW, Priority.P5),
])
def test_without_rules_priority_follows_from_severity(severity, impact, urgency, priority):
    found = apply_rules((), attrs.evolve(SIGNAL, severity=severity))
    assert (found.severity, found.impact, found.urgency, found.priority) == (severity, impact, urgency, priority)
    assert (found.title, found.labels, found.owner, found.links) == ("charge fails", {"team": "a"}, "", ())
    assert (found.applied, found.is_dropped) == ((), False)


def test_an_impact_that_the_signal_states_counts():
    assert apply_rules((), attrs.evolve(SIGNAL, impact=Impact.HIGH, urgency=Urgency.LOW)).priority is Priority.P3


def test_a_matrix_of_ones_own_decides_the_priority():
    matrix = {(impact, urgency): Priority.P4 for impact in Impact for urgency in Urgency}
    assert apply_rules((), SIGNAL, matrix=matrix).priority is Priority.P4


@pytest.mark.parametrize(("change", "before", "after"), [
    ({"severity": "critical"}, "minor", "critical"),
    ({"severity": "sev4"}, "critical", "info"),
    ({"raise_by": 1}, "minor", "major"), ({"raise_by": 2}, "minor", "critical"), ({"raise_by": 3}, "minor", "critical"),
    ({"raise_by": 1}, "critical", "critical"),
    ({"lower_by": 1}, "minor", "info"), ({"lower_by": 1}, "info", "info"), ({"lower_by": 3}, "critical", "info"),
])
def test_severity_is_set_or_moved_and_stays_in_bounds(change, before, after):
    assert triage(change, signal=attrs.evolve(SIGNAL, severity=Severity(before))).severity is Severity(after)


def test_rules_go_on_by_default_and_see_what_earlier_ones_said():
    found = triage(
        {"match": "severity=minor", "severity": "major"}, {"match": "severity=minor", "owner": "nobody"},
        {"match": "severity=major, priority=P2", "title": "{service}: {title}", "labels": {"seen": "1"}},
        {"match": 'title="payments: charge fails", seen=1', "owner": "ada"})
    assert (found.severity, found.title, found.owner) == (Severity.MAJOR, "payments: charge fails", "ada")
    assert found.labels == {"team": "a", "seen": "1"}
    assert len(found.applied) == 3


def test_stop_ends_the_list_only_for_a_signal_that_matches():
    rules = ({"match": "service=web", "stop": True}, {"match": "service=payments", "owner": "ada", "stop": True}, {"owner": "grace"})
    assert triage(*rules).owner == "ada"
    assert triage(*rules, signal=attrs.evolve(SIGNAL, service="web")).owner == ""
    assert triage(*rules, signal=attrs.evolve(SIGNAL, service="x")).owner == "grace"


def test_drop_ends_the_signal():
    found = triage({"owner": "ada"}, {"match": "service=payments", "drop": True, "name": "noise"}, {"owner": "grace"})
    assert found.is_dropped
    assert found.owner == "ada"
    assert found.applied[-1] == 'rules[1] "noise" (service="payments"): dropped'


def test_each_rule_that_matched_is_named_with_what_it_changed():
    found = triage({"name": "bad", "match": "service=payments", "raise_by": 1, "labels": {"team": "b"}, "links": ["https://x"],
    "stop": True})
    assert found.applied == (
        'rules[0] "bad" (service="payments"): severity minor -> major, labels.team \'b\', link https://x; stops',)
    assert triage({"severity": "minor"}).applied == ("rules[0] (): changes nothing",)


def test_a_priority_that_a_rule_states_wins_over_the_matrix():
    assert triage({"priority": "p1"}, {"severity": "info"}).priority is Priority.P1
    assert triage({"impact": "high", "urgency": "HIGH"}, {"severity": "info"}).priority is Priority.P1
    assert triage({"impact": "high"}).priority is Priority.P2


def test_links_are_added_once_and_those_of_the_signal_are_not_repeated():
    signal = attrs.evolve(SIGNAL, links=(Link(href="a"),))
    found = triage({"links": ["a", {"href": "b", "text": "B"}]}, {"links": [Link(href="b", text="B"), "c"]}, signal=signal)
    assert found.links == (Link(href="b", text="B"), Link(href="c"))


def test_the_signal_itself_is_never_changed():
    before = attrs.asdict(SIGNAL)
    triage({"raise_by": 1, "title": "x", "labels": {"team": "b"}})
    assert attrs.asdict(SIGNAL) == before


def test_rules_are_the_same_as_objects_and_as_tables():
    made = Rule(match='service="payments"', severity="major", labels={"a": "b"}, title="{title}!", links=["x"], impact=None)
    table = {"match": "service=payments", "severity": "major", "labels": {"a": "b"}, "title": "{title}!", "links": [{"href": "x"}]}
    assert rules_from([made]) == rules_from([table])


def test_numbers_and_booleans_of_a_file_become_labels():
    assert triage({"labels": {"n": 1, "yes": True, "f": 0.5}}).labels == {"team": "a", "n": "1", "yes": "true", "f": "0.5"}


@pytest.mark.parametrize(("template", "made"), [
    ("{service}: {title}", "payments: charge fails"), ("{labels.team}/{labels.none}", "a/"), ("{{{service}}}", "{payments}"), ("x", "x"),
    ("{severity} {priority} {status}", "minor P3 firing"), ("{details.order.id}", "charge fails"), ("a\n  b", "a b"),
    ("{service}" * 60, ("payments" * 60)[:300]),
])
def test_a_title_is_made_of_fields_on_one_line(template, made):
    assert triage({"title": template}).title == made


@pytest.mark.parametrize(("template", "expected"), [
    ("{sevice}", r"rules\[0\]\.title: found 'sevice', expected the name of a field in '\{sevice\}'\. Did you mean 'service'\?"),
    ("{team}", r"A label is written \{labels\.team\}"), ("{}", "expected the name of a field"), ("{0}", "expected the name of a field"),
    ("{title!r}", "found 'title!r'"), ("{title:>10}", "found 'title:>10'"), ("{title.upper}", "expected the name of a field"),
    ("{labels.}", "expected the name of a field"), ("{labels.x[0]}", "expected the name of a field"),
    ("{labels[team]}", "expected the name of a field"),
    ("{", "A brace itself is written twice"), ("}", "A brace itself is written twice"), ("", "expected a title"),
    ("  ", "expected a title"), (5, "expected a title"),
])
def test_a_title_with_an_undeclared_field_is_refused_when_it_is_built(template, expected):
    with pytest.raises(ConfigurationError, match=expected):
        rules_from([{"title": template}])


def test_a_title_that_is_one_already_is_taken():
    assert parse_title(parse_title("{title}")) == parse_title("{title}")


@pytest.mark.parametrize(("table", "message"), [
    ({"mach": "a=b"}, r"rules\[0\]\.mach: found 'mach', expected a key of a rule\. Did you mean 'match'\?"),
    ({"name": "n", "sevrity": "x"}, r'rules\[0\] "n"\.sevrity: found'),
    ({"match": "a="}, r"rules\[0\]\.match: found 'a=', expected a value"),
    ({"severity": "majr"}, r"rules\[0\]\.severity: found 'majr', expected a severity\. Did you mean 'major'\?"),
    ({"raise_by": 4}, r"rules\[0\]\.raise_by: found 4, expected a number of tiers"),
    ({"raise_by": -1}, "expected a number of tiers"), ({"lower_by": True}, "expected a number of tiers"),
    ({"lower_by": "1"}, "expected a number of tiers"),
    ({"priority": "P6"}, r"rules\[0\]\.priority: found 'P6', expected a word for priority"), ({"impact": "hihg"}, "Did you mean 'high'"),
    ({"urgency": 1}, r"rules\[0\]\.urgency: found 1"), ({"labels": "x"}, r"rules\[0\]\.labels: found 'x', expected a table of labels"),
    ({"labels": {"": "x"}}, "expected the name of a label"),
    ({"labels": {"a": []}}, r"rules\[0\]\.labels\.a: found <list>, expected a text"),
    ({"owner": 5}, r"rules\[0\]\.owner: found 5, expected a text"),
    ({"links": "x"}, r"rules\[0\]\.links: found 'x', expected a list of links"),
    ({"links": [5]}, r"rules\[0\]\.links\[0\]: found 5, expected an address"), ({"links": [{"href": ""}]}, "expected an address"),
    ({"links": [{"href": "x", "txt": "y"}]}, r"rules\[0\]\.links\[0\]\.txt: found 'txt', expected a key of a link\. Did you mean 'text'\?"),
    ({"links": [{"href": "x", "text": 5}]}, r"rules\[0\]\.links\[0\]\.text: found 5"),
    ({"drop": "yes"}, r"rules\[0\]\.drop: found 'yes', expected true or false"), ({"stop": 1}, "expected true or false"),
    ({}, "expected something to change"), ({"match": "a=b", "name": "n"}, "expected something to change"),
    ({"severity": "major", "raise_by": 1}, "expected only one of them"), ({"raise_by": 1, "lower_by": 1}, "expected only one of them"),
    ({"priority": "P1", "impact": "high"}, "not both"), ({"drop": True, "owner": "x"}, "expected drop alone"),
    ("x", r"rules\[0\]: found 'x', expected a table, or a Rule object"),
])
def test_a_wrong_rule_is_refused_with_its_place_and_what_was_expected(table, message):
    with pytest.raises(ConfigurationError, match=message):
        rules_from([table])


def test_the_list_itself_is_checked():
    for wrong in ("x", {"match": "a"}, 5):
        with pytest.raises(ConfigurationError, match="^rules: found .*expected a list of rules"):
            rules_from(wrong)


def test_drop_and_stop_together_are_one_thing():
    assert triage({"drop": True, "stop": True}).is_dropped


def test_a_match_may_be_built_beforehand():
    assert Rule(match=parse_match("a=b"), owner="x").match == parse_match("a=b")
