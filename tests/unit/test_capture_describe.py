"""Exceptions as data: what is said, what is left out, and what is never touched."""

import linecache
import sys
import types

import pytest

from incidentkit.capture import describe, with_source
from incidentkit.model import ExceptionInfo, Frame


class Evil:
    """Whatever is asked of it, somebody hears of it."""

    asked: list = []  # noqa: RUF012

    def __repr__(self):
        Evil.asked.append("repr")
        raise RuntimeError("no")

    __str__ = __repr__

    def __format__(self, spec):
        Evil.asked.append("format")
        raise RuntimeError("no")

    def __hash__(self):
        return 1

    def __eq__(self, other):
        Evil.asked.append("eq")
        raise RuntimeError("no")

    def __bool__(self):
        Evil.asked.append("bool")
        raise RuntimeError("no")


class EvilStr(str):
    __slots__ = ()
    __str__ = __repr__ = __len__ = __getitem__ = Evil.__repr__


@pytest.fixture(autouse=True)
def nothing_of_the_host_is_called():
    Evil.asked.clear()
    yield
    assert Evil.asked == []


EVIL = f"<{Evil.__module__}.Evil>"
EVIL_STR = f"<{Evil.__module__}.EvilStr>"


def namespace(
    name="shop.cart",
    file="/srv/app/shop/cart.py",
    source="def fail():\n    raise ValueError('x')\ndef call(inner, *args): return inner(*args)\n",
):
    scope = {"__name__": name, "__file__": file}
    exec(compile(source, file, "exec"), scope)
    return types.SimpleNamespace(**scope)


def caught(call, *args):
    try:
        call(*args)
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next
        return error
    raise AssertionError("nothing was raised")


def descend(n):
    if n <= 1:
        raise ValueError("x")
    descend(n - 1)


