"""Policies under random input: text round trips, the index finds what a plain scan finds, patterns agree with `re` and are never slow."""

import re
import string
import sys
import warnings
from datetime import timedelta

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from incidentkit.errors import ConfigurationError
from incidentkit.model import Priority, Severity, Signal, Threshold
from incidentkit.policy import (
    Book,
    Comparison,
    Match,
    Op,
    Policy,
    Rule,
    Step,
    Subject,
    _automaton,
    apply_rules,
    format_duration,
    parse_duration,
    parse_match,
    parse_threshold,
    parse_title,
    rules_from,
)
from incidentkit.policy.patterns import Pattern, PatternError
from incidentkit.policy.tree import DEFAULT
from incidentkit.respond import plan_of

# -- durations ---------------------------------------------------------------------------------------------------------------------------


@given(st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=3_600)))
def test_a_shown_duration_reads_back_to_the_millisecond(duration):
    whole = duration - duration % timedelta(milliseconds=1)
    assert parse_duration(format_duration(whole)) == whole


@given(st.text(alphabet=string.digits + "smhdw. in", max_size=20) | st.text(max_size=20))
def test_any_text_is_a_duration_or_is_refused_with_its_place(text):
    for parse in (parse_duration, parse_threshold):
        try:
            parse(text, "p")
        except ConfigurationError as error:
            assert str(error).startswith("p: found ")


@given(st.integers(1, 999_999_999), st.integers(1, 999_999))
def test_a_condition_reads_back(count, seconds):
    assert parse_threshold(str(Threshold(count=count, within=timedelta(seconds=seconds)))).count == count


# -- matches -----------------------------------------------------------------------------------------------------------------------------

names = st.text(min_size=0, max_size=8).filter(lambda name: name not in {"severity", "priority", "status", "count", "during"})
values = st.text(max_size=12).filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))
words = st.sampled_from(["severity", "priority"])
comparisons = st.one_of(
    st.builds(lambda name, op, value: Comparison(name, op, (value,)), names, st.sampled_from([Op.EQUAL, Op.UNEQUAL]), values),
    st.builds(lambda name, found: Comparison(name, Op.ONE_OF, tuple(dict.fromkeys(found))), names,
    st.lists(values, min_size=1, max_size=3)),
    st.builds(lambda op, severity: Comparison("severity", op, (severity.value,)),
    st.sampled_from([Op.AT_LEAST, Op.WORSE, Op.AT_MOST, Op.MILDER]),
              st.sampled_from(Severity)),
    st.builds(lambda op, text: Comparison("x", op, (re.escape(text),), Pattern(re.escape(text))),
    st.sampled_from([Op.MATCHES, Op.DIFFERS]), values),
)


@given(st.lists(comparisons, max_size=4))
def test_a_printed_match_reads_back(found):
    match = Match(tuple(found))
    assert parse_match(str(match)) == match
    assert parse_match("{" + str(match) + "}") == match
    assert str(parse_match(str(match))) == str(match)


@given(st.text(alphabet="ab=~!<>\"\\{}(), \n`'inx0x", max_size=30) | st.text(max_size=30))
def test_any_text_is_a_match_or_is_refused_with_a_column(text):
    try:
        match = parse_match(text, "p")
    except ConfigurationError as error:
        message = str(error)
        assert message.startswith("p: found ")
        assert re.search(r"\(at column \d+( of line \d+)?\)", message)
        assert message.splitlines()[-1].strip() == "^"
    else:
        assert parse_match(str(match)) == match
        match.holds(Subject.of(Signal(title="t")))


# -- patterns ----------------------------------------------------------------------------------------------------------------------------

