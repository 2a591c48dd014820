"""What `watch` leaves of the things it decorates: their kind, signature, name, results, and the way exceptions and values pass through."""

import abc
import asyncio
import contextlib
import functools
import inspect
import pickle
import types

import pytest

from incidentkit import host
from incidentkit.errors import ConfigurationError
from incidentkit.host.watch import Watch, watch


class Recorder:
    """A sink that remembers, and the evidence of every site at once."""

    def __init__(self):
        self.failures, self.successes = [], 0

    def failed(self, error, site, fields, /):
        self.failures.append((site.name, error))

    def report(self, what, fields, /):
        raise AssertionError("no watch reports")

    def ok(self, fields, /):
        raise AssertionError("no watch says ok")

    def success(self):
        self.successes += 1


@pytest.fixture
def sink():
    recorder = Recorder()
    previous = host.install(recorder)
    watch("site")
    host.open_site("site", recorder)
    yield recorder
    host.close_site("site")
    host.restore(previous)


def run(coroutine):
    return asyncio.run(coroutine)


async def collected(items):
    return [item async for item in items]


# --- kind, name, signature ------------------------------------------------------------------------------------------------------------


def plain(a, /, b=1, *, c: int = 2) -> tuple:
    """Plain."""
    return a, b, c


async def coroutine(a, /, b=1, *, c: int = 2) -> tuple:
    """Coroutine."""
    return a, b, c


def generator(a, /, b=1, *, c: int = 2):
    """Generator."""
    got = yield a
    return got, b, c


async def async_generator(a, /, b=1, *, c: int = 2):
    """Asynchronous generator."""
    yield a
    yield b, c


KINDS = [plain, coroutine, generator, async_generator]
QUESTIONS = [inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.isfunction, inspect.isroutine]


@pytest.mark.parametrize("function", KINDS)
def test_a_watched_function_is_of_the_same_kind_and_looks_the_same(function):
    made = watch(function)
    assert [ask(made) for ask in QUESTIONS] == [ask(function) for ask in QUESTIONS]
    assert inspect.signature(made) == inspect.signature(function)
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        assert getattr(made, name) == getattr(function, name)
    assert made.__wrapped__ is function


@pytest.mark.parametrize("function", KINDS)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_partial_keeps_its_kind_and_its_signature(function, depth):
    target = functools.partial(function, 5)
    for _ in range(depth - 1): target = functools.partial(target, b=2)
    made = watch(target)
    assert [ask(made) for ask in QUESTIONS[:3]] == [ask(function) for ask in QUESTIONS[:3]]
    assert inspect.signature(made) == inspect.signature(target)
    assert (made.__name__, made.__module__) == (function.__name__, __name__)


class Callable:
    def __call__(self, value): return value


class AsyncCallable:
    async def __call__(self, value): return value


class GeneratorCallable:
    def __call__(self, value): yield value


class AsyncGeneratorCallable:
    async def __call__(self, value): yield value


def test_objects_with_a_call_method_become_functions_of_the_kind_of_that_method(sink):
    assert watch("site")(Callable())(1) == 1
    assert run(watch("site")(AsyncCallable())(1)) == 1
    assert list(watch("site")(GeneratorCallable())(1)) == [1]
    assert run(collected(watch("site")(AsyncGeneratorCallable())(1))) == [1]
    assert inspect.iscoroutinefunction(watch(AsyncCallable()))
    assert sink.successes == 4


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (plain, f"{__name__}.plain"),
        (functools.partial(plain, 1), f"{__name__}.plain"),
        (Callable(), f"{__name__}.Callable"),
        (Callable().__call__, f"{__name__}.Callable.__call__"),
        (len, "builtins.len"),
        (functools.lru_cache(plain), f"{__name__}.plain"),
        (functools.partial(Callable()), f"{__name__}.Callable"),
        (functools.partial(dict), "builtins.dict"),
    ],
)
def test_the_site_is_named_after_what_is_called_in_the_end(sink, target, name):
    watch(target)
    assert name in host.known_sites()


def test_a_given_name_is_the_site_of_all_that_it_decorates(sink):
    one = watch("site")
    for function in (lambda: 1 / 0, lambda: 2 / 0):
        with pytest.raises(ZeroDivisionError): one(function)()
    assert [name for name, _ in sink.failures] == ["site", "site"]


