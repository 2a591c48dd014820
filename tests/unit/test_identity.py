"""One exception object, seen by however many watches, is one signal; the same object raised again is another. All tracebacks are real."""

# ruff: noqa: TRY201, TRY203 - raising again, by name and not, is the subject

import asyncio
import concurrent.futures
import contextlib
import copy
import functools
import gc
import multiprocessing.pool
import pickle
import threading
import traceback
import weakref

import attrs
import pytest

from incidentkit import host
from incidentkit.host import identity
from incidentkit.host.watch import watch


class Inbox:
    """Does with marks what the engine's inbox does, and nothing else."""

    def __init__(self):
        self.sightings, self.signals = [], 0

    def failed(self, error, site, fields, /):
        token = host.seen(error)
        if token is None:
            self.signals += 1
            host.mark(error, token := self.signals)
        self.sightings.append((site.name if site else "", token))

    def report(self, what, fields, /):
        self.failed(what, None, fields)

    def ok(self, fields, /):
        raise AssertionError("nothing here recovers")


@pytest.fixture
def inbox():
    sink = Inbox()
    previous = host.install(sink)
    yield sink
    host.restore(previous)


class PlainError(Exception):
    pass


class EqualByContent(Exception):
    def __init__(self, code):
        self.code = code

    def __eq__(self, other):
        return isinstance(other, EqualByContent) and vars(self) == vars(other)

    __hash__ = None


class NoSetting(Exception):
    def __setattr__(self, name, value):
        raise TypeError("read only")


class Slotted(Exception):
    __slots__ = ()


@attrs.frozen
class FrozenError(Exception):
    code: int = 0


@attrs.frozen(slots=False)
class FrozenDictError(Exception):
    code: int = 0


class HiddenDict(Exception):
    __dict__ = property(lambda self: {})
    __traceback__ = property(lambda self: None)


KINDS = [
    ValueError, KeyError, OSError, UnicodeDecodeError, PlainError, NoSetting, Slotted, FrozenError, FrozenDictError, HiddenDict,
    ExceptionGroup, MemoryError, StopIteration,
]


def made(kind):
    if kind is UnicodeDecodeError: return kind("utf-8", b"x", 0, 1, "bad")
    if kind is ExceptionGroup: return kind("several", [ValueError()])
    return kind()


