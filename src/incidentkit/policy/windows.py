"""Windows: the condition of a watched site, `"5 in 1m"`, a sliding window kept in six slots (DESIGN.md 6, "Identity"). Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from incidentkit.model import Bucket, Threshold

__all__ = ["EPOCH", "SLOTS", "counter_since", "held_until", "slot_of", "slot_start", "window_sum"]

SLOTS: Final = 6
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def slot_of(at: datetime, slot: timedelta) -> int:
    """Return the number of the slot that *at* falls into; slots start at the epoch."""
    return (at - EPOCH) // slot


def slot_start(number: int, slot: timedelta) -> datetime:
    """Return the first instant of a slot."""
    return EPOCH + number * slot


def window_sum(buckets: Mapping[int, int], threshold: Threshold, at: datetime) -> int:
    """Return the failures of the window that ends with the slot of *at*: that slot and the five before it."""
    last = slot_of(at, threshold.slot)
    return sum(n for bucket, n in buckets.items() if last - SLOTS < bucket <= last)


def held_until(buckets: Iterable[Bucket], threshold: Threshold) -> datetime | None:
    """
    Return the first instant at which the condition does not hold any more if nothing else fails, or None if it never held.

    The window slides by whole slots, so this is the start of a slot.
    """
    counts = {bucket.bucket: bucket.n for bucket in buckets}
    for start in sorted(counts, reverse=True):
        for number in range(start + SLOTS - 1, start - 1, -1):
            if sum(counts.get(number - back, 0) for back in range(SLOTS)) >= threshold.count:
                return slot_start(number + 1, threshold.slot)
    return None


def counter_since(threshold: Threshold, at: datetime, back: timedelta) -> int:
    """Return the first slot to read, so that every window that ends within *back* before *at* is complete."""
    return slot_of(at - back, threshold.slot) - SLOTS
