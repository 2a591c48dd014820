"""One connection to one file: transactions that wait their turn within a budget, and that a fork cannot share."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from incidentkit.backends.sql import Row, Session, TakenError
from incidentkit.backends.sqlite._error import is_busy, translated
from incidentkit.model import Conflict, Duplicate

__all__ = ["Connection"]

T = TypeVar("T")

#: Connections that a forked child found itself with. They must be neither used nor closed: closing one in the middle of a transaction
#: rolls the parent's transaction back under its feet. So they are kept for as long as the child lives.
_INHERITED: Final[list[sqlite3.Connection]] = []


class _SqliteSession:
    """`Session` on a connection: every result is read to its end, or a pending statement would block the commit."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        try:
            return self._connection.execute(sql, values).rowcount
        except sqlite3.IntegrityError as error:
            raise _taken(error) from error

    def change_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        try:
            return max(self._connection.executemany(sql, rows).rowcount, 0)
        except sqlite3.IntegrityError as error:
            raise _taken(error) from error


def _taken(error: sqlite3.IntegrityError) -> Exception:
    if error.sqlite_errorcode in {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}:
        return TakenError(str(error))
    return error


class Connection:
    """An open file. *budget* seconds is how long one call may wait for others' locks."""

    def __init__(self, path: str, budget: float) -> None:
        self.path = path
        self._budget = budget
        # SQLite's own waiting is not fair (whoever sleeps longest loses): it gets a short slice, and the jittered waits below the rest.
        slice_seconds = min(0.1, budget / 4)
        try:
            uri = "file:" + _quoted(path) + "?mode=rw"
            self.raw = sqlite3.connect(uri, uri=True, timeout=slice_seconds, isolation_level=None, check_same_thread=False,
                                       cached_statements=256)
        except sqlite3.Error as error:
            raise translated(error, path, is_committing=False) from error
        self._session: Session = _SqliteSession(self.raw)
        self._is_committing = False
        _pin(self.raw, 1)

    def close(self) -> None:
        """Close the file; a transaction that is open is rolled back."""
        _pin(self.raw, -1)
        self.raw.close()

    def park(self) -> None:
        """Keep the connection, untouched, for as long as this forked process lives."""
        _INHERITED.append(self.raw)

    def read(self, act: Callable[[Session], T]) -> T:
        """Run *act* on one snapshot."""
        return self._run("BEGIN", act)

    def write(self, act: Callable[[Session], T]) -> T:
        """Run *act* with the write lock held; commit, unless it raises or returns a `Conflict` or `Duplicate`."""
        return self._run("BEGIN IMMEDIATE", act)

    def configure(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Run *act* outside any transaction, waiting for others as usual."""
        return self._patiently(lambda _: act(self.raw))

    def _run(self, begin: str, act: Callable[[Session], T]) -> T:
        def attempt(deadline: float) -> T:
            self.raw.execute(begin)
            result = act(self._session)
            if isinstance(result, Conflict | Duplicate):
                self.raw.execute("ROLLBACK")
            else:
                self._commit(deadline)
            return result

        return self._patiently(attempt)

    def _patiently(self, attempt: Callable[[float], T]) -> T:
        """Run *attempt* until it was not refused by somebody else's lock, or the budget is spent."""
        deadline = time.monotonic() + self._budget
        while True:
            try:
                return attempt(deadline)
            except sqlite3.Error as error:
                is_committing = self._is_committing
                self._roll_back()
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise translated(error, self.path, is_committing=is_committing) from error
            except (OverflowError, UnicodeEncodeError, TypeError) as error:  # what the driver says of a value that no column can hold
                self._roll_back()
                raise translated(error, self.path, is_committing=False) from error
            except BaseException:
                self._roll_back()
                raise
            _wait()

    def _commit(self, deadline: float) -> None:
        self._is_committing = True
        while True:
            try:
                self.raw.execute("COMMIT")
            except sqlite3.OperationalError as error:
                # With a rollback journal a commit waits for readers; the transaction stays open meanwhile.
                if not is_busy(error) or not self.raw.in_transaction or time.monotonic() >= deadline:
                    raise
                _wait()
            else:
                self._is_committing = False
                return

    def _roll_back(self) -> None:
        self._is_committing = False
        if self.raw.in_transaction:
            with suppress(sqlite3.Error):
                self.raw.execute("ROLLBACK")


def _wait() -> None:
    time.sleep(random.uniform(0.001, 0.020))  # noqa: S311  jitter, so that writers of several processes do not meet again


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _pin(connection: sqlite3.Connection, by: int) -> None:
    """Add *by* references that only `close` takes away: not even the end of a forked child's interpreter may close what its parent uses."""
    with suppress(ImportError):
        import ctypes

        (ctypes.pythonapi.Py_IncRef if by > 0 else ctypes.pythonapi.Py_DecRef)(ctypes.py_object(connection))
