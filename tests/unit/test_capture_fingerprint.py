"""Fingerprints: what one problem is called in every process, on every machine and in every checkout."""

import asyncio
import functools
import json
import os
import subprocess
import sys
import types
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import attrs
import pytest

import incidentkit
from incidentkit.capture import exception_fingerprint, is_own, key_fingerprint, own_name, template, text_fingerprint

SHOP = """
def fail(text="x"):
    raise ValueError(text)

def fail_on_two_lines(second):
    if second:
        raise ValueError("x")
    raise ValueError("x")

def call(inner, *args):
    return inner(*args)

def outer(*args):
    return call(fail, *args)

def descend(n):
    return fail() if n <= 1 else descend(n - 1)

def ping(n):
    return fail() if n <= 1 else pong(n - 1)

def pong(n):
    return fail() if n <= 1 else ping(n - 1)

def forever(n=0):
    return leaf(n) + forever(n + 1)

def leaf(n):
    return n

def wrap(inner):
    try:
        inner()
    except Exception as error:
        raise RuntimeError("outer") from error

def shadow(inner):
    try:
        inner()
    except Exception:
        raise RuntimeError("outer")

def other():
    raise ValueError("x")

def lookup():
    raise KeyError("x")

def listed(call):
    return [call() for _ in range(1)]

def looped(call):
    for _ in range(1):
        call()

def generated(call):
    yield call()

async def awaited(call):
    call()

class Cart:
    def add(self):
        raise ValueError
    def remove(self):
        raise ValueError

nameless = lambda: fail()
"""


def module(name="shop.cart", file="/srv/app/shop/cart.py", source=SHOP):
    """Return the namespace of a module as if it were imported from *file*."""
    scope = {"__name__": name, "__file__": file}
    exec(compile(source, file, "exec"), scope)
    return types.SimpleNamespace(**scope)


shop = module()


def caught(call, *args):
    try:
        call(*args)
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next  # the frame of this helper aside
        return error
    raise AssertionError("nothing was raised")


def of(call, *args, **options):
    return exception_fingerprint(caught(call, *args), **options)


# --- form ------------------------------------------------------------------------------------------------------------------------------


def test_it_is_32_hexadecimal_digits():
    for fingerprint in (of(shop.fail), key_fingerprint("k"), text_fingerprint("t")):
        assert len(fingerprint) == 32
        assert int(fingerprint, 16)


def test_it_never_changes():
    """These values are in people's stores: a change opens every known problem anew, so it needs a migration."""
    assert of(shop.outer) == "f8067c44e4b085954b22735521eb3c8f"
    assert of(shop.wrap, shop.lookup, tenant="acme") == "3a6b5be425a85c5cf88e3d8c56825765"
    assert exception_fingerprint(ExceptionGroup("x", [caught(shop.fail), caught(shop.lookup)])) == "54db29d2a7c6d8b3ab6daf32a09333f7"
    assert key_fingerprint("queue-memory", tenant="acme") == "85bff917a2fb7d62520b471ed06438b6"
    assert text_fingerprint("Queue 7 is full", source="report", service="worker") == "33d079d31ddca52ebab0fbb27b8b8053"


def test_it_is_the_same_in_a_process_with_another_hash_seed():
    program = "import sys; sys.path.insert(0, sys.argv[1]); from incidentkit.capture import *\nfrom incidentkit.capture import exception_fingerprint\n"
    program += f"scope = {{'__name__': 'shop.cart', '__file__': 'x'}}\nexec(compile({SHOP!r}, 'C:\\\\shop\\\\cart.py', 'exec'), scope)\n"
    program += "try: scope['outer']()\nexcept ValueError as error:\n    error.__traceback__ = error.__traceback__.tb_next\n"
    program += "    print(exception_fingerprint(error), text_fingerprint('a {1, 2}', service='s'), key_fingerprint('k'))\n"
    found = set()
    for seed in ("0", "1", "12345"):
        command = [sys.executable, "-c", program, str(Path(incidentkit.__file__).parents[1])]
        found.add(
            subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True).stdout.strip()
        )
    assert found == {f"{of(shop.outer)} {text_fingerprint('a {1, 2}', service='s')} {key_fingerprint('k')}"}


