"""Installation: an engine made the one that this process's watches and reports use, for the length of a with-block or for good."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from incidentkit.host.installed import install, restore
from incidentkit.model import Signal
from incidentkit.ports import Sink

if TYPE_CHECKING:
    from incidentkit.engine.engine import Engine

__all__ = ["EngineSink", "Installation"]


class EngineSink:
    """An engine as the host side sees it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.failed = engine.failed

    def report(self, what: BaseException | Signal | str, fields: Mapping[str, Any], /) -> Any:
        """Report what the host states itself."""
        return self.engine.report(what, **fields)

    def ok(self, fields: Mapping[str, Any], /) -> Any:
        """Report that a problem is over."""
        return self.engine.ok(**fields)


class Installation:
    """Sync and async context manager of `Engine.installed()`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._before: Sink | None = None

    def __enter__(self) -> Engine:
        self._before = install(EngineSink(self._engine))
        try:
            return self._engine.start()
        except BaseException:
            restore(self._before)
            self._engine.stop()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._engine.flush()
        self._engine.stop()
        restore(self._before)

    async def __aenter__(self) -> Engine:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        import asyncio
        import threading

        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def left() -> None:
            if not done.done():
                done.set_result(None)

        def leave() -> None:
            try:
                self.__exit__(kind, error, traceback)
            finally:
                loop.call_soon_threadsafe(left)

        threading.Thread(target=leave, name="incidentkit-leave", daemon=True).start()
        await done
