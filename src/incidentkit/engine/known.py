"""Known: one problem this process has seen, with what the store has of it and what it has not. Counts only grow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from incidentkit.model import Incident, Signal, Site
from incidentkit.policy.windows import EPOCH

__all__ = ["Known", "Outer", "Portion", "instant"]


def instant(microseconds: int) -> datetime:
    """Return the instant that many microseconds after the epoch."""
    return EPOCH + timedelta(microseconds=microseconds)


class Outer:
    """An enclosing watch that saw the failures of an inner one: its own cumulative count and spool slot."""

    __slots__ = ("acked", "site", "slot", "taken", "total")

    def __init__(self, site: Site, slot: int | None) -> None:
        self.site = site
        self.slot = slot
        self.total = 0
        self.taken = 0
        self.acked = 0


class Known:
    """
    A problem by (fingerprint, status, severity, labels, source, site). `total` is what was seen, `taken` what went into units, `acked` what
    the store has; all cumulative. `signal` is the first sighting, with count 0.
    """

    __slots__ = ("acked", "first_us", "incident", "interval", "is_pending", "is_told_last_resort", "key", "last_flush", "last_us", "outers",
                 "pending_since", "pins", "serial", "signal", "slot", "taken", "total", "waiters")

    def __init__(self, serial: int, key: tuple[object, ...], signal: Signal, slot: int | None) -> None:
        self.serial = serial
        self.key = key
        self.signal = signal
        self.slot = slot
        self.total = 0
        self.taken = 0
        self.acked = 0
        self.first_us = 0
        self.last_us = 0
        self.is_pending = False
        self.pending_since = 0.0
        self.last_flush: float | None = None
        self.interval = 0.0
        self.incident: Incident | None = None
        self.outers: dict[str, Outer] | None = None
        self.pins: list[object] = []
        self.waiters: list[tuple[int, Callable[[], None]]] = []
        self.is_told_last_resort = False

    @property
    def is_clean(self) -> bool:
        """Return True when the store has everything, so that forgetting it loses nothing."""
        return not self.is_pending and self.acked == self.total and not self.waiters

    def due(self, flush_after: float) -> float:
        """Return the monotonic instant at which what is pending is to be committed."""
        soon = self.pending_since + flush_after
        return soon if self.last_flush is None else max(soon, self.last_flush + self.interval)

    def portion(self) -> Portion:
        """Return what is pending as one signal, and mark it as taken."""
        count, self.taken = self.total - self.taken, self.total
        own = self.signal.sites[0][0] if self.signal.sites else None
        sites = [] if own is None else [(own, count)]
        outers = []
        for outer in (self.outers or {}).values():
            more, outer.taken = outer.total - outer.taken, outer.total
            sites.append((outer.site, more))
            outers.append((outer, outer.total))
        self.is_pending = False
        signal = attrs.evolve(self.signal, count=count, first_at=instant(self.first_us), occurred_at=instant(self.last_us),
                              sites=tuple(sites))
        return Portion(known=self, upto=self.total, signal=signal, outers=tuple(outers))


@attrs.frozen(kw_only=True, eq=False)
class Portion:
    """What one unit takes of a problem: the signal with its counts, and the cumulative totals it goes up to."""

    known: Known
    upto: int
    signal: Signal
    outers: tuple[tuple[Outer, int], ...] = ()

    def slots(self) -> dict[int, int]:
        """Return the spool slots with the totals that are durable when this is."""
        found = {} if self.known.slot is None else {self.known.slot: self.upto}
        found.update({outer.slot: upto for outer, upto in self.outers if outer.slot is not None})
        return found
