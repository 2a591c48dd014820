"""The kit: what a case works with: handles on one store, values to put into it, and what it expects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from incidentkit.model import (
    Alert,
    AlertStatus,
    AlertWrite,
    Claim,
    Committed,
    Conflict,
    CounterAdd,
    Duplicate,
    Incident,
    IncidentWrite,
    Loaded,
    Lookup,
    Noted,
    Page,
    PageKind,
    Status,
    TimelineEntry,
    UnitOfWork,
    Work,
)
from incidentkit.ports import Backend

__all__ = ["Factory", "Handles", "Kit", "SkipCase", "equal", "holds"]

#: Makes a handle, not opened, on one store.
Handles = Callable[[], Backend]
#: Makes an empty store, and returns what makes handles on it.
Factory = Callable[[], Handles]

_START: Final = datetime(2026, 3, 29, 0, 30, 0, 123_456, tzinfo=UTC)


class SkipCase(Exception):
    """The case does not apply here."""


def equal(found: object, expected: object, what: str) -> None:
    """
    Return when both are equal.

    Raises:
        AssertionError: They are not.
    """
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}"[:1_000])


def holds(condition: object, what: str) -> None:
    """
    Return when *condition* is true.

    Raises:
        AssertionError: It is not; *what* says what should have been.
    """
    if not condition:
        raise AssertionError(what)


class Kit:
    """One store of its own. `backend` is the first handle on it; all times are seconds after the kit's start."""

    ns: Final = "shop/test"

    def __init__(self, handles: Handles) -> None:
        self._handles = handles
        self._opened: list[Backend] = []
        self.backend = self.handle()

    def handle(self) -> Backend:
        """Return one more open handle on the same store."""
        backend = self.raw()
        backend.open()
        return backend

    def raw(self) -> Backend:
        """Return one more handle, not opened."""
        backend = self._handles()
        self._opened.append(backend)
        return backend

    def close(self) -> None:
        """Close all handles."""
        for backend in self._opened:
            backend.close()

    def at(self, seconds: float = 0) -> datetime:
        """Return the instant *seconds* after the start."""
        return _START + timedelta(seconds=seconds)

    # --- values ----------------------------------------------------------------------------------------------------------------------

    def incident(self, identifier: str, *, key: str | None = None, at: float = 0, **fields: Any) -> Incident:
        """Return an incident, TRIGGERED unless *fields* say otherwise."""
        now = self.at(at)
        values: dict[str, Any] = {"title": f"incident {identifier}", "opened_at": now, "updated_at": now, "first_seen_at": now,
                                  "last_seen_at": now, **fields}
        return Incident(id=identifier, key=f"key-{identifier}" if key is None else key, **values)

    def new(self, identifier: str, **fields: Any) -> IncidentWrite:
        """Return the write of a new incident."""
        return IncidentWrite(expect=0, incident=self.incident(identifier, **fields))

    def alert(self, fingerprint: str, *, expect: int = 0, **fields: Any) -> AlertWrite:
        """Return the write of an alert, FIRING unless *fields* say otherwise."""
        values: dict[str, Any] = {"status": AlertStatus.FIRING, "title": "it broke", "first_at": self.at(), "last_at": self.at(), **fields}
        return AlertWrite(expect=expect, alert=Alert(fingerprint=fingerprint, **values))

    def event(self, incident_id: str, seq: int, *, at: float = 0, tenant: str = "", text: str = "noted") -> TimelineEntry:
        """Return a note on an incident's timeline."""
        return TimelineEntry(incident_id=incident_id, seq=seq, at=self.at(at), event=Noted(text=text, by="ada"), tenant=tenant)

    def work(self, identifier: str, *, due: float = 0, **fields: Any) -> Work:
        """Return a row of work that is due *due* seconds after the start."""
        values: dict[str, Any] = {"body": Page(kind=PageKind.FIRST, notifier="slack", target="#ops"), "created_at": self.at(), **fields}
        return Work(id=identifier, due_at=self.at(due), **values)

    def add(self, owner: str, n: int = 1, *, first: float = 0, last: float = 0, **fields: Any) -> CounterAdd:
        """Return an add to a counter."""
        return CounterAdd(owner=owner, n=n, first_at=self.at(first), last_at=self.at(last), **fields)

    # --- calls -----------------------------------------------------------------------------------------------------------------------

    def commit(self, *, at: float = 0, through: Backend | None = None, **parts: Any) -> Committed | Conflict | Duplicate:
        """Commit a unit made of *parts*."""
        backend = self.backend if through is None else through
        return backend.commit(self.ns, UnitOfWork(**parts), now=self.at(at))

    def applied(self, **parts: Any) -> Committed:
        """Commit a unit, which must be applied."""
        reply = self.commit(**parts)
        holds(isinstance(reply, Committed), f"the unit must be applied, found {reply!r}")
        return reply  # type: ignore[return-value]

    def refused(self, **parts: Any) -> Conflict:
        """Commit a unit, which must be a conflict."""
        reply = self.commit(**parts)
        holds(isinstance(reply, Conflict), f"the unit must be a Conflict, found {reply!r}")
        return reply  # type: ignore[return-value]

    def load(self, *, at: float = 0, through: Backend | None = None, **asked: Any) -> Loaded:
        """Load a lookup made of *asked*."""
        backend = self.backend if through is None else through
        return backend.load(self.ns, Lookup(**asked), now=self.at(at))

    def get(self, identifier: str, tenant: str = "", *, through: Backend | None = None) -> Incident | None:
        """Return an incident as it is stored, or None."""
        return self.load(tenant=tenant, ids=(identifier,), through=through).incidents.get(identifier)

    def stored(self, identifier: str, tenant: str = "", *, through: Backend | None = None) -> Incident:
        """Return an incident that must be there."""
        found = self.get(identifier, tenant, through=through)
        if found is None:
            raise AssertionError(f"incident {identifier} must be there")
        return found

    def change(
        self, identifier: str, *, expect: int | None = None, tenant: str = "", through: Backend | None = None, **fields: Any,
    ) -> IncidentWrite:
        """Return the write that changes *fields* of a stored incident."""
        found = self.stored(identifier, tenant, through=through)
        return IncidentWrite(expect=found.version if expect is None else expect, incident=attrs.evolve(found, **fields))

    def resolve(self, identifier: str, *, at: float = 0, tenant: str = "") -> Committed:
        """Resolve a stored incident."""
        now = self.at(at)
        closing = self.change(identifier, tenant=tenant, status=Status.RESOLVED, resolved_at=now, updated_at=now)
        return self.applied(incidents=(closing,), at=at)

    def claim(
        self, *, at: float = 0, limit: int = 100, lease: float = 10, can: frozenset[str] | None = None, owner: str = "one",
        through: Backend | None = None,
    ) -> list[Claim]:
        """Claim due work."""
        backend = self.backend if through is None else through
        return backend.claim(self.ns, owner=owner, can=can, limit=limit, lease=timedelta(seconds=lease), now=self.at(at))
