"""Standard Webhooks signatures, both directions. What belongs here: secrets, signing, verifying; no payload, no I/O, no clock."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from incidentkit.errors import ConfigurationError

__all__ = ["key_of", "safe_id", "secrets_of", "sign_webhook", "verify_webhook"]

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


def secrets_of(secret: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return *secret* as a tuple: none, one, or several while a secret is being rotated, the newest first."""
    if secret is None:
        return ()
    return (secret,) if isinstance(secret, str) else tuple(secret)


def key_of(secret: str, *, place: str = "secret") -> bytes:
    """
    Return the key inside *secret*: base64 after the prefix `whsec_`, padded or not, 24 to 64 bytes.

    Raises:
        ConfigurationError: It is not. The message does not show it.
    """
    expected = "base64 of 24 to 64 bytes, with or without the prefix whsec_"
    try:
        text = secret.removeprefix("whsec_").rstrip("=").encode("ascii")
        key = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        raise ConfigurationError.at(place, "<not shown>", expected) from None
    if not 24 <= len(key) <= 64:
        raise ConfigurationError.at(place, f"<{len(key)} bytes>", expected)
    return key


def safe_id(key: str) -> str:
    """Return *key* as a webhook-id: itself when it is plain, else its hash. The signed text is split at dots, so an id has none."""
    return key if _SAFE_ID.fullmatch(key) else "msg_" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def sign_webhook(secret: str | Iterable[str], *, id: str, timestamp: int, body: bytes) -> str:  # noqa: A002 the specification's word
    """Return the value of `webhook-signature`: one `v1,` entry for each secret, separated by blanks, over exactly *body*."""
    return " ".join("v1," + _digest(key_of(one), id, str(timestamp), body) for one in secrets_of(secret))


def _digest(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{webhook_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def verify_webhook(
    body: bytes, headers: Mapping[str, str], secret: str | Iterable[str], *, now: datetime, tolerance: timedelta = timedelta(minutes=5),
) -> bool:
    """
    Return True when *body* was signed with one of the secrets, within *tolerance* of *now*. Answer 401 to anything else.

    *body* is the raw request body: verify before parsing. It does not tell a replay inside the tolerance: remember `webhook-id` for that.

    Source: Standard Webhooks (channels.md 20).
    """
    lower = {name.lower(): value for name, value in headers.items()}
    webhook_id, timestamp = lower.get("webhook-id", ""), lower.get("webhook-timestamp", "")
    if not webhook_id or "." in webhook_id or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        return False
    if abs(now.timestamp() - int(timestamp)) > tolerance.total_seconds():
        return False
    expected = [_digest(key_of(one), webhook_id, timestamp, body).encode() for one in secrets_of(secret)]
    given = [entry[3:].encode("utf-8", "replace") for entry in lower.get("webhook-signature", "").split() if entry.startswith("v1,")]
    matches = [hmac.compare_digest(one, other) for one in expected for other in given]  # all of them: no early exit to time
    return any(matches)
