"""Time-ordered ids, made from an instant and randomness that somebody passes in."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["instant_of", "time_ordered_id"]


def time_ordered_id(now: datetime, randomness: bytes) -> str:
    """
    Return a UUIDv7 in its text form: 48 bits of milliseconds, then 74 bits from *randomness* (at least 10 bytes).

    Source: RFC 9562, section 5.7.
    """
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    random = int.from_bytes(randomness[:10], "big")
    high = (milliseconds << 16) | 0x7000 | (random >> 68 & 0x0FFF)
    low = (0b10 << 62) | (random & 0x3FFF_FFFF_FFFF_FFFF)
    text = f"{(high << 64) | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def instant_of(identifier: str) -> datetime:
    """Return the instant an id was made at, to the millisecond."""
    return datetime.fromtimestamp(int(identifier.replace("-", "")[:12], 16) / 1000, tz=UTC)