# --- text ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        ValueError("boom"),
        ValueError("a", 1),
        ValueError(("a",)),
        ValueError(["a", {"b": 2.5}], None, True),
        ValueError({1}),
        ValueError(frozenset({1})),
        ValueError(("a", "b")),
        KeyError("order"),
        KeyError(7),
        KeyError(b"x\xff"),
        KeyError("a", "b"),
        KeyError(),
        OSError("x"),
        OSError(2, "No such file"),
        OSError(2, "No such file", "/etc/x"),
        OSError(2, "No such file", "/etc/x", None, "/etc/y"),
        FileNotFoundError(2, "No such file", b"/etc/x"),
        ConnectionRefusedError(111, "refused"),
        OSError(2, "x", 5),
        ImportError("no module", name="x"),
        ModuleNotFoundError("no module", name="x"),
        ImportError("a", "b"),
        SyntaxError("bad"),
        SyntaxError("bad", ("f.py", 3, 1, "x =")),
        SyntaxError("bad", ("f.py", None, None, None)),
        SyntaxError("bad", (None, 3, None, None)),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        UnicodeDecodeError("utf-8", b"\xff\xff", 0, 2, "bad"),
        UnicodeEncodeError("ascii", "é", 0, 1, "bad"),
        UnicodeTranslateError("é", 0, 1, "bad"),
        ExceptionGroup("several", [ValueError(), KeyError()]),
        ExceptionGroup("one", [ValueError()]),
        StopIteration(3),
        SystemExit(2),
        ZeroDivisionError("division by zero"),
    ],
    ids=repr,
)
def test_builtins_say_what_they_say_everywhere(error):
    assert describe(error).text == str(error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError(Evil()), EVIL),
        (ValueError("a", Evil()), f"('a', {EVIL})"),
        (ValueError([Evil()]), f"[{EVIL}]"),
        (ValueError({"a": Evil()}), f"{{'a': {EVIL}}}"),
        (ValueError({Evil(): "x"}), f"{{'{EVIL}': [redacted]}}"),
        (ValueError(EvilStr("x")), EVIL_STR),
        (KeyError(Evil()), EVIL),
        (KeyError(EvilStr("x")), EVIL_STR),
        (OSError(2, Evil()), f"[Errno 2] {EVIL}"),
        (OSError(Evil(), "x"), f"[Errno {EVIL}] x"),
        (OSError(2, "x", Evil()), f"[Errno 2] x: {EVIL}"),
        (OSError(2, "x", "a", None, Evil()), f"[Errno 2] x: 'a' -> {EVIL}"),
        (ImportError(Evil()), EVIL),
        (SyntaxError(Evil()), EVIL),
        (SyntaxError("x", ("f.py", Evil(), 1, "")), "x (f.py)"),
        (SyntaxError("x", (Evil(), 3, 1, "")), "x (line 3)"),
        (ValueError(10**5000), f"<int of {(10**5000).bit_length()} bits>"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_object_in_the_arguments_is_named_by_its_type_only(error, text):
    assert describe(error).text == text


def test_a_slot_set_to_an_object_later_is_named_by_its_type_only():
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")
    error.reason = Evil()
    assert "bad" in describe(error).text
    error = UnicodeEncodeError("ascii", "é", 0, 1, "bad")
    error.encoding = Evil()
    assert "ascii" in describe(error).text
    error = ImportError("x")
    error.msg = EvilStr("y")
    assert describe(error).text == "x"


def test_a_huge_number_of_bytes_is_not_copied_into_the_text_of_an_encoding_error():
    assert describe(UnicodeDecodeError("utf-8", b"\xff" * 10_000_000, 0, 1, "bad")).text == str(
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")
    )


def test_an_exception_class_may_have_a_str_of_its_own():
    class Declined(Exception):
        def __str__(self):
            return f"declined {len(self.args)}"

    class Below(Declined):
        pass

    assert describe(Declined("a")).text == "declined 1"
    assert describe(Below("a", "b")).text == "declined 2"


@pytest.mark.parametrize("answer", [lambda _: 1 / 0, lambda _: 5, lambda _: EvilStr("x"), None])
def test_a_str_that_fails_is_unprintable(answer):
    assert describe(type("Broken", (Exception,), {"__str__": answer})("x")).text == "<unprintable>"


def test_ctrl_c_inside_a_str_passes():
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe(type("Slow", (Exception,), {"__str__": interrupt})())


def test_a_class_without_a_str_is_not_asked_for_its_repr_or_args():
    class Quiet(ValueError):
        args = property(lambda self: 1 / 0)
        __repr__ = Evil.__repr__

    assert describe(Quiet("boom")).text == "boom"


@pytest.mark.parametrize(
    ("length", "text"), [(1000, "x" * 1000), (1001, "x" * 999 + "…"), (1256, "x" * 999 + "…"), (1257, "x" * 999 + "…")]
)
def test_a_text_has_at_most_1000_characters(length, text):
    assert describe(ValueError("x" * length)).text == text


def test_a_text_of_100_mb_is_cut_before_anything_looks_at_it():
    huge = "x " * 50_000_000
    info = describe(ValueError(huge))
    assert len(info.text) == 1000
    assert len(describe(KeyError(huge)).text) <= 1000
    assert len(describe(ValueError([huge] * 100, {huge: huge})).text) <= 1000


def test_a_secret_that_the_cut_would_halve_is_gone_whole():
    for before in range(960, 1000):
        text = describe(ValueError("x" * before + " https://ada:hunter2hunter2@db.example/ and more " + "y" * 400)).text
        assert "hunter" not in text
        assert "hunter" not in describe(ValueError("x" * before + " https://ada:hunter2hunter2" + "z" * 600 + "@db/")).text


def test_a_text_is_redacted_and_printable():
    assert describe(ValueError("mail ada@example.com \x1b[31m \ud800 \x00 a\tb\nc")).text == "mail [email] \ufffd[31m \ufffd \ufffd a\tb\nc"
    assert describe(ValueError({"password": "hunter2"}, ("X-Api-Key", "k1"), ["a", "b", "c"])).text == (
        "({'password': [redacted]}, ('X-Api-Key', [redacted]), ['a', 'b', 'c'])"
    )


def test_a_named_value_in_a_text_is_redacted():
    assert describe(ValueError({"name": "password", "value": "x"})).text == "{'name': 'password', 'value': [redacted]}"
    assert describe(ValueError({"name": "color", "value": "x"})).text == "{'name': 'color', 'value': 'x'}"


def test_containers_in_a_text_are_short():
    assert describe(ValueError(list(range(10)))).text == str(list(range(10)))
    assert describe(ValueError(list(range(11)))).text == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …]"
    assert describe(ValueError({n: n for n in range(11)})).text.endswith("'9': 9, …}")
    assert describe(ValueError([[[1]]])).text == "[[[1]]]"
    assert describe(ValueError([[[[1]]]])).text == "[[[<list>]]]"
    assert describe(ValueError(*range(11))).text == "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …)"
    itself = []
    itself.append(itself)
    assert describe(ValueError(itself)).text == "[[[<list>]]]"


