import pytest

from incidentkit.errors import ConfigurationError
from incidentkit.model import Severity, Signal
from incidentkit.policy import Book, NotifierFacts, Person, Policy, Rule, Step, Target, TargetKind, parse_target

FACTS = {
    "slack": NotifierFacts(name="slack", to="#ops"), "mail": NotifierFacts(name="mail"),
    "phone": NotifierFacts(name="phone", is_quiet=False),
    "sms": NotifierFacts(name="sms", reaches_phones=True),
}
PEOPLE = {"ada": {"phone": "+49", "slack": "@ada"}, "grace": {"mail": "g@x"}}


def build(*policies, people=PEOPLE, **more):
    return Book.build(policies=policies, people=people, notifiers=FACTS, **more)


@pytest.mark.parametrize(("text", "target"), [
    ("slack", Target(TargetKind.NOTIFIER, "slack")), ("slack:#payments", Target(TargetKind.NOTIFIER, "slack", "#payments")),
    ("mail:a@b:c", Target(TargetKind.NOTIFIER, "mail", "a@b:c")), ("ada", Target(TargetKind.PERSON, "ada")),
    ("person:ada", Target(TargetKind.PERSON, "ada")), ("stderr", Target(TargetKind.NOTIFIER, "stderr")),
    (" slack : #x ", Target(TargetKind.NOTIFIER, "slack", "#x")), ("phone:+49", Target(TargetKind.NOTIFIER, "phone", "+49")),
])
def test_a_target_names_a_notifier_or_a_person(text, target):
    book = build()
    assert parse_target(text, notifiers=book.notifiers, people=book.people) == target


@pytest.mark.parametrize(("text", "message"), [
    ("slak", "found 'slak', expected a notifier or a person. Did you mean 'slack'? Known: ada, grace, mail, phone, slack, sms, stderr."),
    ("adda", "Did you mean 'ada'?"),
    ("slak:#x", "found 'slak', expected the name of a notifier before the colon of 'slak:#x'. Did you mean 'slack'?"),
    ("person:adda", "found 'adda', expected the name of a person. Did you mean 'ada'?"),
    ("on_call:payments", "schedules and teams are not in this version"),
    ("team:payments", "schedules and teams are not in this version"),
    ("slack:", "found 'slack:', expected a target after the colon"),
    ("mail", "found 'mail', expected a target: 'mail' has no default target. Write 'mail:<target>' or state its `to`."),
    ("person:", "expected the name of a person"),
    (":x", "expected the name of a notifier before the colon"),
])
def test_a_target_that_names_nobody_is_refused_with_its_place(text, message):
    with pytest.raises(ConfigurationError) as caught:
        build({"name": "a", "policies": [{"name": "b", "steps": [{"tell": "slack"}, {"tell": ["slack", text]}]}]})
    assert str(caught.value).startswith('policies[0] "a".policies[0] "b".steps[1].tell: ')
    assert message in str(caught.value)


def test_a_name_that_is_both_must_say_which():
    with pytest.raises(ConfigurationError, match="one of 'person:slack' and 'slack:<target>'"):
        build({"name": "a", "steps": ["slack"]}, people={"slack": {}})
    build({"name": "a", "steps": ["person:slack", "slack:#x"]}, people={"slack": {}})