# --- one signal -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_nested_watches_see_one_signal(inbox, kind):
    def deep(n):
        if n: return deep(n - 1)
        raise made(kind)

    def middle():
        with watch("inner"): deep(5)

    with contextlib.suppress(kind), watch("outer"):
        deep_in = functools.partial(middle)
        deep_in()
    assert inbox.sightings == [("inner", 1), ("outer", 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_object_of_the_same_kind_is_a_new_signal(inbox, kind):
    """The next exception often lives at the address of the last one, with a traceback at the address of the last one's."""
    for _ in range(50):
        with contextlib.suppress(kind), watch("here"):
            raise made(kind)
    assert inbox.signals == 50


def test_a_decorated_recursion_is_one_signal_seen_at_each_level(inbox):
    @watch("level")
    def down(n):
        if n == 0: raise ValueError
        down(n - 1)

    with contextlib.suppress(ValueError): down(150)
    assert inbox.sightings == [("level", 1)] * 151


def test_a_recursion_that_fails_by_its_depth_is_not_a_signal_for_each_level(inbox):
    """At the limit itself the calls that would mark it fail too; a few levels up they succeed."""
    @watch("level")
    def down():
        down()

    with contextlib.suppress(RecursionError): down()
    assert 1 <= inbox.signals <= 3
    assert len(inbox.sightings) > 100


def test_coroutines_generators_and_asynchronous_generators_are_one_signal(inbox):
    @watch("coroutine")
    async def leaf():
        await asyncio.sleep(0)
        raise PlainError

    @watch("items")
    async def items():
        yield 1
        await leaf()

    @watch("main")
    async def main():
        async for _ in items(): pass

    with contextlib.suppress(PlainError): asyncio.run(main())
    assert inbox.sightings == [("coroutine", 1), ("items", 1), ("main", 1)]


def test_generators_are_one_signal(inbox):
    @watch("leaf")
    def leaf():
        yield 1
        raise ValueError

    @watch("outer")
    def outer():
        yield from leaf()

    with contextlib.suppress(ValueError), watch("loop"):
        for _ in outer(): pass
    assert inbox.sightings == [("leaf", 1), ("outer", 1), ("loop", 1)]


def reraised_bare(call):
    try: call()
    except ValueError: raise


def reraised_by_name(call):
    try: call()
    except ValueError as error: raise error


def reraised_from_none(call):
    try: call()
    except ValueError as error: raise error from None


def reraised_from_a_nested_handler(call):
    try:
        try: call()
        except KeyError: raise
        except ValueError as error:
            try: int("x")
            except TypeError: pass
            except ValueError: raise error from None
    except ValueError as error:
        for _ in range(3):
            if _: raise error


def reraised_after_finally(call):
    try:
        try: call()
        finally: len("x")
    except ValueError as error: raise error


def reraised_bare_by_a_helper(call):
    """Flask: `handle_user_exception` has a bare `raise` of what its caller caught."""
    def helper(): raise  # noqa: PLE0704
    try: call()
    except ValueError: helper()


def reraised_by_name_two_helpers_down(call):
    def helper(error): raise error
    def between(error): helper(error)
    try: call()
    except ValueError as error: between(error)


def reraised_by_a_watched_helper(call):
    """The watch in the helper looks while the frame that handles it still runs, and is not yet in the traceback a second time."""
    def helper(error):
        with watch("helper"): raise error
    try: call()
    except ValueError as error: helper(error)


def reraised_in_a_with(call):
    try:
        with contextlib.nullcontext(): call()
    except ValueError as error:
        with contextlib.nullcontext(): raise error


def reraised_in_a_match(call):
    try: call()
    except (ValueError, KeyError) as error:
        match error:
            case KeyError(): pass
            case ValueError(): raise
            case _: raise


def reraised_by_a_generator_based_context_manager(call):
    @contextlib.contextmanager
    def translating():
        try: yield
        except ValueError as error: raise error
    with translating(): call()


def passed_by_a_watched_context_manager(call):
    """Here the node that the inner watch marks is taken out of the traceback again by contextlib."""
    @contextlib.contextmanager
    def transaction():
        with watch("inner"): yield
    with transaction(): call()


def passed_by_two_watched_context_managers(call):
    @contextlib.contextmanager
    def transaction(name):
        with watch(name): yield
    with transaction("outer one"), transaction("inner one"): call()


def passed_by_an_exit_stack(call):
    @contextlib.contextmanager
    def transaction():
        with watch("inner"): yield
    with contextlib.ExitStack() as stack:
        stack.enter_context(transaction())
        stack.callback(len, "x")
        call()


def raised_by_an_exit_callback(call):
    with contextlib.ExitStack() as stack:
        stack.callback(call)


def thrown_into_a_generator(call):
    @watch("generator")
    def generator(): yield
    running = generator()
    next(running)
    try: call()
    except ValueError as error: running.throw(error)


def called_through_c(call):
    list(map(lambda _: call(), [1]))  # noqa: C417


def called_by_sorting(call):
    sorted([1, 2], key=lambda _: call())


def with_frames_cleared(call):
    try: call()
    except ValueError as error:
        traceback.clear_frames(error.__traceback__)  # unittest's assertRaises does so
        raise


PASSING = [
    reraised_bare, reraised_by_name, reraised_from_none, reraised_from_a_nested_handler, reraised_after_finally, reraised_bare_by_a_helper,
    reraised_by_name_two_helpers_down, reraised_by_a_watched_helper, reraised_in_a_with, reraised_in_a_match, reraised_by_a_generator_based_context_manager,
    passed_by_a_watched_context_manager, passed_by_two_watched_context_managers, passed_by_an_exit_stack, raised_by_an_exit_callback,
    thrown_into_a_generator, called_through_c, called_by_sorting, with_frames_cleared,
]


@pytest.mark.parametrize("passing", PASSING)
def test_who_passes_an_exception_on_makes_no_second_signal(inbox, passing):
    def broken():
        with watch("first"): raise ValueError

    with contextlib.suppress(ValueError), watch("last"): passing(broken)
    assert inbox.signals == 1
    assert (inbox.sightings[0][0], inbox.sightings[-1][0]) == ("first", "last")


@pytest.mark.parametrize("passing", PASSING)
def test_a_shared_object_raised_through_the_same_ways_counts_each_time(inbox, passing):
    shared = ValueError()

    def broken():
        with watch("first"): raise shared

    for _ in range(5):
        with contextlib.suppress(ValueError), watch("last"): passing(broken)
    assert inbox.signals == 5


def test_a_handler_and_a_watch_in_one_frame_are_one_signal(inbox):
    with contextlib.suppress(ValueError), watch("outer"):
        try:
            with watch("inner"): raise ValueError
        except ValueError as error:
            host.report(error)
            raise error
    assert inbox.signals == 1


def test_the_same_object_reported_twice_without_being_raised_between_is_one_signal(inbox):
    try: raise ValueError
    except ValueError as error:
        host.report(error)
        kept = error
    host.report(kept)
    assert inbox.signals == 1


# --- raised again ---------------------------------------------------------------------------------------------------------------------


def test_an_exception_that_was_never_raised_counts_each_time(inbox):
    error = ValueError()
    host.report(error); host.report(error)
    assert inbox.signals == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_object_raised_in_a_loop_counts_each_time(inbox, kind):
    shared = made(kind)
    for _ in range(20):
        with contextlib.suppress(kind), watch("outer"), watch("inner"): raise shared
    assert inbox.signals == 20
    assert len(inbox.sightings) == 40


def test_a_shared_object_raised_at_module_level_counts_each_time(inbox):
    program = """
SHARED = ValueError()
for _ in range(4):
    try:
        with watch("module"): raise SHARED
    except ValueError: pass
try:
    with watch("further down"): raise SHARED
except ValueError: pass
"""
    exec(compile(program, "program.py", "exec"), {"watch": watch})
    assert inbox.signals == 5


def test_a_shared_object_raised_by_a_function_counts_each_time(inbox):
    shared = PlainError()

    @watch("leaf")
    def leaf(): raise shared

    @watch("outer")
    def outer(): leaf()

    for _ in range(20):
        with contextlib.suppress(PlainError): outer()
    assert inbox.signals == 20


def test_a_shared_object_raised_at_two_places_of_one_frame_counts_twice(inbox):
    shared = ValueError()
    with contextlib.suppress(ValueError), watch("one"): raise shared
    with contextlib.suppress(ValueError), watch("two"): raise shared
    assert inbox.signals == 2


def test_a_shared_object_raised_through_a_watched_context_manager_counts_each_time(inbox):
    """contextlib takes away the node that was marked, and the next one often gets its address."""
    @contextlib.contextmanager
    def transaction():
        with watch("inner"): yield

    shared = ValueError()
    for _ in range(20):
        with contextlib.suppress(ValueError), transaction(): raise shared
    assert inbox.signals == 20


def test_an_object_that_c_code_keeps_and_raises_counts_each_time(inbox):
    """No frame tells of it, but the frame that called that code did not call the one below."""
    def broken(): raise ValueError

    def ask(kept): kept.result()

    tracebacks = []  # kept, because the future puts its own back each time: the next node would get the address of the last
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        kept = asyncio.Future(loop=loop)
        try: broken()
        except ValueError as error: kept.set_exception(error)
        for _ in range(3):
            with contextlib.suppress(ValueError), watch("asked"): ask(kept)
            tracebacks.append(kept.exception().__traceback__)
    assert inbox.signals == 3


def test_a_shared_object_raised_while_something_else_is_handled_counts_each_time(inbox):
    shared = PlainError()
    for _ in range(5):
        try:
            with watch("lookup"):
                try: {}["x"]
                except KeyError: raise shared from None
        except PlainError: pass
    assert inbox.signals == 5


def test_a_shared_object_raised_by_coroutines_and_generators_counts_each_time(inbox):
    shared = PlainError()

    @watch("coroutine")
    async def leaf(): raise shared

    @watch("outer")
    async def outer(): await leaf()

    @watch("generator")
    def generator():
        yield 1
        raise shared

    async def main():
        for _ in range(5):
            with contextlib.suppress(PlainError): await outer()
    asyncio.run(main())
    for _ in range(5):
        with contextlib.suppress(PlainError): list(generator())
    assert inbox.signals == 10


def test_an_object_kept_and_raised_later_counts_again(inbox):
    def broken():
        with watch("first"): raise ValueError

    with contextlib.suppress(ValueError), watch("last"):
        last = None
        for _ in range(2):
            try: broken()
            except ValueError as error: last = error
        if last: raise last
    assert inbox.signals == 3


# --- across threads and tasks ---------------------------------------------------------------------------------------------------------


@watch("worker")
def worker():
    raise PlainError


@watch("task")
async def task():
    await asyncio.sleep(0)
    raise PlainError


def test_a_future_of_a_thread_pool_passes_it_on(inbox):
    with concurrent.futures.ThreadPoolExecutor(1) as pool, contextlib.suppress(PlainError), watch("caller"):
        pool.submit(worker).result()
    assert inbox.sightings == [("worker", 1), ("caller", 1)]


def test_a_thread_pool_of_multiprocessing_passes_it_on(inbox):
    with multiprocessing.pool.ThreadPool(1) as pool, contextlib.suppress(PlainError), watch("caller"):
        pool.apply(worker)
    assert inbox.sightings == [("worker", 1), ("caller", 1)]


async def awaited():
    await asyncio.create_task(task())


async def gathered():
    await asyncio.gather(task(), asyncio.sleep(0))


async def shielded():
    await asyncio.shield(task())


async def in_time():
    await asyncio.wait_for(task(), 60)


async def in_an_executor():
    await asyncio.get_running_loop().run_in_executor(None, worker)


async def in_a_thread():
    await asyncio.to_thread(worker)


async def asked_for_its_result():
    running = asyncio.create_task(task())
    await asyncio.wait([running])
    running.result()


async def from_another_thread():
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(task(), loop).result())


async def asked_an_executor_for_its_result():
    running = asyncio.get_running_loop().run_in_executor(None, worker)
    await asyncio.wait([running])

    def ask(): running.result()
    ask()


async def asked_by_a_loop_of_another_thread():
    """`run_until_complete` hands on what a future of another place holds."""
    def run():
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            kept = loop.create_future()
            try: worker()
            except PlainError as error: kept.set_exception(error)
            loop.run_until_complete(kept)
    await asyncio.to_thread(run)


@pytest.mark.parametrize(
    "waiting", [awaited, gathered, shielded, in_time, in_an_executor, in_a_thread, asked_for_its_result, from_another_thread,
                asked_an_executor_for_its_result, asked_by_a_loop_of_another_thread],
)
def test_an_event_loop_passes_it_on(inbox, waiting):
    with contextlib.suppress(PlainError), watch("caller"): asyncio.run(watch("main")(waiting)())
    assert inbox.signals == 1
    assert [name for name, _ in inbox.sightings][-2:] == ["main", "caller"]


def test_two_threads_that_fail_with_their_own_objects_are_two_signals(inbox):
    def ends_well():
        with contextlib.suppress(PlainError): worker()

    threads = [threading.Thread(target=ends_well) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert inbox.signals == 2


# --- the object stays as it was -------------------------------------------------------------------------------------------------------


def caught(error):
    try: raise error
    except type(error): pass
    return error


@pytest.mark.parametrize("kind", KINDS)
def test_a_marked_exception_is_known_again(kind):
    error = caught(made(kind))
    assert host.seen(error) is None
    host.mark(error, 7)
    assert (host.seen(error), host.seen(error)) == (7, 7)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {FrozenError, FrozenDictError}])
