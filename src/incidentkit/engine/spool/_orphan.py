"""Adoption: finding the spools of dead processes, reading what is left of them, and recording in them how far the adopter got."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from incidentkit.engine.spool import _counters as counters_file
from incidentkit.engine.spool import _frames as frames
from incidentkit.engine.spool._counters import Counters
from incidentkit.engine.spool._errors import MisuseError, RefusedError, unreadable
from incidentkit.engine.spool._frames import Reading
from incidentkit.engine.spool._journal import Journal, Paths
from incidentkit.engine.spool._log import Log, is_at, lock, open_ours, read_all, sync_directory, write_all
from incidentkit.engine.spool._spool import SOURCE
from incidentkit.engine.spool._values import Entry, Failpoint, PendingUnit, nothing

_STALE_AFTER = 3600.0  # seconds; until then, half a spool may be one that a slow process is making


class Orphan:
    """
    The spool of a dead process, locked by whoever holds this object. Send `pending()`, then flush and send `rest()`, then `remove()`.

    An adopter may be killed at any instruction as well: its flushes and acks are recorded here, so the next one goes on with the same
    (source, seq). In a forked child, `abandon_in_child` as with a spool. One thread at a time.
    """

    def __init__(self, journal: Journal, reading: Reading, modified_at: datetime, *, is_corrupt: bool) -> None:
        """Take over a locked journal; `orphans` makes it."""
        self.source = journal.paths.source
        self.about = reading.about
        self.torn = reading.is_torn
        """The last write was cut short, as kill -9 may do; nothing that was promised is missing."""
        self.corrupt = is_corrupt
        """What was written is no longer readable; the unreadable rest lies in a file that ends in .corrupt."""
        self.clean = journal.counters.is_clean
        """Its process said that it ends; if not, this is a death."""
        self.modified_at = modified_at
        """When the files were last written, as this host's clock had it; the counters' share of it may lag by the kernel's write-back."""
        self._journal = journal
        self._pid = os.getpid()
        self._is_closed = False

    @property
    def last_seq(self) -> int:
        """Return the highest seq that the dead process, or an adopter, may have sent: the next unit is this plus one."""
        return self._journal.ledger.last_seq

    @property
    def is_committed(self) -> bool:
        """Whether nothing is outstanding: neither `pending` nor `rest` has anything."""
        return self._journal.ledger.is_committed(self._journal.counters.totals)

    def pending(self) -> tuple[PendingUnit, ...]:
        """
        Return the units that were flushed and not acked: perhaps stored, perhaps not, so each goes again with its own seq.

        In the order of their seqs, which is the order to send them in: a store that has a seq takes every lower one for a duplicate.
        """
        return tuple(
            PendingUnit(seq=unit.seq, note=unit.note, entries=tuple(self._entry(*part) for part in unit.parts))
            for unit in sorted(self._journal.ledger.pending.values())
        )

    def rest(self) -> tuple[Entry, ...]:
        """Return what no unit took, in the order of sighting. A sighting that was killed before its first `add` is here with count 0."""
        ledger, counters = self._journal.ledger, self._journal.counters
        slots = ledger.remaining(counters.totals)
        return tuple(self._entry(slot, ledger.taken[slot], counters.totals[slot], counters.at_us(slot)) for slot in slots)

    def first_sightings(self, last: int = 10) -> tuple[bytes, ...]:
        """Return the payloads sighted last, oldest first (of those that the log still holds): what the process saw before it died."""
        return tuple(self._payload(slot) for slot in list(self._journal.ledger.taken)[-last:])

    def payload(self, slot: int) -> bytes | None:
        """Return the payload of *slot*, or None when the log does not have it (any more)."""
        return self._journal.log.payload(slot)

    def flush(self, seq: int, upto: Mapping[int, int], note: bytes = b"") -> bool:
        """Write down, before unit *seq* is sent, that it takes these slots up to these totals (`Entry.upto`). As `Spool.flush`."""
        return not self._is_gone() and self._journal.flush(seq, upto, note)

    def acked(self, seq: int) -> bool:
        """Write down that the store has unit *seq*. As `Spool.acked`."""
        return not self._is_gone() and self._journal.acked(seq)

    def remove(self) -> None:
        """
        Delete the files and release them; what was put aside as .corrupt stays.

        Raises:
            MisuseError: Something is outstanding.
        """
        if self._is_gone(): return
        if not self.is_committed: raise MisuseError.outstanding(self.source)
        self._journal.remove()
        self.close()

    def close(self) -> None:
        """Release the lock and keep the files, for another adopter. Twice is once."""
        if self._is_gone(): return
        self._is_closed = True
        self._journal.close()

    def abandon_in_child(self) -> None:
        """Close the inherited descriptors in a forked child, without unlocking."""
        self._is_closed = True
        self._journal.abandon()

    def _is_gone(self) -> bool:
        if self._pid != os.getpid() and not self._is_closed: self.abandon_in_child()
        return self._is_closed

    def _entry(self, slot: int, start: int, upto: int, at_us: int) -> Entry:
        return Entry(slot=slot, payload=self._payload(slot), count=upto - start, upto=upto, last_at_us=at_us)

    def _payload(self, slot: int) -> bytes:
        payload = self.payload(slot)
        if payload is None: raise unreadable(self._journal.paths.log, self._journal.log.trouble)
        return payload

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ignore(_path: Path, _why: str) -> None: ...


