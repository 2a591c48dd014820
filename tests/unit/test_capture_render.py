"""Details as JSON: exact builtins only, bounded, secrets left out."""

import enum
import json
import math
import uuid
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from types import MappingProxyType, SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from incidentkit.capture import render

ASKED = []


class Meta(type):
    """A metaclass is the host's code too: asking whether a type is in a set asks it."""

    def __hash__(cls):
        ASKED.append("hash of the class")
        return 1

    def __eq__(cls, other):
        ASKED.append("eq of the class")
        return False


class Evil(metaclass=Meta):
    """A __repr__ that raises, hangs or answers 100 MB: in each case it is heard of here."""

    def __repr__(self):
        ASKED.append("repr")
        raise RuntimeError("no")

    __str__ = __repr__

    def __getattribute__(self, name):
        ASKED.append(name)
        raise RuntimeError("no")

    def __hash__(self):
        return hash("name")

    def __eq__(self, other):
        ASKED.append("eq")
        raise RuntimeError("no")

    def __iter__(self):
        ASKED.append("iter")
        raise RuntimeError("no")

    def __len__(self):
        ASKED.append("len")
        return 0


def heard(*_, **__):
    ASKED.append("called")
    raise RuntimeError("no")


class EvilDict(dict):
    __iter__ = __len__ = __getitem__ = keys = items = get = __repr__ = __contains__ = heard


class EvilList(list):
    __iter__ = __len__ = __getitem__ = __repr__ = heard


class EvilStr(str):
    __slots__ = ()
    __len__ = __getitem__ = __str__ = __repr__ = __format__ = encode = heard


class EvilInt(int):
    __repr__ = __str__ = __index__ = bit_length = heard


class EvilZone(tzinfo):
    utcoffset = dst = tzname = heard


class Color(enum.IntEnum):
    RED = 1


class Name(enum.StrEnum):
    PASSWORD = "password"
    ADA = "ada"


@pytest.fixture(autouse=True)
def nothing_of_the_host_is_called():
    ASKED.clear()
    yield
    assert ASKED == []


def named(kind):
    return f"<{kind.__module__}.{kind.__qualname__}>"


def shown(value, **options):
    return render(value, **options)[0]