def test_a_marked_exception_is_still_copied_and_pickled_and_the_copy_is_not_marked(kind):
    error = caught(made(kind))
    host.mark(error, 7)
    for twin in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert (type(twin), repr(twin)) == (kind, repr(error))
        assert host.seen(caught(twin)) is None
        host.mark(twin, 8)
        assert (host.seen(error), host.seen(twin)) == (7, 8)


def test_a_copy_with_the_traceback_of_the_marked_one_is_another_object():
    error = caught(ValueError())
    host.mark(error, 7)
    assert host.seen(copy.copy(error).with_traceback(error.__traceback__)) is None


def test_a_second_look_from_the_same_place_walks_nowhere(monkeypatch):
    """The mark moves up with each look: a hundred nested watches walk each frame once."""
    walks = []
    real, error = identity.is_still_propagating, ValueError()
    monkeypatch.setattr(identity, "is_still_propagating", lambda head, trail: walks.append(1) or real(head, trail))

    def broken():
        try: raise error
        except ValueError: host.mark(error, 7); raise

    with contextlib.suppress(ValueError): broken()
    assert [host.seen(error) for _ in range(3)] == [7, 7, 7]
    assert len(walks) == 1


def test_equality_and_vars_of_a_class_written_in_python_do_not_change():
    one, other = caught(EqualByContent(5)), EqualByContent(5)
    host.mark(one, 7)
    assert one == other
    assert vars(one) == {"code": 5}