@pytest.mark.parametrize(("table", "message"), [
    ({"nam": "x"}, r"policies\[0\]\.nam: found 'nam', expected a key of a policy\. Did you mean 'name'\?"),
    ({"match": "a=b"}, r"policies\[0\]: found 'match', expected the key 'name', which a policy must have"),
    ({"name": 5}, r"policies\[0\]\.name: found 5, expected a text"),
    ({"name": " "}, "expected a name, without /"),
    ({"name": "a/b"}, r'policies\[0\] "a/b"\.name: found \'a/b\', expected a name, without /'),
    ({"name": "(default)"}, r"not beginning with \("),
    ({"name": "p", "match": "a="}, r'policies\[0\] "p"\.match: found \'a=\''),
    ({"name": "p", "stps": []}, r'policies\[0\] "p"\.stps: found \'stps\', expected a key of a policy\. Did you mean \'steps\'\?'),
    ({"name": "p", "steps": "slack"}, r'policies\[0\] "p"\.steps: found \'slack\', expected a list of steps'),
    ({"name": "p", "steps": [5]}, r"\.steps\[0\]: found 5, expected a table, or a Step object"),
    ({"name": "p", "steps": ["slack"] * 51}, "found 51, expected at most 50 steps"),
    ({"name": "p", "steps": [{"tel": "slack"}]}, r"\.steps\[0\]\.tel: found 'tel', expected a key of a step\. Did you mean 'tell'\?"),
    ({"name": "p", "steps": [{"then_wait": "5m"}]}, "expected the key 'tell', which a step must have"),
    ({"name": "p", "steps": [{"tell": []}]}, r"\.steps\[0\]\.tell: found '', expected at least one target"),
    ({"name": "p", "steps": [{"tell": [""]}]}, r"\.steps\[0\]\.tell: found '', expected a name"),
    ({"name": "p", "steps": [{"tell": 5}]}, r"\.steps\[0\]\.tell: found 5, expected a list of names"),
    ({"name": "p", "steps": [{"tell": "slack", "then_wait": 5}]},
     r'\.steps\[0\]\.then_wait: found 5, expected a duration such as "5m"\. Write the unit\.'),
    ({"name": "p", "steps": [{"tell": "slack", "then_wait": "0s"}]}, "more than zero"),
    ({"name": "p", "rounds": 0}, r'\.rounds: found 0, expected 1 to 1,000, or "forever"'), ({"name": "p", "rounds": True}, "found True"),
    ({"name": "p", "rounds": 1_001}, "found 1001"), ({"name": "p", "rounds": "foreva"}, "Did you mean 'forever'"),
    ({"name": "p", "rounds": 2, "repeat_every": "1h"}, r"\.repeat_every: found '1:00:00', expected rounds or repeat_every, not both"),
    ({"name": "p", "rounds": "forever", "repeat_every": "1h"}, "not both"),
    ({"name": "p", "group_by": [5]}, r"\.group_by: found 5, expected a name"), ({"name": "p", "group_by": ["..."]}, "not in this version"),
    ({"name": "p", "quiet_after": "0s"}, r"\.quiet_after: found '0s'"),
    ({"name": "p", "ack_timeout": "soon"}, r"\.ack_timeout: found 'soon'"),
    ({"name": "p", "reopen_within": "-1s"}, r"\.reopen_within: found '-1s'"),
    ({"name": "p", "repeat_from": "x"}, r"\.repeat_from: found 'x', expected a severity"),
    ({"name": "p", "resolve_on": "al"}, r"\.resolve_on: found 'al', expected a word for resolve_on\. Did you mean 'all'\?"),
    ({"name": "p", "continue": "yes"}, r"\.continue: found 'yes', expected true or false"),
    ({"name": "p", "environments": [""]}, r"\.environments: found '', expected a name"),
    ({"name": "p", "policies": {"name": "q"}}, r"\.policies: found <dict>, expected a list of policies"),
    ({"name": "p", "policies": [{"name": "q"}, {"name": "q"}]},
     r'policies\[0\] "p"\.policies\[1\] "q": found \'q\', expected a name that no policy beside it'),
])
def test_a_wrong_policy_is_refused_with_its_place_and_what_was_expected(table, message):
    with pytest.raises(ConfigurationError, match=message):
        build(table)


@pytest.mark.parametrize(("table", "rounds"),
[({"rounds": 1}, 1), ({"rounds": 1_000}, 1_000), ({"rounds": "forever"}, None), ({"rounds": None}, None)])
def test_the_bounds_of_rounds(table, rounds):
    assert build({"name": "p", **table}).tree.routes()[0].rounds == rounds


def test_the_same_name_may_stand_in_two_branches():
    tree = [{"name": "a", "policies": [{"name": "x"}]}, {"name": "b", "policies": [{"name": "x"}]}]
    assert [route.policy for route in build(*tree).tree.routes()] == ["a", "a/x", "b", "b/x"]


@pytest.mark.parametrize(("people", "message"), [
    ({"ada": {"fone": "+49"}}, r"people\.ada\.fone: found 'fone', expected the name of a notifier\. Did you mean 'phone'\?"),
    ({"ada": {"phone": ""}}, r"people\.ada\.phone: found '', expected a target of the notifier phone"),
    ({"ada": {"phone": 49}}, "found 49"),
    ({"ada": "+49"}, r"people\.ada: found '\+49', expected a table of contacts"), ({"a:b": {}}, "expected a name without a colon"),
    ({"team": {}}, "none of on_call, team, person"), ({"": {}}, "expected a name without a colon"),
    ({" ada": {}}, "expected a name without a colon"),
    ([Person("ada"), Person("ada")], "expected each person once"), ({"ada": Person("grace")}, "expected each person once"),
    ([5], "expected a table of contacts"), ("ada", "people: found 'ada', expected a list of people"),
])
def test_wrong_people_are_refused(people, message):
    with pytest.raises(ConfigurationError, match=message):
        build(people=people)


def test_people_may_be_objects_or_a_table():
    assert build(people=[Person("ada", {"phone": "+49"})]).people == build(people={"ada": {"phone": "+49"}}).people
    assert build(people={"ada": Person("ada", {"stderr": "-"})}).people["ada"].contacts == {"stderr": "-"}


@pytest.mark.parametrize("name", ["a:b", "", "team", "on_call", "person", " x"])
def test_a_notifier_must_have_a_name_that_a_target_can_say(name):
    with pytest.raises(ConfigurationError, match="expected a name without a colon"):
        Book.build(notifiers={name: NotifierFacts(name=name)})


