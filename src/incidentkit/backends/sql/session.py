"""Session: what the SQL needs of a driver. A driver with another parameter style translates the `?`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

__all__ = ["Row", "Session", "TakenError"]

#: A row of a result: columns in the order of the statement.
Row = tuple[Any, ...]


class TakenError(Exception):
    """A unique key is taken: the transaction must be rolled back. It never leaves the backends."""


class Session(Protocol):
    """One open transaction. Every result is read to its end before the next statement runs."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; return all its rows."""

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; return how many rows it changed. Raises `TakenError`."""

    def change_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each of *rows*; return how many rows they changed together. Raises `TakenError`."""
