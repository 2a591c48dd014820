import pytest

from incidentkit.errors import ConfigurationError
from incidentkit.model import ExceptionInfo, Priority, Severity, Signal, SignalStatus, Site
from incidentkit.policy import FIELDS, Match, Subject, parse_match

SIGNAL = Signal(
    title="charge fails", fingerprint="f1", key="k1", source="watch", service="payments", environment="production", release="1.2",
    instance="web-1", severity=Severity.MAJOR, labels={"team": "pay-eu", "severity": "label", "labels.odd": "yes"}, tenant="acme",
    details={"order": {"id": 7, "paid": True, "": "blank"}, "a.b": {"c.d": "dots"}, "list": [1], "rate": 0.5, "none": None,
    "host": object()},
    exception=ExceptionInfo(type="TimeoutError", text="db"))


def holds(text, signal=SIGNAL, **facts):
    return parse_match(text).holds(Subject.of(signal, **facts))


@pytest.mark.parametrize("text", [
    "", "{}", "  ", 'service="payments"', "service=payments", 'service!="x"', 'tenant="acme"', 'source="watch"', 'key="k1"',
    'environment="production"', 'release="1.2"', 'instance="web-1"', 'status="firing"', 'severity="major"', 'title="charge fails"',
    'exception="TimeoutError"', 'fingerprint="f1"', 'team="pay-eu"', 'labels.team="pay-eu"', 'labels.severity="label"',
    'labels.labels.odd="yes"', 'nothing=""', 'nothing!="x"', 'team=~"pay.*"', 'team!~"pay"', 'nothing=~""', 'team in ("a","pay-eu")',
    'service="payments", team=~"pay.*", severity>=major', '{service="payments", team="pay-eu",}', "status in (firing, ok)",
    'status="FIRING"',
    'details.order.id="7"', 'details.order.paid="true"', 'details.a.b.c.d="dots"', 'details.rate="0.5"', 'details.list=""',
    'details.none=""',
    'details.host=""', 'details.order=""', 'details.order.id.x=""', 'details.=""', 'details.order.="blank"', '"details.order.id"=7',
    "severity=sev2", "severity=error", "severity in (sev1, sev2)", 'severity=~"maj.*"',
])
def test_these_hold(text):
    assert holds(text)


@pytest.mark.parametrize("text", [
    'service="Payments"', 'service!="payments"', 'team=~"pay"', 'team=~"ay-eu"', 'team!~"pay.*"', 'nothing="x"', 'nothing=~".+"',
    'team in ("pay", "eu")', 'service="payments", team="x"', "severity=minor", "status=ok", 'details.order.paid="True"',
    'labels.service="payments"',
])
def test_these_do_not_hold(text):
    assert not holds(text)


ORDER = ["critical", "major", "minor", "info"]


@pytest.mark.parametrize("stated", ORDER)
@pytest.mark.parametrize("actual", ORDER)
def test_severities_are_compared_by_damage_at_every_boundary(stated, actual):
    """`severity>=major` is MAJOR and CRITICAL, although SEV2 is a larger number than SEV1."""
    signal, distance = Signal(title="", severity=Severity(actual)), ORDER.index(stated) - ORDER.index(actual)
    assert holds(f"severity>={stated}", signal) == (distance >= 0)
    assert holds(f"severity>{stated}", signal) == (distance > 0)
    assert holds(f"severity<={stated}", signal) == (distance <= 0)
    assert holds(f"severity<{stated}", signal) == (distance < 0)
    assert holds(f"severity={stated}", signal) == (distance == 0)


@pytest.mark.parametrize(("text", "expected"), [
    ("priority>=P2", [True, True, False]), ("priority>P2", [True, False, False]), ("priority<=p2", [False, True, True]),
    ("priority<P2", [False, False, True]), ("priority=p2", [False, True, False]),
])
def test_priorities_are_compared_by_urgency_at_every_boundary(text, expected):
    assert [holds(text, priority=priority) for priority in (Priority.P1, Priority.P2, Priority.P3)] == expected


def test_a_signal_without_a_priority_has_none_to_compare():
    assert not holds("priority>=P5")
    assert not holds("priority<=P1")


def test_conditions_see_what_triage_said():
    facts = {"severity": Severity.INFO, "title": "", "labels": {"team": "b"}, "priority": Priority.P5}
    assert holds('severity=info, title="", team=b, priority=P5', **facts)
    assert holds("severity=major, team=pay-eu")


def test_the_key_of_a_watched_site_is_its_name_unless_a_key_is_stated():
    watched = Signal(title="", sites=((Site(name="nightly"), 1), (Site(name="outer"), 1)))
    assert holds("key=nightly", watched)
    assert holds("key=k", Signal(title="", key="k", sites=((Site(name="nightly"), 1),)))


def test_an_ok_signal_matches_by_its_status():
    assert holds("status=ok", Signal(title="", status=SignalStatus.OK))


def test_every_field_can_be_asked_for():
    subject = Subject.of(SIGNAL, priority=Priority.P2)
    assert set(subject.fields) == set(FIELDS)
    assert all(subject.get(name) for name in FIELDS)
    assert all(not Subject.of(Signal(title="")).get(name) for name in set(FIELDS) - {"source", "status", "severity"})