@pytest.mark.parametrize(
    "call", [lambda **o: of(shop.fail, **o), lambda **o: key_fingerprint("k", **o), lambda **o: text_fingerprint("k", **o)]
)
def test_the_tenant_is_part_of_it(call):
    assert len({call(tenant=""), call(tenant="a"), call(tenant="b")}) == 3


def test_a_key_is_no_text_and_parts_do_not_run_into_each_other():
    assert key_fingerprint("x") != text_fingerprint("x")
    assert key_fingerprint("b", tenant="a") != key_fingerprint("", tenant="ab")
    assert text_fingerprint("c", source="a", service="b") != text_fingerprint("c", source="ab", service="")
    assert len({text_fingerprint("t"), text_fingerprint("t", source="s"), text_fingerprint("t", service="s")}) == 3


def test_lone_surrogates_and_long_keys_have_one():
    assert key_fingerprint("\ud800") != key_fingerprint("\ud801")
    assert key_fingerprint("x" * 20_000) != key_fingerprint("x" * 20_001)
    assert key_fingerprint("x" * 10_000 + "y") == key_fingerprint("x" * 10_000 + "z"), "10,000 characters and the length count"
    assert key_fingerprint("x" * 9_999 + "y") != key_fingerprint("x" * 9_999 + "z")


# --- what counts -----------------------------------------------------------------------------------------------------------------------


def test_text_and_lines_do_not_count():
    assert of(shop.fail, "user 1") == of(shop.fail, "user 2")
    assert of(shop.fail_on_two_lines, True) == of(shop.fail_on_two_lines, False)


def test_type_function_caller_and_module_count():
    elsewhere = module("shop.basket")
    cart = shop.Cart()
    found = [of(shop.fail), of(shop.lookup), of(shop.other), of(shop.outer), of(elsewhere.fail), of(cart.add), of(cart.remove)]
    assert len(set(found)) == len(found)


def test_two_types_of_one_name_in_two_modules_differ():
    one, two = (type("Broken", (Exception,), {"__module__": name}) for name in ("shop.a", "shop.b"))
    assert exception_fingerprint(one()) != exception_fingerprint(two())


@pytest.mark.parametrize(
    "file",
    [
        "/srv/app/shop/cart.py",
        "/home/ada/src/shop/cart.py",
        r"C:\Users\ada\shop\cart.py",
        r"D:\app\shop\cart.py",
        "shop/cart.py",
        "cart.pyc",
    ],
)
def test_the_directory_of_the_checkout_does_not_count(file):
    assert of(module(file=file).outer) == of(shop.outer)


def test_a_code_object_moved_to_a_windows_path_is_the_same():
    """As a compiled file does that was built elsewhere."""
    moved = types.FunctionType(shop.fail.__code__.replace(co_filename=r"C:\app\shop\cart.py"), vars(shop) | {"__name__": "shop.cart"})
    assert of(moved, "x") == of(shop.fail)


def test_frames_of_libraries_do_not_count():
    library = module("requests.api", "/usr/lib/python3/dist-packages/requests/api.py")
    windows = module("requests.api", r"C:\Python312\Lib\site-packages\requests\api.py")
    standard = module("json.decoder", sys.modules["os"].__file__.replace("os.py", "json/decoder.py"))
    assert of(library.call, shop.fail) == of(windows.call, shop.fail) == of(standard.call, shop.fail) == of(shop.fail)


@pytest.mark.parametrize(
    ("file", "is_in_app"),
    [
        ("/srv/app/shop/cart.py", True),
        ("/srv/app/site-packagesx/cart.py", True),
        ("/srv/my/lib/cart.py", True),
        ("/srv/app/.venv/lib/python3.12/site-packages/x.py", False),
        ("/usr/lib/python3/dist-packages/x.py", False),
        ("site-packages/x.py", False),
        ("/opt/python/lib/python3.13/json/decoder.py", False),
        (r"C:\Python311\Lib\json\decoder.py", False),
        (r"C:\work\lib\cart.py", True),
        (f"{sys.prefix}/bin/gunicorn", False),
        ("<frozen importlib._bootstrap>", False),
        ("<attrs generated init shop.User>", False),
        ("<decorator-gen-12>", False),
        ("<string>", True),
        ("<ipython-input-3-8f2a>", True),
    ],
)
def test_whose_code_a_file_is(file, is_in_app):
    """A caller in the application is there already, so only an in-app frame more makes a difference."""
    source = "def call(inner): inner()"
    scope = {"__name__": "somewhere"}
    exec(compile(source, file, "exec"), scope)
    assert (of(scope["call"], shop.fail) != of(shop.fail)) == is_in_app