def test_a_notifier_is_known_by_its_facts():
    with pytest.raises(ConfigurationError, match=r"notifiers\.x: found <object>, expected the facts"):
        Book.build(notifiers={"x": object()})


def base(**changed):
    keys = {"rules": [{"match": "a=b", "owner": "x"}],
    "policies": [{"name": "p", "match": "a=b", "steps": [{"tell": "slack", "then_wait": "5m"}]}],
            "people": PEOPLE, "notifiers": FACTS, "environment": "production", "app": "shop"}
    return Book.build(**{**keys, **changed})


def test_equal_configurations_have_equal_hashes_however_written():
    same = base(rules=[Rule(match='{ a = "b", }', owner="x")], policies=[Policy("p", match="a=b", steps=[Step(["slack"])])],
                people=[Person("grace", {"mail": "g@x"}), Person("ada", {"slack": "@ada", "phone": "+49"})])
    assert same.config_hash == base().config_hash
    assert len(base().config_hash) == 16


@pytest.mark.parametrize("changed", [
    {"rules": []}, {"rules": [{"match": "a=c", "owner": "x"}]}, {"rules": [{"match": "a=b", "owner": "y"}]}, {"policies": []},
    {"policies": [{"name": "p", "match": "a=b", "steps": [{"tell": "slack", "then_wait": "6m"}]}]},
    {"policies": [{"name": "p", "match": "a=b", "steps": [{"tell": "slack", "then_wait": "5m"}], "continue": True}]}, {"environment": "x"},
    {"app": "x"},
    {"people": {**PEOPLE, "grace": {"mail": "h@x"}}}, {"notifiers": {**FACTS, "slack": NotifierFacts(name="slack", to="#other")}},
])
def test_any_change_changes_the_hash(changed):
    assert base(**changed).config_hash != base().config_hash


def test_judge_is_rules_then_route():
    book = build({"name": "p", "match": "severity=critical, team=x", "steps": ["slack"]}, rules=[{"raise_by": 1, "labels": {"team": "x"}}])
    triaged, routes = book.judge(Signal(title="t", severity=Severity.MAJOR))
    assert triaged.severity is Severity.CRITICAL
    assert [route.policy for route in routes] == ["p"]


def test_default_targets_are_the_notifiers_that_have_one():
    assert build().default_targets() == ("slack",)
    assert Book.build(notifiers={"mail": FACTS["mail"]}).default_targets() == ("stderr",)


CATCH_ALL = {"name": "all", "steps": ["slack"]}


@pytest.mark.parametrize(("keys", "problem"), [
    ({"policies": [{"name": "p", "match": "a=b"}, CATCH_ALL]}, "policy 'p' tells nobody: its incidents are stored only"),
    ({"policies": [CATCH_ALL, {"name": "p", "match": "a=b", "steps": ["slack"]}]},
     'policies[1] "p" is never reached: policies[0] "all" before it matches everything and does not continue'),
    ({"policies": [{"name": "p", "match": "sevice=b", "steps": ["slack"]}, CATCH_ALL]},
     'policies[0] "p" asks for the label \'sevice\'; the field is called \'service\''),
    ({"policies": [CATCH_ALL], "rules": [{"match": "enviroment=b", "owner": "x"}]},
     "rules[0] asks for the label 'enviroment'; the field is called 'environment'"),
    ({"policies": []}, "what no policy matches goes to the default policy: slack is told, INFO is stored only"),
    ({"policies": [CATCH_ALL], "people": {"x": {}}}, "people.x has no contact: telling x tells the default targets instead"),
    ({"policies": [CATCH_ALL], "people": {"x": {"phone": "+49"}}},
     "people.x has no quiet contact: that an incident is over cannot be told to x"),
    ({"policies": [{"name": "all", "steps": ["ada"]}], "environment": "test"},
     "policy 'all' uses phone: outside production that goes to stderr unless its `environments` names 'test'"),
])
def test_what_is_probably_not_meant_is_reported_in_a_sentence(keys, problem):
    assert Book.build(**{"notifiers": FACTS, "people": PEOPLE, **keys}).problems() == (problem,)


def test_what_is_meant_is_not_reported():
    policies = [{"name": "a", "match": "team=x", "steps": ["slack"], "continue": True},
                {"name": "audit", "steps": ["slack"], "continue": True},
                {"name": "all", "steps": ["ada"], "environments": ["test"], "policies": [{"name": "b", "match": "labels.sevice=b"}]}]
    assert build(*policies, environment="test").problems() == ()
    assert build(CATCH_ALL, people={"x": {"phone": "+49", "stderr": "-"}, "y": {"sms": "+49"}}).problems() == ()


def test_nobody_to_tell_is_reported():
    assert Book.build().problems()[0] == "no notifier is configured: nobody can be told, everything goes to stderr"
    assert Book.build(notifiers={"mail": FACTS["mail"]}).problems()[0].startswith("no notifier has a default target")
