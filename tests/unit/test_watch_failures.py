"""What is a failure and what is not, that the host's exception goes on as it was, and that no fault of ours reaches the host."""

import asyncio
import contextlib
import functools
import gc
import logging
import sys
import threading
import weakref

import pytest

from incidentkit import host
from incidentkit.errors import ConfigurationError
from incidentkit.host.watch import watch


class Recorder:
    def __init__(self):
        self.failures, self.successes = [], 0

    def failed(self, error, site, fields, /):
        self.failures.append((site, type(error), dict(fields)))

    def report(self, what, fields, /):
        raise AssertionError("no watch reports")

    def ok(self, fields, /):
        raise AssertionError("no watch says ok")

    def success(self):
        self.successes += 1

    @property
    def kinds(self):
        return [kind for _, kind, _ in self.failures]


@contextlib.contextmanager
def sinking_in(sink):
    previous = host.install(sink)
    try: yield sink
    finally: host.restore(previous)


@pytest.fixture
def sink():
    with sinking_in(Recorder()) as recorder:
        watch("site")
        host.open_site("site", recorder)
        yield recorder
        host.close_site("site")


class DeclinedError(Exception):
    pass


class SoftError(DeclinedError):
    pass


def raising(error, **options):
    """Raise *error* under a watch in each of the ways there are; return the exceptions that came out."""
    def call(): raise error
    async def acall(): raise error
    async def awith():
        async with watch("site", **options): raise error

    def with_block():
        with watch("site", **options): raise error

    out = []
    for way in (watch("site", **options)(call), with_block, lambda: finish(watch("site", **options)(acall)()), lambda: finish(awith())):
        with pytest.raises(BaseException) as caught: way()
        out.append(caught.value)
    return out


def finish(coroutine):
    """Run a coroutine that never waits, without an event loop: asyncio treats Ctrl-C and SystemExit in its own way."""
    try: coroutine.send(None)
    except StopIteration as end: return end.value
    raise AssertionError("it waits")


# --- what counts ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, OSError, RecursionError, MemoryError, AssertionError, NotImplementedError, DeclinedError])
def test_an_exception_counts_wherever_it_leaves(sink, kind):
    error = kind()
    assert raising(error) == [error] * 4
    assert sink.kinds == [kind] * 4
    assert sink.successes == 0


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit, BaseException])
def test_what_is_no_exception_passes_and_is_neither_failure_nor_success(sink, kind):
    error = kind()
    assert raising(error) == [error] * 4
    assert (sink.failures, sink.successes) == ([], 0)


def test_a_leaked_stopiteration_of_a_plain_function_counts(sink):
    """Nothing iterates there: it is the bug of a bare `next()`. Who watches `__next__` ignores it."""
    assert watch("site", ignore=StopIteration)(next)
    def first(items): return next(iter(items))
    with pytest.raises(StopIteration): watch("site")(first)([])
    with pytest.raises(StopIteration): watch("site", ignore=StopIteration)(first)([])
    assert sink.kinds == [StopIteration]


def test_a_group_of_exceptions_counts(sink):
    raising(ExceptionGroup("several", [ValueError(), ExceptionGroup("more", [OSError()])]))
    assert sink.kinds == [ExceptionGroup] * 4


def test_a_group_with_a_cancellation_inside_passes(sink):
    raising(BaseExceptionGroup("several", [ValueError(), asyncio.CancelledError()]))
    assert sink.failures == []


@pytest.mark.parametrize("error", [DeclinedError(), SoftError(), KeyError()])
def test_ignored_types_and_their_subclasses_pass_uncounted(sink, error):
    assert raising(error, ignore=(DeclinedError, LookupError)) == [error] * 4
    assert (sink.failures, sink.successes) == ([], 0)


def test_other_types_count_although_some_are_ignored(sink):
    raising(ValueError(), ignore=(DeclinedError, LookupError))
    assert len(sink.failures) == 4


def test_only_restricts(sink):
    raising(SoftError(), only=DeclinedError)
    raising(ValueError(), only=DeclinedError)
    raising(SoftError(), only=DeclinedError, ignore=SoftError)
    assert sink.kinds == [SoftError] * 4


