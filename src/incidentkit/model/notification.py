"""Notification: what a notifier gets to send; Delivery: what it answers. Request and Response: HTTP as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

import attrs

from incidentkit.model.incident import Incident
from incidentkit.model.signal import EMPTY
from incidentkit.model.work import PageKind

__all__ = ["Delivery", "DeliveryRecord", "Notification", "Outcome", "Request", "Response"]


@attrs.frozen(kw_only=True)
class Notification:
    """
    Something to tell, already worded, in plain text. A notifier escapes and shortens it for its service.

    `title` is one line; `lines` are the facts below it; `idempotency_key` is the same for every attempt of one page; `ref` is what the
    service called the first message to this target, or "" when there was none or it is unknown.
    """

    kind: PageKind
    incident: Incident
    title: str
    lines: tuple[str, ...] = ()
    notifier: str
    target: str = ""
    person: str = ""
    idempotency_key: str
    attempt: int = 1
    ref: str = ""
    note: str = ""
    sent_at: datetime
    is_unrecorded: bool = False


class Outcome(Enum):
    """How a send ended."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    REFUSED = "refused"


@attrs.frozen(kw_only=True)
class Delivery:
    """
    The answer to a send: accepted with the provider's reference, try again (after at least `retry_after`), or refused, and why.

    `may_have_arrived` is True when the request was written and the answer was lost.
    """

    outcome: Outcome
    ref: str = ""
    reason: str = ""
    retry_after: timedelta | None = None
    may_have_arrived: bool = False

    @classmethod
    def accepted(cls, ref: str = "") -> Delivery:
        """Return: the service has it and calls it *ref*."""
        return cls(outcome=Outcome.ACCEPTED, ref=ref)

    @classmethod
    def retry(cls, reason: str, *, after: timedelta | None = None, may_have_arrived: bool = False) -> Delivery:
        """Return: not now; try again, not before *after* has passed."""
        return cls(outcome=Outcome.RETRY, reason=reason, retry_after=after, may_have_arrived=may_have_arrived)

    @classmethod
    def refused(cls, reason: str) -> Delivery:
        """Return: never; trying again will not help."""
        return cls(outcome=Outcome.REFUSED, reason=reason)


@attrs.frozen(kw_only=True)
class DeliveryRecord:
    """One attempt as kept in the store: what was tried, when, and how it ended."""

    work_id: str
    tenant: str = ""
    attempt: int
    incident_id: str
    notifier: str
    target: str = ""
    at: datetime
    outcome: Outcome
    ref: str = ""
    error: str = ""


@attrs.frozen(kw_only=True)
class Request:
    """One HTTP request as a value. `url` and the values of `secret_headers` never reach a log or an error."""

    method: str = "POST"
    url: str
    headers: Mapping[str, str] = EMPTY
    content: bytes = b""


@attrs.frozen(kw_only=True)
class Response:
    """One HTTP response as a value; header names in lower case."""

    status: int
    headers: Mapping[str, str] = EMPTY
    content: bytes = b""