def orphans(
    directory: Path, *, own: str, fsync: bool = False, on_refused: Callable[[Path, str], None] = _ignore, failpoint: Failpoint = nothing
) -> Iterator[Orphan]:
    """
    Yield, locked, each spool in *directory* whose process is dead; the caller closes or removes it. Never raises OSError.

    Left alone and told to *on_refused*: links, files of other users, other formats and versions, what cannot be read. Skipped: the *own*
    source, and what another process holds. A torn end is cut off; a corrupt frame and all that follows it is kept aside first, as
    <source>.log.corrupt.
    """
    for path in _files(directory, ".log"):
        paths = Paths(directory=directory, source=path.name.removesuffix(".log"))
        if paths.source == own or not SOURCE.fullmatch(paths.source): continue
        try:
            orphan = _adopt(paths, fsync=fsync, failpoint=failpoint)
        except FileNotFoundError:
            continue  # another adopter was faster
        except RefusedError as refusal:
            on_refused(path, str(refusal))
        except OSError as error:
            on_refused(path, error.strerror or str(error))
        else:
            if orphan is not None: yield orphan
    _sweep(directory)


def _files(directory: Path, suffix: str) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.name.endswith(suffix))
    except OSError:
        return []  # no directory, no orphans


def _adopt(paths: Paths, *, fsync: bool, failpoint: Failpoint) -> Orphan | None:
    """Return the locked orphan, or None while somebody holds it."""
    with ExitStack() as opened:
        fd = open_ours(paths.log)
        opened.callback(os.close, fd)
        _check_format(os.pread(fd, len(frames.MAGIC), 0))
        if not lock(fd) or not is_at(fd, paths.log): return None
        failpoint("adopt.locked")
        modified = os.fstat(fd).st_mtime
        data = read_all(fd)
        reading = frames.read(data)
        cells_fd, cells = _open_counters(paths)
        if cells_fd >= 0:
            opened.callback(os.close, cells_fd)
            modified = max(modified, os.fstat(cells_fd).st_mtime)
        _mend(paths, fd, data, reading, fsync=fsync)
        failpoint("adopt.mended")
        with suppress(OSError): paths.next_log.unlink()  # of a compaction that was killed
        log = Log(fd, reading.places, fsync=fsync, failpoint=failpoint)
        counters = _counters(reading, cells_fd, cells)
        journal = Journal(
            paths=paths, log=log, counters=counters, ledger=reading.ledger, about=reading.about, fsync=fsync, failpoint=failpoint
        )
        is_corrupt = any(os.path.lexists(f"{path}.corrupt") for path in (paths.log, paths.counters))
        orphan = Orphan(journal, reading, datetime.fromtimestamp(modified, UTC), is_corrupt=is_corrupt)
        opened.pop_all()
        return orphan


def _check_format(found: bytes) -> None:
    if not frames.MAGIC.startswith(found): raise RefusedError.format(found, frames.MAGIC)  # an empty file passes: a power failure leaves it


def _open_counters(paths: Paths) -> tuple[int, bytes]:
    """Return the counters' descriptor and bytes; -1 and none where they are missing or garbage, which is kept aside."""
    try:
        fd = open_ours(paths.counters, is_appending=False)
    except FileNotFoundError:
        return -1, b""
    try:
        data = read_all(fd)
        if data.startswith(counters_file.MAGIC): return fd, data
        if data.startswith(counters_file.MAGIC[:-1]): raise RefusedError.format(data, counters_file.MAGIC)
        if data: paths.counters.replace(_unused(paths.counters))
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return -1, b""


def _counters(reading: Reading, fd: int, data: bytes) -> Counters:
    """Return the counters as far as they are believable: after a power failure they may be older than the log, or missing."""
    counters = Counters.adopt(fd, data, max(reading.ledger.taken, default=-1) + 1)
    for slot, taken in reading.ledger.taken.items():
        counters.totals[slot] = max(counters.totals[slot], taken)
    reading.ledger.last_seq = max(reading.ledger.last_seq, counters.last_seq)
    return counters


def _mend(paths: Paths, fd: int, data: bytes, reading: Reading, *, fsync: bool) -> None:
    """Make the log end with a sound frame, so that what is appended can be read; a corrupt rest is kept aside before it is cut off."""
    if reading.is_corrupt:
        _keep_aside(_unused(paths.log), data[reading.end :])
        if fsync: sync_directory(paths.directory)
    if reading.end < len(data): os.ftruncate(fd, reading.end)
    if reading.end == 0: write_all(fd, frames.MAGIC + frames.head(0, b""))


def _unused(path: Path) -> Path:
    """Return a name for what is kept aside from *path*, which nothing has yet."""
    aside, number = path.with_name(f"{path.name}.corrupt"), 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.corrupt.{number}")
    return aside


def _keep_aside(path: Path, data: bytes) -> None:
    fd = open_ours(path, is_new=True)
    try:
        write_all(fd, data)
        os.fsync(fd)
    except BaseException:
        with suppress(OSError): path.unlink()
        raise
    finally:
        os.close(fd)


def _sweep(directory: Path) -> None:
    """Delete what a process left behind that was killed between making its two files, or between removing them."""
    for path in (*_files(directory, ".log.new"), *_files(directory, ".cnt")):
        log = path.with_name(path.name.removesuffix(".new").removesuffix(".cnt").removesuffix(".log") + ".log")
        if os.path.lexists(log): continue
        with suppress(OSError, RefusedError):
            fd = open_ours(path)
            try:
                age = datetime.now(UTC).timestamp() - os.fstat(fd).st_mtime
                is_known = os.pread(fd, 8, 0) in {b"", frames.MAGIC, counters_file.MAGIC}
                if is_known and age > _STALE_AFTER and lock(fd): path.unlink()
            finally:
                os.close(fd)
