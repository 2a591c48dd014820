"""The spool of the living process: the hot path, and what guards it (full, closed, forked)."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from incidentkit.engine.spool import _frames as frames
from incidentkit.engine.spool._counters import CELL, HEADER, Counters, pack_cell
from incidentkit.engine.spool._errors import MisuseError
from incidentkit.engine.spool._journal import Journal, Paths
from incidentkit.engine.spool._ledger import Ledger
from incidentkit.engine.spool._log import MAX_LOG, Log, refuse_platform, sync_directory
from incidentkit.engine.spool._values import MAX_NOTE, MAX_PAYLOAD, MAX_SLOTS, Failpoint, nothing

SOURCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  # it becomes the name of a file
_WORTH_IT = 64 * 1024  # a log that grew by less is not written anew for its size


class Spool:
    """
    This process's spool on disk (`SpoolLike` has the contract; `create` makes one).

    What is inherited by fork must be let go of with `abandon_in_child`, or an `add` in the child would count for the parent; everything
    else notices by itself that it runs in a child.
    """

    def __init__(self, journal: Journal, max_bytes: int) -> None:
        """Take over an open journal; `create` makes it."""
        self.source = journal.paths.source
        self.refused = 0
        self.trouble = ""
        self.is_closed = False
        self._journal = journal
        self._max_bytes = max_bytes
        self._pid = os.getpid()
        self._totals = journal.counters.totals
        self._cells = journal.counters.cells

    @classmethod
    def create(
        cls, directory: Path, source: str, *, fsync: bool = False, max_bytes: int = 16 * 1024 * 1024, slots: int = 4096,
        about: bytes = b"", failpoint: Failpoint = nothing,
    ) -> Spool:
        """
        Return a new spool of *source* in *directory*, which is made with mode 0700 where it is missing.

        *fsync* makes sightings and units survive a power failure too; repeats since the last flush do not. *about* is kept for the adopter.

        Raises:
            OSError: It cannot be made there; take a MemorySpool. FileExistsError when the source has a spool: a source id is used once.
            MisuseError: An argument is out of bounds.
        """
        refuse_platform()
        if not SOURCE.fullmatch(source): raise MisuseError.no_source(source)
        if not 0 < slots <= MAX_SLOTS: raise MisuseError.out_of_bounds("slots", slots, 1, MAX_SLOTS)
        if not 0 < max_bytes <= MAX_LOG // 2: raise MisuseError.out_of_bounds("max_bytes", max_bytes, 1, MAX_LOG // 2)
        if len(about) > MAX_NOTE: raise MisuseError.out_of_bounds("the length of about", len(about), 0, MAX_NOTE)
        paths = Paths(directory=directory, source=source)
        log, counters = _create_files(paths, frames.MAGIC + frames.head(0, about), slots, fsync=fsync, failpoint=failpoint)
        free = list(range(slots - 1, -1, -1))
        journal = Journal(
            paths=paths, log=log, counters=counters, ledger=Ledger(), about=about, fsync=fsync, failpoint=failpoint, free=free
        )
        return cls(journal, max_bytes)

    @property
    def last_seq(self) -> int:
        """Return the highest seq ever flushed, 0 before the first."""
        return self._journal.ledger.last_seq

    @property
    def size_bytes(self) -> int:
        """Return how large the log is."""
        return self._journal.log.size

    @property
    def is_committed(self) -> bool:
        """Whether the store has all that was sighted and added."""
        return self._journal.ledger.is_committed(self._totals)

    @property
    def is_exact(self) -> bool:
        """Whether all flushes and acks are on disk; if not, a kill -9 now counts the units sent since twice, until `compact` succeeds."""
        return not self._journal.is_behind

    @property
    def is_compaction_due(self) -> bool:
        """Whether the log lacks something; or there was an ack, and the log has grown enough or slots run out."""
        journal = self._journal
        if self.is_closed: return False
        if journal.is_behind or not journal.is_acked_since: return journal.is_behind
        growth = journal.log.size - journal.base_size
        return growth > max(_WORTH_IT, min(journal.base_size, self._max_bytes // 4)) or len(journal.free) < len(self._totals) // 8

    def sight(self, payload: bytes, /) -> int | None:
        """
        Write *payload* down with one write(2) and return its slot, whose count begins at 0.

        None, counted in `refused` and explained in `trouble`, when no slot is free, the spool or the disk is full, or the payload exceeds
        MAX_PAYLOAD. A sighting that is never counted is outstanding, with count 0, until a unit names its slot.
        """
        journal = self._journal
        if self._is_gone():
            self.trouble = "the spool is closed"
        elif len(payload) > MAX_PAYLOAD:
            self.trouble = f"a payload of {len(payload)} bytes is more than {MAX_PAYLOAD}"
        elif not journal.free:
            self.trouble = f"all {len(self._totals)} slots are taken"
        elif journal.log.size + len(payload) > self._max_bytes:
            self.trouble = f"the log has reached {self._max_bytes} bytes"
        else:
            slot = journal.free.pop()  # before the write: a report nested in ours must not take the same slot
            if journal.sight(slot, payload): return slot
            journal.free.append(slot)
            self.trouble = journal.log.trouble
        self.refused += 1
        return None

    def add(self, slot: int, n: int, at_us: int, /) -> None:
        """Count *n* more of *slot*, last seen at *at_us* (microseconds since 1970, not negative; the last one told wins)."""
        self._totals[slot] = total = self._totals[slot] + n
        start = HEADER + slot * CELL
        self._cells[start : start + CELL] = pack_cell(total, at_us)
        if self._totals[slot] != total: self.add(slot, 0, at_us)  # a report nested in ours stored more, and we have just overwritten it

    def flush(self, seq: int, upto: Mapping[int, int], note: bytes = b"") -> bool:
        """
        Write down, before unit *seq* is sent, that it takes these slots up to these cumulative totals; return whether that is on disk.

        False: the disk refuses it. The unit may be sent all the same; it is entered in memory, and `is_exact` says what that means.

        Raises:
            MisuseError: The seq is not above the last one, a slot holds no sighting, a total goes back or beyond what was added, or the
                note is too long.
        """
        return not self._is_gone() and self._told(self._journal.flush(seq, upto, note))

    def acked(self, seq: int) -> bool:
        """Write down that unit *seq* is Committed, Duplicate or put aside for good; return whether that is on disk."""
        return not self._is_gone() and self._told(self._journal.acked(seq))

    def compact(self, live: Collection[int] = ()) -> bool:
        """
        Write the log anew without what the store has; slots in *live* and slots with anything outstanding stay, under the same number.

        False: the disk refuses it, or has lost what was written; the old log stays. Killed at any instruction, the spool is one of the two.
        """
        return not self._is_gone() and self._told(self._journal.compact(frozenset(live)))

    def _told(self, is_done: bool) -> bool:  # noqa: FBT001 - an answer on its way through, not a choice
        if not is_done: self.trouble = self._journal.log.trouble
        return is_done

    def close(self, *, clean: bool) -> None:
        """Release the lock; a *clean* end is marked first, even where records remain, and if none does the files go. Twice is once."""
        if self._is_gone(): return
        self.is_closed = True
        journal = self._journal
        if clean:
            journal.counters.mark_clean()
            journal.failpoint("close.marked")
            if self.is_committed: journal.remove()
        if journal.fsync: journal.counters.sync()
        journal.close()
        self._cells = journal.counters.cells

    def abandon_in_child(self) -> None:
        """Close the inherited descriptors in a forked child: no unlocking (the lock is one with the parent's), no trace in the files."""
        self.is_closed = True
        self._journal.abandon()
        self._cells = self._journal.counters.cells
        self._totals = list(self._totals)

    def _is_gone(self) -> bool:
        if self._pid != os.getpid() and not self.is_closed: self.abandon_in_child()
        return self.is_closed


def _create_files(paths: Paths, data: bytes, slots: int, *, fsync: bool, failpoint: Failpoint) -> tuple[Log, Counters]:
    """Make both files; the log gets its name last, when it is locked and complete, so nobody ever adopts half a spool."""
    paths.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.lexists(paths.log): raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(paths.log))
    log = Log.create(paths.next_log, data, {}, fsync=fsync, failpoint=failpoint)
    made = [paths.next_log]
    try:
        counters = Counters.create(paths.counters, slots)
        made.append(paths.counters)
        failpoint("create.before")
        paths.next_log.rename(paths.log)
        made.append(paths.log)
        failpoint("create.renamed")
        if fsync: sync_directory(paths.directory)
    except BaseException:
        for path in made:
            with suppress(OSError): path.unlink(missing_ok=True)
        log.close()
        raise
    return log, counters
