"""Slack: an incoming webhook, or a bot that edits its message and answers in its thread. What belongs here: which call, and its answer."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, Final

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.model import Delivery, Notification, PageKind, Request, Response
from incidentkit.notifiers._http import checked_headers, checked_url, delivery_by_status, origin_of, retry_after
from incidentkit.notifiers.slack_message import message

__all__ = ["Slack"]

#: Answers that may be different next time; every other one needs a person. Source: channels.md 1.2 and Slack's common errors.
TRANSIENT: Final = frozenset({
    "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org",
    "rollup_error",
})
#: "It is possible some aspect of the operation succeeded before the error was raised" (Slack's common errors).
_PERHAPS_DONE: Final = frozenset({"internal_error", "fatal_error", "request_timeout"})
_WORD: Final = re.compile(r"[a-z_]{1,60}")


@attrs.frozen(kw_only=True)
class Slack:
    """
    An incoming webhook (`url`), or a bot (`token` and a channel: `to`, or the target of the page).

    The bot posts the first page; a reminder is a reply in its thread that the channel sees too, so that it can wake somebody; an update and
    the resolve edit the first message, quietly. A webhook cannot edit: it posts each time. `ref` is "channel id:timestamp".
    """

    name: str = "slack"
    url: str = attrs.field(default="", repr=False)
    token: str = attrs.field(default="", repr=False)
    to: str = ""
    base_url: str = attrs.field(default="https://slack.com/api", repr=origin_of)
    is_quiet: bool = True
    deadline: timedelta = timedelta(minutes=15)

    def __attrs_post_init__(self) -> None:
        place = f"notifiers.{self.name}"
        if bool(self.url) == bool(self.token):
            found = "both" if self.url else "neither"
            raise ConfigurationError.at(place, found, "either url (an incoming webhook) or token (a bot)")
        if self.token:
            checked_url(f"{place}.base_url", self.base_url)
            checked_headers(place, {"token": self.token})
            return
        checked_url(f"{place}.url", self.url)
        if not self.to:
            object.__setattr__(self, "to", origin_of(self.url))

    def request(self, notification: Notification, /) -> Request:
        """
        Return the call: post, reply in the thread, or edit.

        Raises:
            ConfigurationError: A bot is to post, and neither the page nor `to` names a channel.
        """
        body = message(notification)
        if self.url:
            return Request(url=self.url, headers={"content-type": "application/json"}, content=_encoded(body))
        method, where = self._call(notification)
        return Request(url=f"{self.base_url.rstrip('/')}/{method}", content=_encoded({**where, **body}), headers={
            "content-type": "application/json; charset=utf-8", "authorization": f"Bearer {self.token}",
        })

    def _call(self, notification: Notification) -> tuple[str, dict[str, Any]]:
        channel_id, _, ts = notification.ref.rpartition(":")
        if channel_id and ts and notification.kind is PageKind.REMINDER:
            return "chat.postMessage", {"channel": channel_id, "thread_ts": ts, "reply_broadcast": True}
        if channel_id and ts and not notification.kind.is_page:
            return "chat.update", {"channel": channel_id, "ts": ts}
        channel = notification.target or self.to
        if not channel:
            raise ConfigurationError.at(f"notifiers.{self.name}.to", "", "a channel, here or in the target: slack:#payments")
        return "chat.postMessage", {"channel": channel}

    def verdict(self, response: Response, notification: Notification, /) -> Delivery:
        """Return what the answer means: Slack says "no" with status 200, too."""
        by_status = delivery_by_status(response, now=notification.sent_at)
        if not 200 <= response.status <= 299:
            return by_status
        return self._webhook_verdict(response, notification) if self.url else self._bot_verdict(response, notification)

    def _webhook_verdict(self, response: Response, notification: Notification) -> Delivery:
        text = response.content.decode("utf-8", "replace").strip()
        return Delivery.accepted() if text == "ok" else _failure(text, response, notification)

    def _bot_verdict(self, response: Response, notification: Notification) -> Delivery:
        answer = _decoded(response.content)
        if answer.get("ok") is not True:
            return _failure(str(answer.get("error", "")), response, notification)
        channel_id, ts = answer.get("channel"), answer.get("ts")
        if notification.ref and notification.kind is not PageKind.FIRST:  # the thread's root stays the reference, not the reply
            return Delivery.accepted(notification.ref)
        return Delivery.accepted(f"{channel_id}:{ts}" if isinstance(channel_id, str) and isinstance(ts, str) else "")


def _failure(word: str, response: Response, notification: Notification) -> Delivery:
    if not _WORD.fullmatch(word):
        # Not Slack's words: a proxy's page, a captive portal, a cut answer. Somebody else spoke, so it is not Slack that refused.
        return Delivery.retry(f"HTTP {response.status} without Slack's answer", may_have_arrived=True)
    if word in TRANSIENT:
        after = retry_after(response, now=notification.sent_at)
        return Delivery.retry(f"Slack: {word}", after=after, may_have_arrived=word in _PERHAPS_DONE)
    return Delivery.refused(f"Slack: {word}")


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
