"""The engine's clock and ids: the one place where time and randomness come in."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from incidentkit.model import time_ordered_id

__all__ = ["RandomIds", "SystemClock"]


class SystemClock:
    """The host's clock."""

    def now(self) -> datetime:
        """Return the wall-clock instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


class RandomIds:
    """Time-ordered ids with randomness from the operating system."""

    def new(self, now: datetime) -> str:
        """Return a new id made at *now*."""
        return time_ordered_id(now, os.urandom(10))