atoms = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "\\d", "(?:)", "-", "(?i:A)", "\\n", "x|y", "", "(?s:.)"])
patterns = st.recursive(atoms, lambda inner: st.one_of(
    st.builds("({}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "{0}"])),
    st.builds("{}{}".format, inner, inner), st.builds("(?:{}|{})".format, inner, inner), st.builds("^{}$".format, inner),
), max_leaves=8)


def taken(text):
    try:
        return Pattern(text)
    except PatternError:
        return None


@settings(max_examples=400)
@given(patterns, st.lists(st.text(alphabet="abcxy-1\nA", max_size=8), min_size=1, max_size=6))
def test_a_pattern_that_is_taken_matches_what_the_standard_library_matches(text, subjects):
    pattern = taken(text)
    assume(pattern is not None)
    expected = re.compile(text)
    for subject in subjects:  # short: the standard library may be slow on what we take
        assert pattern.matches(subject) == bool(expected.fullmatch(subject)), (text, subject)
        assert pattern.words is None or (subject in pattern.words) == bool(expected.fullmatch(subject))


@given(st.text(alphabet="ab.*+?{}()[]|^$\\,2-:=!<>P", max_size=30) | st.text(max_size=20))
def test_any_text_is_a_pattern_or_is_refused(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pattern = taken(text)
    if pattern is not None:
        pattern.matches("abab")


def work(pattern, text):
    """Count the lines of the matcher that run: a measure that no machine makes slower."""
    lines = 0

    def count(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename != _automaton.__file__: return None
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        Pattern(pattern.text).matches(text)  # a fresh one: nothing is remembered
        whole, lines = lines, 0
        Pattern(pattern.text).matches("")
    finally:
        sys.settrace(before)
    return whole - lines


HOSTILE = ["(.*a){2}.*", ".*a.*b.*c.*d", "(a|a)*b", "(\\w+,)*x", "(.*,)*y", "[a-z]*[a-z0-9]*1", "(a|ab|b)*c", "(a?){20}a{20}", ".*.{20}a",
"(a|b)*a(a|b){8}"]


def slow_texts(size):
    yield "a" * size
    yield "ab," * (size // 3)
    yield "a" * (size - 1) + "\n"
    yield "ab" * (size // 2)


@pytest.mark.parametrize("text", HOSTILE)
def test_twice_the_text_is_at_most_twice_the_work_on_patterns_that_stall_others(text):
    pattern = Pattern(text)
    done = []
    for short, long in zip(slow_texts(300), slow_texts(600), strict=True):
        done.append(work(pattern, long))
        assert done[-1] <= 2.2 * work(pattern, short) + 200
    assert max(done) > 600, "the texts must keep it busy, or nothing was measured"


@settings(max_examples=150, deadline=None)
@given(patterns, st.text(alphabet="ab1-", min_size=1, max_size=6), st.sampled_from(["", "\n", "c"]))
def test_no_pattern_that_is_taken_does_more_than_linear_work(text, unit, end):
    pattern = taken(text)
    assume(pattern is not None)
    short, long = unit * (240 // len(unit)) + end, unit * (480 // len(unit)) + end
    # What is remembered can only make the second half cheaper, so twice the text is never more than twice the work.
    assert work(pattern, long) <= 2.2 * work(pattern, short) + 200


# -- the tree ----------------------------------------------------------------------------------------------------------------------------

labels = st.sampled_from(["a", "b", "service", "labels.service", "details.d"])
few = st.sampled_from(["", "1", "2", "3"])
tree_comparisons = st.one_of(
    st.builds('{}="{}"'.format, labels, few), st.builds('{}!="{}"'.format, labels, few), st.builds('{}=~"{}|{}"'.format, labels, few, few),
    st.builds('{}=~"{}.*"'.format, labels, few), st.builds('{} in ("{}", "{}")'.format, labels, few, few),
    st.builds("severity{}{}".format, st.sampled_from(["=", "!=", ">=", ">", "<=", "<"]),
    st.sampled_from(["critical", "major", "minor", "info"])),
)
matches = st.lists(tree_comparisons, max_size=3).map(", ".join)
leaves = st.builds(lambda match, on: {"match": match, "continue": on}, matches, st.booleans())
nodes = st.recursive(leaves, lambda inner: st.builds(
    lambda match, on, below: {"match": match, "continue": on, "policies": below}, matches, st.booleans(), st.lists(inner, max_size=4)),
    max_leaves=20)


def named(tables):
    return [{**table, "name": str(at), "policies": named(table.get("policies", []))} for at, table in enumerate(tables)]


def scan(policies, subject, above=""):
    """Route as the words of the documentation say, without any index."""
    found = []
    for policy in policies:
        if policy.match.holds(subject):
            path = above + policy.name
            found += scan(policy.policies, subject, path + "/") or [path]
            if not policy.continue_: break
    return found


subjects = st.builds(
    lambda severity, service, have, detail: Subject.of(Signal(title="", severity=severity, service=service, labels=have,
    details={"d": detail})),
    st.sampled_from(Severity), few, st.dictionaries(st.sampled_from(["a", "b", "c", "service"]), few), few)


@settings(max_examples=300)
@given(st.lists(nodes, max_size=8).map(named), st.lists(subjects, min_size=1, max_size=8))
def test_the_index_finds_what_a_plain_scan_finds(tables, found):
    book = Book.build(policies=tables)
    for subject in found:
        assert [route.policy for route in book.route(subject)] == (scan(book.tree.policies, subject) or [DEFAULT])


@given(st.lists(nodes, max_size=5).map(named))
def test_tables_and_objects_are_one_configuration(tables):
    def objects(listed):
        return [Policy(table["name"], match=table["match"], continue_=table["continue"],
        policies=objects(table["policies"])) for table in listed]

    assert Book.build(policies=tables).config_hash == Book.build(policies=objects(tables)).config_hash


# -- rules and plans ---------------------------------------------------------------------------------------------------------------------

rules = st.builds(
    lambda match, changes: {"match": match, **changes}, matches,
    st.dictionaries(st.sampled_from(["owner", "title", "raise_by", "lower_by", "stop", "labels"]), st.none(), min_size=1, max_size=3).map(
        lambda keys: {key: {"owner": "x", "title": "{service} {title}", "raise_by": 1, "lower_by": 2, "stop": True,
        "labels": {"a": "2"}}[key]
                      for key in keys if key != "lower_by" or "raise_by" not in keys}).filter(bool))


@given(st.lists(rules, max_size=6), st.sampled_from(Severity), st.dictionaries(st.sampled_from(["a", "b"]), few))
def test_rules_are_total_and_leave_the_signal_alone(tables, severity, have):
    signal = Signal(title="t", fingerprint="f", severity=severity, labels=have)
    copy = attrs.evolve(signal)
    triaged = apply_rules(rules_from(tables), signal)
    assert signal == copy
    assert isinstance(triaged.priority, Priority)
    assert len(triaged.applied) <= len(tables)
    assert apply_rules(rules_from(tables), signal) == triaged
    if not any("stop" in table for table in tables):  # one that matches nothing changes nothing
        assert apply_rules((*rules_from(tables), Rule(match='fingerprint="other"', owner="y")), signal) == triaged


@given(st.text(max_size=20), st.text(max_size=10))
def test_any_text_is_a_title_or_is_refused(text, label):
    try:
        title = parse_title(text, "p")
    except ConfigurationError as error:
        assert str(error).startswith("p: found ")
    else:
        made = title.of(Subject.of(Signal(title="t", labels={"a": label})))
        assert len(made) <= 300
        assert "\n" not in made


@given(st.lists(st.builds(Step, st.sampled_from(["stderr"]), st.integers(1, 99).map("{}m".format)), max_size=4), st.sampled_from(Severity),
       st.sampled_from([1, 2, "forever", None]), st.booleans())
def test_a_plan_tells_what_its_policy_says(steps, severity, rounds, repeats):
    policy = Policy("p", steps=steps, **({"repeat_every": "3h"} if repeats else {"rounds": rounds}))
    (route,) = Book.build(policies=[policy]).route(Subject.of(Signal(title="")))
    plan = plan_of(route, severity=severity)
    assert [step.tell for step in plan.steps] == [step.tell for step in steps]
    assert [step.then_wait for step in plan.steps][:-1] == [step.then_wait for step in steps][:-1]
    if steps: assert plan.rounds == (None if repeats or rounds == "forever" else rounds)