def test_a_subject_asks_no_class_of_the_host_for_its_text():
    class Loud(str):
        __slots__ = ()

        def __str__(self):
            raise AssertionError

    assert Subject.of(Signal(title="", details={"x": Loud("y")})).get("details.x") == ""


@pytest.mark.parametrize(("text", "printed"), [
    ("", ""), ("{}", ""), ("a=b,", 'a="b"'), ("{severity>=sev1}", "severity>=critical"), ("x in (b,a,b)", 'x in ("b", "a")'),
    ('"a b"="c d"', '"a b"="c d"'), ('a="\\t\\\\"', 'a="\t\\\\"'), ('a="\\x41\\101\\u0041\\U00000041"', 'a="AAAA"'),
    ("a !~ b ,c= d", 'a!~"b", c="d"'),
    ("labels.severity=x", 'labels.severity="x"'), ('"a<b"=c', '"a<b"="c"'), ('""="x"', '""="x"'),
    ("service=a\n,team=b", 'service="a", team="b"'),
    ("in=x", 'in="x"'), ("team=~(a|b)", 'team=~"(a|b)"'),
])
def test_a_match_is_printed_in_one_spelling_and_reads_back(text, printed):
    assert str(parse_match(text)) == printed
    assert parse_match(printed) == parse_match(text)
    assert parse_match(printed, "x") == parse_match(parse_match(text))


@pytest.mark.parametrize(("text", "column", "expected"), [
    ('service="a" team="b"', 13, "a comma"),
    ("{a=b", 5, "}, for the {"),
    ("{a=b}}", 6, "the end"),
    ("{a=b} c", 7, "the end"),
    ("{a=b c=d}", 6, "a comma or }"),
    ("a=b}", 4, "no }, for there is no {"),
    (",", 1, "the name of a field or label"),
    ("a=b,,c=d", 5, "the name of a field or label"),
    ("=b", 1, "the name of a field or label"),
    ("a", 2, "an operator"),
    ("a b", 3, "an operator"),
    ("a in x", 3, "an operator"),
    ("a==b", 3, "a value"),
    ("a=", 3, "a value"),
    ("a='b'", 3, "a value"),
    ('a="b', 3, 'a closing "'),
    ('a="b\nc"', 3, 'a closing "'),
    ('a="\\d"', 4, "an escape that Go knows"),
    ('a="x\\400"', 5, "an escape that Go knows"),
    ('a="\\ud800"', 4, "an escape that Go knows"),
    ('a="\\U00110000"', 4, "an escape that Go knows"),
    ('a="\\xff"', 3, "valid UTF-8"),
    ("a in ()", 8, "a value"),
    ('a in ("x"', 10, "a comma or )"),
    ('a in ("x" "y")', 11, "a comma or )"),
    ("team>=a", 5, "an order exists on severity and priority only"),
    ("title<a", 6, "an order exists on severity and priority only"),
    ("severity>=maybe", 11, "a severity: critical, major, minor, info"),
    ("severity=", 10, "a value"),
    ("priority=P6", 10, "a priority: P1"),
    ("status=broken", 8, "a status: firing, ok"),
    ("severity in (major, bad)", 21, "a severity"),
    ("count>=10 in 5m", 1, "count condition: it is not in this version"),
    ('during("Mon-Fri")', 1, "during condition: it is not in this version"),
    ('team=~"a)b"', 9, "a pattern that can be matched: unbalanced parenthesis"),
    ('a=b, team=~"(x+)+"', 12, "a pattern that can be matched"),
])
def test_a_wrong_match_is_refused_with_its_column_and_a_mark_below_it(text, column, expected):
    with pytest.raises(ConfigurationError) as caught:
        parse_match(text, 'policies[2] "payments".match')
    message = str(caught.value)
    assert message.startswith('policies[2] "payments".match: found ')
    assert expected in message
    assert f"(at column {column}" in message
    shown, mark = message.splitlines()[-2:]
    assert mark == "    " + " " * (column - 1) + "^"
    assert shown.strip() in text


def test_the_line_is_named_where_there_are_several():
    with pytest.raises(ConfigurationError, match=r"at column 10 of line 2\).*\n    severity=x y\n             \^$"):
        parse_match("service=a,\nseverity=x y")


def test_a_long_line_is_shown_around_the_mark():
    with pytest.raises(ConfigurationError) as caught:
        parse_match("a=" + "x" * 500 + " !")
    shown, mark = str(caught.value).splitlines()[-2:]
    assert len(shown) < 140
    assert shown[mark.index("^")] == "!"


def test_the_nearest_word_is_offered():
    with pytest.raises(ConfigurationError, match="Did you mean 'major'"):
        parse_match("severity>=majr")


def test_what_is_no_text_or_far_too_long_is_refused():
    with pytest.raises(ConfigurationError, match="match: found <dict>, expected a match such as"):
        parse_match({"service": "a"})
    with pytest.raises(ConfigurationError, match="10,000 characters"):
        parse_match("a=b," * 2_501)
    assert len(parse_match("a=b," * 2_500).comparisons) == 2_500


def test_the_empty_match_is_equal_to_itself_however_written():
    assert parse_match("") == parse_match("{}") == Match()
