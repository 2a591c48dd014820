"""The spool of a process that has no disk to write to: the same answers, and nothing that outlives it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from incidentkit.engine.spool._counters import Counters
from incidentkit.engine.spool._errors import MisuseError
from incidentkit.engine.spool._ledger import Ledger
from incidentkit.engine.spool._values import MAX_NOTE, MAX_PAYLOAD, MAX_SLOTS


class MemorySpool:
    """A spool in mode "memory", for read-only file systems: arithmetic only, no payload is kept (see `SpoolLike` for the contract)."""

    size_bytes = 0
    is_exact = True

    def __init__(self, source: str, *, slots: int = 4096) -> None:
        """Make a spool of *slots* slots; MisuseError when that is out of bounds."""
        if not 0 < slots <= MAX_SLOTS: raise MisuseError.out_of_bounds("slots", slots, 1, MAX_SLOTS)
        self.source = source
        self.refused = 0
        self.trouble = ""
        self.is_closed = False
        self._ledger = Ledger()
        self._counters = Counters.in_memory(slots)
        self._totals = self._counters.totals
        self._free = list(range(slots - 1, -1, -1))
        self._is_acked_since = False

    @property
    def last_seq(self) -> int:
        """Return the highest seq ever flushed, 0 before the first."""
        return self._ledger.last_seq

    @property
    def is_committed(self) -> bool:
        """Whether the store has all that was sighted and added."""
        return self._ledger.is_committed(self._totals)

    @property
    def is_compaction_due(self) -> bool:
        """Whether slots run out, and some ack gives hope that `compact` frees one."""
        return self._is_acked_since and not self.is_closed and len(self._free) < len(self._totals) // 8

    def sight(self, payload: bytes, /) -> int | None:
        """Return a slot for *payload*, or None when it is refused."""
        if self.is_closed:
            self.trouble = "the spool is closed"
        elif len(payload) > MAX_PAYLOAD:
            self.trouble = f"a payload of {len(payload)} bytes is more than {MAX_PAYLOAD}"
        elif not self._free:
            self.trouble = f"all {len(self._totals)} slots are taken"
        else:
            slot = self._free.pop()
            self._counters.reset(slot)
            self._ledger.sight(slot, 0)
            return slot
        self.refused += 1
        return None

    def add(self, slot: int, n: int, at_us: int, /) -> None:  # noqa: ARG002 - nobody will ask a dead process's memory for the time
        """Count *n* more of *slot*."""
        self._totals[slot] += n

    def flush(self, seq: int, upto: Mapping[int, int], note: bytes = b"") -> bool:
        """Enter that unit *seq* is about to be sent; MisuseError where `Spool.flush` has it."""
        if self.is_closed: return False
        if len(note) > MAX_NOTE: raise MisuseError.out_of_bounds("the length of a note", len(note), 0, MAX_NOTE)
        return self._ledger.flush(self._ledger.unit(seq, b"", upto, self._totals, self._counters.at_us))

    def acked(self, seq: int) -> bool:
        """Enter that unit *seq* needs nothing more."""
        if self.is_closed: return False
        self._is_acked_since |= self._ledger.ack(seq)
        return True

    def compact(self, live: Collection[int] = ()) -> bool:
        """Free the slots that are not in *live* and have nothing outstanding."""
        if self.is_closed: return False
        self._free += self._ledger.forget(self._ledger.taken, self._ledger.outstanding(self._totals).union(live))
        self._is_acked_since = False
        return True

    def close(self, *, clean: bool) -> None:  # noqa: ARG002 - there is nothing to mark
        """End it."""
        self.is_closed = True

    def abandon_in_child(self) -> None:
        """End it: what it counts is the parent's."""
        self.is_closed = True
