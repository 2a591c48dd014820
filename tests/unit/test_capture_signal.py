"""Signals: every field normalised and bounded, and nothing that a caller hands in can raise."""

import enum
import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from types import MappingProxyType

import attrs
import pytest

from incidentkit.capture import (
    describe,
    exception_fingerprint,
    key_fingerprint,
    signal_of_exception,
    signal_of_signal,
    signal_of_title,
    stored_key,
    stored_tenant,
    text_fingerprint,
)
from incidentkit.model import (
    ExceptionInfo,
    Frame,
    Impact,
    Link,
    Recovery,
    Severity,
    Signal,
    SignalStatus,
    Site,
    Urgency,
    decode,
    encode,
)

AT = datetime(2026, 3, 29, 1, 50, tzinfo=UTC)
SPOOL_RECORD = 64 * 1024
MAKERS = [
    pytest.param(lambda **fields: signal_of_exception(ValueError("x"), at=AT, **fields), id="exception"),
    pytest.param(lambda **fields: signal_of_title("x", at=AT, **fields), id="title"),
]


class Evil:
    def __repr__(self):
        raise RuntimeError("never call me")

    __str__ = __bool__ = __len__ = __iter__ = __eq__ = __repr__
    __hash__ = None

    @property
    def __class__(self):
        raise RuntimeError("never ask me")


class Service(enum.StrEnum):
    PAYMENTS = "payments"


def titled(**fields):
    return signal_of_title("x", at=AT, **fields)


# --- what is what ----------------------------------------------------------------------------------------------------------------------


def test_an_exception_becomes_a_signal():
    error = ValueError("boom at ada@example.com\nsecond line")
    signal = signal_of_exception(error, at=AT)
    assert signal == Signal(
        title="ValueError: boom at [email]",
        fingerprint=exception_fingerprint(error),
        exception=describe(error),
        occurred_at=AT,
        first_at=AT,
    )
    assert signal.exception.text == "boom at [email]\nsecond line"


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (ValueError(), "ValueError"),
        (ValueError("\n \n  x \n y"), "ValueError: x"),
        (type("Broken", (Exception,), {"__module__": "shop.cart", "__qualname__": "f.<locals>.Broken"})("x"), "Broken: x"),
        (KeyError("order"), "KeyError: 'order'"),
    ],
)
def test_the_title_of_an_exception_is_its_type_and_first_line(error, title):
    assert signal_of_exception(error, at=AT).title == title
    assert signal_of_exception(error, at=AT, title="mine").title == "mine"
    assert signal_of_exception(error, at=AT, title="").title == title


def test_its_str_is_asked_once():
    asked = []

    class Counted(Exception):
        def __str__(self):
            asked.append(1)
            return "x"

    signal_of_exception(Counted(), at=AT)
    assert len(asked) == 1


def test_a_title_becomes_a_signal():
    signal = titled(service="worker")
    assert signal == Signal(
        title="x", fingerprint=text_fingerprint("x", source="report", service="worker"), service="worker", occurred_at=AT, first_at=AT
    )
    assert titled().exception is None


@pytest.mark.parametrize(
    ("title", "shown"), [("", "(no title)"), (None, "None"), (5, "5"), (["a"], "['a']"), (Service.PAYMENTS, "payments"), (b"x", "b'x'")]
)
def test_anything_can_be_a_title(title, shown):
    assert signal_of_title(title, at=AT).title == shown
    assert signal_of_title(Evil(), at=AT).title == f"<{Evil.__module__}.Evil>"


def test_fields_arrive():
    given = {
        "tenant": "acme",
        "severity": "sev1",
        "service": Service.PAYMENTS,
        "environment": "production",
        "release": "1.2.3",
        "instance": "host-1",
        "labels": {"team": "shop", "n": 5, "ok": True, "ratio": 1.5},
        "details": {"order": [1, 2]},
        "source": "watch",
        "status": SignalStatus.OK,
        "impact": Impact.HIGH,
        "urgency": "low",
        "recovery": Recovery.PROVED,
        "links": ["https://example.com/a", Link(href="http://example.com/b", text="b")],
        "count": 7,
    }
    signal = titled(**given)
    assert signal.notes == ()
    assert (signal.tenant, signal.severity, signal.service, signal.environment) == ("acme", Severity.CRITICAL, "payments", "production")
    assert (signal.release, signal.instance, signal.source, signal.status) == ("1.2.3", "host-1", "watch", SignalStatus.OK)
    assert (signal.impact, signal.urgency, signal.recovery, signal.count) == (Impact.HIGH, Urgency.LOW, Recovery.PROVED, 7)
    assert dict(signal.labels) == {"team": "shop", "n": "5", "ok": "True", "ratio": "1.5"}
    assert dict(signal.details) == {"order": [1, 2]}
    assert signal.links == (Link(href="https://example.com/a"), Link(href="http://example.com/b", text="b"))
    assert type(signal.service) is str