@pytest.mark.parametrize(
    ("members", "options", "counts"),
    [
        ([DeclinedError(), SoftError()], {"ignore": DeclinedError}, False),
        ([DeclinedError(), ValueError()], {"ignore": DeclinedError}, True),
        ([ExceptionGroup("", [DeclinedError()]), SoftError()], {"ignore": DeclinedError}, False),
        ([ExceptionGroup("", [DeclinedError(), ValueError()])], {"ignore": DeclinedError}, True),
        ([ValueError()], {"ignore": ExceptionGroup}, False),
        ([ValueError()], {"only": DeclinedError}, False),
        ([ValueError(), SoftError()], {"only": DeclinedError}, True),
        ([ValueError(), SoftError()], {"only": DeclinedError, "ignore": SoftError}, False),
        ([ValueError()], {"only": ExceptionGroup}, True),
        ([DeclinedError()], {"only": ExceptionGroup, "ignore": DeclinedError}, False),
    ],
)
def test_a_group_counts_when_one_of_its_leaves_does(sink, members, options, counts):
    raising(ExceptionGroup("several", members), **options)
    assert len(sink.failures) == (4 if counts else 0)


# --- what is told ---------------------------------------------------------------------------------------------------------------------


def test_the_sink_hears_the_site_which_is_made_once(sink):
    raising(ValueError())
    sites = [site for site, _, _ in sink.failures]
    assert sites[0].name == "site"
    assert all(site is sites[0] for site in sites)
    assert [fields for _, _, fields in sink.failures] == [{}] * 4


def test_a_stated_key_goes_with_each_failure(sink):
    raising(ValueError(), key="charge")
    assert [fields for _, _, fields in sink.failures] == [{"key": "charge"}] * 4


def test_a_success_is_told_while_an_incident_is_open_only(sink):
    on = watch("site")
    def work(): return 1
    async def awork(): return 1
    async def ablock():
        async with on: pass

    def all_ways():
        on(work)()
        with on: pass
        finish(on(awork)())
        finish(ablock())

    all_ways()
    assert sink.successes == 4
    host.close_site("site")
    all_ways()
    assert sink.successes == 4


def test_leaving_a_block_by_return_or_break_is_a_success(sink):
    def returning():
        with watch("site"): return 1

    returning()
    for _ in range(3):
        with watch("site"): break
    assert sink.successes == 2


def test_a_block_does_not_swallow():
    assert watch("site").__exit__(None, None, None) is None
    assert watch("site").__exit__(ValueError, ValueError(), None) is None


def test_the_block_gets_the_watch():
    with watch("site") as entered: assert entered is watch("site")


def test_a_block_without_a_name_is_refused_before_it_starts():
    started = []
    for nameless in (watch(), watch(service="x")):
        with pytest.raises(ConfigurationError, match="a name"), nameless: started.append(1)
        async def ablock(on=nameless):
            async with on: started.append(1)
        with pytest.raises(ConfigurationError, match="a name"): finish(ablock())
    assert started == []


# --- shared by all --------------------------------------------------------------------------------------------------------------------


def test_one_watch_is_entered_many_times_at_once(sink):
    on = watch("site")
    with on, on:
        with pytest.raises(ValueError), on: raise ValueError
        with on: pass
    assert (len(sink.failures), sink.successes) == (1, 3)


def test_one_watch_serves_many_threads(sink):
    on, ready = watch("site"), threading.Barrier(8)
    told = []
    sink.failed = lambda error, site, fields, /: told.append(error.args)

    def work(number):
        ready.wait()
        for turn in range(200):
            with contextlib.suppress(ValueError), on: raise ValueError(number, turn)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert sorted(told) == [(number, turn) for number in range(8) for turn in range(200)]


def test_one_watch_serves_tasks_that_take_turns(sink):
    on = watch("site")

    async def work(number):
        async with on:
            with on:
                await asyncio.sleep(0)
                if number % 2: raise ValueError
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(work(number) for number in range(10)), return_exceptions=True)

    asyncio.run(main())
    assert (len(sink.failures), sink.successes) == (10, 10)


def test_a_watched_recursion_tells_each_level(sink):
    @watch("site")
    def down(n):
        if n == 0: raise ValueError
        down(n - 1)

    with pytest.raises(ValueError): down(4)
    assert len(sink.failures) == 5


# --- the host pays nothing ------------------------------------------------------------------------------------------------------------


def test_nothing_keeps_the_locals_of_a_failed_call_alive(sink):
    class Big:
        pass

    sink.failed = lambda error, site, fields, /: None
    alive = []

    def work():
        big = Big()
        big.data = bytearray(10_000_000)
        alive.append(weakref.ref(big))
        raise ValueError(len(big.data))

    async def awork(): work()
    def gwork(): yield work()
    async def agwork(): yield work()
    def in_block():
        with watch("site"): work()

    gc.disable()  # a reference cycle would keep 10 MB until the collector comes
    try:
        for way in (
            watch("site")(work), in_block, lambda: finish(watch("site")(awork)()), lambda: list(watch("site")(gwork)()),
            lambda: finish(anext(watch("site")(agwork)())),
        ):
            with contextlib.suppress(ValueError): way()
        assert [ref() for ref in alive] == [None] * 5
    finally:
        gc.enable()