def test_one_watch_without_a_name_names_each_function_after_itself(sink):
    both = watch(service="payments")

    @both
    def first(): raise ValueError

    @both
    def second(): raise ValueError

    for function in (first, second):
        with pytest.raises(ValueError): function()
    assert [name.rpartition(".")[2] for name, _ in sink.failures] == ["first", "second"]


@watch
def addressed(value):
    return value + 1


def test_a_watched_function_is_pickled_by_its_name():
    assert pickle.loads(pickle.dumps(addressed)) is addressed
    assert addressed(1) == 2


def test_attributes_of_a_function_are_kept():
    def view(): return 1
    view.csrf_exempt = True
    assert watch(view).csrf_exempt is True


def test_the_attributes_of_an_object_are_not_copied_into_the_function():
    """They would be a snapshot that nobody updates."""
    target = Callable()
    target.count = 1
    assert not hasattr(watch(target), "count")
    assert watch(target).__wrapped__ is target


# --- methods --------------------------------------------------------------------------------------------------------------------------


class Methods:
    factor = 10

    @watch("site")
    def method(self, n): return self.factor * n

    @watch("site")
    @staticmethod
    def static_below(n): return n

    @staticmethod
    @watch("site")
    def static_above(n): return n

    @watch("site")
    @classmethod
    def class_below(cls, n): return cls.factor * n

    @classmethod
    @watch("site")
    def class_above(cls, n): return cls.factor * n

    @property
    @watch("site")
    def prop(self): return self.factor

    @watch("site")
    async def coroutine(self, n): return self.factor * n

    @watch("site")
    def generator(self, n): yield self.factor * n


class MoreMethods(Methods):
    factor = 100


def test_methods_of_every_kind_are_bound_as_before(sink):
    one = MoreMethods()
    assert (one.method(1), one.static_below(1), one.static_above(1), one.class_below(1), one.class_above(1)) == (100, 1, 1, 100, 100)
    assert (MoreMethods.static_below(2), MoreMethods.static_above(2)) == (2, 2)
    assert (MoreMethods.class_below(2), MoreMethods.class_above(2), one.prop) == (200, 200, 100)
    assert (run(one.coroutine(1)), list(one.generator(1))) == (100, [100])
    assert sink.successes == 12


def test_descriptors_stay_descriptors():
    assert isinstance(vars(Methods)["static_below"], staticmethod)
    assert isinstance(vars(Methods)["class_below"], classmethod)


def test_abstract_methods_stay_abstract():
    class Base(abc.ABC):
        @watch
        @abc.abstractmethod
        def needed(self): ...

    with pytest.raises(TypeError, match="abstract"): Base()


def test_the_site_of_a_method_has_its_class_in_it():
    class Local:
        @watch
        @classmethod
        def made(cls): ...

    assert f"{__name__}.test_the_site_of_a_method_has_its_class_in_it.<locals>.Local.made" in host.known_sites()


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        (Methods, "Watch its methods"), (ValueError, "Watch its methods"), (property(plain), "beneath @property"),
        (functools.cached_property(plain), "a function"),
    ],
)
@pytest.mark.parametrize("decorate", [watch, watch(service="x"), watch("named")])
def test_what_is_no_function_is_refused_with_the_remedy(decorate, target, remedy):
    with pytest.raises(ConfigurationError, match=remedy): decorate(target)


# --- results and failures -------------------------------------------------------------------------------------------------------------


def test_results_are_kept_and_are_successes(sink):
    on = watch("site")
    assert on(plain)(1, c=3) == (1, 1, 3)
    assert run(on(coroutine)(1, c=3)) == (1, 1, 3)
    assert run(collected(on(async_generator)(1, c=3))) == [1, (1, 3)]
    running = on(generator)(1, c=3)
    assert next(running) == 1
    with pytest.raises(StopIteration) as stopped: running.send("sent")
    assert stopped.value.value == ("sent", 1, 3)
    assert (sink.successes, sink.failures) == (4, [])


def fail_plain(error): raise error


async def fail_coroutine(error): raise error


def fail_generator(error):
    yield 1
    raise error


async def fail_async_generator(error):
    yield 1
    raise error