# --- fingerprints ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS)
def test_an_explicit_key_wins(make):
    assert make(key="k", tenant="t").fingerprint == key_fingerprint("k", tenant="t")
    assert make(key="k").key == "k"
    assert make(key=5).key == "5"


def test_without_a_key_the_exception_or_the_text_counts():
    error = ValueError("x")
    assert signal_of_exception(error, at=AT, tenant="t", service="s").fingerprint == exception_fingerprint(error, tenant="t")
    assert signal_of_title("queue 5", at=AT, source="cron").fingerprint == text_fingerprint("queue 7", source="cron")


def test_it_is_made_from_what_was_said_before_redaction():
    first, second = (signal_of_title("x " * 200 + end, at=AT) for end in ("a", "b"))
    assert first.title == second.title
    assert first.fingerprint != second.fingerprint


def test_keys_that_cannot_be_kept_as_they_are_stay_apart():
    assert stored_key("queue-memory") == "queue-memory"
    assert stored_key("k" * 200) == "k" * 200
    assert len(stored_key("k" * 201)) == 200
    assert stored_key("k" * 201) != stored_key("k" * 202)
    assert stored_key("signup-ada@example.com").startswith("[email]~")
    assert stored_key("signup-ada@example.com") != stored_key("signup-bob@example.com")
    assert stored_key("\x00") != stored_key("\x01")
    assert titled(key="k" * 300).fingerprint == key_fingerprint("k" * 300)


def test_a_tenant_is_an_address_and_stays_as_it_is():
    assert stored_tenant("ada@example.com") == "ada@example.com"
    assert stored_tenant("t" * 200) == "t" * 200
    assert len(stored_tenant("t" * 201)) == 200
    assert stored_tenant("t" * 201) != stored_tenant("t" * 202)
    assert stored_tenant("\x00") != stored_tenant("\x01")
    assert titled(tenant="ada@example.com").tenant == "ada@example.com"


# --- sites -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS)
def test_a_site_can_prove_recovery_and_says_what_nobody_else_said(make):
    site = Site(name="shop.charge", severity=Severity.MAJOR, service="payments", labels={"team": "shop", "tier": "1"})
    signal = make(site=site, count=3, labels={"tier": "2"}, recovery=Recovery.QUIET)
    assert signal.sites == ((site, 3),)
    assert signal.recovery is Recovery.PROVED
    assert (signal.severity, signal.service, dict(signal.labels)) == (Severity.MAJOR, "payments", {"tier": "2", "team": "shop"})
    assert signal.group_key == "shop.charge"
    assert make(site=site, severity="info", service="other").severity is Severity.INFO
    assert make(site=site, service="other").service == "other"
    assert make().recovery is Recovery.QUIET
    assert make().sites == ()


