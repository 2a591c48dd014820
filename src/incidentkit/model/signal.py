"""Signal: one observation, frozen; and what a watched site asks of its failures. No decision is made here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import attrs

from incidentkit.model.severity import Impact, Severity, SignalStatus, Urgency

__all__ = ["EMPTY", "ExceptionInfo", "Frame", "Link", "Recovery", "Signal", "Site", "Threshold", "frozen_mapping"]

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


def frozen_mapping(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return *value* as a read-only copy, so that a frozen signal is frozen all the way."""
    if not value:
        return EMPTY
    return value if isinstance(value, MappingProxyType) else MappingProxyType(dict(value))


class Recovery(Enum):
    """What can show that a problem is over (DESIGN.md, law 7)."""

    #: A watch, an ok signal or a probe gives evidence.
    PROVED = "proved"
    #: Nothing can: a log record, hook or report resolves after `quiet_after` without a repeat.
    QUIET = "quiet"


@attrs.frozen(kw_only=True)
class Threshold:
    """The condition `"5 in 1m"`: at least *count* failures inside a sliding window kept in six slots of `within` / 6."""

    count: int
    within: timedelta

    @property
    def slot(self) -> timedelta:
        """Return the length of one of the six slots."""
        return self.within / 6

    def __str__(self) -> str:
        """Return the text form, seconds as the unit: `5 in 60s`."""
        seconds = self.within.total_seconds()
        return f"{self.count} in {seconds:g}s"


@attrs.frozen(kw_only=True)
class Site:
    """
    A watched place: its name is the group key of the incident its failures open.

    `when` is its condition ("5 in 1m"); `quiet_for` is how long the condition must not hold before the incident may be resolved.
    """

    name: str
    severity: Severity = Severity.MINOR
    when: Threshold = Threshold(count=1, within=timedelta(minutes=1))
    quiet_for: timedelta = timedelta(minutes=5)
    service: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict, converter=frozen_mapping)
    extra: Mapping[str, Any] = EMPTY


@attrs.frozen(kw_only=True)
class Frame:
    """One frame of a traceback, as people read it: no locals, no arguments."""

    module: str
    function: str
    file: str
    line: int
    is_in_app: bool
    source: str = ""


@attrs.frozen(kw_only=True)
class ExceptionInfo:
    """An exception as data: qualified type, bounded and redacted text, frames outermost first, its cause and group members."""

    type: str
    text: str
    frames: tuple[Frame, ...] = ()
    cause: ExceptionInfo | None = None
    members: tuple[ExceptionInfo, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Link:
    """A page that helps: dashboard, runbook, build."""

    href: str
    text: str = ""


@attrs.frozen(kw_only=True)
class Signal:
    """
    One observation of something that broke (`firing`) or works again (`ok`).

    `fingerprint` is computed once, at capture, and never changed by rules. `count` is how many occurrences this value stands for;
    `first_at` and `occurred_at` are the first and the last of them. `sites` are the enclosing watches, innermost first, each with the
    number of failures it saw.
    """

    title: str
    fingerprint: str = ""
    status: SignalStatus = SignalStatus.FIRING
    key: str = ""
    source: str = "report"
    service: str = ""
    environment: str = ""
    release: str = ""
    instance: str = ""
    severity: Severity = Severity.MINOR
    impact: Impact | None = None
    urgency: Urgency | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict, converter=frozen_mapping)
    details: Mapping[str, Any] = attrs.field(factory=dict, converter=frozen_mapping)
    exception: ExceptionInfo | None = None
    links: tuple[Link, ...] = ()
    tenant: str = ""
    occurred_at: datetime | None = None
    first_at: datetime | None = None
    count: int = 1
    recovery: Recovery = Recovery.QUIET
    sites: tuple[tuple[Site, int], ...] = ()
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = EMPTY

    @property
    def is_firing(self) -> bool:
        """Return True for "broken", False for "works again"."""
        return self.status is SignalStatus.FIRING

    @property
    def group_key(self) -> str:
        """Return the default group key: the innermost watched site, else the explicit key, else the fingerprint."""
        if self.sites:
            return self.sites[0][0].name
        return self.key or self.fingerprint
