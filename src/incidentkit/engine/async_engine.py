"""AsyncEngine: a view over the same engine, with the same method names, that awaits the engine's own futures. No second implementation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from incidentkit.engine.context import Installation
from incidentkit.engine.engine import Engine
from incidentkit.engine.health import Health
from incidentkit.engine.ticket import Ticket
from incidentkit.errors import NotStoredError
from incidentkit.host.report import TransparentTicket
from incidentkit.model import Alert, DeliveryRecord, Event, Incident, Signal, Site, Status, TimelineEntry, Work
from incidentkit.runtime import Explanation

__all__ = ["AsyncEngine"]

T = TypeVar("T")


def _settle(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], settle: Callable[[], None]) -> None:
    def on_loop() -> None:
        if not future.done():
            settle()

    if not loop.is_closed():
        loop.call_soon_threadsafe(on_loop)


class AsyncEngine:
    """The engine for code in an event loop. What waits is a coroutine; what never waits (`report`, `ok`, `health`) is as in `Engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.config = engine.config

    async def __aenter__(self) -> Self:
        self._installation: Installation = self.engine.installed()
        self.engine.open_in(asyncio.get_running_loop())
        await self._installation.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self._installation.__aexit__(kind, error, traceback)

    @property
    def is_running(self) -> bool:
        """Return True between `start()` and `stop()` in this process."""
        return self.engine.is_running

    async def _ask(self, ask: Callable[[], T]) -> T:
        """
        Return the result of a call of the sync engine, made on a daemon thread of its own.

        Not the loop's executor: that cannot start a thread at interpreter exit, and a host may have filled it (storage.md 5).
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                answer = ask()
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits
                _settle(loop, future, partial(future.set_exception, error))
            else:
                _settle(loop, future, lambda: future.set_result(answer))

        threading.Thread(target=run, name="incidentkit-ask", daemon=True).start()
        return await future

    async def start(self) -> AsyncEngine:
        """As `Engine.start`. User coroutines run on the loop this was called in."""
        self.engine.open_in(asyncio.get_running_loop())
        await self._ask(self.engine.start)
        return self

    async def stop(self, timeout: float | None = None) -> bool:
        """As `Engine.stop`."""
        return await self._ask(lambda: self.engine.stop(timeout))

    async def flush(self, timeout: float = 5) -> bool:
        """As `Engine.flush`."""
        return await self._ask(lambda: self.engine.flush(timeout))

    async def step(self) -> float | None:
        """As `Engine.step`: on this thread, which in manual mode owns the store."""
        return self.engine.step()

    def is_due(self, mono: float) -> bool:
        """As `Engine.is_due`."""
        return self.engine.is_due(mono)

    def installed(self) -> Installation:
        """As `Engine.installed`; use `async with`."""
        return self.engine.installed()

    def health(self) -> Health:
        """As `Engine.health`."""
        return self.engine.health()

    def report(self, what: BaseException | Signal | str, /, **fields: Any) -> Ticket | TransparentTicket:
        """As `Engine.report`."""
        return self.engine.report(what, **fields)

    def failed(self, error: BaseException, site: Site | None, fields: Mapping[str, Any], /) -> Ticket | TransparentTicket:
        """As `Engine.failed`."""
        return self.engine.failed(error, site, fields)

    def ok(self, *, key: str, tenant: str = "", **fields: Any) -> Ticket | TransparentTicket:
        """As `Engine.ok`."""
        return self.engine.ok(key=key, tenant=tenant, **fields)

    async def raise_incident(self, title: str, /, *, timeout: float = 5, **fields: Any) -> Incident:
        """As `Engine.raise_incident`, without blocking the loop."""
        ticket = self.engine.report(title, **fields)

        async def ended() -> Incident | None:
            return await ticket

        try:
            incident = await asyncio.wait_for(ended(), timeout)
        except TimeoutError:
            raise NotStoredError(f"not durable within {timeout:g} s; it is in the spool and is stored when the store is back") from None
        if incident is None:
            raise NotStoredError(f"no incident came of {title!r}: no engine runs, a rule drops it, or its condition does not hold yet")
        return incident

    async def acknowledge(self, key: str | int, /, *, by: str, note: str = "", tenant: str = "", channel: str = "code") -> Incident:
        """As `Engine.acknowledge`."""
        return await self._ask(lambda: self.engine.acknowledge(key, by=by, note=note, tenant=tenant, channel=channel))

    async def unacknowledge(self, key: str | int, /, *, by: str, tenant: str = "", channel: str = "code") -> Incident:
        """As `Engine.unacknowledge`."""
        return await self._ask(lambda: self.engine.unacknowledge(key, by=by, tenant=tenant, channel=channel))

    async def snooze(
        self, key: str | int, /, *, until: datetime, by: str, note: str = "", tenant: str = "", channel: str = "code",
    ) -> Incident:
        """As `Engine.snooze`."""
        return await self._ask(lambda: self.engine.snooze(key, until=until, by=by, note=note, tenant=tenant, channel=channel))

    async def resolve(
        self, key: str | int, /, *, by: str, cause: str = "person", note: str = "", tenant: str = "", channel: str = "code",
    ) -> Incident:
        """As `Engine.resolve`."""
        return await self._ask(lambda: self.engine.resolve(key, by=by, cause=cause, note=note, tenant=tenant, channel=channel))

    async def reopen(self, key: str | int, /, *, by: str, reason: str = "", tenant: str = "", channel: str = "code") -> Incident:
        """As `Engine.reopen`."""
        return await self._ask(lambda: self.engine.reopen(key, by=by, reason=reason, tenant=tenant, channel=channel))

    async def mute(
        self, key: str | int, /, *, by: str, until: datetime | None = None, note: str = "", tenant: str = "", channel: str = "code",
    ) -> Incident:
        """As `Engine.mute`."""
        return await self._ask(lambda: self.engine.mute(key, by=by, until=until, note=note, tenant=tenant, channel=channel))

    async def unmute(self, key: str | int, /, *, by: str, tenant: str = "", channel: str = "code") -> Incident:
        """As `Engine.unmute`."""
        return await self._ask(lambda: self.engine.unmute(key, by=by, tenant=tenant, channel=channel))

    async def note(self, key: str | int, text: str, /, *, by: str, tenant: str = "", channel: str = "code") -> Incident:
        """As `Engine.note`."""
        return await self._ask(lambda: self.engine.note(key, text, by=by, tenant=tenant, channel=channel))

    async def tell(self, key: str | int, event: Event, /, *, tenant: str = "", timeout: float = 5) -> Incident:
        """As `Engine.tell`."""
        return await self._ask(lambda: self.engine.tell(key, event, tenant=tenant, timeout=timeout))

    async def get(self, key: str | int, /, *, tenant: str = "") -> Incident:
        """As `Engine.get`."""
        return await self._ask(lambda: self.engine.get(key, tenant=tenant))

    async def incidents(
        self, *, status: Status | str | None = None, service: str | None = None, since: datetime | None = None, tenant: str | None = None,
        limit: int = 50,
    ) -> list[Incident]:
        """As `Engine.incidents`."""
        return await self._ask(lambda: self.engine.incidents(status=status, service=service, since=since, tenant=tenant, limit=limit))

    async def alerts(self, key: str | int, /, *, tenant: str = "") -> list[Alert]:
        """As `Engine.alerts`."""
        return await self._ask(lambda: self.engine.alerts(key, tenant=tenant))

    async def history(self, key: str | int, /, *, tenant: str = "") -> list[TimelineEntry]:
        """As `Engine.history`."""
        return await self._ask(lambda: self.engine.history(key, tenant=tenant))

    async def deliveries(self, key: str | int, /, *, tenant: str = "") -> list[DeliveryRecord]:
        """As `Engine.deliveries`."""
        return await self._ask(lambda: self.engine.deliveries(key, tenant=tenant))

    async def dead_letters(self, *, limit: int = 100) -> list[Work]:
        """As `Engine.dead_letters`."""
        return await self._ask(lambda: self.engine.dead_letters(limit=limit))

    async def explain(self, signal: Signal | BaseException | str, /, *, at: datetime | None = None, **fields: Any) -> Explanation:
        """As `Engine.explain`."""
        return await self._ask(lambda: self.engine.explain(signal, at=at, **fields))
