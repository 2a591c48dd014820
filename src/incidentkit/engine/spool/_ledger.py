"""The arithmetic of a spool: which counts no unit carries yet, which unit carries which, what may be forgotten. No bytes, no files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import attrs

from incidentkit.engine.spool._errors import MisuseError


class Part(NamedTuple):
    """One slot's share of a unit: its cumulative count from *start* (exclusive) to *upto*."""

    slot: int
    start: int
    upto: int
    last_at_us: int


class Unit(NamedTuple):
    """Counts that go to the store together, under one seq."""

    seq: int
    note: bytes
    parts: tuple[Part, ...]


@attrs.define
class Ledger:
    """Sighted slots in the order of their sighting, and units that the store may not have."""

    taken: dict[int, int] = attrs.field(factory=dict)
    """Per sighted slot: its cumulative count that units carry, acknowledged or not."""
    fresh: set[int] = attrs.field(factory=set)
    """Slots that no unit ever named: their payload is not in the store even where their count is 0."""
    pending: dict[int, Unit] = attrs.field(factory=dict)
    last_seq: int = 0

    def sight(self, slot: int, taken: int, *, is_fresh: bool = True) -> None:
        """Enter *slot*, whose cumulative count already stands at *taken*."""
        self.taken.pop(slot, None)
        self.taken[slot] = taken
        (self.fresh.add if is_fresh else self.fresh.discard)(slot)

    def unit(self, seq: int, note: bytes, upto: Mapping[int, int], totals: Sequence[int], at_us: Callable[[int], int]) -> Unit:
        """
        Return the unit that takes each slot of *upto* from where the last one ended; nothing is entered yet.

        Raises:
            MisuseError: The seq is not above the last one, a slot holds no sighting, or a total goes back or beyond what was added.
        """
        if seq <= self.last_seq: raise MisuseError.old_seq(seq, self.last_seq)
        for slot, total in upto.items():
            if slot not in self.taken: raise MisuseError.unknown_slot(slot)
            if not self.taken[slot] <= total <= totals[slot]: raise MisuseError.wrong_total(slot, total, self.taken[slot], totals[slot])
        return Unit(seq, note, tuple(Part(slot, self.taken[slot], total, at_us(slot)) for slot, total in upto.items()))

    def flush(self, unit: Unit) -> bool:
        """Enter *unit* as sent, not acknowledged; return False when it names a slot that was never sighted (then nothing is entered)."""
        if any(part.slot not in self.taken for part in unit.parts): return False
        for part in unit.parts:
            self.taken[part.slot] = max(self.taken[part.slot], part.upto)
            self.fresh.discard(part.slot)
        self.pending[unit.seq] = unit
        self.last_seq = max(self.last_seq, unit.seq)
        return True

    def ack(self, seq: int) -> bool:
        """Enter that the store has unit *seq*; return False when it is not pending."""
        return self.pending.pop(seq, None) is not None

    def remaining(self, totals: Sequence[int]) -> list[int]:
        """Return the slots with something that no unit carries: a count, or a first sighting."""
        return [slot for slot, taken in list(self.taken.items()) if totals[slot] > taken or slot in self.fresh]

    def outstanding(self, totals: Sequence[int]) -> set[int]:
        """Return the slots with something that the store may not have."""
        return {part.slot for unit in self.pending.values() for part in unit.parts}.union(self.remaining(totals))

    def is_committed(self, totals: Sequence[int]) -> bool:
        """Whether the store has everything."""
        return not self.pending and not self.remaining(totals)

    def forget(self, slots: Iterable[int], but: Collection[int] = ()) -> list[int]:
        """Forget *slots*, all *but* those; return which."""
        gone = list(set(slots).difference(but))
        for slot in gone:
            self.taken.pop(slot, None)
            self.fresh.discard(slot)
        return gone
