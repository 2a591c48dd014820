"""Properties of capture: whatever comes in, what goes out is JSON, bounded, without the planted secret, and made without an exception."""

import json
import string
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incidentkit.capture import (
    describe,
    exception_fingerprint,
    pins,
    raw_key,
    redact_text,
    render,
    signal_of_exception,
    signal_of_title,
    template,
    text_fingerprint,
)
from incidentkit.model import Signal, decode, encode

CANARY = "canary-7d1f-hunter2"
AT = datetime(2026, 3, 29, tzinfo=UTC)

anything = st.text(st.characters(), max_size=80)  # lone surrogates too
# What patterns look for, in pieces: random characters alone hardly ever make a token.
pieces = st.sampled_from(
    [
        *(
            "@",
            "a@b.co",
            "://",
            ":",
            "=",
            '"',
            "'",
            "\\",
            '\\"',
            "[redacted]",
            "[email]",
            "[card]",
            "(",
            ")",
            "{",
            "}",
            "[",
            "]",
            ",",
            ";",
            "&",
            "--",
            "-",
            ".",
        ),
        *(
            "password",
            "token",
            "secret",
            "card",
            "pass",
            "authorization",
            "cookie",
            "Bearer",
            "basic",
            "4111111111111111",
            "4111 1111 1111 1111",
            "+49 30 1234567",
        ),
        *(
            "DE89370400440532013000",
            "eyJhbGciOiJIUzI1NiJ9",
            "AKIAIOSFODNN7EXAMPLE",
            "whsec_abcdefgh",
            "xoxb-12345678",
            "-----BEGIN PRIVATE KEY-----",
            "\n",
            " ",
            "x",
            "1",
        ),
        *(
            "None",
            "b'",
            "%3D",
            "123456:",
            "https://",
            "hooks.slack.com/services/",
            "0171 1234567",
            "é",
            "\t",
            "=>",
            "AA12",
            "\ud800",
            "sk-",
            "+1",
            "x" * 30,
        ),
    ]
)
hostile = st.lists(st.one_of(pieces, st.text(string.printable, max_size=3)), max_size=25).map("".join)


@given(st.one_of(hostile, anything))
@settings(max_examples=1_500)
def test_redaction_never_raises_and_is_done_once(text):
    once = redact_text(text)
    assert redact_text(once) == once


@given(
    hostile,
    st.sampled_from(["password", "db_password", "X-Api-Key", "clientSecret", "access_token"]),
    st.sampled_from(["{}={}", "{}: '{}'", '"{}": "{}"', "?{}={}&x"]),
)
def test_a_pair_is_redacted_wherever_it_stands(before, name, pair):
    """After a space: what comes before may be a quotation or a token that the pair would be a part of."""
    assert CANARY not in redact_text(before + " " + pair.format(name, CANARY))


@given(st.text(st.sampled_from(string.ascii_letters + " .,"), max_size=200))
def test_prose_stays(text):
    assert redact_text(text) == text


@given(st.uuids(), st.integers(-(10**9), 10**9), st.datetimes(), st.ip_addresses(), st.tuples(*[st.integers(0, 999)] * 3))
@settings(max_examples=500)
def test_ids_numbers_instants_addresses_and_versions_stay(uid, number, instant, address, version):
    text = f"{uid} {number}, {instant.isoformat()} {instant} from {address} in v{'.'.join(map(str, version))} ({uid.hex})"
    assert redact_text(text) == text


@given(st.one_of(hostile, anything))
def test_a_template_is_bounded_and_holds_no_number(text):
    once = template(text * 20)
    assert len(once) <= 3 * 1000
    assert not any(character.isdecimal() for character in once)


@given(st.text(st.sampled_from(string.ascii_lowercase + " "), max_size=40), st.lists(st.integers(0, 10**12), min_size=2, max_size=2))
def test_numbers_in_a_text_do_not_count(text, numbers):
    one, two = (text_fingerprint(f"{text} {number} {text}") for number in numbers)
    assert one == two


# --- details ---------------------------------------------------------------------------------------------------------------------------

SENSITIVE = [
    "password",
    "DB_PASSWORD",
    "x-api-key",
    "clientSecret",
    "Authorization",
    "sessionid",
    "private_key",
    "creditCard",
    "auth_token",
    "ssn",
]
sensitive = st.builds(
    lambda head, name, tail: head + name + tail,
    st.sampled_from(["", "my_", "X-", "a."]),
    st.sampled_from(SENSITIVE),
    st.sampled_from(["", "_1", "-x"]),
)


class Other:
    def __repr__(self):
        raise AssertionError("called")

    __str__ = __repr__


scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), anything, st.binary(max_size=50), st.datetimes(), st.dates(), st.timedeltas()),
    *(st.decimals(), st.uuids(), st.integers(2**200, 2**400), st.builds(Other), st.text('\u0001x"\\é😀\n', max_size=2_000)),
)
keys = st.one_of(
    st.text(max_size=150), st.integers(), st.none(), st.binary(max_size=5), st.floats(), st.tuples(st.text(max_size=3), st.integers())
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=35),
        st.dictionaries(keys, inner, max_size=35),
        st.tuples(inner, inner),
        st.sets(st.integers(), max_size=35),
    ),
    max_leaves=60,
)
secret = st.sampled_from([CANARY, [CANARY], {"a": CANARY}, (CANARY, 1), CANARY.encode(), {CANARY}])
planted = st.recursive(
    st.dictionaries(sensitive, secret, min_size=1, max_size=3),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4),
        st.dictionaries(st.text(max_size=10), inner, min_size=1, max_size=4),
        st.tuples(scalars, inner),
        st.tuples(sensitive, secret),
        st.builds(lambda name, value, more: {"name": name, "value": value, "more": more}, sensitive, secret, inner),
    ),
    max_leaves=10,
)


def depth(value):
    below = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return (1 if isinstance(value, dict | list) else 0) + max(map(depth, below), default=0)


def widest(value):
    below = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return max([len(below), *map(widest, below)])


def longest(value):
    if isinstance(value, str):
        return len(value)
    below = [*value.values(), *value] if isinstance(value, dict) else value if isinstance(value, list) else []
    return max(map(longest, below), default=0)


@given(values)
@settings(max_examples=300)
def test_details_are_json_within_bounds(value):
    rendered, notes = render(value)
    text = json.dumps(rendered, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    assert json.loads(text) == rendered
    assert len(text.encode()) <= 16 * 1024
    assert depth(rendered) <= 5
    assert widest(rendered) <= 30
    assert longest(rendered) <= 1000
    assert len(notes) <= 20
    assert all(type(note) is str and len(note) <= 200 for note in notes)


@given(values, st.integers(0, 300))
def test_any_budget_is_kept(value, limit):
    rendered, _ = render(value, limit=limit)
    assert rendered is None or len(json.dumps(rendered, ensure_ascii=False, separators=(",", ":")).encode()) <= limit


@given(planted)
@settings(max_examples=500)
@example({("db", "password"): CANARY})
@example({b"password": [CANARY]})
@example([[("Authorization", CANARY)]])
def test_what_stands_under_a_sensitive_name_never_comes_out(value):
    rendered, notes = render(value)
    assert CANARY not in json.dumps([rendered, notes])
    assert CANARY not in json.dumps(encode(signal_of_title("x", at=AT, details={"a": value})))
    assert CANARY not in describe(ValueError(value)).text


@given(values)
def test_rendering_twice_changes_nothing(value):
    rendered, notes = render(value)
    assert notes or render(rendered) == (rendered, ())


# --- exceptions and signals ------------------------------------------------------------------------------------------------------------


@given(st.lists(values, max_size=3))
@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError, ImportError, SystemExit])
def test_any_arguments_make_a_bounded_text(kind, args):
    text = describe(kind(*args)).text
    assert type(text) is str
    assert len(text) <= 1000
    text.encode()


FIELDS = [
    "tenant",
    "key",
    "severity",
    "service",
    "labels",
    "details",
    "source",
    "status",
    "impact",
    "recovery",
    "site",
    "links",
    "count",
    "title",
]


@given(st.dictionaries(st.sampled_from(FIELDS), values), values)
@settings(max_examples=300)
def test_no_field_can_raise_and_every_signal_can_be_stored(fields, arg):
    signal = signal_of_exception(ValueError(arg), at=AT, **fields)
    text = encode(signal)
    assert len(text.encode()) < 64 * 1024
    assert decode(Signal, text) == signal


def raised(chain):
    """Return an exception whose causes, contexts and members follow *chain*: letters name what is done to the one before."""
    error = ValueError("core")
    for step in chain:
        try:
            if step == "g":
                raise ExceptionGroup("g", [error, KeyError("x")])
            if step == "c":
                raise RuntimeError("c") from error
            if step == "x":
                outer = TypeError("x")
                outer.__context__ = error
                raise outer
            raise error
        except Exception as caught:
            error = caught
    return error


@given(st.text("gcxr", max_size=30))
def test_equal_raw_keys_mean_equal_fingerprints(chain):
    one, two = raised(chain), raised(chain)
    assert exception_fingerprint(one) == exception_fingerprint(two)
    assert raw_key(one) == raw_key(two)
    assert len({id(pin) for pin in pins(one)} & set(raw_key(one))) == len({id(pin) for pin in pins(one)})
    json.dumps(encode(signal_of_exception(one, at=AT)))