# --- type and notes --------------------------------------------------------------------------------------------------------------------


def test_a_type_has_its_module_unless_it_is_builtin():
    assert describe(ValueError()).type == "ValueError"
    assert describe(type("Broken", (Exception,), {"__module__": "shop.cart"})()).type == "shop.cart.Broken"
    assert describe(type("B" * 200, (Exception,), {"__module__": "builtins"})()).type == "B" * 200
    assert describe(type("B" * 201, (Exception,), {"__module__": "builtins"})()).type == "B" * 199 + "…"


def test_notes_are_kept_when_they_are_text():
    error = ValueError()
    error.add_note("to ada@example.com")
    error.add_note("x" * 501)
    error.__notes__ += [5, Evil(), EvilStr("x")]
    assert describe(error).notes == ("to [email]", "x" * 499 + "…")
    error.__notes__ = [str(number) for number in range(11)]
    assert describe(error).notes == tuple("0123456789")
    for odd in (None, "text", Evil(), ("a",)):
        error.__notes__ = odd
        assert describe(error).notes == ()


# --- frames ----------------------------------------------------------------------------------------------------------------------------


def test_frames_stand_outermost_first_with_module_function_file_and_line():
    shop, library = namespace(), namespace("requests.api", "/x/site-packages/requests/api.py")
    assert describe(caught(library.call, shop.fail)).frames == (
        Frame(module="requests.api", function="call", file="requests/api.py", line=3, is_in_app=False),
        Frame(module="shop.cart", function="fail", file="shop/cart.py", line=2, is_in_app=True),
    )


@pytest.mark.parametrize(
    ("module", "file", "shown"),
    [
        ("shop.cart", "/home/ada/shop/cart.py", "shop/cart.py"),
        ("shop.cart", r"C:\Users\ada\shop\cart.py", "shop/cart.py"),
        ("shop", "/home/ada/shop/__init__.py", "shop/__init__.py"),
        ("worker", "worker.py", "worker.py"),
        ("__main__", "/home/ada/worker.py", "worker.py"),
        ("odd", "/home/ada/other.pyx", "other.pyx"),
        ("odd", "/x/site-packages/pkg/_c.pyx", "pkg/_c.pyx"),
        ("odd", "/opt/python/lib/python3.13/json/x.py", "json/x.py"),
        ("odd", sys.modules["os"].__file__.replace("os.py", "json/x.py"), "json/x.py"),
        ("odd", "<frozen runpy>", "<frozen runpy>"),
        ("odd", "<ipython-input-3-8f2ac1>", "<ipython-input-#-#>"),
    ],
)
def test_a_file_is_told_from_its_import_root_without_home_directories(module, file, shown):
    assert describe(caught(namespace(module, file).fail)).frames[-1].file == shown


