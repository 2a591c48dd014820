"""Which names stand before a secret: `db_password`, `X-Api-Key`, `clientSecret`. Values are the business of `_redact` and `_render`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["REDACTED", "is_sensitive", "is_weak"]

REDACTED: Final = "[redacted]"

#: Longer names than this are nobody's field: what stands under them is treated as a secret rather than searched.
MAX_SEARCHED: Final = 1_000

_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # camelCase: clientSecret, APIKey
_RUNS: Final = re.compile(r"[a-z]+")  # what is left when case means nothing: tOkEn

# A part that is one of these. sentry's exact match of whole names let 4 of 5 planted secrets through (embedding.md 10).
_WORDS: Final = frozenset({
    *("auth", "bearer", "card", "cards", "cred", "creds", "csrf", "cvc", "cvv", "jwt", "otp", "pass", "passwd", "password", "pin", "pwd"),
    *("secret", "session", "sessions", "sig", "signature", "ssn", "token", "tokens", "totp", "xsrf"),
})
# Anywhere in the name once its separators are gone: xapikey, dbpassword, phpsessid.
_ANYWHERE: Final = re.compile(
    "password|passwd|passphrase|passcode|passwort|kennwort|contraseña|contrasena|motdepasse|secret|credential|authori[sz]ation|cookie"
    "|apikey|privatekey|accesskey|secretkey|signingkey|encryptionkey|masterkey|sharedkey|accountkey|sshkey|creditcard|debitcard|cardnumber|cardno"
    "|cardholder|securitycode|socialsecurity|sessid|sessionid|sessiontoken|connectionstring"
)
# As the head or the tail of a part: authtoken, tokenvalue; a tokenizer is none.
_EDGES: Final = re.compile(r"(?:token|session)s?$|^token(?!i[sz])|^session")
_WEAK: Final = frozenset({"auth", "card", "cards", "pass", "pin", "session", "sessions", "sig", "signature", "token", "tokens"})


def _parts(name: str) -> set[str]:
    return {part.lower() for part in _PARTS.findall(name)} | set(_RUNS.findall(name.lower()))


@lru_cache(maxsize=2_048)  # bounded, and of short names only
def _is_sensitive(name: str) -> bool:
    letters = "".join(character for character in name.lower() if character.isalpha())
    if _ANYWHERE.search(letters):
        return True
    return any(part in _WORDS or _EDGES.search(part) for part in _parts(name))


def is_sensitive(name: str) -> bool:
    """Return True when a value under *name* must not be shown: any part, in any case, with any separator."""
    if len(name) <= 64:
        return _is_sensitive(name)
    return len(name) > MAX_SEARCHED or _is_sensitive.__wrapped__(name)


def is_weak(name: str) -> bool:
    """Return True for a sensitive name that is an ordinary word too, as in "unexpected token: else"."""
    return name.lower() in _WEAK
