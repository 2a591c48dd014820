"""
Which journal is safe here. SQLite 3.7.0 to 3.51.2 can lose committed pages when one process checkpoints the write-ahead log while another
resets it; so `auto` takes the log only where SQLite is fixed, and the rollback journal elsewhere.

Source: storage.md 3, "WAL-reset bug".
"""

from __future__ import annotations

import sqlite3
from typing import Final, Literal

import attrs

__all__ = ["Journal", "choose_journal", "is_wal_safe"]

Wanted = Literal["auto", "wal", "truncate"]

#: A log that nobody checkpoints must not grow for ever unseen, and one that grew is cut back to this.
_LOG_LIMIT: Final = 64 * 1024 * 1024


@attrs.frozen(kw_only=True)
class Journal:
    """The mode in use, and what the operator should know about it ("" when nothing)."""

    mode: str
    warning: str = ""


def is_wal_safe(version: tuple[int, int, int]) -> bool:
    """Return True when this SQLite has the fix: 3.51.3 and later, and the backport 3.50.7."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0)


def choose_journal(connection: sqlite3.Connection, wanted: Wanted, *, may_switch: bool) -> Journal:
    """Put the connection in the right journal mode; without *may_switch* the mode that is written in the file stays."""
    is_safe = is_wal_safe(sqlite3.sqlite_version_info)
    target = "wal" if wanted == "wal" or (wanted == "auto" and is_safe) else "truncate"
    (found,) = connection.execute("PRAGMA journal_mode").fetchone()
    mode = str(found).lower()
    if mode != target and (may_switch or "wal" not in {mode, target}):
        mode = _switch(connection, target, mode)
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT}").fetchall()
    if mode != "wal" or is_safe or wanted == "wal":
        return Journal(mode=mode)
    # Without checkpoints by processes with the faulty build, the race cannot happen in them.
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    return Journal(mode=mode, warning=(
        f"the file is in WAL mode, other processes hold it, and SQLite {sqlite3.sqlite_version} may lose committed pages in that mode: "
        "this process does not checkpoint. Stop all users of the file once, or link SQLite 3.51.3 or later."))


def _switch(connection: sqlite3.Connection, target: str, found: str) -> str:
    try:
        return str(connection.execute(f"PRAGMA journal_mode = {target}").fetchone()[0]).lower()
    except sqlite3.OperationalError:
        return found  # somebody else has the file open: the mode stays
