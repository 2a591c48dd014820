"""Events: past-tense facts on an incident's timeline, the only way its state changes. Who did it and over which channel is on each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from incidentkit.model.severity import Severity
from incidentkit.model.signal import EMPTY

__all__ = [
    "EVENT_TYPES",
    "AckLapsed",
    "Acknowledged",
    "AlertFired",
    "AlertRecovered",
    "Event",
    "Ignored",
    "Muted",
    "NobodyReachable",
    "Noted",
    "Opened",
    "PageAbandoned",
    "PageClaimLost",
    "PageSent",
    "PageWithheld",
    "PlanAdvanced",
    "QuietElapsed",
    "Relapsed",
    "Reopened",
    "Resolved",
    "StepDue",
    "Succeeded",
    "TimelineEntry",
    "Unacknowledged",
    "Unmuted",
]


@attrs.frozen(kw_only=True)
class Event:
    """A fact. `by` is a person, a notifier or "engine"; `channel` is where it came from (code, cli, slack, timer, ...)."""

    by: str = "engine"
    channel: str = ""
    extra: Mapping[str, Any] = EMPTY


@attrs.frozen(kw_only=True)
class Opened(Event):
    """The incident began, for this reason ("5 failures in 1 min", "first sighting")."""

    reason: str
    fingerprint: str
    severity: Severity
    occurrences: int = 1


@attrs.frozen(kw_only=True)
class AlertFired(Event):
    """A signal fired that matters to the incident: an alert joined it, fired again after a recovery, or brought a worse severity."""

    fingerprint: str
    title: str = ""
    severity: Severity = Severity.MINOR
    #: The site's condition holds (a site without one: always True). A failure below its condition is no relapse.
    holds: bool = True
    held_until: datetime | None = None
    occurrences: int = 1


@attrs.frozen(kw_only=True)
class AlertRecovered(Event):
    """An ok signal came for one of the incident's alerts."""

    fingerprint: str
    at: datetime


@attrs.frozen(kw_only=True)
class Succeeded(Event):
    """The failing code worked again: the first success after its condition stopped holding at `held_until`."""

    held_until: datetime
    evidence: str


@attrs.frozen(kw_only=True)
class QuietElapsed(Event):
    """
    The quiet window may be over: the facts read at that moment.

    `held_until` is when the condition last held (None: not within the window), `is_proved` whether the evidence is complete, and
    `recheck_at` when to look again if it is not.
    """

    last_seen_at: datetime
    is_proved: bool = False
    held_until: datetime | None = None
    recheck_at: datetime | None = None
    evidence: str = ""


@attrs.frozen(kw_only=True)
class Acknowledged(Event):
    """Somebody took it. `until` makes it a snooze: it lapses then."""

    note: str = ""
    until: datetime | None = None


@attrs.frozen(kw_only=True)
class AckLapsed(Event):
    """The acknowledgement timed out, or the snooze ended."""


@attrs.frozen(kw_only=True)
class Unacknowledged(Event):
    """Somebody gave it back: the plan goes on at the next step."""


@attrs.frozen(kw_only=True)
class StepDue(Event):
    """The wait of a plan's step is over."""

    plan: int
    generation: int


@attrs.frozen(kw_only=True)
class PlanAdvanced(Event):
    """A step was told: which, in which round, and to whom its target expressions resolved at that moment."""

    plan: int
    step: int
    round: int
    told: tuple[str, ...]
    why: str = ""


@attrs.frozen(kw_only=True)
class NobodyReachable(Event):
    """A target expression named nobody who can be told; what was done instead."""

    target: str
    why: str
    fallback: str = ""


@attrs.frozen(kw_only=True)
class PageSent(Event):
    """A notifier accepted a page, an update or a resolve notice."""

    page: str
    notifier: str
    target: str = ""
    ref: str = ""
    attempt: int = 1
    is_possible_duplicate: bool = False


@attrs.frozen(kw_only=True)
class PageAbandoned(Event):
    """A page became a dead letter: refused, or its deadline passed."""

    page: str
    notifier: str
    target: str = ""
    why: str = ""


@attrs.frozen(kw_only=True)
class PageWithheld(Event):
    """A page was not sent, because of the state it found (acknowledged, resolved). `is_possible`: an earlier claim may have sent it."""

    page: str
    why: str
    is_possible: bool = False


@attrs.frozen(kw_only=True)
class PageClaimLost(Event):
    """Somebody claimed a page and never answered; it may have been sent."""

    page: str


@attrs.frozen(kw_only=True)
class Relapsed(Event):
    """It broke again while it was being watched."""

    fingerprint: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class Resolved(Event):
    """It is over. `cause` is one of proved, quiet, ok, person, timer; evidence is stated as numbers."""

    cause: str = "person"
    evidence: str = ""
    note: str = ""


@attrs.frozen(kw_only=True)
class Reopened(Event):
    """It came back within `reopen_within`, or somebody reopened it."""

    reason: str = ""
    fingerprint: str = ""
    severity: Severity | None = None
    held_until: datetime | None = None
    occurrences: int = 1


@attrs.frozen(kw_only=True)
class Muted(Event):
    """Kept open and quiet, until then or until unmuted."""

    until: datetime | None = None
    note: str = ""


@attrs.frozen(kw_only=True)
class Unmuted(Event):
    """Told again. `is_timer`: the mute's own end rings, which is void when the mute was lengthened meanwhile."""

    is_timer: bool = False


@attrs.frozen(kw_only=True)
class Noted(Event):
    """Somebody wrote something down."""

    text: str


@attrs.frozen(kw_only=True)
class Ignored(Event):
    """A late or repeated event that changed nothing, with the reason. Recorded, so that "why did nothing happen?" has an answer."""

    event: str
    reason: str


EVENT_TYPES: tuple[type[Event], ...] = (
    Opened, AlertFired, AlertRecovered, Succeeded, QuietElapsed, Acknowledged, AckLapsed, Unacknowledged, StepDue, PlanAdvanced,
    NobodyReachable, PageSent, PageAbandoned, PageWithheld, PageClaimLost, Relapsed, Resolved, Reopened, Muted, Unmuted, Noted, Ignored,
)


@attrs.frozen(kw_only=True)
class TimelineEntry:
    """An event in its place: the incident's sequence number (contiguous from 1) and the instant."""

    incident_id: str
    seq: int
    at: datetime
    event: Event
    tenant: str = ""
