"""
DESIGN.md 9, rows 2, 3 and 6 (dormant): what a watched call costs when nothing fails. Ratios, measured side by side in one process.

    python benchmarks/watch.py        prints: row, budget, ratio, ns of ours, ns of the floor

Each sample times both sides one after the other, many times over; the row is the ratio of the two minima, because this kind of machine
changes its speed by the second and only the minima of the same minute belong together.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from incidentkit import host
from incidentkit.host import watch

CALLS, SAMPLES = 20_000, 60
Loop = Callable[[int], float]


def bare(x: int = 1) -> int:
    return x


async def bare_async(x: int = 1) -> int:
    return x


def hand_made(function: Any) -> Any:
    """Return the floor of a decorator: the least that sees a failure."""
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception:  # noqa: TRY203 - the floor
            raise

    return inner


def hand_made_async(function: Any) -> Any:
    """Return the floor of a decorator for coroutine functions."""
    @functools.wraps(function)
    async def inner(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except Exception:  # noqa: TRY203 - the floor
            raise

    return inner


class Shared:
    """The floor of a context manager: one object with slots and two methods."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        return None


class Ear:
    """A sink that does nothing: what a failure costs before the engine has it."""

    def failed(self, error: object, site: object, fields: object, /) -> None: ...
    def report(self, what: object, fields: object, /) -> None: ...
    def ok(self, fields: object, /) -> None: ...


def calling(function: Any) -> Loop:
    def loop(number: int) -> float:
        call, start = function, time.perf_counter()
        for _ in range(number):
            call()
        return time.perf_counter() - start

    return loop


def awaiting(function: Any) -> Loop:
    """Return a loop that awaits in one coroutine, so that no task and no turn of the event loop is paid for."""
    async def turn(number: int) -> float:
        call, start = function, time.perf_counter()
        for _ in range(number):
            await call()
        return time.perf_counter() - start

    return lambda number: asyncio.run(turn(number))


def entering(manager: Any) -> Loop:
    def loop(number: int) -> float:
        shared, start = manager, time.perf_counter()
        for _ in range(number):
            with shared: pass
        return time.perf_counter() - start

    return loop


def entering_inline(number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        with watch("bench.inline"): pass
    return time.perf_counter() - start


def entering_inline_with_options(number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        with watch("bench.options", service="payments", severity="major"): pass
    return time.perf_counter() - start


def failing(function: Any) -> Loop:
    def loop(number: int) -> float:
        call, start = function, time.perf_counter()
        for _ in range(number):
            try:  # noqa: SIM105 - a `suppress` would cost more than what is measured
                call()
            except ValueError:
                pass
        return time.perf_counter() - start

    return loop


def broken() -> None:
    raise ValueError


class OwnError(Exception):
    pass


def marking(kind: type[BaseException], again: int) -> Loop:
    """Return a loop that marks a new exception and asks *again* times whether it was seen."""
    def loop(number: int) -> float:
        total = 0.0
        for _ in range(number):
            try:
                raise kind
            except kind as error:
                start = time.perf_counter()
                host.seen(error)
                host.mark(error, 1)
                for _ in range(again):
                    host.seen(error)
                total += time.perf_counter() - start
        return total

    return loop


def nothing(number: int) -> float:
    total = 0.0
    for _ in range(number):
        try:
            raise ValueError
        except ValueError:
            start = time.perf_counter()
            total += time.perf_counter() - start
    return total


def rows() -> Iterator[tuple[str, str, Loop, Loop]]:
    floor, floor_async, shared = calling(hand_made(bare)), awaiting(hand_made_async(bare_async)), entering(Shared())
    yield "@watch, sync", "1.5 x wraps + try/except", calling(watch(bare)), floor
    yield "@watch, async", "1.5 x wraps + try/except", awaiting(watch(bare_async)), floor_async
    yield "with w: prebuilt", "1.5 x with a shared slots object", entering(watch("bench.prebuilt")), shared
    yield "with ik.watch(name): inline", "4 x with a shared slots object", entering_inline, shared
    yield "with ik.watch(name, 2 options): inline", "-", entering_inline_with_options, shared
    yield "@watch, fails, nothing installed", "+0.2 us", failing(watch(broken)), failing(hand_made(broken))
    yield "identity: seen + mark, built-in class", "-", marking(ValueError, 0), nothing
    yield "identity: seen + mark, own class", "-", marking(OwnError, 0), nothing
    yield "identity: seen + mark + seen again", "-", marking(ValueError, 1), nothing


def ratio(ours: Loop, floor: Loop) -> tuple[float, float]:
    """Return the least ns per call of both."""
    gc.collect()
    gc.disable()
    try:
        pairs = [(ours(CALLS), floor(CALLS)) for _ in range(SAMPLES)]
    finally:
        gc.enable()
    return min(pair[0] for pair in pairs) / CALLS * 1e9, min(pair[1] for pair in pairs) / CALLS * 1e9


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"{'row':42}{'budget':36}{'ratio':>7}{'ours ns':>9}{'floor ns':>10}   python {sys.version.split()[0]}")
    for name, budget, ours, floor in rows():
        mine, least = ratio(ours, floor)
        print(f"{name:42}{budget:36}{mine / least:7.2f}{mine:9.0f}{least:10.0f}")


if __name__ == "__main__":
    main()