# --- types -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -5, 2**63 - 1, 1.5, -0.0, "", "text", "tab\tand\nline", "é", "😀", [], {}, [1, "a", None], {"a": {"b": [1.5]}}],
)
def test_json_is_itself(value):
    assert render(value) == (value, ())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (b"bytes", "bytes"),
        (b"\xff\x00", "\\xff\ufffd"),
        (float("nan"), "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        ("\ud800 \x00 \x1b \u202e", "\ufffd \ufffd \ufffd \ufffd"),
        (2**63, str(2**63)),
        (-(2**63), str(-(2**63))),
        (2**256 - 1, str(2**256 - 1)),
        (2**256, "<int of 257 bits>"),
        (10**5000, "<int of 16610 bits>"),
        (date(2026, 3, 29), "2026-03-29"),
        (datetime(2026, 3, 29, 1, 2, 3, 4), "2026-03-29T01:02:03.000004"),
        (datetime(2026, 3, 29, tzinfo=UTC), "2026-03-29T00:00:00+00:00"),
        (datetime(2026, 3, 29, tzinfo=timezone(timedelta(hours=2))), "2026-03-29T00:00:00+02:00"),
        (datetime(2026, 3, 28, tzinfo=ZoneInfo("Europe/Berlin")), "2026-03-28T00:00:00+01:00"),
        (timedelta(seconds=90), "0:01:30"),
        (Decimal("12.50"), "12.50"),
        (Decimal("NaN"), "NaN"),
        (Decimal("1e999999"), "1E+999999"),
        (uuid.UUID("550e8400-e29b-41d4-a716-446655440000"), "550e8400-e29b-41d4-a716-446655440000"),
        (MappingProxyType({"a": 1}), {"a": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_exact_builtins_have_a_form_in_json(value, expected):
    assert render(value) == (expected, ())


def test_a_decimal_of_a_million_digits_is_not_printed():
    assert shown(Decimal("1" * 1_000_000)).startswith("<Decimal of ")


def test_a_uuid_that_was_tampered_with_is_not_printed():
    tampered = uuid.UUID(int=1)
    object.__setattr__(tampered, "int", Evil())
    assert shown(tampered) == "<uuid.UUID>"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Evil(),
        lambda: EvilDict(a=1),
        lambda: EvilList([1]),
        lambda: EvilStr("x"),
        lambda: EvilInt(5),
        lambda: Color.RED,
        lambda: Name.ADA,
        lambda: UserDict(a=1),
        lambda: OrderedDict(a=1),
        lambda: defaultdict(list),
        lambda: namedtuple("Point", "x")(1),  # noqa: PYI024
        lambda: SimpleNamespace(a=1),
        lambda: PurePosixPath("/x"),
        lambda: Fraction(1, 2),
        lambda: bytearray(b"x"),
        lambda: range(3),
        lambda: time(1, 2),
        lambda: object(),
        lambda: len,
        lambda: (number for number in ()),
        lambda: {}.keys(),
        lambda: MappingProxyType(EvilDict(a=1)),
        lambda: datetime(2026, 1, 1, tzinfo=EvilZone()),
        lambda: complex(1, 2),
        lambda: ...,
    ],
)
def test_anything_else_is_named_by_its_type(make):
    value = make()  # here, because pytest itself looks at parameters
    kind = type(value)
    name = f"<{type.__dict__['__qualname__'].__get__(kind)}>"
    module = type.__dict__["__module__"].__get__(kind)
    expected = name if module == "builtins" else f"<{module}.{name[1:]}"
    assert shown(value) == expected
    assert shown({"a": [value]}) == {"a": [expected]}


def test_a_class_is_no_value():
    assert shown([Evil]) == [f"<{Meta.__module__}.Meta>"]


def test_a_lookup_by_name_does_not_ask_other_keys():
    """Evil has the hash of "name": a lookup of "name" would call its __eq__."""
    assert list(shown({Evil(): 1, "b": 2}).values()) == ["[redacted]", 2]


def test_containers_inside_themselves_end():
    itself = []
    itself.append(itself)
    assert shown(itself) == [[[[["<list>"]]]]]
    mapping = {}
    mapping["me"] = mapping
    assert json.dumps(shown(mapping))


# --- keys ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        (b"k", "k"),
        ("é\x00", "é\ufffd"),
        (date(2026, 1, 1), "2026-01-01"),
        ((1, "a"), "(1, 'a')"),
    ],
)
def test_a_key_of_an_exact_builtin_is_a_text(key, name):
    assert shown({key: 1}) == {name: 1}


def test_a_key_that_cannot_be_read_may_name_a_secret():
    assert shown({Color.RED: "hunter2"}) == {named(Color): "[redacted]"}
    assert shown({(Color.RED, 1): "hunter2"}) == {f"({named(Color)}, 1)": "[redacted]"}
    assert shown({Name.PASSWORD: "hunter2", Name.ADA: 1}) == {named(Name): "[redacted]", named(Name) + "'": 1}
    assert shown({tuple("abcdefghijk"): "hunter2"}) == {"('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', …)": "[redacted]"}


def test_keys_that_read_alike_stay_two():
    assert shown({"1": "a", 1: "b"}) == {"1": "a", "1'": "b"}


def test_a_key_has_at_most_100_characters():
    assert list(shown({"k" * 100: 1, "l" * 101: 2})) == ["k" * 100, "l" * 99 + "…"]


def test_a_key_is_redacted():
    assert shown({"ada@example.com": 1}) == {"[email]": 1}


# --- secrets ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["password", "db_password", "X-Api-Key", "clientSecret", "Authorization", b"password", ("db", "password"), None],
                         ids=lambda value: type(value).__name__)  # fmt: skip
@pytest.mark.parametrize("value", ["hunter2", 12345, ["hunter2"], {"a": "hunter2"}, None, "evil"], ids=lambda value: type(value).__name__)
def test_what_stands_under_a_sensitive_name_is_not_shown(name, value):
    name, value = EvilStr("token") if name is None else name, Evil() if value == "evil" else value
    rendered = shown({"a": [{"b": {name: value}}]})
    assert list(rendered["a"][0]["b"].values()) == ["[redacted]"]


