"""ManualClock: time that moves only when a test says so."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from incidentkit.errors import ConfigurationError

__all__ = ["ManualClock", "parse_instant"]


def parse_instant(text: str | datetime) -> datetime:
    """
    Return the aware instant of `"2026-03-29 01:50 Europe/Berlin"`, an ISO instant with its offset, or an aware datetime.

    Raises:
        ConfigurationError: It has no zone, or is no instant.
    """
    if isinstance(text, datetime):
        if text.tzinfo is None:
            raise ConfigurationError.at("at", str(text), "an aware datetime")
        return text.astimezone(UTC)
    zone_form = r"[A-Za-z_]+(?:/[A-Za-z_+-]+)*|Z|[+-]\d\d:?\d\d"
    found = re.fullmatch(rf"(\d{{4}}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?({zone_form})", text.strip())
    if found is None:
        raise ConfigurationError.at("at", text, 'an instant with its zone, such as "2026-03-29 01:50 Europe/Berlin"')
    when, zone = found.groups()
    if zone == "Z" or zone[0] in "+-":
        return datetime.fromisoformat(f"{when}{'+00:00' if zone == 'Z' else zone}").astimezone(UTC)
    try:
        return datetime.fromisoformat(when).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except ZoneInfoNotFoundError:
        raise ConfigurationError.at("at", zone, "a time zone such as Europe/Berlin") from None


class ManualClock:
    """A clock for tests; wall and monotonic time move together."""

    def __init__(self, at: str | datetime = "2026-01-05 09:00 UTC") -> None:
        self._now = parse_instant(at)
        self._mono = 1_000.0

    def now(self) -> datetime:
        """Return the instant, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the monotonic reading that belongs to it, in seconds."""
        return self._mono

    def advance(self, by: timedelta | float) -> None:
        """Move on by a duration, or that many seconds."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise ValueError("time does not go back; jump() moves the wall clock alone")
        self._now += step
        self._mono += step.total_seconds()

    def jump(self, by: timedelta) -> None:
        """Move the wall clock alone, as NTP or an operator does."""
        self._now += by