# --- severity --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "severity", "notes"),
    [
        (None, Severity.MINOR, 0),
        (Severity.INFO, Severity.INFO, 0),
        ("SEV-1", Severity.CRITICAL, 0),
        ("error", Severity.MAJOR, 0),
        (2, Severity.MAJOR, 0),
        ("disaster", Severity.CRITICAL, 0),
        ("what", Severity.MINOR, 1),
        (0, Severity.MINOR, 1),
        (9, Severity.MINOR, 1),
        (10**5000, Severity.MINOR, 1),
        (True, Severity.MINOR, 1),
        (1.0, Severity.MINOR, 1),
        ("x" * 1_000_000, Severity.MINOR, 1),
        ([], Severity.MINOR, 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_severity_is_any_word_and_minor_for_no_word(word, severity, notes):
    signal = titled(severity=word)
    assert signal.severity is severity
    assert len(signal.notes) == notes
    assert titled(severity="what").notes == ('severity: "what" is none, taken as minor',)


# --- bounds ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "limit"), [("service", 200), ("environment", 200), ("release", 200), ("instance", 200), ("source", 50), ("title", 300)]
)
def test_texts_are_bounded(name, limit):
    def value(text):
        return getattr(signal_of_title(text, at=AT) if name == "title" else titled(**{name: text}), name)

    assert value("s" * limit) == "s" * limit
    assert value("s" * (limit + 1)) == "s" * (limit - 1) + "…"
    assert value("a\x00\ud800") == "a\ufffd\ufffd"
    assert value("ada@example.com") == "[email]"
    assert titled(service="s" * 201).notes == ("service: cut to 200 of 201 characters",)


def test_thirty_labels_of_100_and_500_characters():
    labels = {f"{number:03}".ljust(100, "n"): "v" * 500 for number in range(30)}
    signal = titled(labels=labels)
    assert dict(signal.labels) == labels
    assert signal.notes == ()
    signal = titled(labels={**labels, "more": "x"})
    assert dict(signal.labels) == labels
    assert signal.notes == ("labels: 1 of 31 left out",)
    assert dict(titled(labels={"n" * 101: "v" * 501}).labels) == {"n" * 99 + "…": "v" * 499 + "…"}


def test_labels_keep_no_secret():
    assert dict(titled(labels={"api_key": "k", "mail": "ada@example.com"}).labels) == {"api_key": "[redacted]", "mail": "[email]"}


def test_a_label_that_is_no_text_is_left_out():
    signal = titled(labels={"a": Evil(), "b": None, "c": ["x"], 5: "x", "d": Service.PAYMENTS})
    assert dict(signal.labels) == {"d": "payments"}
    assert f"labels: one left out, str = {Evil.__module__}.Evil is no text" in signal.notes


def test_links_lead_to_web_pages():
    signal = titled(
        links=["javascript:alert(1)", "file:///etc/passwd", "HTTPS://ok.example/", 5, Evil(), Link(href="http://b/", text="x" * 300)]
    )
    assert [link.href for link in signal.links] == ["HTTPS://ok.example/", "http://b/"]
    assert len(signal.links[1].text) == 200
    assert signal.notes == ("links: one left out, it is no http or https address",)
    assert titled(links="https://one.example/").links == (Link(href="https://one.example/"),)
    assert titled(links=["https://ada:pw@host/?token=abc"]).links[0].href == "https://[redacted]@host/?token=[redacted]"
    assert len(titled(links=["https://x/"] * 10).links) == 10
    assert len(titled(links=["https://x/"] * 11).links) == 10
    assert titled(links=["https://x/"] * 11).notes == ("links: 1 of 11 left out",)
    assert len(titled(links=["https://x/" + "a" * 1400] * 3).links) == 2


@pytest.mark.parametrize(
    ("count", "kept"),
    [(1, 1), (2**31 - 1, 2**31 - 1), (0, None), (-1, None), (2**31, None), (True, None), (1.0, None), ("2", None), (10**5000, None)],
    ids=lambda value: type(value).__name__,
)
def test_a_count_is_a_whole_number_of_at_least_one(count, kept):
    signal = titled(count=count)
    assert signal.count == (kept or 1)
    assert bool(signal.notes) == (kept is None)


def test_details_are_rendered_and_their_cuts_noted():
    signal = titled(details=MappingProxyType({"password": "x", "foo": list(range(100)), "o": Evil()}))
    assert signal.details["password"] == "[redacted]"
    assert signal.details["o"] == f"<{Evil.__module__}.Evil>"
    assert signal.notes == ("details.foo: 70 of 100 items left out",)


@pytest.mark.parametrize("text", ["x", "é", "😀", '"', "\\", "\n"])
def test_a_signal_fits_into_a_record_of_the_spool(text):
    def fail(n):
        if n <= 1:
            error = ValueError(text * 5_000)
            for _ in range(20):
                error.add_note(text * 5_000)
            raise error
        fail(n - 1)

    error = None
    for _ in range(5):
        try:
            fail(200)
        except ValueError as caught:
            caught.__cause__, error = error, caught
    group = ExceptionGroup(text * 5_000, [error] * 20)
    long = text * 5_000
    fields = dict.fromkeys(("key", "tenant", "service", "environment", "release", "instance", "source", "title"), long)
    fields |= {"labels": {f"{n}{long}": long for n in range(50)}, "details": {f"{n}{long}": [long] * 50 for n in range(50)}}
    fields |= {"links": [Link(href="https://x/" + long, text=long)] * 50, "severity": long, "site": Site(name="s"), "unknown": 1}
    signal = signal_of_exception(group, at=AT, **fields)
    assert len(encode(signal).encode()) < SPOOL_RECORD
    assert decode(Signal, encode(signal)) == signal
    again = signal_of_signal(signal, at=AT)
    assert len(encode(again).encode()) < SPOOL_RECORD


# --- nothing raises --------------------------------------------------------------------------------------------------------------------

NAMES = ["tenant", "key", "severity", "service", "environment", "release", "instance", "labels", "details", "source", "status", "impact", "urgency",
         "recovery", "site", "links", "count", "nonsense"]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value", ["evil", object(), b"\xff", [], {1: 2}, 1e400, (1, 2), "\ud800", type], ids=lambda value: type(value).__name__
)
def test_a_wrong_value_is_left_out_with_a_note(make, name, value):
    value = Evil() if value == "evil" else value
    signal = make(**{name: value})
    json.dumps(encode(signal))
    if type(value) in {Evil, object, type}:
        assert any(note.startswith(f"{name}: ") for note in signal.notes)
        assert attrs.evolve(signal, notes=(), links=(), fingerprint="") == attrs.evolve(make(), fingerprint="")


