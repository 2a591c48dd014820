"""The raw key: what the hot path counts repeats by."""

import gc
import sys

import pytest

from incidentkit.capture import pins, raw_key


def caught(call, *args):
    try:
        call(*args)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def fail(text="x"):
    raise ValueError(text)


def fail_elsewhere():
    raise ValueError("x")


def fail_on_two_lines(second):
    if second:
        raise ValueError("x")
    raise ValueError("x")


def descend(n, call):
    return call() if n <= 1 else descend(n - 1, call)


def depth_of(error):
    depth, link = 0, error.__traceback__
    while link is not None:
        depth, link = depth + 1, link.tb_next
    return depth


def test_a_repeat_has_the_same_key():
    errors = [caught(fail, str(number)) for number in range(3)]
    assert len({raw_key(error) for error in errors}) == 1


def test_another_type_function_line_or_caller_is_another_key():
    errors = [
        caught(fail),
        caught(fail_elsewhere),
        caught(fail_on_two_lines, True),
        caught(fail_on_two_lines, False),
        caught(descend, 3, fail),
    ]
    assert len({raw_key(error) for error in errors}) == len(errors)
    assert raw_key(ValueError()) != raw_key(KeyError())


def test_an_explicit_cause_counts_and_a_context_does_not():
    def wrap(cause, explicit):
        try:
            try:
                raise cause
            except Exception as inner:
                if explicit:
                    raise RuntimeError("outer") from inner
                raise RuntimeError("outer")
        except RuntimeError as error:
            return error

    assert raw_key(wrap(ValueError(), True)) != raw_key(wrap(KeyError(), True))
    assert raw_key(wrap(ValueError(), False)) == raw_key(wrap(KeyError(), False))


def test_the_members_of_a_group_count():
    assert raw_key(ExceptionGroup("x", [ValueError()])) != raw_key(ExceptionGroup("x", [KeyError()]))
    assert raw_key(ExceptionGroup("x", [ValueError()])) == raw_key(ExceptionGroup("y", [ValueError("other text")]))
    nested = ExceptionGroup("x", [ExceptionGroup("y", [ValueError()])])
    assert raw_key(nested) != raw_key(ExceptionGroup("x", [ValueError()]))


def test_a_cycle_of_causes_ends():
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert raw_key(first)
    assert pins(first)


@pytest.mark.parametrize("depth", [99, 100])
def test_up_to_100_frames_all_count(depth):
    """The function at the foot of the first half is told from its neighbour."""
    one = caught(descend, depth - 2, fail)
    assert depth_of(one) == depth
    assert len(raw_key(one)) == 1 + 2 * depth


@pytest.mark.parametrize("depth", [101, 102, 900])
def test_of_more_frames_the_first_and_last_50_count(depth):
    error = caught(descend, depth - 2, fail)
    assert depth_of(error) == depth
    key = raw_key(error)
    assert len(key) == 1 + 2 * 100
    assert key[-2:] == raw_key(caught(fail))[-2:]
    assert key[1:3] == raw_key(caught(descend, 1, fail))[1:3]


def test_a_huge_group_is_bounded():
    group = ExceptionGroup("x", [ExceptionGroup("y", [ValueError() for _ in range(100)]) for _ in range(100)])
    assert len(raw_key(group)) <= 2 * 200
    assert len(pins(group)) == 2


def test_the_pins_hold_whatever_the_key_names_by_id():
    error = caught(descend, 5, fail)
    error.__cause__ = caught(fail_elsewhere)
    kept = {id(one) for one in pins(error)}
    ids = {part for part in raw_key(error) if type(part) is int and part > 10_000}
    assert ids <= kept


def test_pinned_code_is_not_replaced_by_other_code_at_the_same_address():
    def make():
        scope = {}
        exec("def f(): raise ValueError", scope)
        return caught(scope["f"])

    error = make()
    held, key = pins(error), raw_key(error)
    del error
    gc.collect()
    others = [make() for _ in range(50)]
    assert held
    assert key not in {raw_key(other) for other in others}


def test_neither_properties_nor_a_metaclass_of_the_host_are_asked():
    asked = []

    class Meta(type):
        def __hash__(cls):
            asked.append("hash")
            return 1

        def __eq__(cls, other):
            asked.append("eq")
            return False

    class Evil(Exception, metaclass=Meta):
        @property
        def __traceback__(self):
            asked.append("traceback")
            raise RuntimeError

        @property
        def __cause__(self):
            asked.append("cause")
            raise RuntimeError

        @property
        def __class__(self):
            asked.append("class")
            return str

        def __hash__(self):
            asked.append("self")
            raise RuntimeError

    try:
        raise Evil
    except Exception as error:
        key = raw_key(error)
        assert {key: 1}[raw_key(error)] == 1
        assert pins(error)
    assert asked == []


def test_no_locals_are_read():
    """On 3.11 a read of f_locals leaves a dictionary on the frame that keeps the exception alive."""

    def body():
        big = object()
        raise ValueError(big is None)

    error = caught(body)
    before = sys.getrefcount(error)
    raw_key(error)
    pins(error)
    assert sys.getrefcount(error) == before
