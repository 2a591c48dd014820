"""Requests: what a loop asks of the world, as values. A driver answers them; the loops themselves never touch store, clock or network."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import attrs

from incidentkit.model import (
    Claim,
    Committed,
    Conflict,
    Delivery,
    Duplicate,
    Incident,
    Listing,
    Loaded,
    Lookup,
    Notification,
    PurgeReport,
    UnitOfWork,
)
from incidentkit.policy import Book
from incidentkit.ports import IdSource
from incidentkit.resolve import EvidenceReport
from incidentkit.settings import Settings

__all__ = [
    "STALE",
    "Ask",
    "ClaimDue",
    "Commit",
    "Flow",
    "Ground",
    "Load",
    "LocalEvidence",
    "OpenSites",
    "Purge",
    "Send",
    "claim_due",
    "commit",
    "load",
    "local_evidence",
    "open_sites",
    "purge",
    "send",
]

T = TypeVar("T")
#: A loop: it yields requests, is sent the answers, and returns its result.
Flow = Generator["Ask", Any, T]


@attrs.frozen(kw_only=True)
class Ground:
    """What every loop stands on: the policies, the numbers, and where ids come from."""

    book: Book
    settings: Settings
    ids: IdSource
    #: This process, as a source of units and of evidence.
    process: str


@attrs.frozen
class Load:
    """Read a snapshot."""

    lookup: Lookup


@attrs.frozen
class Commit:
    """Apply a unit."""

    unit: UnitOfWork


@attrs.frozen
class ClaimDue:
    """Lease due work that this process can do."""

    limit: int


@attrs.frozen
class Send:
    """Send a notification whose permission was read at `read_at`. The answer is a Delivery, or STALE: read again first."""

    notification: Notification
    read_at: datetime


@attrs.frozen
class LocalEvidence:
    """Ask for this process's own evidence on an incident, which is newer than its cell."""

    incident_id: str


@attrs.frozen
class OpenSites:
    """Ask for the open incidents, page by page."""

    cursor: str | None = None


@attrs.frozen
class Purge:
    """Delete a bounded number of old rows."""


Ask = Load | Commit | ClaimDue | Send | LocalEvidence | OpenSites | Purge


class _Stale:
    """The one value that says: too old, read again."""

    def __repr__(self) -> str:
        return "STALE"


STALE: Final = _Stale()


# The one place where a reply gets its type.


def load(lookup: Lookup) -> Flow[Loaded]:
    """Return the snapshot."""
    loaded: Loaded = yield Load(lookup)
    return loaded


def commit(unit: UnitOfWork) -> Flow[Committed | Conflict | Duplicate]:
    """Return what became of *unit*."""
    reply: Committed | Conflict | Duplicate = yield Commit(unit)
    return reply


def claim_due(limit: int) -> Flow[list[Claim]]:
    """Return the claims."""
    claims: list[Claim] = yield ClaimDue(limit)
    return claims


def send(notification: Notification, read_at: datetime) -> Flow[Delivery | _Stale]:
    """Return how the send ended."""
    delivery: Delivery | _Stale = yield Send(notification, read_at)
    return delivery


def local_evidence(incident_id: str) -> Flow[EvidenceReport | None]:
    """Return this process's evidence, or None when it has not run the site."""
    report: EvidenceReport | None = yield LocalEvidence(incident_id)
    return report


def open_sites() -> Flow[Mapping[str, Incident]]:
    """Return the open incidents of watched sites, by id."""
    found: dict[str, Incident] = {}
    cursor: str | None = None
    while True:
        listing: Listing = yield OpenSites(cursor)
        found.update({incident.id: incident for incident in listing.items if incident.when is not None})
        cursor = listing.cursor
        if cursor is None:
            return found


def purge() -> Flow[PurgeReport]:
    """Return what was deleted."""
    report: PurgeReport = yield Purge()
    return report