def test_with_no_frame_of_the_application_all_count():
    one, two = (module(name, f"/x/site-packages/{name}.py") for name in ("one", "two"))
    assert of(one.fail) == of(one.fail, "other")
    assert len({of(one.fail), of(one.other), of(two.fail), of(two.call, one.fail)}) == 4


def test_our_own_wrappers_never_count():
    ours = module("incidentkit.host.watch", "/x/site-packages/incidentkit/host/watch.py")
    library = module("requests", "/x/site-packages/requests.py")
    assert of(ours.call, shop.fail) == of(shop.fail)
    assert of(ours.call, library.fail) == of(library.fail), "not even when only libraries are left"
    assert of(ours.fail) != of(ours.other), "but our own fault has a place too"
    assert is_own("incidentkit")
    assert is_own("incidentkit.host")
    assert not is_own("incidentkit_demo")


def test_an_error_that_was_never_raised_is_its_type():
    assert exception_fingerprint(ValueError("a")) == exception_fingerprint(ValueError("b")) != exception_fingerprint(KeyError("a"))


# --- recursion -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 10, 99, 100, 101, 900])
def test_the_depth_of_a_recursion_does_not_count(depth):
    assert of(shop.descend, depth) == of(shop.descend, 3)


def test_the_depth_of_a_mutual_recursion_does_not_count():
    assert of(shop.ping, 10) == of(shop.ping, 801) == of(shop.ping, 4) != of(shop.pong, 4)


def test_a_recursion_that_went_one_deep_is_no_other_problem_than_its_entry():
    assert of(shop.descend, 1) == of(shop.descend, 900)


def test_which_function_hits_the_recursion_limit_does_not_count():
    limit = sys.getrecursionlimit()
    found = set()
    try:
        for extra in range(4):
            sys.setrecursionlimit(limit + extra)
            found.add(of(shop.forever))
            found.add(of(shop.call, shop.forever))
    finally:
        sys.setrecursionlimit(limit)
    assert len(found) == 1


def test_the_place_that_failed_counts_though_it_is_on_the_stack_already():
    source = "def a(n):\n    b(n)\ndef b(n):\n    if n == 0: raise ValueError\n    a(n - 1) if n > 0 else c()\ndef c():\n    a(0)\n"
    one, two = (
        module(source=source),
        module(source=source.replace("if n == 0: raise ValueError", "if n == 0: a(-9)").replace("b(n)\n", "b(n) if n != -9 else 1 / 0\n")),
    )
    assert of(one.a, 1) != of(two.a, 1)


# --- causes and groups -----------------------------------------------------------------------------------------------------------------


def test_an_explicit_cause_counts_by_type_and_place():
    found = [of(shop.wrap, shop.fail), of(shop.wrap, shop.lookup), of(shop.wrap, shop.other)]
    assert len(set(found)) == 3
    assert of(shop.wrap, lambda: shop.fail("other text")) == found[0]


def test_of_a_cause_only_the_innermost_frame_counts():
    assert of(shop.wrap, shop.outer) == of(shop.wrap, shop.fail)


def test_the_exception_that_happened_to_be_handled_does_not_count():
    assert of(shop.shadow, shop.fail) == of(shop.shadow, shop.lookup)


def test_causes_of_causes_count_up_to_the_eighth():
    def chain(length, last):
        error = last
        for _ in range(length):
            outer = RuntimeError()
            outer.__cause__ = error
            error = outer
        return exception_fingerprint(error)

    assert chain(8, ValueError()) != chain(8, KeyError())
    assert chain(9, ValueError()) == chain(9, KeyError())


def test_a_cycle_of_causes_ends():
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert exception_fingerprint(first) != exception_fingerprint(second)


