"""The store's clock: one instant for every comparison in a store, never going back within a handle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["StoreClock", "host_now"]


def host_now() -> datetime:
    """Return the host's instant, aware, in UTC."""
    return datetime.now(UTC)


class StoreClock:
    """Reads a clock that may jump back, and does not."""

    __slots__ = ("_latest", "_read")

    def __init__(self, read: Callable[[], datetime] | None) -> None:
        self._read = read if read is not None else host_now
        self._latest: datetime | None = None

    def now(self, override: datetime | None = None) -> datetime:
        """Return *override* as it is, else the clock's instant, or the latest one when the clock went back."""
        if override is not None:
            return override
        now = self._read()
        if self._latest is None or now > self._latest:
            self._latest = now
        return self._latest