def test_a_note_says_what_was_expected():
    assert titled(count="many").notes == ("count: left out, a whole number from 1 to 2147483647 is expected and str was given",)
    assert titled(labels=[]).notes == ("labels: left out, a dict is expected and list was given",)
    assert titled(nonsense=1).notes == ("nonsense: left out, no field of a signal has that name",)
    assert titled(status="off").notes == ("status: left out, one of firing, ok is expected and str was given",)
    assert titled(service=object()).notes == ("service: left out, a text is expected and object was given",)


def test_there_are_at_most_twenty_notes():
    many = {f"field{number}": 1 for number in range(30)}
    assert len(titled(**many).notes) == 20
    assert len({*titled(**many).notes}) == 20
    assert sum(len(note) for note in titled(**{f"{number}" + "é" * 300: 1 for number in range(30)}).notes) <= 3 * 1024 / 2


class BrokenZone(tzinfo):
    def utcoffset(self, _):
        raise RuntimeError


class OtherInstant(datetime):
    """As freezegun's."""


@pytest.mark.parametrize(
    "at",
    [
        AT.replace(tzinfo=None),
        AT.astimezone(timezone(timedelta(hours=2))),
        OtherInstant(2026, 3, 29, 1, 50, tzinfo=UTC),
        OtherInstant(2026, 3, 29, 3, 50, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_an_instant_is_utc(at):
    occurred = signal_of_title("x", at=at).occurred_at
    assert occurred == AT
    assert type(occurred) is datetime
    assert occurred.tzinfo is UTC


# --- signals of users ------------------------------------------------------------------------------------------------------------------


def test_a_signal_of_a_user_is_made_as_if_captured():
    made = signal_of_signal(Signal(title="queue 5 of ada@example.com", service="worker", labels={"token": "x"}, details={"n": {3}}), at=AT)
    assert made == signal_of_title("queue 5 of ada@example.com", at=AT, service="worker", labels={"token": "x"}, details={"n": {3}})


def test_what_capture_made_stays_as_it_is():
    site = Site(name="s")
    captured = [
        signal_of_exception(
            ValueError("x"), at=AT, key="k", site=site, labels={"a": "b"}, details={"c": [1]}, links=["https://x/"], nonsense=1
        ),
        titled(tenant="t"),
        titled(tenant="t" * 300, key="k" * 300),
    ]
    for signal in captured:
        assert signal_of_signal(signal, at=AT) == attrs.evolve(signal, recovery=signal.recovery)


def test_its_own_fingerprint_is_kept_when_it_is_a_short_word():
    def fingerprint(own, **fields):
        return signal_of_signal(Signal(title="x", fingerprint=own, **fields), at=AT).fingerprint

    assert fingerprint("grafana:7f3a-b.c_D") == "grafana:7f3a-b.c_D"
    assert fingerprint("f" * 64) == "f" * 64
    assert fingerprint("f" * 65) == key_fingerprint("f" * 65)
    assert fingerprint("a b", tenant="t") == key_fingerprint("a b", tenant="t")
    assert fingerprint("own", key="k") == "own"
    assert fingerprint("", key="k") == key_fingerprint("k")


def test_its_time_is_data_and_never_in_the_future():
    def times(**fields):
        signal = signal_of_signal(Signal(title="x", **fields), at=AT)
        return signal.first_at, signal.occurred_at

    second = timedelta(seconds=1)
    assert times() == (AT, AT)
    assert times(occurred_at=AT - second) == (AT - second, AT - second)
    assert times(occurred_at=AT + second) == (AT, AT)
    assert times(first_at=AT - 2 * second, occurred_at=AT - second) == (AT - 2 * second, AT - second)
    assert times(first_at=AT, occurred_at=AT - second) == (AT - second, AT - second)
    assert times(occurred_at=AT.replace(tzinfo=BrokenZone())) == (AT, AT)
    assert times(occurred_at="yesterday") == (AT, AT)
    assert times(occurred_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))) == (AT, AT)


def test_its_exception_is_brought_into_bounds():
    def frame(**fields):
        return Frame(**{"module": "m", "function": "f", "file": "x.py", "line": 1, "is_in_app": True} | fields)

    def info(**fields):
        return ExceptionInfo(**{"type": "ValueError", "text": "x"} | fields)

    def of(given):
        return signal_of_signal(Signal(title="", exception=given), at=AT).exception

    plain = info(frames=(frame(), frame(source="x = 1")), cause=info(text="y"), members=(info(text="z"),), notes=("n",))
    assert of(plain) == plain
    assert of(info(text="ada@example.com" + "x" * 2000)).text.startswith("[email]")
    assert len(of(info(text="x" * 2000)).text) == 1000
    assert len(of(info(frames=(frame(),) * 51)).frames) == 50
    assert len(of(info(members=(info(),) * 11)).members) == 10
    assert of(info(type=5, text=Evil(), frames=[frame()], members=5, notes="n")) == info(type="", text="")
    assert of(info(frames=(5, frame(line=-1), frame(line="x"), frame(module=Evil(), is_in_app=1), frame(line=2**31)))).frames == (
        frame(line=0), frame(line=0), frame(module="", is_in_app=False), frame(line=0),
    )  # fmt: skip
    assert of(info(notes=(5, "password=x"))).notes == ("password=[redacted]",)
    deep = info()
    for _ in range(10):
        deep = info(cause=deep)
    assert of(deep).cause.cause.cause.cause.cause.cause is None
    assert len(encode(of(info(frames=(frame(function="é" * 300),) * 50))).encode()) < 20_000
    assert of(5) is None
    assert of(Evil()) is None


def test_the_title_and_fingerprint_of_a_described_exception():
    error = ValueError("x")
    described = Signal(title="", exception=describe(error))
    assert signal_of_signal(described, at=AT).title == "ValueError: x"
    assert signal_of_signal(described, at=AT).fingerprint == exception_fingerprint(error)
    assert signal_of_signal(Signal(title=""), at=AT).title == "(no title)"
    try:
        raise error
    except ValueError:
        info = describe(error)
    assert signal_of_signal(Signal(title="", exception=info), at=AT).fingerprint == exception_fingerprint(error)


def test_only_sites_and_notes_of_the_right_kind_are_taken_over():
    site = Site(name="s")
    signal = Signal(
        title="x", sites=((site, 2), (site, "x"), (5, 1), "s", (site,)), notes=("a", 5, Evil()), extra={"new": 1}, recovery="proved"
    )
    made = signal_of_signal(signal, at=AT)
    assert made.sites == ((site, 2),)
    assert made.notes == ("a", "extra: left out, nothing is expected and dict was given")
    assert made.recovery is Recovery.PROVED
    assert made.extra == {}
    assert len(signal_of_signal(Signal(title="x", sites=((site, 1),) * 11), at=AT).sites) == 10
