"""The log as a file: opened with suspicion, locked, appended to by one write, cut back when the disk is full, replaced by one rename."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from incidentkit.engine.spool import _frames as frames
from incidentkit.engine.spool._errors import RefusedError
from incidentkit.engine.spool._frames import Place
from incidentkit.engine.spool._values import Failpoint

if sys.platform != "win32":
    import fcntl

MAX_LOG = 1024 * 1024 * 1024  # nobody writes one so large (Spool.create); reading it would cost the host its memory
_MODE = 0o600


def refuse_platform() -> None:
    """Raise OSError where the kernel has no flock; the caller then takes a MemorySpool."""
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, "a spool on disk needs flock(2); use the memory spool")


def open_ours(path: Path, *, is_new: bool = False, is_appending: bool = True) -> int:
    """
    Return a descriptor of the regular file at *path*, for reading and writing.

    Raises:
        RefusedError: It is a link, no regular file, or somebody else's.
        OSError: It cannot be opened; FileExistsError when *is_new* and something is there.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO must not block us
    flags |= os.O_APPEND if is_appending else 0
    try:
        fd = os.open(path, flags | (os.O_CREAT | os.O_EXCL if is_new else 0), _MODE)
    except OSError as error:
        if error.errno == errno.ELOOP: raise RefusedError.not_a_file("a symbolic link") from error
        if error.errno in {errno.EISDIR, errno.ENXIO}: raise RefusedError.not_a_file("a directory or a socket") from error
        raise
    try:
        _check_owner(os.fstat(fd))
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_owner(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode): raise RefusedError.not_a_file("a pipe or a device")
    if status.st_uid != os.geteuid(): raise RefusedError.owned_by(status.st_uid)


def lock(fd: int) -> bool:
    """Take the lock of the open file for as long as it is open; return False when somebody else has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(fd: int, path: Path) -> bool:
    """Whether *path* names the open file: it may have been replaced or removed between open and lock."""
    try:
        there = os.lstat(path)
    except OSError:
        return False
    return os.path.samestat(os.fstat(fd), there)


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data*, in several calls if need be."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_all(fd: int) -> bytes:
    """
    Return what the file holds.

    Raises:
        RefusedError: It is larger than any log can be.
    """
    size = os.fstat(fd).st_size
    if size > MAX_LOG: raise RefusedError.too_large(size)
    chunks: list[bytes] = []
    while chunk := os.pread(fd, size, sum(map(len, chunks))):
        chunks.append(chunk)
    return b"".join(chunks)


def sync_directory(path: Path) -> None:
    """Make renames and removals in *path* survive a power failure."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Log:
    """A locked log, open for appending, and where the frame of each slot lies in it; `append` never raises OSError."""

    def __init__(self, fd: int, places: dict[int, Place], *, fsync: bool, failpoint: Failpoint) -> None:
        self.fd = fd
        self.places = places
        self.size = os.fstat(fd).st_size
        self.trouble = ""
        self._fsync = fsync
        self._failpoint = failpoint
        self._cut_to: int | None = None  # what is behind this offset is half a frame and could not be cut off yet

    @classmethod
    def create(cls, path: Path, data: bytes, places: dict[int, Place], *, fsync: bool, failpoint: Failpoint) -> Log:
        """Return a new log at *path*, locked before it holds a byte; OSError when that cannot be, and then nothing is left there."""
        fd = open_ours(path, is_new=True)
        try:
            failpoint("log.created")
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            half = len(data) // 2
            write_all(fd, data[:half])
            failpoint("log.half")
            write_all(fd, data[half:])
            if fsync: os.fsync(fd)
            return cls(fd, places, fsync=fsync, failpoint=failpoint)
        except BaseException:
            with suppress(OSError): path.unlink()
            os.close(fd)
            raise

    def sight(self, slot: int, frame: bytes) -> bool:
        """Append the *frame* of *slot* and note its place; return whether the disk took it."""
        place = self.append(frame)
        if place is not None: self.places[slot] = place
        return place is not None

    def append(self, frame: bytes) -> Place | None:
        """Write *frame* with one write(2) and return its place, or None when the disk refuses it; then the log is as it was."""
        written = 0
        try:
            if self._cut_to is not None:
                os.ftruncate(self.fd, self._cut_to)
                self._cut_to = None
            written = os.write(self.fd, frame)
            if written == len(frame):
                if self._fsync: os.fsync(self.fd)
                # The kernel's word, not our sum: a KeyboardInterrupt after a write would leave the sum behind for good.
                self.size = os.lseek(self.fd, 0, os.SEEK_CUR)
                return self.size - written, written
            self.trouble = f"the disk is full ({written} of {len(frame)} bytes were written)"
        except OSError as error:
            self.trouble = error.strerror or str(error)
        if written: self._cut(written)
        return None

    def _cut(self, written: int) -> None:
        try:
            self._failpoint("log.short")
            self._cut_to = os.fstat(self.fd).st_size - written
            os.ftruncate(self.fd, self._cut_to)
            self._cut_to = None
        except OSError as error:
            self.trouble = error.strerror or str(error)

    def payload(self, slot: int) -> bytes | None:
        """Return the payload sighted as *slot*, or None when it cannot be read or is no longer what was written."""
        try:
            payload = self._read(slot)
            if payload is None:  # a report nested in ours (garbage collection, a signal handler) wrote between our write and our lseek
                self.places |= frames.read(read_all(self.fd)).places
                payload = self._read(slot)
            if payload is None: self.trouble = "the log no longer holds what was written to it"
        except OSError as error:
            self.trouble = error.strerror or str(error)
            return None
        return payload

    def _read(self, slot: int) -> bytes | None:
        if slot not in self.places: return None
        offset, length = self.places[slot]
        body = frames.body_at(os.pread(self.fd, length, offset))
        return None if body is None else frames.payload_of(body, slot)

    def close(self) -> None:
        """Unlock and close. For the process that locked it only: the lock is one with that of a forked child."""
        with suppress(OSError): fcntl.flock(self.fd, fcntl.LOCK_UN)  # a child that forgot to let go must not keep it
        self.abandon()

    def abandon(self) -> None:
        """Close without unlocking: the lock stays with whoever else has the descriptor, or ends with the last of them."""
        fd, self.fd = self.fd, -1
        with suppress(OSError): os.close(fd)