def call_of(function):
    if inspect.iscoroutinefunction(function): return lambda *args: run(function(*args))
    if inspect.isgeneratorfunction(function): return lambda *args: list(function(*args))
    if inspect.isasyncgenfunction(function): return lambda *args: run(collected(function(*args)))
    return function


FAILING = [fail_plain, fail_coroutine, fail_generator, fail_async_generator]
each_failing = pytest.mark.parametrize("function", FAILING)


@each_failing
def test_a_failure_is_told_once_and_goes_on_as_the_same_object(sink, function):
    error = LookupError("x")
    with pytest.raises(LookupError) as caught: call_of(watch("site")(function))(error)
    assert caught.value is error
    assert sink.failures == [("site", error)]
    assert sink.successes == 0


@each_failing
def test_the_traceback_has_one_frame_more_and_no_context(sink, function):
    def frames(of):
        error = LookupError("x")
        with pytest.raises(LookupError): call_of(of)(error)
        names, trace = [], error.__traceback__
        while trace is not None:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        return names, error.__context__, error.__cause__, error.__suppress_context__

    bare, watched = frames(function), frames(watch("site")(function))
    assert watched[1:] == (None, None, False) == bare[1:]
    names = list(watched[0])
    names.remove("watched")
    assert names == bare[0]


# --- generators -----------------------------------------------------------------------------------------------------------------------


def echo():
    """Answer what is sent, survive ValueError, note how it ends."""
    got = None
    while True:
        try:
            got = yield got
            if got == "end": return "ended"
        except ValueError as error:
            got = f"survived {error}"


def test_send_and_throw_reach_the_generator(sink):
    running = watch("site")(echo)()
    assert next(running) is None
    assert running.send(1) == 1
    assert running.throw(ValueError("x")) == "survived x"
    with pytest.raises(KeyError): running.throw(KeyError("out"))
    assert [name for name, _ in sink.failures] == ["site"]


def test_what_a_generator_survives_is_no_failure_and_its_end_is_a_success(sink):
    def outer():
        return (yield from watch("site")(echo)())

    running = outer()
    next(running)
    running.throw(ValueError("x"))
    with pytest.raises(StopIteration, match="ended"): running.send("end")
    assert (sink.successes, sink.failures) == (1, [])


def test_closing_a_generator_early_closes_it_and_is_neither_success_nor_failure(sink):
    ended = []

    @watch("site")
    def items():
        try: yield 1
        except GeneratorExit: ended.append("closed"); raise
        finally: ended.append("finally")

    running = items()
    next(running)
    running.close()
    assert ended == ["closed", "finally"]
    for _ in items(): break  # dropped, and closed by that
    items().close()  # never started
    assert len(ended) == 4
    assert (sink.successes, sink.failures) == (0, [])


def test_a_generator_that_fails_while_it_is_closed_has_failed(sink):
    @watch("site")
    def items():
        try: yield 1
        finally: raise KeyError

    running = items()
    next(running)
    with pytest.raises(KeyError): running.close()
    assert len(sink.failures) == 1


def test_a_generator_that_goes_on_when_closed_fails_as_it_would_unwatched(sink):
    @watch("site")
    def items():
        try: yield 1
        except GeneratorExit: yield 2

    running = items()
    next(running)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"): running.close()
    assert len(sink.failures) == 1


def test_a_stopiteration_inside_a_generator_becomes_the_usual_runtimeerror(sink):
    @watch("site")
    def items():
        yield 1
        next(iter([]))

    with pytest.raises(RuntimeError, match="StopIteration"): list(items())
    assert [type(error) for _, error in sink.failures] == [RuntimeError]


def test_a_generator_used_as_a_coroutine_can_still_be_awaited(sink):
    @watch("site")
    @types.coroutine
    def legacy():
        yield from asyncio.sleep(0).__await__()
        return 5

    async def main(): return await legacy()

    assert run(main()) == 5
    assert sink.successes == 1


# --- asynchronous generators ----------------------------------------------------------------------------------------------------------


async def async_echo(log):
    got = None
    try:
        while got != "end":
            try:
                await asyncio.sleep(0)
                got = yield got
            except ValueError as error:
                got = f"survived {error}"
    except GeneratorExit:
        log.append("closed")
        raise
    finally:
        await asyncio.sleep(0)
        log.append("finally")


