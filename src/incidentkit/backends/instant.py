"""Instants as integers: microseconds since 1970-01-01 UTC, exact in both directions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["instant", "microseconds", "optional_instant", "optional_microseconds"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Return *at* as microseconds since the epoch."""
    return (at - _EPOCH) // _MICROSECOND


def instant(number: int) -> datetime:
    """Return the instant *number* microseconds after the epoch."""
    return _EPOCH + timedelta(microseconds=number)


def optional_microseconds(at: datetime | None) -> int | None:
    """Return *at* as microseconds, None as None."""
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def optional_instant(number: int | None) -> datetime | None:
    """Return the instant, None as None."""
    return None if number is None else _EPOCH + timedelta(microseconds=number)
