"""World: your policies, your code and the real loops in virtual time. Hours pass in milliseconds; what would be sent is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from types import TracebackType
from typing import Any, Self

import attrs

from incidentkit.backends import MemoryBackend
from incidentkit.engine import Engine
from incidentkit.engine.context import Installation
from incidentkit.errors import ConfigurationError
from incidentkit.model import Delivery, Incident, Notification, Status
from incidentkit.policy import parse_duration
from incidentkit.ports import Notifier
from incidentkit.testing.clock import ManualClock
from incidentkit.testing.recording import RecordingNotifier

__all__ = ["Sent", "World"]


@attrs.frozen(kw_only=True)
class Sent:
    """One message that would have gone out: when, over which notifier, to whom."""

    at: datetime
    notification: Notification

    @property
    def is_page(self) -> bool:
        """Return True for a first page or a reminder, False for an update or a resolve notice."""
        return self.notification.kind.is_page

    def __str__(self) -> str:
        told = self.notification
        return f"{self.at:%H:%M:%S} {told.kind.value} {told.notifier}:{told.person or told.target}: {told.title}"


class World:
    """
    An engine in virtual time. The keys are those of `configure()`; the store is in memory, nothing is really sent.

    Use it as a context manager, or through the pytest fixture `ik_world`. Inside it `ik.configure()` returns this engine and starts
    nothing.
    """

    def __init__(self, *, at: str | datetime = "2026-01-05 09:00 UTC", answers: dict[str, Any] | None = None, **keys: Any) -> None:
        self.clock = ManualClock(at)
        self.sent: list[Sent] = []
        self._answers = answers or {}
        plain = Engine(**{**keys, "engine": "manual", "spool": "memory", "backend": keys.get("backend") or "memory://"}).config
        notifiers = {name: self._recording(name, notifier) for name, notifier in plain.notifiers.items()}
        stated = {**keys, "engine": "manual", "spool": "memory", "clock": self.clock, "notifiers": notifiers,
                  "backend": keys.get("backend") or MemoryBackend(clock=self.clock.now)}
        self.engine = Engine(**stated)
        self.engine.stands_in(self._recording("stderr", None))
        self._installation: Installation | None = None

    def _recording(self, name: str, notifier: Notifier | None) -> RecordingNotifier:
        def record(notification: Notification) -> Delivery:
            answer = self._answers.get(name)
            delivery = answer(notification) if callable(answer) else answer
            self.sent.append(Sent(at=self.clock.now(), notification=notification))
            return delivery or Delivery.accepted(f"{name}:{len(self.sent)}")

        to = "-" if notifier is None else notifier.to
        is_quiet = True if notifier is None else notifier.is_quiet
        deadline = timedelta(minutes=15) if notifier is None else notifier.deadline
        return RecordingNotifier(name=name, to=to, is_quiet=is_quiet, deadline=deadline, script=record)

    def __enter__(self) -> Self:
        self._installation = self.engine.installed()
        self._installation.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._installation is not None:
            self._installation.__exit__(kind, error, traceback)

    # -- what happens --------------------------------------------------------------------------------------------------------------

    def fail(self, where: str | Callable[..., Any], error: BaseException, *, times: int = 1, every: str | timedelta = timedelta(0)) -> None:
        """
        Let the watched function *where* ("package.module.function", or the function) fail with *error*, through its real watch.

        Raises:
            ConfigurationError: It does not exist, or no `ik.watch` is on it.
        """
        watch = _watch_of(where)
        pause = every if isinstance(every, timedelta) else parse_duration(every, place="every")
        for number in range(times):
            if number and pause:
                self.advance(pause)
            fresh = _fresh(error)
            try:
                with watch:
                    raise fresh
            except type(error):
                pass
        self.settle()

    def succeed(self, where: str | Callable[..., Any], *, times: int = 1, every: str | timedelta = timedelta(0)) -> None:
        """Let the watched function *where* succeed."""
        watch = _watch_of(where)
        pause = every if isinstance(every, timedelta) else parse_duration(every, place="every")
        for number in range(times):
            if number and pause:
                self.advance(pause)
            with watch:
                self.settle()

    def acknowledge(self, incident: Incident | int | None = None, *, by: str) -> Incident:
        """Acknowledge an incident (default: the newest open one) and return it."""
        return self.engine.acknowledge(self._chosen(incident).id, by=by, tenant=self._chosen(incident).tenant)

    def resolve(self, incident: Incident | int | None = None, *, by: str) -> Incident:
        """Resolve an incident (default: the newest open one) and return it."""
        return self.engine.resolve(self._chosen(incident).id, by=by, tenant=self._chosen(incident).tenant)

    def _chosen(self, incident: Incident | int | None) -> Incident:
        if isinstance(incident, Incident):
            return incident
        if incident is not None:
            return self.engine.get(incident)
        found = self.engine.incidents(status="open")
        if not found:
            raise AssertionError("no incident is open")
        return max(found, key=lambda one: one.opened_at)

    # -- time ----------------------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the engine do what is due now; time stands still."""
        for _ in range(1_000):
            at = self.engine.step()
            if at is None or at > self.clock.monotonic():
                return
        raise AssertionError("the engine finds no rest: 1,000 beats without time passing")

    def advance(self, by: str | timedelta) -> None:
        """Let time pass. The engine beats at each instant at which something is due."""
        span = by if isinstance(by, timedelta) else parse_duration(by, place="by")
        end_now, end = self.clock.now() + span, self.clock.monotonic() + span.total_seconds()
        if not self.engine.is_due(end):
            self.clock.advance(span)
            return
        self.settle()
        while (at := self.engine.step()) is not None and at <= end:
            # At least a microsecond: a datetime knows no less, and time that stands still would never end this loop.
            self.clock.advance(max(at - self.clock.monotonic(), 1e-6))
            self.settle()
        self.clock.advance(max(end_now - self.clock.now(), timedelta(0)))
        self.settle()

    # -- what was told -------------------------------------------------------------------------------------------------------------

    @property
    def incidents(self) -> list[Incident]:
        """Return all incidents, oldest first."""
        return sorted(self.engine.incidents(limit=10_000), key=lambda incident: incident.opened_at)

    @property
    def pages(self) -> list[Sent]:
        """Return first pages and reminders, in order."""
        return [one for one in self.sent if one.is_page]

    def assert_paged(self, whom: str, *, by: str | None = None, within: str | timedelta = timedelta(0)) -> Sent:
        """Assert that *whom* (a person, a target, or a notifier's name) is paged by notifier *by* before *within* has passed from now."""
        span = within if isinstance(within, timedelta) else parse_duration(within, place="within", allow_zero=True)
        seen = len(self.sent)
        before = [one for one in self.pages if _is_to(one, whom, by)]
        if before:
            return before[-1]
        self.advance(span) if span else self.settle()
        for one in self.sent[seen:]:
            if one.is_page and _is_to(one, whom, by):
                return one
        raise AssertionError(f"{whom} was not paged{f' by {by}' if by else ''} within {span}. Sent:\n{self._story()}")

    def assert_nobody_paged(self, *, during: str | timedelta) -> None:
        """Assert that no first page and no reminder goes out while that much time passes."""
        seen = len(self.sent)
        self.advance(during)
        pages = [one for one in self.sent[seen:] if one.is_page]
        if pages:
            raise AssertionError(f"{len(pages)} pages during {during}, the first: {pages[0]}. Sent:\n{self._story()}")

    def assert_resolved(self, *, cause: str | None = None) -> None:
        """Assert that every incident is resolved, by that cause."""
        for incident in self.incidents:
            if incident.status is not Status.RESOLVED or (cause is not None and incident.cause != cause):
                raise AssertionError(f"#{incident.number} is {incident.status.value} ({incident.cause or 'no cause'}): {incident.title}")

    def _story(self) -> str:
        return "\n".join(f"  {one}" for one in self.sent) or "  nothing"


def _is_to(one: Sent, whom: str, by: str | None) -> bool:
    told = one.notification
    return whom in {told.person, told.target, told.notifier} and (by is None or told.notifier == by)


def _fresh(error: BaseException) -> BaseException:
    """Return *error* as a new object: each failure is an occurrence of its own."""
    fresh = type(error)(*error.args)
    fresh.__cause__ = error.__cause__
    return fresh


def _watch_of(where: str | Callable[..., Any]) -> Any:
    if isinstance(where, str):
        module, _, name = where.rpartition(".")
        try:
            where = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError.at("where", where, "package.module.function of a watched function", remedy=str(error)) from None
    watch = getattr(where, "__watch__", None)
    if watch is None:
        raise ConfigurationError.at("where", getattr(where, "__qualname__", str(where)), "a function with @ik.watch on it")
    return watch


