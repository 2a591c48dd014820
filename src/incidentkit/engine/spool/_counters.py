"""
The counters as a file: a header of 32 bytes (MAGIC, last seq, clean mark, 8 in reserve), then 16 a slot (count, last occurred_at in us).

The file is allocated in full before it is mapped: a store into a hole, on a full disk, is SIGBUS and would kill the host. Stores are
slice assignments of packed bytes: struct.pack_into writes zeros first (prometheus_client found it), and a kill between would lose the
count. After `let_go` the stores go into plain memory, so that a late `add` is harmless. What must not fail for want of space is kept
here as well: the last seq, and the mark of a clean end.
"""

from __future__ import annotations

import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path

from incidentkit.engine.spool._log import open_ours, write_all

VERSION = 1
MAGIC = b"IKCOUNT" + bytes([VERSION])
HEADER = 32
CELL = 16

pack_cell = struct.Struct("<QQ").pack
_CELL = struct.Struct("<QQ")
_WORD = struct.Struct("<Q")
_SEQ = slice(8, 16)
_CLEAN = slice(16, 24)


class Counters:
    """Cumulative counts by slot. `Spool.add` writes `totals` and `cells` itself, because a call would cost more than the store."""

    def __init__(self, cells: mmap.mmap | bytearray, fd: int = -1) -> None:
        """Take over *cells*; *fd* is given where they are a copy, so that the seq can be written through."""
        self.cells = cells
        self._fd = fd
        data = bytes(cells)
        self.totals = [count for count, _ in _CELL.iter_unpack(data[HEADER : len(data) - (len(data) - HEADER) % CELL])]

    @classmethod
    def in_memory(cls, slots: int) -> Counters:
        """Return counters of *slots* slots that no file keeps."""
        return cls(bytearray(MAGIC.ljust(HEADER + CELL * slots, b"\0")))

    @classmethod
    def create(cls, path: Path, slots: int) -> Counters:
        """Return new counters at *path*, mapped; OSError when that cannot be, and then nothing is left there."""
        fd = open_ours(path, is_new=True, is_appending=False)
        try:
            write_all(fd, MAGIC.ljust(HEADER + CELL * slots, b"\0"))
            return cls(mmap.mmap(fd, HEADER + CELL * slots))
        except BaseException:
            with suppress(OSError): path.unlink()
            raise
        finally:
            os.close(fd)  # the map has its own

    @classmethod
    def adopt(cls, fd: int, data: bytes, slots: int) -> Counters:
        """Return a copy of *data*, perhaps empty, as counters of at least *slots* slots; the seq is written through to *fd* (-1: not)."""
        return cls(bytearray((data or MAGIC).ljust(HEADER + CELL * slots, b"\0")), fd)

    def reset(self, slot: int) -> None:
        """Count *slot* from 0 again; only while no log names it."""
        self.totals[slot] = 0
        self.cells[HEADER + CELL * slot : HEADER + CELL * (slot + 1)] = bytes(CELL)

    def at_us(self, slot: int) -> int:
        """Return when *slot* was last counted, in microseconds since 1970."""
        return int(_CELL.unpack_from(self.cells, HEADER + CELL * slot)[1])

    @property
    def last_seq(self) -> int:
        """Return the highest seq that was ever about to be sent, also where the log had no room for it."""
        return int(_WORD.unpack(self.cells[_SEQ])[0])

    @last_seq.setter
    def last_seq(self, seq: int) -> None:
        self.cells[_SEQ] = packed = _WORD.pack(seq)
        if self._fd >= 0:
            with suppress(OSError): os.pwrite(self._fd, packed, _SEQ.start)  # in place: no space is needed

    @property
    def is_clean(self) -> bool:
        """Whether the owner said that it ends."""
        return bool(_WORD.unpack(self.cells[_CLEAN])[0])

    def mark_clean(self) -> None:
        """Write the mark of a clean end."""
        self.cells[_CLEAN] = _WORD.pack(1)

    def sync(self) -> None:
        """Make the counts survive a power failure."""
        if isinstance(self.cells, mmap.mmap):
            with suppress(OSError): self.cells.flush()

    def let_go(self) -> None:
        """Count in plain memory from now on. The map ends with its last user: a thread in the midst of a store must not find it closed."""
        self.cells = bytearray(len(self.cells))
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError): os.close(fd)