def test_a_group_is_the_set_of_its_members_wherever_it_was_raised():
    a, b = caught(shop.fail), caught(shop.lookup)
    same = [ExceptionGroup("x", [a, b]), ExceptionGroup("y", [b, a]), ExceptionGroup("z", [a, b, caught(shop.fail, "again")])]
    assert len({exception_fingerprint(group) for group in same}) == 1
    assert exception_fingerprint(ExceptionGroup("x", [a])) != exception_fingerprint(same[0])
    assert exception_fingerprint(ExceptionGroup("x", [ExceptionGroup("x", [a])])) != exception_fingerprint(ExceptionGroup("x", [a]))
    assert exception_fingerprint(BaseExceptionGroup("x", [a, KeyboardInterrupt()])) != exception_fingerprint(same[0])

    def group():
        raise ExceptionGroup("x", [a, b])

    assert of(group) == exception_fingerprint(same[0])


def test_a_group_of_members_that_were_never_raised_is_where_it_was_raised():
    one, two = (module(source=f"def {name}():\n    raise ExceptionGroup('x', [ValueError()])") for name in ("one", "two"))
    assert of(one.one) != of(two.two)


def test_a_group_as_cause_counts_by_its_members():
    def wrap(*members):
        error = RuntimeError()
        error.__cause__ = ExceptionGroup("x", list(members))
        return exception_fingerprint(error)

    assert wrap(caught(shop.fail)) != wrap(caught(shop.lookup))
    assert wrap(caught(shop.fail)) == wrap(caught(shop.fail), caught(shop.fail))


def test_of_members_the_first_fifty_count():
    many = [caught(shop.fail)] * 50
    assert exception_fingerprint(ExceptionGroup("x", [*many[1:], caught(shop.lookup)])) != exception_fingerprint(ExceptionGroup("x", many))
    assert exception_fingerprint(ExceptionGroup("x", [*many, caught(shop.lookup)])) == exception_fingerprint(ExceptionGroup("x", many))


# --- kinds of frames -------------------------------------------------------------------------------------------------------------------


def test_code_without_frames_of_python_fails_where_it_was_called():
    one, two = (
        module(source=f"import json\ndef {name}():\n    json.loads('{{')\ndef number():\n    int('x')\n") for name in ("one", "two")
    )
    assert of(one.one) != of(two.two)
    assert of(one.number) == of(two.number)


def test_a_lambda_has_a_place():
    assert of(shop.nameless) == of(module(file=r"C:\x\shop\cart.py").nameless) != of(shop.fail)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 has no frames for comprehensions")
def test_a_comprehension_is_part_of_its_function_as_in_3_12():
    source = "def listed(call):\n    for _ in range(1): call()\n"
    assert of(shop.listed, shop.fail) == of(module(source=source).listed, shop.fail)


def test_generators_and_coroutines_have_places():
    def drive(call):
        return next(shop.generated(call))

    assert of(drive, shop.fail) not in {of(shop.looped, shop.fail), of(shop.fail)}
    assert of(lambda: asyncio.run(shop.awaited(shop.fail))) == of(lambda: asyncio.run(shop.awaited(shop.fail))) != of(shop.fail)


def test_a_decorator_of_the_application_is_a_place_once():
    def retry(call):
        @functools.wraps(call)
        def wrapper(*args):
            return call(*args)

        return wrapper

    assert of(retry(shop.fail)) == of(retry(retry(shop.fail))) != of(shop.fail)


def test_generated_methods_of_dataclasses_and_attrs_do_not_hide_the_caller():
    @dataclass
    class One:
        x: int

        def __post_init__(self):
            shop.fail()

    @attrs.define
    class Two:
        x: int = attrs.field(validator=lambda *_: shop.fail())

    assert of(One, 1) == of(One, 2)
    assert of(Two, 1) == of(Two, 2)
    assert of(One, 1) != of(Two, 1)


def test_counters_and_addresses_in_the_names_of_generated_code_do_not_count():
    def run(file):
        return of(lambda: exec(compile("1 / 0", file, "exec"), {}))

    assert run("<ipython-input-3-8f2ac1>") == run("<ipython-input-14-00ff12>") != run("<template>")
    assert run("<lambda at 0x7f00aa>") == run("<lambda at 0x7faabb>")