def test_an_error_thrown_into_an_asynchronous_generator_leaves_no_cycle(sink):
    class Big:
        pass

    sink.failed = lambda error, site, fields, /: None

    async def items(): yield 1

    def work():
        big = Big()
        running = watch("site")(items)()
        with contextlib.suppress(StopIteration): anext(running).send(None)
        with contextlib.suppress(ValueError): running.athrow(ValueError(big)).send(None)
        return weakref.ref(big)

    gc.disable()
    try: assert work()() is None
    finally: gc.enable()


class FaultySink(Recorder):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def failed(self, error, site, fields, /):
        super().failed(error, site, fields)
        raise error if self.fault is None else self.fault

    def success(self):
        raise self.fault


@pytest.mark.parametrize("fault", [RuntimeError("ours"), ExceptionGroup("ours", [ValueError()]), RecursionError(), None])
def test_a_fault_of_the_sink_does_not_reach_the_host(fault):
    with sinking_in(FaultySink(fault)) as sink:
        error = LookupError("the host's")
        for came_out in raising(error):
            assert came_out is error
            assert (error.__context__, error.__cause__) == (None, None)
        trace, names = error.__traceback__, []
        while trace is not None:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        assert not {"failed", "_failed", "_tell"} & set(names)
        assert len(sink.failures) == 4


def test_a_fault_while_counting_a_success_does_not_reach_the_host():
    with sinking_in(FaultySink(RuntimeError("ours"))) as sink:
        watch("faulty evidence")
        host.open_site("faulty evidence", sink)
        with watch("faulty evidence"): pass
        assert watch("faulty evidence")(lambda: 5)() == 5


def test_an_exception_type_that_cannot_be_asked_does_not_reach_the_host(sink):
    class Asking(type):
        def __instancecheck__(cls, instance): raise RuntimeError("the host's own, but not now")

    class Odd(Exception, metaclass=Asking):
        pass

    assert [type(error) for error in raising(ValueError(), ignore=Odd)] == [ValueError] * 4


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_inside_the_sink_passes(kind):
    with sinking_in(FaultySink(kind())):
        assert [type(error) for error in raising(ValueError())] == [kind] * 4


def test_a_faulty_sink_is_said_once_and_without_the_text_of_anything(caplog):
    with sinking_in(FaultySink(RuntimeError("secret"))), caplog.at_level(logging.DEBUG, "incidentkit"):
        raising(ValueError("secret"))
    (record,) = caplog.records
    assert (record.levelno, record.getMessage(), record.exc_info) == (logging.WARNING, "sink.failed", None)
    assert (record.incidentkit_where, record.incidentkit_type) == ("site", "RuntimeError")


def test_a_logging_handler_that_raises_does_not_reach_the_host():
    """Whatever `emit` raises comes out of `logger.warning`, and out of `logger.debug` when nothing is installed."""
    class Broken(logging.Handler):
        def emit(self, record): raise OSError

    logger, handler = logging.getLogger("incidentkit"), Broken()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with sinking_in(FaultySink(RuntimeError())): assert [type(error) for error in raising(ValueError())] == [ValueError] * 4
        with sinking_in(None): assert [type(error) for error in raising(ValueError())] == [ValueError] * 4
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.mark.parametrize("left", range(1, 40))
def test_near_the_recursion_limit_the_hosts_exception_is_not_replaced(sink, left):
    """With a frame or two left, the calls that would tell the failure fail themselves. A built-in needs no frame of ours to fail."""
    failing = functools.partial(int, "x")
    watched, on = watch("site")(failing), watch("site")

    class ByHand:
        def __enter__(self): return self
        def __exit__(self, kind, error, trace): return None

    by_hand = ByHand()

    def decorated_by_hand():
        try: failing()
        except ValueError: raise  # noqa: TRY203 - what a watch is compared with

    def block_by_hand():
        with by_hand: failing()

    def block():
        with on: failing()

    def at_depth(frames, call):
        if frames: return at_depth(frames - 1, call)
        return call()

    def kind_of(call):
        try: at_depth(depth, call)
        except (ValueError, RecursionError) as error: return type(error)

    depth = sys.getrecursionlimit() - stack_depth() - left
    if kind_of(decorated_by_hand) is ValueError: assert kind_of(watched) is ValueError
    if kind_of(block_by_hand) is ValueError: assert kind_of(block) is ValueError


def stack_depth():
    frame, depth = sys._getframe(), 0
    while frame is not None: frame, depth = frame.f_back, depth + 1
    return depth
