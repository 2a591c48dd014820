"""
The spool: what this process saw and the store may not have, kept so that kill -9 loses nothing; bytes, slots and counts, never a decision.

One process, one spool, one source id, two files in a directory of mode 0700:

    <source>.log   frames: length, crc32, body; each appended by one write(2); flock'ed while the process lives
    <source>.cnt   a mapped file of counters: a header, then per slot the cumulative count and the last occurred_at

An observation is `sight`ed once (one write) and `add`ed from then on (one 16-byte store). A unit is `flush`ed before it goes to the
store, and `acked` when the store has it, so after a crash whoever adopts the files sends the same (source, seq) again and counts are
exact, not "at least".
Counters never go back, and a slot keeps its number while it is used: so `compact` replaces the log alone, by one rename.

Source: DESIGN.md laws 1, 8 and 12; storage.md 5.
"""

from incidentkit.engine.spool._errors import MisuseError
from incidentkit.engine.spool._memory import MemorySpool
from incidentkit.engine.spool._orphan import Orphan, orphans
from incidentkit.engine.spool._spool import Spool
from incidentkit.engine.spool._values import MAX_NOTE, MAX_PAYLOAD, MAX_SLOTS, Entry, Failpoint, PendingUnit, SpoolLike

__all__ = [
    "MAX_NOTE",
    "MAX_PAYLOAD",
    "MAX_SLOTS",
    "Entry",
    "Failpoint",
    "MemorySpool",
    "MisuseError",
    "Orphan",
    "PendingUnit",
    "Spool",
    "SpoolLike",
    "orphans",
]