def test_asend_and_athrow_reach_the_generator(sink):
    async def main():
        log = []
        running = watch("site")(async_echo)(log)
        assert await anext(running) is None
        assert await running.asend(1) == 1
        assert await running.athrow(ValueError("x")) == "survived x"
        with pytest.raises(StopAsyncIteration): await running.asend("end")
        assert log == ["finally"]

    run(main())
    assert (sink.successes, sink.failures) == (1, [])


def test_what_is_thrown_in_and_not_caught_comes_out_as_it_would_unwatched(sink):
    async def frames(make):
        running, error = make([]), KeyError("x")
        await anext(running)
        with pytest.raises(KeyError) as out: await running.athrow(error)
        assert out.value is error
        names, trace = [], error.__traceback__
        while trace is not None:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        return names, error.__context__

    bare, watched = run(frames(async_echo)), run(frames(watch("site")(async_echo)))
    assert bare == (["frames", "async_echo"], None)
    assert watched == (["frames", "watched", "async_echo"], None)
    assert len(sink.failures) == 1


def test_an_error_raised_after_a_survived_one_has_no_context_of_ours(sink):
    @watch("site")
    async def items():
        with contextlib.suppress(ValueError): yield 1
        raise KeyError

    async def main():
        running = items()
        await anext(running)
        with pytest.raises(KeyError) as caught: await running.athrow(ValueError())
        assert caught.value.__context__ is None

    run(main())


def test_a_frozen_exception_can_be_thrown_in(sink):
    class FrozenError(Exception):
        def __setattr__(self, name, value): raise TypeError("read only")

    async def main():
        running = watch("site")(async_echo)([])
        await anext(running)
        with pytest.raises(FrozenError): await running.athrow(FrozenError())

    run(main())


def test_aclose_closes_it_and_is_neither_success_nor_failure(sink):
    async def main():
        log = []
        running = watch("site")(async_echo)(log)
        await anext(running)
        await running.aclose()
        assert log == ["closed", "finally"]
        await watch("site")(async_echo)(log).aclose()  # never started
        with pytest.raises(StopAsyncIteration): await anext(running)

    run(main())
    assert (sink.successes, sink.failures) == (0, [])


def test_one_that_returns_when_closed_has_not_succeeded(sink):
    @watch("site")
    async def items():
        try: yield 1
        except GeneratorExit: return

    async def main():
        running = items()
        await anext(running)
        await running.aclose()

    run(main())
    assert (sink.successes, sink.failures) == (0, [])


def test_one_that_goes_on_when_closed_fails_as_it_would_unwatched(sink):
    @watch("site")
    async def items():
        try: yield 1
        except GeneratorExit: yield 2

    async def main():
        running = items()
        await anext(running)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit") as caught: await running.aclose()
        assert caught.value.__context__ is None

    run(main())


def test_one_left_open_is_closed_once_when_the_loop_ends(sink):
    """Both the wrapper and what it wraps would be closed by the loop, one while the other is running."""
    log, complaints, kept = [], [], []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context["message"]))
        kept.append(watch("site")(async_echo)(log))
        await anext(kept[0])

    run(main())
    assert log == ["closed", "finally"]
    assert complaints == []
    assert (sink.successes, sink.failures) == (0, [])


def test_the_hooks_of_the_loop_are_there_again_after_the_first_step(sink):
    async def main():
        import sys
        before = sys.get_asyncgen_hooks()
        running = watch("site")(async_echo)([])
        await anext(running)
        assert sys.get_asyncgen_hooks() == before
        await running.aclose()

    run(main())


def test_cancelling_a_task_that_iterates_passes_and_is_no_failure(sink):
    @watch("site")
    async def items():
        yield 1
        await asyncio.Event().wait()

    async def main():
        started = asyncio.Event()

        async def iterate():
            async for _ in items(): started.set()

        task = asyncio.create_task(iterate())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError): await task

    run(main())
    assert (sink.successes, sink.failures) == (0, [])


def test_the_public_class_is_what_watch_returns():
    assert isinstance(watch("x"), Watch)
    assert isinstance(watch(), Watch)