def test_a_script_is_the_module_that_it_would_be_when_imported():
    script, imported = module("__main__", "/srv/app/worker.py"), module("worker", "/srv/app/worker.py")
    assert of(script.fail) == of(imported.fail)
    notebook, other = module("__main__", "/tmp/ipykernel_12/3456.py"), module("__main__", "/tmp/ipykernel_13/99.py")
    assert of(notebook.fail) == of(other.fail)


def test_python_dash_m_is_the_module_that_it_would_be_when_imported():
    script = module("__main__", "/srv/app/shop/cart.py")
    scope = {**vars(script), "__spec__": __import__("importlib.machinery").machinery.ModuleSpec("shop.cart", None)}
    assert of(types.FunctionType(script.fail.__code__, scope, argdefs=("x",))) == of(shop.fail)


def test_a_named_tuple_is_no_code_of_the_application():
    point = namedtuple("point", "x y")  # noqa: PYI024
    assert of(lambda: point(1)) == of(lambda: point(1))


def test_globals_of_any_kind_do_no_harm():
    class Evil(dict):
        def get(self, *_):
            raise RuntimeError

        def __getitem__(self, key):
            raise RuntimeError

    for scope in ({}, {"__name__": 5}, {"__name__": None, "__file__": 7}, Evil(__name__="__main__", __spec__=object())):
        function = types.FunctionType(shop.nameless.__code__.replace(co_filename="x.py"), scope)
        assert of(function)


def test_a_site_without_a_name_is_called_after_its_function():
    assert own_name("shop.cart", "Cart.add") == "shop.cart.Cart.add"
    assert own_name("shop.cart", "make.<locals>.handler") == "shop.cart.make.<locals>.handler"
    assert len(own_name("m", "x" * 198)) == 200
    assert len(own_name("m", "x" * 199)) == 200
    assert own_name("m", "x" * 199).endswith("…")


def test_one_bad_type_name_does_no_harm():
    class Meta(type):
        __module__ = property(lambda cls: 1 / 0)

    broken = Meta("Broken", (Exception,), {"__module__": 5})
    assert exception_fingerprint(broken())
    scope = {}
    exec("Homeless = type('Homeless', (Exception,), {})", scope)  # has no __module__ at all
    assert exception_fingerprint(scope["Homeless"]())


# --- text ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user 42 not found", "user <n> not found"),
        ("took 1.5s, -3 of 1,000", "took <n>s, <n> of <n>"),
        ("1e-05", "<n>"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id <id>"),
        ("at 0x7f3a2b, commit a1b2c3d, d41d8cd98f00b204e9800998ecf8427e", "at <n>, commit <n>"),
        ("mail to ada@example.com failed", "mail to <email> failed"),
        ("no 'bob' and \"eve\" in `x`", "no <s> and <s> in <s>"),
        ("can't open it's file", "can't open it's file"),
        ("GET /users/42/orders/a1b2c3d4e5", "GET /users/<n>/orders/<n>"),
        ("order ABC12345XY", "order <id>"),
        ("[1, 2, 3] and [4]", "[<n>] and [<n>]"),
        ("a  b\n c", "a b c"),
        ("deadbeef is a word", "deadbeef is a word"),
        ("abc12 x abcde1 x abcdef1", "abc<n> x <n> x <n>"),
        ("ABCDE1 AbCdE1", "<n> AbCdE<n>"),
        ("zzzzz123 zzzz123 zzzzzz12", "<id> zzzz<n> zzzzzz<n>"),
        ("", ""),
    ],
)
def test_what_varies_in_a_text_is_replaced(text, expected):
    assert template(text) == expected
    assert template(expected) == expected


def test_a_text_that_varies_in_numbers_only_has_one_fingerprint():
    assert text_fingerprint("queue 7 holds 100") == text_fingerprint("queue 12 holds 3,500.5")
    assert text_fingerprint("queue holds") != text_fingerprint("queue hold")


def test_a_template_reads_1000_characters():
    assert template("x" * 999 + "yz") == "x" * 999 + "y"
    assert text_fingerprint("x " * 500 + "a") == text_fingerprint("x " * 500 + "b")
    assert text_fingerprint("x" * 999 + "a") != text_fingerprint("x" * 999 + "b")


def test_json_of_a_fingerprint_is_itself():
    assert json.loads(json.dumps(of(shop.fail))) == of(shop.fail)
