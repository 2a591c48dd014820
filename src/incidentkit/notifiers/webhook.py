"""Webhook: tells a program, signed by Standard Webhooks. What belongs here: the payload and its bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from incidentkit.model import Delivery, Incident, Notification, PageKind, Request, Response, frozen_mapping
from incidentkit.notifiers._http import checked_headers, checked_url, delivery_by_status, origin_of
from incidentkit.notifiers._text import cut
from incidentkit.notifiers.webhook_signature import key_of, safe_id, secrets_of, sign_webhook

__all__ = ["Webhook"]

#: Standard Webhooks: "payloads should be kept under 20 kB".
MOST_BYTES: Final = 20_000
#: What is left out, in this order, until the payload fits; it then says so in `data.left_out`.
_DROPPED_FIRST: Final = ("lines", "labels", "links", "evidence", "note", "responders", "assignees", "policies")
_SHORT: Final = 120  # a character takes at most six bytes of JSON, and there are 17 texts: under 13 kB
TYPES: Final = {
    PageKind.FIRST: "incident.triggered", PageKind.REMINDER: "incident.reminder",
    PageKind.UPDATE: "incident.updated", PageKind.RESOLVED: "incident.resolved",
}


def _one_or_more(secret: Any) -> tuple[str, ...]:
    return secrets_of(secret)


@attrs.frozen(kw_only=True)
class Webhook:
    """
    A POST to one URL, signed when there is a secret; several secrets sign together while one is replaced.

    `webhook-id` is the same for every attempt of one page, so the receiver can tell a repeat. `to` is the URL's scheme and host: the rest
    of it may be a credential, and a target is stored. The URL is trusted: it comes from the operator, private addresses are allowed.
    """

    name: str = "webhook"
    url: str = attrs.field(repr=False)
    secret: tuple[str, ...] = attrs.field(default=(), converter=_one_or_more, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=frozen_mapping, repr=False)
    to: str = ""
    is_quiet: bool = True
    deadline: timedelta = timedelta(minutes=15)

    def __attrs_post_init__(self) -> None:
        place = f"notifiers.{self.name}"
        checked_url(f"{place}.url", self.url)
        checked_headers(f"{place}.headers", self.headers)
        for secret in self.secret:
            key_of(secret, place=f"{place}.secret")
        if not self.to:
            object.__setattr__(self, "to", origin_of(self.url))

    def request(self, notification: Notification, /) -> Request:
        """Return the signed request. The signature is over exactly the bytes that are sent."""
        content = _payload(notification)
        webhook_id, timestamp = safe_id(notification.idempotency_key), int(notification.sent_at.timestamp())
        headers = {**self.headers, "content-type": "application/json", "webhook-id": webhook_id, "webhook-timestamp": str(timestamp)}
        if self.secret:
            headers["webhook-signature"] = sign_webhook(self.secret, id=webhook_id, timestamp=timestamp, body=content)
        return Request(url=self.url, content=content, headers=headers)

    def verdict(self, response: Response, notification: Notification, /) -> Delivery:
        """Return what the status says; a webhook names nothing, so there is no reference."""
        return delivery_by_status(response, now=notification.sent_at)


def _payload(notification: Notification) -> bytes:
    data = _data(notification)
    whole: dict[str, Any] = {"type": TYPES[notification.kind], "timestamp": _instant(notification.sent_at), "data": data}
    content = _encoded(whole)
    for name in _DROPPED_FIRST:
        if len(content) < MOST_BYTES:
            return content
        if data.pop(name, None):
            data.setdefault("left_out", []).append(name)
        content = _encoded(whole)
    if len(content) >= MOST_BYTES:  # one single text is huge: every text is cut, which always fits
        data.update({name: cut(value, _SHORT) for name, value in data.items() if isinstance(value, str)})
        data["left_out"] = [*data.get("left_out", []), "the ends of long texts"]
        content = _encoded(whole)
    return content


def _encoded(whole: Mapping[str, Any]) -> bytes:
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")  # a lone surrogate becomes "?"


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at is not None else None


def _data(notification: Notification) -> dict[str, Any]:
    return _facts(notification.incident) | {
        "text": notification.title, "lines": list(notification.lines), "note": notification.note, "person": notification.person,
        "attempt": notification.attempt, "is_unrecorded": notification.is_unrecorded,
    }


def _facts(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id, "number": incident.number, "tenant": incident.tenant, "key": incident.key, "title": incident.title,
        "status": incident.status.value, "severity": incident.severity.value, "priority": incident.priority.value,
        "service": incident.service, "environment": incident.environment, "labels": dict(incident.labels),
        "links": [{"href": link.href, "text": link.text} for link in incident.links],
        "occurrences": incident.occurrences, "alerts": len(incident.alerts), "cause": incident.cause, "evidence": incident.evidence,
        "opened_at": _instant(incident.opened_at), "acknowledged_at": _instant(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by, "resolved_at": _instant(incident.resolved_at),
        "first_seen_at": _instant(incident.first_seen_at), "last_seen_at": _instant(incident.last_seen_at),
        "assignees": list(incident.assignees), "responders": list(incident.responders), "policies": list(incident.policies),
    }
