"""What SQLite's error codes mean to those who use a backend: one of four kinds, with the file, what was found, and the remedy."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from incidentkit.errors import BackendError, IncompatibleError, RejectedError, UnavailableError, UnknownOutcomeError

__all__ = ["is_busy", "translated"]

_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_UNAVAILABLE: Final = {
    sqlite3.SQLITE_BUSY: "somebody else holds the lock longer than busy_timeout. Look for a transaction left open, or raise it.",
    sqlite3.SQLITE_LOCKED: "another handle of this process holds the lock longer than the busy budget.",
    sqlite3.SQLITE_PROTOCOL: "the lock protocol of the write-ahead log was interrupted; it is tried again.",
    sqlite3.SQLITE_SCHEMA: "the schema changed in the middle of a statement; it is tried again.",
    sqlite3.SQLITE_FULL: "no room: the disk, or the page limit of the database, is full. Free some, or shorten the retention.",
    sqlite3.SQLITE_IOERR: "the disk answered with an error. Look at the kernel's log and at the file system.",
    sqlite3.SQLITE_NOMEM: "this process has no memory left.",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted.",
    sqlite3.SQLITE_AUTH: "access was denied.",
    sqlite3.SQLITE_PERM: "access was denied.",
}
_INCOMPATIBLE: Final = {
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database (or is encrypted). Move it away, or name another file.",
    sqlite3.SQLITE_CORRUPT: "the database is damaged. Keep a copy, run sqlite3's .recover on it, and name another file meanwhile.",
    sqlite3.SQLITE_FORMAT: "the database has a format that this SQLite cannot read.",
}


def _primary(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Return True when waiting may help."""
    return _primary(error) in _BUSY


def translated(error: Exception, path: str, *, is_committing: bool) -> BackendError:
    """Return what *error* means. While committing, a disk error leaves the outcome open."""
    code = _primary(error)
    told = f"{path}: {error}"
    if is_committing and code == sqlite3.SQLITE_IOERR:
        return UnknownOutcomeError(f"{told}: the disk failed while committing; the unit is there, or not. Try again with the same seq.")
    if code in _UNAVAILABLE:
        return UnavailableError(f"{told}: {_UNAVAILABLE[code]}")
    if code in _INCOMPATIBLE:
        return IncompatibleError(f"{told}: {_INCOMPATIBLE[code]}")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
        # SQLite writes a journal beside the file, so the directory must be writable too.
        return UnavailableError(f"{told}: user {os.geteuid()} must be able to write to the file and to {Path(path).parent}. "
                                "Correct the permissions, or name another file.")
    if code == sqlite3.SQLITE_ERROR and "no such" in str(error):
        return IncompatibleError(f"{told}: the database lacks a part of this release's schema. Open it once with open('migrate').")
    return RejectedError(f"{told} ({type(error).__name__})")
