"""One log, its counters and its ledger, kept in step: what the owner of a spool and the adopter of an orphan do alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import attrs

from incidentkit.engine.spool import _frames as frames
from incidentkit.engine.spool._counters import Counters
from incidentkit.engine.spool._errors import MisuseError
from incidentkit.engine.spool._frames import Place
from incidentkit.engine.spool._ledger import Ledger, Unit
from incidentkit.engine.spool._log import Log, is_at, sync_directory
from incidentkit.engine.spool._values import MAX_NOTE, Failpoint


@attrs.frozen(kw_only=True)
class Paths:
    """The files of one source in one directory."""

    directory: Path
    source: str

    @property
    def log(self) -> Path:
        """Return the path of the log."""
        return self.directory / f"{self.source}.log"

    @property
    def next_log(self) -> Path:
        """Return the path of a log that is being written and is not the log yet; it counts for nothing."""
        return self.directory / f"{self.source}.log.new"

    @property
    def counters(self) -> Path:
        """Return the path of the counters."""
        return self.directory / f"{self.source}.cnt"


@attrs.define(kw_only=True)
class Journal:
    """
    The record of one source, held by whoever has its lock.

    `is_behind`: memory knows of a flush or an ack that the log lacks, because the disk was full or the writer was interrupted. From then on
    nothing more about units is appended (an adopter would take what lies between for acknowledged), until the log is written anew from
    memory.
    """

    paths: Paths
    log: Log
    counters: Counters
    ledger: Ledger
    about: bytes
    fsync: bool
    failpoint: Failpoint
    free: list[int] = attrs.field(factory=list)
    """Slots that hold no sighting, the next one last."""
    is_behind: bool = False
    is_acked_since: bool = False
    base_size: int = attrs.field(init=False)
    next: Log | None = None

    def __attrs_post_init__(self) -> None:
        """Note how large the log is now: growth counts from here."""
        self.base_size = self.log.size

    def sight(self, slot: int, payload: bytes) -> bool:
        """
        Enter the free *slot*, whose count begins at 0; return False when the disk refuses it.

        May come in the midst of `compact`, on its own thread, when garbage collection or a signal handler reports: then both logs get it.
        """
        self.counters.reset(slot)
        frame = frames.sight(slot, 0, payload, is_fresh=True)
        if not all(log.sight(slot, frame) for log in (self.log, self.next) if log is not None): return False
        self.failpoint("sight.written")
        self.ledger.sight(slot, 0)
        return True

    def flush(self, seq: int, upto: Mapping[int, int], note: bytes) -> bool:
        """Enter that unit *seq* is about to be sent; return whether it is on disk (it is in memory in any case)."""
        if len(note) > MAX_NOTE: raise MisuseError.out_of_bounds("the length of a note", len(note), 0, MAX_NOTE)
        unit = self.ledger.unit(seq, note, upto, self.counters.totals, self.counters.at_us)
        self.counters.last_seq = seq  # first, and where no disk is too full: an adopter must never give this seq to another unit
        if self.fsync: self.counters.sync()
        self.failpoint("flush.before")
        return self._record(frames.flush(unit), unit)

    def acked(self, seq: int) -> bool:
        """Enter that unit *seq* needs nothing more; return whether it is on disk. A seq that is not pending is no error."""
        if seq not in self.ledger.pending: return not self.is_behind
        self.failpoint("ack.before")
        self.is_acked_since = True
        return self._record(frames.ack(seq), seq)

    def _record(self, frame: bytes, change: Unit | int) -> bool:
        was_behind, self.is_behind = self.is_behind, True  # so that an exception anywhere below leaves it true
        is_written = not was_behind and self.log.append(frame) is not None
        if is_written: self.failpoint("record.written")
        if isinstance(change, Unit):
            self.ledger.flush(change)
        else:
            self.ledger.ack(change)
        self.is_behind = not is_written
        return self.compact(self.ledger.taken.keys()) if was_behind else is_written

    def compact(self, live: Collection[int]) -> bool:
        """
        Write the log anew without what the store has, and put it in the place of the old one; return whether it was done.

        Kept: the *live* slots, and those with anything outstanding; the others become free. The counters stay as they are; a kept slot
        says how much of its count is taken by units. Until the rename the old log is the truth, from then on the new one, and both say
        the same, whatever is sighted and added meanwhile.
        """
        known, old = list(self.ledger.taken), self.log
        outstanding = self.ledger.outstanding(self.counters.totals)
        kept = [slot for slot in known if slot in outstanding or slot in live]
        rewritten = self._rewritten(kept)
        if rewritten is None: return False
        try:
            self.failpoint("compact.begun")
            self.paths.next_log.unlink(missing_ok=True)  # of a process that was killed here
            self.next = Log.create(self.paths.next_log, *rewritten, fsync=self.fsync, failpoint=self.failpoint)
            if not self._carry(set(known)): return False
            self.failpoint("compact.written")
            self.paths.next_log.replace(self.paths.log)
            self.failpoint("compact.renamed")
        except OSError as error:
            self.log.trouble = error.strerror or str(error)
        finally:
            self._switch()  # also when Ctrl-C came between the rename and here: the old file has no name any more
        if self.log is old: return False
        self.free += self.ledger.forget(known, kept)
        self.is_behind = self.is_acked_since = False
        self.base_size = self.log.size
        if self.fsync:
            with suppress(OSError): sync_directory(self.paths.directory)
        self.failpoint("compact.done")
        return True

    def _rewritten(self, kept: Collection[int]) -> tuple[bytes, dict[int, Place]] | None:
        """Return a log of the *kept* slots and the pending units, and where each slot's frame lies in it; None when a payload is lost."""
        parts = [frames.MAGIC, frames.head(self.ledger.last_seq, self.about)]
        size = sum(map(len, parts))
        places: dict[int, Place] = {}
        for slot in kept:
            payload = self.log.payload(slot)
            if payload is None: return None
            parts.append(frames.sight(slot, self.ledger.taken[slot], payload, is_fresh=slot in self.ledger.fresh))
            places[slot] = (size, len(parts[-1]))
            size += len(parts[-1])
        parts += [frames.flush(unit) for unit in self.ledger.pending.values()]
        return b"".join(parts), places

    def _carry(self, known: Collection[int]) -> bool:
        """Bring over what was sighted after `compact` looked and before there was a next log; return whether that was possible."""
        log = self.next
        for slot in [slot for slot in self.ledger.taken if slot not in known]:
            payload = self.log.payload(slot)
            if log is None or payload is None or not log.sight(slot, frames.sight(slot, 0, payload, is_fresh=True)): return False
        return True

    def _switch(self) -> None:
        """Make the next log the log, if it has its name; else throw it away."""
        log = self.next
        if log is None: return
        if not is_at(log.fd, self.paths.log):
            with suppress(OSError): self.paths.next_log.unlink()
            self.next, self.log.trouble = None, log.trouble or self.log.trouble
            log.close()
            return
        old, self.log, self.next = self.log, log, None
        self.failpoint("compact.switched")
        old.close()

    def remove(self) -> None:
        """Delete both files. The log goes first: with it goes the record, while without its counters it would seem an unclean end."""
        with suppress(OSError):
            self.paths.log.unlink(missing_ok=True)
            self.failpoint("remove.half")
            self.paths.counters.unlink(missing_ok=True)
            if self.fsync: sync_directory(self.paths.directory)

    def close(self) -> None:
        """Unlock and let go of everything."""
        self.log.close()
        self.counters.let_go()

    def abandon(self) -> None:
        """Let go of everything in a forked child, without unlocking."""
        for log in (self.log, self.next):
            if log is not None: log.abandon()
        self.counters.let_go()