def test_pairs_and_named_values_are_not_shown_either():
    assert shown([("Authorization", "Bearer x"), ["password", "x"], (b"Cookie", b"a=1"), ("Host", "x")]) == [
        ["Authorization", "[redacted]"],
        ["password", "[redacted]"],
        ["Cookie", "[redacted]"],
        ["Host", "x"],
    ]
    assert shown({"name": "password", "value": "x", "id": 1}) == {"name": "password", "value": "[redacted]", "id": 1}
    assert shown({"key": "token", "value": "x"}) == {"key": "token", "value": "[redacted]"}
    assert shown({"name": "color", "value": "x"}) == {"name": "color", "value": "x"}
    assert shown(["password", "email", "x"]) == ["password", "email", "x"]
    assert shown([Evil(), "x"]) == [f"<{Evil.__module__}.Evil>", "x"]


def test_the_shape_of_a_text_is_enough():
    rendered = shown({"a": "mail ada@example.com", "b": b"password=hunter2", "url": "https://ada:pw@host/"})
    assert rendered == {"a": "mail [email]", "b": "password=[redacted]", "url": "https://[redacted]@host/"}


# --- bounds ----------------------------------------------------------------------------------------------------------------------------


def nested(depth):
    value = "core"
    for _ in range(depth):
        value = [value]
    return value


def test_five_levels_are_shown():
    assert render(nested(5)) == (nested(5), ())
    assert render(nested(6)) == ([[[[["<list>"]]]]], ("details[0][0][0][0][0]: deeper than 5 levels",))
    assert shown({"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}) == {"a": {"b": {"c": {"d": {"e": "<dict>"}}}}}


@pytest.mark.parametrize("make", [list, tuple, set, frozenset, lambda numbers: dict.fromkeys(map(str, numbers), 1)])
def test_thirty_items_are_shown(make):
    rendered, notes = render({"foo": make(range(30))})
    assert (len(rendered["foo"]), notes) == (30, ())
    rendered, notes = render({"foo": make(range(31))})
    assert (len(rendered["foo"]), notes) == (30, ("details.foo: 1 of 31 items left out",))
    assert render({"foo": make(range(100))})[1] == ("details.foo: 70 of 100 items left out",)


def test_a_thousand_characters_are_shown():
    assert render("x" * 1000) == ("x" * 1000, ())
    assert render({"a": "x" * 1001}) == ({"a": "x" * 999 + "…"}, ("details.a: 2 of 1001 characters left out",))
    assert shown(b"x" * 1000) == "x" * 1000
    assert shown(b"x" * 1001) == "x" * 999 + "…"
    assert len(shown("x" * 100_000_000)) == 1000
    assert len(shown(b"x" * 100_000_000)) == 1000


def size(value):
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())


@pytest.mark.parametrize("text", ["x" * 1000, "é" * 1000, "😀" * 1000, '"\\' * 500, "\n" * 1000])
def test_the_whole_has_at_most_16_kib(text):
    rendered, notes = render({str(number): [text] * 5 for number in range(30)})
    assert size(rendered) <= 16 * 1024
    assert size(rendered) > 12 * 1024
    assert any("the whole is too big" in note for note in notes)
    assert len(notes) <= 20


def test_the_budget_is_used_to_the_byte():
    assert render(["abc"], limit=8) == (["abc"], ())
    assert render(["abc"], limit=7)[0] == []
    assert render({"a": 1}, limit=2 + 5 + 2) == ({"a": 1}, ())
    assert render({"a": 1}, limit=2 + 5 + 1)[0] == {}
    assert render([[]], limit=5) == ([[]], ())
    assert render([[]], limit=3)[0] == []
    assert render("abc", limit=4) == (None, ("details: left out, the whole is too big",))


def test_a_tree_that_would_take_years_to_walk_is_left_early():
    wide = [0]
    for _ in range(20):
        wide = [wide] * 30
    rendered, notes = render([[[[[{"a": 1}] * 30] * 30] * 30] * 30, wide])
    assert size(rendered) <= 16 * 1024
    assert len(notes) <= 20


def test_notes_name_the_place():
    assert render([["x"] * 31], name="context")[1] == ("context[0]: 1 of 31 items left out",)
    assert render({"ada@example.com": "x" * 2000})[1][0].startswith("details.[email]: ")
    assert all(len(note) <= 200 for note in render({"k" * 100: {"l" * 100: {"m" * 100: "x" * 2000}}})[1])