def test_a_mark_from_another_process_says_nothing_here():
    """An address and a traceback may coincide; a source never does."""
    error = caught(ValueError())
    host.mark(error, 7)
    host.renew_source()
    assert host.seen(error) is None


def test_a_forked_child_knows_none_of_its_parents_marks():
    error = caught(PlainError())
    host.mark(error, 7)
    host.renew_source()
    assert host.seen(error) is None


def test_a_mark_keeps_nothing_alive(inbox):
    class Big:
        pass

    alive = []

    def broken(kind):
        big = Big()
        alive.append(weakref.ref(big))
        with watch("inner"): raise kind(big)

    gc.disable()
    try:
        for kind in (ValueError, PlainError, Slotted, FrozenError):
            with contextlib.suppress(kind), watch("outer"): broken(kind)
        assert [ref() for ref in alive] == [None] * 4
    finally:
        gc.enable()
    assert inbox.signals == 4


def test_the_mark_of_a_dead_exception_is_forgotten():
    gc.collect()
    before = len(identity._MARKS)
    error = caught(PlainError())
    host.mark(error, 7)
    assert len(identity._MARKS) == before + 1
    del error
    gc.collect()
    assert len(identity._MARKS) == before


def test_the_table_of_marks_is_bounded_and_beyond_it_the_mark_stands_in_the_object(monkeypatch):
    monkeypatch.setattr(identity, "MARKS_MAX", 0)
    error = caught(PlainError())
    before = len(identity._MARKS)
    host.mark(error, 7)
    assert len(identity._MARKS) == before
    assert host.seen(error) == 7


@pytest.mark.parametrize("foreign", [None, 5, "x", (), (1, 2, 3), ("a",) * 7])
def test_a_foreign_value_under_our_name_is_no_mark(foreign):
    error = ValueError()
    error._incidentkit_mark = foreign
    assert host.seen(caught(error)) is None
