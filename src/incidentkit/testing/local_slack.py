"""What Slack would say: a workspace in memory that knows three calls and refuses what Slack refuses. No HTTP here."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import attrs

from incidentkit.model import EMPTY

__all__ = ["SlackMessage", "SlackWorkspace"]


@attrs.define(kw_only=True)
class SlackMessage:
    """One message as it stands now. `edits` counts `chat.update`; `thread_ts` is the message it answers, or ""."""

    channel: str
    ts: str
    text: str
    blocks: tuple[Mapping[str, Any], ...] = ()
    thread_ts: str = ""
    is_broadcast: bool = False
    edits: int = 0


class SlackWorkspace:
    """Channels and messages. Every channel exists; its id is made from its name. Not thread-safe by itself: LocalServer holds a lock."""

    def __init__(self, *, token: str = "") -> None:
        self._token = token
        self._clock = 1_700_000_000_000_100
        self.messages: list[SlackMessage] = []

    def call(self, method: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the answer to a call of the Web API, which Slack sends with status 200 even when it says no."""
        authorization = headers.get("authorization", "")
        if not authorization.startswith("Bearer ") or not authorization.removeprefix("Bearer "):
            return _no("not_authed")
        if self._token and authorization != f"Bearer {self._token}":
            return _no("invalid_auth")
        sent = _decoded(body)
        if sent is None:
            return _no("invalid_json")
        if wrong := _wrong_in(sent):
            return _no(wrong)
        match method:
            case "chat.postMessage":
                return self._post(sent)
            case "chat.update":
                return self._update(sent)
            case _:
                return _no("unknown_method")

    def webhook(self, body: bytes) -> tuple[int, str]:
        """Return status and text of an incoming webhook: `ok`, or what is wrong."""
        sent = _decoded(body)
        if sent is None:
            return 400, "invalid_payload"
        if wrong := _wrong_in(sent):
            return 400, wrong
        self._keep("C0WEBHOOK", sent)
        return 200, "ok"

    def channel_id(self, channel: str) -> str:
        """Return the id of *channel*, given by name or id."""
        return channel if channel.startswith("C0") else f"C0{zlib.crc32(channel.removeprefix('#').encode()):08X}"

    def _post(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        channel = sent.get("channel")
        if not isinstance(channel, str) or not channel:
            return _no("channel_not_found")
        thread_ts = sent.get("thread_ts") or ""
        if thread_ts and self._find(channel, thread_ts) is None:
            return _no("thread_not_found")
        kept = self._keep(self.channel_id(channel), sent, thread_ts=thread_ts, is_broadcast=bool(sent.get("reply_broadcast")))
        return {"ok": True, "channel": kept.channel, "ts": kept.ts, "message": {"text": kept.text}}

    def _update(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        channel = str(sent.get("channel", ""))
        if not channel.startswith("C0"):  # the id from the first answer, not the name that was posted to
            return _no("channel_not_found")
        if (found := self._find(channel, sent.get("ts"))) is None:
            return _no("message_not_found")
        found.text, found.blocks, found.edits = str(sent.get("text", "")), tuple(sent.get("blocks", ())), found.edits + 1
        return {"ok": True, "channel": found.channel, "ts": found.ts, "text": found.text}

    def _find(self, channel: str, ts: object) -> SlackMessage | None:
        return next((one for one in self.messages if one.channel == channel and one.ts == ts), None)

    def _keep(self, channel: str, sent: Mapping[str, Any], *, thread_ts: str = "", is_broadcast: bool = False) -> SlackMessage:
        self._clock += 100
        message = SlackMessage(
            channel=channel, ts=f"{self._clock // 1_000_000}.{self._clock % 1_000_000:06}", text=str(sent.get("text", "")),
            blocks=tuple(sent.get("blocks", ())), thread_ts=thread_ts, is_broadcast=is_broadcast,
        )
        self.messages.append(message)
        return message


def _no(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def _decoded(body: bytes) -> Mapping[str, Any] | None:
    try:
        sent = json.loads(body)
    except ValueError:
        return None
    return sent if isinstance(sent, dict) else None


def _wrong_in(sent: Mapping[str, Any]) -> str:
    """Return Slack's word for what is wrong with a message, or ""."""
    blocks = sent.get("blocks", ())
    if not sent.get("text") and not blocks:
        return "no_text"
    if len(str(sent.get("text", ""))) > 40_000:
        return "msg_too_long"
    if not isinstance(blocks, list | tuple) or len(blocks) > 50 or any(_is_wrong_block(block) for block in blocks):
        return "invalid_blocks"
    return ""


def _is_wrong_block(block: Any) -> bool:
    if not isinstance(block, dict):
        return True
    most = {"header": 150, "section": 3_000, "context": 3_000}.get(block.get("type", ""))
    if most is None:
        return False
    texts = block.get("elements", ()) if block["type"] == "context" else (block.get("text") or EMPTY,)
    return not texts or any(not text.get("text") or len(text["text"]) > most for text in texts)
