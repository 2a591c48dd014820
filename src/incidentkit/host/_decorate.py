"""
The wrappers that `watch` puts around functions of every kind. What belongs here: how a call ends; not what is reported of it.

A coroutine, generator or asynchronous generator function stays one for `inspect`, pytest, FastAPI and Celery. A failure counts when it
leaves the wrapped function; who closes a generator before its end has seen neither a success nor a failure.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Final

from incidentkit.errors import ConfigurationError
from incidentkit.host.installed import SiteState

__all__ = ["Ends", "Function", "name_of", "wrapped"]

Function = Callable[..., Any]
_REMEDIES: Final = {type: "Watch its methods, or the function that makes it.", property: "Put @watch beneath @property."}


class Ends:
    """What a wrapper needs: the state of its site, and whom to tell of a failure or, while an incident is open, of a success."""

    __slots__ = ("failed", "state", "succeeded")

    def __init__(self, state: SiteState, failed: Callable[[BaseException], None], succeeded: Callable[[], None]) -> None:
        self.state, self.failed, self.succeeded = state, failed, succeeded


def name_of(target: Function) -> str:
    """
    Return `module.qualname` of what *target* calls in the end.

    Raises:
        ConfigurationError: *target* is a class, or nothing that can be called.
    """
    if isinstance(target, type) or not callable(target):
        remedy = next((remedy for kind, remedy in _REMEDIES.items() if isinstance(target, kind)), "")
        raise ConfigurationError.at("@watch", target, "a function, a method or an object with __call__", remedy=remedy)
    return ".".join(_names(_bare(target)))


def wrapped(target: Function, ends: Ends) -> Function:
    """Return a function of the same kind that calls *target* and tells *ends* how it went."""
    bare = _bare(target)
    asked = bare if inspect.isroutine(bare) else type(bare).__call__
    if inspect.iscoroutinefunction(asked):
        made: Function = _coroutine(target, ends)
    elif inspect.isasyncgenfunction(asked):
        made = _async_generator(target, ends)
    elif inspect.isgeneratorfunction(asked):
        made = _generator(target, ends)
        if inspect.unwrap(asked).__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
            made = types.coroutine(made)
    else:
        made = _plain(target, ends)
    functools.update_wrapper(made, asked, updated=("__dict__",) if inspect.isfunction(target) else ())
    made.__module__, made.__qualname__ = _names(bare)
    made.__name__ = made.__qualname__.rpartition(".")[2]
    made.__wrapped__ = target  # type: ignore[attr-defined]
    return made


def _bare(target: Function) -> Function:
    while isinstance(target, functools.partial):
        target = target.func
    return target


def _names(bare: Function) -> tuple[str, str]:
    named = bare if isinstance(getattr(bare, "__qualname__", None), str) else type(bare)
    return getattr(named, "__module__", None) or type(bare).__module__, named.__qualname__


def _plain(function: Function, ends: Ends) -> Function:
    state, failed, succeeded = ends.state, ends.failed, ends.succeeded

    def watched(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            try: failed(error)  # noqa: SIM105
            except Exception: pass  # noqa: BLE001, S110 - at the recursion limit this call fails, and must not replace the host's error
            raise
        if state.evidence is not None: succeeded()
        return result

    return watched


def _coroutine(function: Callable[..., Awaitable[Any]], ends: Ends) -> Callable[..., Coroutine[Any, Any, Any]]:
    state, failed, succeeded = ends.state, ends.failed, ends.succeeded

    async def watched(*args: Any, **kwargs: Any) -> Any:
        try:
            result = await function(*args, **kwargs)
        except Exception as error:
            try: failed(error)  # noqa: SIM105
            except Exception: pass  # noqa: BLE001, S110 - as in `_plain`
            raise
        if state.evidence is not None: succeeded()
        return result

    return watched


def _generator(function: Callable[..., Generator[Any, Any, Any]], ends: Ends) -> Callable[..., Generator[Any, Any, Any]]:
    state, failed, succeeded = ends.state, ends.failed, ends.succeeded

    def watched(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        try:
            result = yield from function(*args, **kwargs)
        except Exception as error:
            try: failed(error)  # noqa: SIM105
            except Exception: pass  # noqa: BLE001, S110 - as in `_plain`
            raise
        if state.evidence is not None: succeeded()
        return result

    return watched


def _async_generator(function: Callable[..., AsyncGenerator[Any, Any]], ends: Ends) -> Callable[..., AsyncGenerator[Any, Any]]:
    state, failed, succeeded = ends.state, ends.failed, ends.succeeded

    async def watched(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        is_closing = False
        next_up: list[Any] = []  # the next awaitable, then its value; a local would keep the last item, or an error and through it itself
        try:
            inner = function(*args, **kwargs)
            next_up.append(_started(inner))
            while True:
                next_up.append(await next_up.pop())
                try:
                    next_up.append(inner.asend((yield next_up.pop())))
                except BaseException as thrown:  # noqa: BLE001 - goes on into the wrapped generator, which decides
                    is_closing = isinstance(thrown, GeneratorExit)
                    next_up.append(inner.athrow(_without_our_node(thrown)))  # awaited outside: here it would become a __context__
        except StopAsyncIteration:
            if state.evidence is not None and not is_closing: succeeded()
        except Exception as error:
            try: failed(error)  # noqa: SIM105
            except Exception: pass  # noqa: BLE001, S110 - as in `_plain`
            raise

    return watched


def _started(inner: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Return the first step of *inner*, hidden from the event loop: at shutdown the loop would close it while its wrapper is closing it."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _without_our_node(thrown: BaseException) -> BaseException:
    """Return *thrown* as it came: the wrapper's frame stands in its traceback once, when it leaves, as in a generator's `yield from`."""
    trace = thrown.__traceback__
    return thrown if trace is None else BaseException.with_traceback(thrown, trace.tb_next)
