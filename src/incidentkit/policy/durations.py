"""Durations and conditions as people write them: "5m", "1h30m", "5 in 1m"; and how they are shown to people: "1 h 30 min"."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

from incidentkit.errors import ConfigurationError
from incidentkit.model import Threshold

__all__ = ["format_duration", "parse_duration", "parse_threshold"]

_EXPECTED: Final = 'a duration such as "5m"'
_UNITS: Final = {"ms": 1_000, "s": 10**6, "m": 60 * 10**6, "h": 3_600 * 10**6, "d": 86_400 * 10**6, "w": 7 * 86_400 * 10**6}  # microseconds
_SPELLINGS: Final = {**{unit: unit for unit in _UNITS}, "min": "m", "sec": "s"}
_PART: Final = re.compile(r" ?([0-9]{1,12})(?:\.([0-9]{1,6}))? ?(ms|sec|s|min|m|h|d|w)", re.ASCII)
# Ten years: longer is a slip of the keyboard, and an instant plus a duration must stay a date.
_LONGEST: Final = timedelta(days=3_660)


def parse_duration(value: str | timedelta, place: str = "duration", *, allow_zero: bool = False) -> timedelta:
    """
    Return the duration that *value* says: "5m", "90s", "1h30m", "1.5h", "250ms", "1w", or as `format_duration` shows it.

    A bare number is refused: a wait of 5 means seconds to one reader and minutes to the next.

    Raises:
        ConfigurationError: It says no duration, or zero where zero would mean nothing, or more than ten years.
    """
    stated: Any = value  # from a file it is anything
    found = stated if isinstance(stated, timedelta) else _read(stated) if isinstance(stated, str) else None
    if found is None or found < timedelta(0):
        remedy = "Write the unit." if isinstance(stated, int | float) and not isinstance(stated, bool) else ""
        raise ConfigurationError.at(place, str(stated) if isinstance(stated, timedelta) else stated, _EXPECTED, remedy=remedy)
    if found > _LONGEST:
        raise ConfigurationError.at(place, str(value), f"{_EXPECTED}, ten years at most")
    if not found and not allow_zero:
        raise ConfigurationError.at(place, str(value), f"{_EXPECTED}, more than zero")
    return found


def _read(text: str) -> timedelta | None:
    text = text.strip()
    if text == "0": return timedelta(0)  # zero needs no unit
    position, total, seen = 0, 0, set[str]()
    while position < len(text):
        part = _PART.match(text, position)
        if part is None or (unit := _SPELLINGS[part[3]]) in seen: return None
        seen.add(unit)
        total += int(part[1]) * _UNITS[unit] + int((part[2] or "").ljust(6, "0")) * _UNITS[unit] // 10**6
        position = part.end()
    if not seen: return None
    try:
        return timedelta(microseconds=total)
    except OverflowError:  # the caller says how long it may be
        return timedelta.max


def format_duration(duration: timedelta) -> str:
    """Return *duration* for people: "5 min", "1 h 30 min", "250 ms"; `parse_duration` reads it back to the millisecond."""
    if duration < timedelta(0): return "-" + format_duration(-duration)
    left, parts = duration // timedelta(milliseconds=1), list[str]()
    for name, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)):
        count, left = divmod(left, size)
        if count: parts.append(f"{count} {name}")
    return " ".join(parts) or "0 s"


def parse_threshold(value: str | Threshold, place: str = "when") -> Threshold:
    """
    Return the condition that *value* says: "5 in 1m" is at least five failures within one minute.

    Raises:
        ConfigurationError: It says no such condition, or a count below one.
    """
    if isinstance(value, Threshold): return value
    expected = 'a condition such as "5 in 1m"'
    stated: Any = value  # from a file it is anything
    parts = re.fullmatch(r"\s*([0-9]{1,9})\s+in\s+(.+)", stated, re.ASCII) if isinstance(stated, str) else None
    if parts is None or int(parts[1]) < 1:
        raise ConfigurationError.at(place, value, expected)
    try:
        return Threshold(count=int(parts[1]), within=parse_duration(parts[2], place))
    except ConfigurationError as error:
        raise ConfigurationError.at(place, value, expected) from error

