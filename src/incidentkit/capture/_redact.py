"""
Redaction of text by the shape of values: what is a secret or personal wherever it stands. Names of keys are the business of `_sensitive`.

Every pattern is linear: it starts at the head of a run only, and its repetitions are possessive or bounded. A log line is hostile input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from incidentkit.capture._sensitive import REDACTED, is_sensitive, is_weak

__all__ = ["MAX_TEXT", "redact_text"]

#: Longer texts are cut here first.
MAX_TEXT: Final = 20_000

#: What one pattern put in may complete what another looks for; two rounds have been enough in every run of the property tests.
_ROUNDS: Final = 5

_PEM: Final = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL)
# user:password@ and token@; a port before a path is no user: http://registry:5000/@scope
_URL_USER: Final = re.compile(
    r"(?<=://)(?:[^\s/?#@:'\"<>]{0,128}:(?!\d{1,5}(?:[/?#]|$))[^\s'\"<>]{1,256}(?=@)|"  # a password may hold an @
    r"[^\s/?#@:'\"<>]{1,256}+(?=@))"
)
_WEBHOOK: Final = re.compile(
    r"((?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks|webhook\.office\.com/webhookb?2?)/)"
    r"[^\s'\"<>)]++"
)
_TELEGRAM: Final = re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}+")
# Bodies end on no hyphen or dot, so that the full stop of a sentence stays.
_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"whsec_[A-Za-z0-9+/=_-]{8,}+|xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}+|xapp-[A-Za-z0-9-]{8,}+"
    r"|eyJ[A-Za-z0-9_-]{14,}+(?:\.[A-Za-z0-9_-]++){0,4}"  # JWT and JWE, or what a cut has left of one
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[A-Za-z0-9_-]{35}"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}+|gh[opsur]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+|glpat-[A-Za-z0-9_-]{16,}+"
    r"|SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+|sk-[A-Za-z0-9_-]{20,}+|npm_[A-Za-z0-9]{30,}+|pypi-[A-Za-z0-9_-]{30,}+"
    r")"
)
_AUTH: Final = re.compile(r"(?<![\w-])(bearer|basic|digest|negotiate|apikey)([ \t]{1,4})([A-Za-z0-9._~+/=-]{8,}+)", re.IGNORECASE)
_AT: Final = re.compile(r"(?<=[\w.+%'-])@(?=((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,63}))")
_LOCAL: Final = frozenset("._%+-'")
_IBAN: Final = re.compile(r"(?<!\w)(?=([A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}))")
_CARD: Final = re.compile(
    r"(?<!\w)(?<!\d[.,])(?=(\d{4}([ -])\d{4}\2\d{4}\2\d{4}(?:\2\d{1,3})?|\d{4}([ -])\d{6}\3\d{4,5}|\d{13,19})(?!\w)(?!\.\d))"
)
_PHONE: Final = re.compile(
    r"(?<![\w.+/-])(?:\+[1-9]\d{0,2}(?:[ .\-/()]{0,3}\d){6,14}|\([2-9]\d\d\) ?[2-9]\d\d-\d{4}|[2-9]\d\d[ -][2-9]\d\d-\d{4}|"
    r"0[1-9]\d{1,3}[ /]\d{6,8})"
    r"(?![\w-])(?!\.\d)"
)
_BRANDS: Final = re.compile(
    r"3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|4(?:\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|35\d{14}"
    r"|6(?:011|4[4-9]\d|5\d\d|2\d\d)\d{12,15}"
)
_IBAN_LENGTHS: Final = dict(re.findall(
    r"([A-Z]{2})(\d\d)",
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HR21"
    "HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24"
    "RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30"
))

# password=x, "password": "x", X-Api-Key: x, user[password]=x, password%3Dx, --password x, '--password', 'x'
_PAIR: Final = re.compile(
    r"(?<![\w.\-])(?:([\w.\-]++)[\\\"'\]]{0,4}\s{0,4}(?:=>|:=|==|[=:]|%3[aAdD])\s{0,4}|(--[\w\-]++)[\"']?,?\s{1,4}(?=[\"']?[^\s\-\"']))"
)
_QUOTED: Final = re.compile(r"([bBrRuUfF]{0,2}(?:\\++[\"']|\"|'))")
_BODIES: Final = {
    "\\": re.compile(r"[^\"'\\]*+"),
    '"': re.compile(r'(?:[^"\\]|\\.)*+', re.DOTALL),
    "'": re.compile(r"(?:[^'\\]|\\.)*+", re.DOTALL),
}
_NESTED: Final = re.compile(r"[\[{(][^\]})]*+[\]})]?[^\s,;&<>]*+")
_BARE: Final = re.compile(r"[^\s,;&<>]++")
_LINE: Final = re.compile(r"[^\r\n]++")
_NOTHING: Final = frozenset({"None", "none", "null", "True", "true", "False", "false"})


def redact_text(text: str) -> str:
    """
    Return *text* with secrets and personal data replaced by a word in brackets; all else stays.

    E-mail addresses, phone, card (Luhn) and IBAN (mod 97) numbers; tokens of known shape; `name=value` pairs whose name is sensitive;
    user and password in URLs; webhook URLs. Text over 20,000 characters is cut. Applying it twice changes nothing more.
    """
    text = text[:MAX_TEXT]
    for _ in range(_ROUNDS):
        shorter = _redact_once(text)[:MAX_TEXT]
        if shorter == text:
            break
        text = shorter
    return text


def _redact_once(text: str) -> str:
    if "-----BEGIN " in text:
        text = _PEM.sub(REDACTED, text)
    if "://" in text:
        text = _URL_USER.sub(REDACTED, text)
    if "webhook" in text or "hooks." in text:
        text = _WEBHOOK.sub(rf"\g<1>{REDACTED}", text)
    if "=" in text or ":" in text or "--" in text or "%3" in text:
        text = _replace(text, _pairs(text))
    text = _TOKEN.sub("[token]", text)
    text = _AUTH.sub(_redact_auth, text)
    if "@" in text:
        text = _replace(text, _emails(text))
    if _DIGIT.search(text) is None:
        return text
    if ":" in text:
        text = _TELEGRAM.sub("[token]", text)
    for pattern, find in ((_IBAN, _iban_end), (_CARD, _card_end)):
        text = _replace(text, _numbers(text, pattern, find))
    return _PHONE.sub(_redact_phone, text)


_DIGIT: Final = re.compile(r"\d[ \d()./-]{5}|[A-Z]\d\d ?[A-Z0-9]")


def _replace(text: str, spans: Iterator[tuple[int, int, str]]) -> str:
    """Return *text* with each span (start, end, replacement), in order and apart, replaced."""
    pieces: list[str] = []
    done = 0
    for start, end, word in spans:
        pieces += text[done:start], word
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _pairs(text: str) -> Iterator[tuple[int, int, str]]:
    position = 0
    while (pair := _PAIR.search(text, position)) is not None:
        position = pair.end()
        name = pair[1] or pair[2]
        if not is_sensitive(name):
            continue
        start, end = _value_span(text, position, name)
        inner = _PAIR.match(text, start)
        if inner is not None and inner.end() >= end and is_sensitive(inner[1] or inner[2]):
            continue  # "password: " of which the value is missing, and then another pair
        if end > start:
            yield start, end, REDACTED
            position = end


def _value_span(text: str, position: int, name: str) -> tuple[int, int]:
    """Return where the secret under *name* stands, an empty span for none. What is left unread here is short, so that this stays linear."""
    if text.startswith(REDACTED, position):
        return position, position
    if (quote := _QUOTED.match(text, position)) is not None:
        start = quote.end()
        body = _BODIES["\\" if "\\" in quote[0] else quote[0][-1]].match(text, start)
        return start, body.end() if body is not None else start
    lowered = name.lower()
    if "authori" in lowered or "cookie" in lowered:  # the whole header: "Bearer x", "a=1; b=2"
        found = _LINE.match(text, position)
        return position, found.end() if found is not None else position
    if text[position : position + 1] in {"[", "{", "("}:
        found = _NESTED.match(text, position)
    else:
        following = _PAIR.match(text, position)
        if following is not None and is_sensitive(following[1] or following[2]):
            return position, position  # "password=> password: 'x'": no value stands here, the next pair has it
        found = _BARE.match(text, position)
        if found is not None and (found[0] in _NOTHING or (is_weak(name) and not _looks_secret(found[0], text[position - 1]))):
            found = None
    return position, found.end() if found is not None else position


def _looks_secret(value: str, before: str) -> bool:
    """Return False for the word after "unexpected token: " and for counts such as "pass=3"."""
    if len(value) >= 16:
        return True
    if before in "=%dD":
        return not (len(value) < 4 and value.isdigit())
    return any(character.isdigit() for character in value)


def _redact_auth(found: re.Match[str]) -> str:
    value = found[3]
    mixed = any(character.isdigit() or character == "=" for character in value) or (not value.isupper() and value[1:] != value[1:].lower())
    return f"{found[1]}{found[2]}[token]" if mixed else found[0]


def _emails(text: str) -> Iterator[tuple[int, int, str]]:
    done = 0
    for at in _AT.finditer(text):
        start = at.start()
        least = max(done, start - 64)
        while start > least and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
            start -= 1
        if start < at.start():
            done = at.end(1)
            yield start, done, "[email]"


def _numbers(text: str, pattern: re.Pattern[str], end_of: Callable[[str], int]) -> Iterator[tuple[int, int, str]]:
    word = "[iban]" if pattern is _IBAN else "[card]"
    done = 0
    for found in pattern.finditer(text):
        start = found.start()
        if start >= done and (length := end_of(found[1])) and not text[start + length : start + length + 1].isalnum():
            done = start + length
            yield start, done, word


def _iban_end(candidate: str) -> int:
    """Return how many characters of *candidate* are an IBAN, 0 for none."""
    wanted = int(_IBAN_LENGTHS.get(candidate[:2], 0))
    kept = ""
    for index, character in enumerate(candidate, 1):
        kept += character if character != " " else ""
        if len(kept) == wanted:
            digits = "".join(str(int(letter, 36)) for letter in kept[4:] + kept[:4])
            return index if int(digits) % 97 == 1 else 0
    return 0


def _card_end(candidate: str) -> int:
    """Return the length of *candidate* when it is a card number: a known brand, and the check digit of Luhn fits."""
    digits = candidate.replace(" ", "").replace("-", "")
    if not digits.isascii() or _BRANDS.fullmatch(digits) is None:
        return 0
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(int(digit) for digit in digits[::-2]) + sum(value - 9 if value > 9 else value for value in doubled)
    return len(candidate) if total % 10 == 0 else 0


def _redact_phone(found: re.Match[str]) -> str:
    count = sum(character.isdigit() for character in found[0])
    return "[phone]" if 7 <= count <= 15 else found[0]
