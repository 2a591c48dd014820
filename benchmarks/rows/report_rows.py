"""What a report costs the caller: a repeat, a first sighting, a refusal, a flood."""

from __future__ import annotations

import logging
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from types import TracebackType

import incidentkit as ik
from incidentkit.testing import RecordingNotifier
from rows.row import Row, lowest, timed

COUNT = 2_000
FLOOD = 100_000


def fail(depth: int) -> None:
    """Fail so many frames down."""
    if depth <= 1:
        raise ValueError("x")
    fail(depth - 1)


def failed(depth: int) -> ValueError:
    """Return an exception that was really raised, *depth* frames down."""
    try:
        fail(depth)
    except ValueError as error:
        return error
    raise AssertionError


def walk_and_count(errors: list[ValueError], counts: dict[tuple[object, ...], int]) -> None:
    """Do the least that any correct code can do for a repeat: walk the traceback to a key, and count it."""
    for error in errors:
        trace: TracebackType | None = error.__traceback__
        key = []
        while trace is not None:
            key.append((trace.tb_frame.f_code, trace.tb_lasti))
            trace = trace.tb_next
        at = tuple(key)
        counts[at] = counts.get(at, 0) + 1


def made(number: int) -> ValueError:
    """Return an exception that no report has seen: its functions are new."""
    names: dict[str, object] = {}
    exec(f"def a{number}():\n raise ValueError('x')\ndef b{number}(): a{number}()\ndef c{number}(): b{number}()", names)
    try:
        names[f"c{number}"]()  # type: ignore[operator]
    except ValueError as error:
        return error
    raise AssertionError


def rows() -> Iterator[Row]:
    """Yield the rows."""
    logging.getLogger("incidentkit").addHandler(logging.NullHandler())
    channel = RecordingNotifier("channel", to="x")
    with ik.Engine(app="bench", state_directory=tempfile.mkdtemp(), notifiers={"channel": channel}).installed() as engine:
        for depth, budget in ((5, 3.0), (50, 2.0)):
            floor = lowest(lambda depth=depth: _walked(depth))  # type: ignore[misc]
            ours = lowest(lambda depth=depth: _reported(engine, depth))  # type: ignore[misc]
            yield Row(what=f"report of a repeat, depth {depth}", ours=ours * 1e6, floor=floor * 1e6, unit="us",
                      against="walk to a key, count", budget=budget)
        new = sorted(_first(engine, number) for number in range(200))
        yield Row(what="report of a new problem, depth 5, spool included (median)", ours=new[100] * 1e6, floor=0, unit="us",
                  against="bound", budget=300, is_absolute=True)
        yield from _flood(engine)
    dormant = lowest(lambda: timed(lambda: [ik.report("x") for _ in range(COUNT)], COUNT))
    yield Row(what="report with no engine (dormant)", ours=dormant * 1e6, floor=0, unit="us", against="bound", budget=0.5, is_absolute=True)


def _walked(depth: int) -> float:
    errors = [failed(depth) for _ in range(COUNT)]
    return timed(lambda: walk_and_count(errors, {}), COUNT)


def _reported(engine: ik.Engine, depth: int) -> float:
    errors = [failed(depth) for _ in range(COUNT)]

    def report() -> None:
        for error in errors:
            engine.report(error)

    return timed(report, COUNT)


def _first(engine: ik.Engine, number: int) -> float:
    error = made(number)
    return timed(lambda: engine.report(error))


def _flood(engine: ik.Engine) -> Iterator[Row]:
    def flood() -> None:
        for _ in range(FLOOD):
            try:
                raise TimeoutError("db")
            except TimeoutError as error:
                engine.report(error, key="flood")

    flood()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20_000):
        engine.report("flood", key="flood-2")
    grown = (tracemalloc.get_traced_memory()[0] - before) / 1024
    tracemalloc.stop()
    began = time.perf_counter()
    flood()
    rate = FLOOD / (time.perf_counter() - began)
    engine.flush(30)
    counted = {incident.key: incident.occurrences for incident in engine.incidents(limit=500)}
    assert counted["flood"] == 2 * FLOOD, f"counted {counted['flood']} of {2 * FLOOD}"
    yield Row(what="identical errors as fast as they come (count exact)", ours=rate, floor=0, unit="/s", against="bound", budget=60_000,
              is_absolute=True, is_rate=True)
    yield Row(what="memory growth over 20,000 repeats", ours=grown, floor=0, unit="KiB", against="bound", budget=1_024, is_absolute=True)
