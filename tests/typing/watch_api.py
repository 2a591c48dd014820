"""What type checkers see of `watch`: signatures and results are kept. Read by mypy --strict and pyright, never run."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from datetime import timedelta
from typing import Any, TypeVar, assert_type

from incidentkit.host import Watch, watch
from incidentkit.model import Severity, Threshold

T = TypeVar("T")


@watch
def bare(order: int, *, retry: bool = False) -> str:
    return str(order)


@watch("named", service="payments", severity="major", when="5 in 1m", quiet="5m", ignore=KeyError)
def named(order: int, *, retry: bool = False) -> str:
    return str(order)


@watch(ignore=(KeyError, OSError), only=ValueError, labels={"team": "money"}, key="charge")
async def coroutine(order: int) -> str:
    return str(order)


@watch(severity=Severity.MAJOR, when=Threshold(count=1, within=timedelta(minutes=1)), quiet=timedelta(minutes=5))
def generator(order: int) -> Generator[int, str, bytes]:
    yield order
    return b""


@watch
def iterator(order: int) -> Iterator[int]:
    yield order


@watch
async def async_generator(order: int) -> AsyncGenerator[int, str]:
    yield order


@watch
async def async_iterator(order: int) -> AsyncIterator[int]:
    yield order


@watch
def generic(value: T) -> T:
    return value


class Service:
    @watch
    def method(self, order: int) -> str:
        return str(order)

    @watch("named")
    async def coroutine(self, order: int) -> str:
        return str(order)

    @watch
    @staticmethod
    def static_below(order: int) -> str:
        return str(order)

    @staticmethod
    @watch("named")
    def static_above(order: int) -> str:
        return str(order)

    @watch("named")
    @classmethod
    def class_below(cls, order: int) -> str:
        return str(order)

    @classmethod
    @watch
    def class_above(cls, order: int) -> str:
        return str(order)

    @property
    @watch
    def prop(self) -> str:
        return ""


class CallMe:
    def __call__(self, order: int) -> str:
        return str(order)


def functions() -> None:
    assert_type(bare(1, retry=True), str)
    assert_type(named(1, retry=True), str)
    assert_type(generator(1), Generator[int, str, bytes])
    assert_type(iterator(1), Iterator[int])
    assert_type(async_generator(1), AsyncGenerator[int, str])
    assert_type(async_iterator(1), AsyncIterator[int])
    assert_type(generic(1), int)
    assert_type(generic("x"), str)
    assert_type(watch(CallMe())(1), str)
    assert_type(watch(functools.partial(bare, 1))(), str)
    bare("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    named(1, retries=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def methods(service: Service) -> None:
    assert_type(service.method(1), str)
    assert_type(service.static_below(1), str)
    assert_type(Service.static_below(1), str)
    assert_type(service.static_above(1), str)
    assert_type(service.class_below(1), str)
    assert_type(Service.class_below(1), str)
    assert_type(Service.class_above(1), str)
    assert_type(service.prop, str)
    service.method("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def coroutines(service: Service) -> None:
    assert_type(await coroutine(1), str)
    assert_type(await service.coroutine(1), str)
    kept: Callable[[int], Coroutine[Any, Any, str]] = coroutine
    assert_type(await kept(1), str)


def blocks() -> int:
    with watch("nightly-import", service="imports") as on:
        assert_type(on, Watch)
        return 1  # a watch swallows nothing: no return is missing below


async def async_blocks(on: Watch) -> int:
    async with on as entered:
        assert_type(entered, Watch)
        return 1


def options(taken: Callable[[], int]) -> None:
    watch("x", severty="major")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    watch("x", quiet=300)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    watch("x", only=KeyboardInterrupt)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert_type(watch(), Watch)
    assert_type(watch("x")(taken)(), int)