def test_frames_of_our_own_are_left_out_unless_there_are_no_others():
    shop, ours = namespace(), namespace("incidentkit.host.watch", "/x/incidentkit/host/watch.py")
    assert [frame.module for frame in describe(caught(ours.call, shop.fail)).frames] == ["shop.cart"]
    assert [frame.module for frame in describe(caught(ours.fail)).frames] == ["incidentkit.host.watch"]


@pytest.mark.parametrize("depth", [1, 49, 50])
def test_up_to_50_frames_are_all_there(depth):
    info = describe(caught(descend, depth))
    assert len(info.frames) == depth
    assert info.notes == ()


def test_of_more_frames_both_ends_are_there():
    info = describe(caught(descend, 51))
    assert len(info.frames) == 50
    assert info.notes == ("1 of 51 frames left out",)
    info = describe(caught(descend, 900))
    assert len({frame.line for frame in info.frames[:49]}) == 1
    assert info.frames[-1].line != info.frames[-2].line
    assert info.notes == ("850 of 900 frames left out",)


@pytest.mark.parametrize(("most", "shown"), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_fewer_frames_may_be_asked_for(most, shown):
    info = describe(caught(descend, 10), max_frames=most)
    assert len(info.frames) == shown
    assert info.frames[-1].line == describe(caught(descend, 10)).frames[-1].line


def test_an_instruction_without_a_line_has_line_0():
    shop = namespace()
    code = shop.fail.__code__.replace(co_linetable=b"")
    frames = describe(caught(types.FunctionType(code, {"__name__": "shop.cart"}))).frames
    assert frames[-1].line == 0


def test_names_are_bounded():
    shop = namespace("m" * 300, "/x/" + "f" * 300 + ".py", f"def {'g' * 300}():\n    raise ValueError\n")
    frame = describe(caught(getattr(shop, "g" * 300))).frames[-1]
    assert (len(frame.module), len(frame.function), len(frame.file)) == (200, 200, 200)


def test_locals_are_not_read():
    class Watched:
        def __getattribute__(self, name):
            Evil.asked.append(name)
            return object.__getattribute__(self, name)

    def body():
        held = Watched()
        raise ValueError(held is None)

    error = caught(body)
    before = sys.getrefcount(error)
    describe(error)
    assert sys.getrefcount(error) == before


# --- causes and members ----------------------------------------------------------------------------------------------------------------


def chained(length, *, explicit=True):
    error = ValueError("0")
    for number in range(1, length + 1):
        outer = ValueError(str(number))
        if explicit:
            outer.__cause__ = error
        else:
            outer.__context__ = error
        error = outer
    return error


def texts(info):
    found = []
    while info is not None:
        found.append(info.text)
        info = info.cause
    return found


@pytest.mark.parametrize("explicit", [True, False])
def test_a_chain_is_told_five_causes_long(explicit):
    info = describe(chained(5, explicit=explicit))
    assert texts(info) == list("543210")
    info = describe(chained(6, explicit=explicit))
    assert texts(info) == list("654321")
    assert info.cause.cause.cause.cause.cause.notes == ("earlier causes left out",)


def test_an_explicit_cause_wins_and_from_none_hides_the_context():
    error = ValueError("x")
    error.__context__ = KeyError("context")
    assert describe(error).cause.type == "KeyError"
    error.__cause__ = OSError("cause")
    assert describe(error).cause.type == "OSError"
    error.__cause__ = None
    assert error.__suppress_context__
    assert describe(error).cause is None


def test_cycles_end():
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert texts(describe(first)) == ["1", "2"]
    group = ExceptionGroup("g", [first])
    second.__cause__ = group
    assert texts(describe(group).members[0]) == ["1", "2"]


def test_ten_members_are_told():
    info = describe(ExceptionGroup("g", [ValueError(str(number)) for number in range(10)]))
    assert [member.text for member in info.members] == list("0123456789")
    assert info.notes == ()
    info = describe(ExceptionGroup("g", [ValueError(str(number)) for number in range(11)]))
    assert len(info.members) == 10
    assert info.notes == ("1 of 11 members left out",)


def test_groups_are_told_three_deep():
    error = ValueError("core")
    for _ in range(4):
        error = ExceptionGroup("g", [error])
    info = describe(error)
    for _ in range(3):
        (info,) = info.members
    assert info.members == ()
    assert info.notes == ("1 of 1 members left out",)
    assert describe(error.exceptions[0]).members[0].members[0].members[0].text == "core"


def count(info):
    return 1 + sum(map(count, info.members)) + (count(info.cause) if info.cause else 0)


def test_the_whole_tree_is_bounded():
    wide = ExceptionGroup("g", [ExceptionGroup("g", [ValueError("x" * 100) for _ in range(10)]) for _ in range(10)])
    assert count(describe(wide)) == 25
    long = ExceptionGroup("g", [ValueError("é" * 1000) for _ in range(10)])
    assert count(describe(long)) < 11


def test_a_small_budget_keeps_the_innermost_frames():
    info = describe(caught(descend, 50), limit=1500)
    assert 0 < len(info.frames) < 15
    assert info.frames[-1].line == describe(caught(descend, 50)).frames[-1].line
    assert info.notes == (f"{50 - len(info.frames)} of 50 frames left out",)
    assert len(describe(ValueError("x" * 1000), limit=500).text) == 100


# --- source ----------------------------------------------------------------------------------------------------------------------------


def frames(number, *, in_app=True, file="shop/cart.py"):
    return tuple(Frame(module="m", function="f", file=file, line=line, is_in_app=in_app) for line in range(1, number + 1))


def info_of(*parts, **more):
    return ExceptionInfo(type="ValueError", text="x", frames=tuple(frame for part in parts for frame in part), **more)


def test_describe_reads_no_source(monkeypatch):
    monkeypatch.setattr(linecache, "getline", Evil.__repr__)
    assert {frame.source for frame in describe(caught(descend, 3)).frames} == {""}


def test_lines_are_read_by_whoever_is_given():
    info = with_source(info_of(frames(2)), lambda file, line: f"   {file} {line}\n")
    assert [frame.source for frame in info.frames] == ["shop/cart.py 1", "shop/cart.py 2"]
    assert info_of(frames(2)).frames[0].source == ""


def test_causes_and_members_have_lines_too():
    info = with_source(info_of(frames(1), cause=info_of(frames(1)), members=(info_of(frames(1)),)), lambda *_: "x")
    assert (info.frames[0].source, info.cause.frames[0].source, info.members[0].frames[0].source) == ("x", "x", "x")


def test_a_line_is_redacted_and_bounded():
    assert with_source(info_of(frames(1)), lambda *_: "connect(password='hunter2')").frames[0].source == "connect(password='[redacted]')"
    assert len(with_source(info_of(frames(1)), lambda *_: "x" * 201).frames[0].source) == 200


@pytest.mark.parametrize("reader", [lambda *_: 1 / 0, lambda *_: None, lambda *_: EvilStr("x"), lambda *_: "  \n"])
def test_a_reader_that_fails_leaves_the_line_empty(reader):
    assert with_source(info_of(frames(1)), reader) == info_of(frames(1))


def test_generated_code_and_frames_without_a_line_are_not_read():
    def reader(*_):
        raise AssertionError

    nowhere = Frame(module="m", function="f", file="x.py", line=0, is_in_app=True)
    assert with_source(info_of(frames(1, file="<string>"), (nowhere,)), reader).frames[1] == nowhere


def test_thirty_frames_get_lines_the_innermost_of_the_application_first():
    info = with_source(info_of(frames(20), frames(25, in_app=False), frames(6)), lambda *_: "x")
    read = [bool(frame.source) for frame in info.frames]
    assert read == [True] * 20 + [False] * 21 + [True] * 4 + [True] * 6
