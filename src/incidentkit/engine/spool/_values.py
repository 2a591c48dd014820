"""What a spool takes and gives: its bounds, what it reads back, and the interface that both kinds share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import attrs

MAX_PAYLOAD = 64 * 1024  # capture bounds a signal far below this; a bigger one is a bug, and must not fill the spool
MAX_NOTE = 64 * 1024
MAX_SLOTS = 65_536  # a FLUSH frame of all of them stays under 2 MiB

Failpoint = Callable[[str], None]
"""Called with the name of a point between two effects; a test passes one that kills the process there."""


def nothing(_: str) -> None:
    """Return at once: the failpoint of production."""


@attrs.frozen(kw_only=True)
class Entry:
    """Counts of one sighted payload that the store may not have: *count* of them, up to the cumulative *upto*."""

    slot: int
    payload: bytes
    count: int
    upto: int
    last_at_us: int


@attrs.frozen(kw_only=True)
class PendingUnit:
    """A unit that was written down before it was sent, and not acknowledged: send it again with the same (source, seq)."""

    seq: int
    note: bytes
    entries: tuple[Entry, ...]


class SpoolLike(Protocol):
    """
    What the inbox needs of a spool.

    The caller holds one lock around everything here but `add`, which may overlap all of it; no two threads `add` to one slot at once. The
    lock may be an RLock: `sight` and `add` bear a report that a signal handler or garbage collection nests in any call, on the same thread.
    Nothing raises OSError: what the disk refuses is counted in `refused`, or answered with False, and named in `trouble`.
    """

    source: str
    refused: int
    """Sightings that got no slot: the spool or the disk is full, or the payload too large."""
    trouble: str
    """Why something was last refused; empty when nothing ever was."""
    is_closed: bool

    @property
    def last_seq(self) -> int:
        """Return the highest seq ever flushed, 0 before the first."""
        ...

    @property
    def size_bytes(self) -> int:
        """Return how large the log is."""
        ...

    @property
    def is_committed(self) -> bool:
        """Whether the store has all that was sighted and added."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether all flushes and acks are on disk; if not, a kill -9 now counts the units sent since twice, until `compact` succeeds."""
        ...

    @property
    def is_compaction_due(self) -> bool:
        """Whether `compact` would gain something worth its cost."""
        ...

    def sight(self, payload: bytes, /) -> int | None:
        """Write down a new payload and return its slot, whose count begins at 0; None when it is refused."""
        ...

    def add(self, slot: int, n: int, at_us: int, /) -> None:
        """Count *n* more of *slot*, last seen at *at_us* (microseconds since 1970, not negative)."""
        ...

    def flush(self, seq: int, upto: Mapping[int, int], note: bytes = b"") -> bool:
        """Write down, before unit *seq* is sent, that it takes these slots up to these totals; return whether that is on disk."""
        ...

    def acked(self, seq: int) -> bool:
        """Write down that the store has unit *seq*, or that it was put aside for good; return whether that is on disk."""
        ...

    def compact(self, live: Collection[int] = ()) -> bool:
        """Forget what the store has, except the slots in *live*, which keep their number; return whether it was done."""
        ...

    def close(self, *, clean: bool) -> None:
        """End it; a *clean* end is marked, so that nobody takes it for a death."""
        ...

    def abandon_in_child(self) -> None:
        """Let go of it in a forked child, without a trace in what the parent owns."""
        ...
