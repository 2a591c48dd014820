"""The stable identity of a problem: equal in every process, on every machine, in every checkout; never lines, ids, or numbers in a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from incidentkit.capture._frames import Spot, cause_of, members_of, spots, traceback_of
from incidentkit.capture._identity import MAX_CAUSES, MAX_DEPTH, MAX_ERRORS, MAX_MEMBERS
from incidentkit.capture._text import type_name
from incidentkit.model import ExceptionInfo

__all__ = ["described_fingerprint", "exception_fingerprint", "key_fingerprint", "template", "text_fingerprint"]

#: Distinct places that count: the first and the last of them.
MAX_SPOTS: Final = 100
#: Distinct members of a group that count.
MAX_PRINTS: Final = 20
MAX_TEMPLATE: Final = 1_000
#: Longer keys are hashed by their head and their length.
MAX_HASHED: Final = 10_000


def exception_fingerprint(error: BaseException, *, tenant: str = "") -> str:
    """
    Return 32 hexadecimal digits: type of *error*, module and function of its in-app frames, types and innermost places of explicit causes.

    A place counts once, so a recursion is the same however deep it went. With no in-app frame all frames count. A group is its type and
    the set of its members, wherever it was raised.
    """
    return _digest("exception", [tenant, *_parts(error, 0, [MAX_ERRORS])])


def described_fingerprint(info: ExceptionInfo, *, tenant: str = "") -> str:
    """Return the fingerprint of an exception that is known as data only: type and in-app frames (all, if there is none), no causes."""
    frames = [frame for frame in info.frames if frame.is_in_app] or info.frames
    return _digest("exception", [tenant, "error", info.type, *_distinct([f"{frame.module}:{frame.function}" for frame in frames])])


def key_fingerprint(key: str, *, tenant: str = "") -> str:
    """Return the fingerprint of everything reported under the explicit *key*."""
    return _digest("key", [tenant, key])


def text_fingerprint(title: str, *, source: str = "", service: str = "", tenant: str = "") -> str:
    """Return the fingerprint of a text from *source* about *service*; what varies in the text does not count."""
    return _digest("text", [tenant, source, service, template(title)])


def _digest(domain: str, parts: Iterable[str]) -> str:
    digest = blake2b(digest_size=16, person=f"ik.{domain}.1".encode())
    for part in parts:  # each with its length, so that ("ab", "c") and ("a", "bc") differ
        data = part[:MAX_HASHED].encode("utf-8", "surrogatepass")
        digest.update(b"%d:%d:" % (len(part), len(data)))
        digest.update(data)
    return digest.hexdigest()


def _parts(error: BaseException, depth: int, left: list[int]) -> list[str]:
    left[0] -= 1
    kind = type_name(type(error))
    prints = _member_prints(error, depth, left)
    if prints:
        return ["group", kind, *prints, *_cause_parts(error, depth, left)]
    return ["error", kind, *_places(error), *_cause_parts(error, depth, left)]


def _member_prints(error: BaseException, depth: int, left: list[int]) -> list[str]:
    """Return the members of a group; nothing when they say too little: none of them was ever raised."""
    members = members_of(error)[:MAX_MEMBERS]
    if depth >= MAX_DEPTH or all(traceback_of(member) is None and not members_of(member) for member in members):
        return []
    return sorted({_digest("member", _parts(member, depth + 1, left)) for member in members if left[0] > 0})[:MAX_PRINTS]


def _cause_parts(error: BaseException, depth: int, left: list[int]) -> list[str]:
    parts: list[str] = []
    seen = {id(error)}
    cause = cause_of(error)
    for _ in range(MAX_CAUSES):
        if cause is None or id(cause) in seen or left[0] <= 0:
            break
        seen.add(id(cause))
        left[0] -= 1
        parts += "cause", type_name(type(cause)), *(_member_prints(cause, depth, left) or _innermost(cause))
        cause = cause_of(cause)
    return parts


def _chosen(error: BaseException) -> list[Spot]:
    """Return the in-app frames, or all when there is none."""
    everything = list(spots(error))
    return [spot for spot in everything if spot.is_in_app] or everything


def _innermost(error: BaseException) -> list[str]:
    chosen = _chosen(error)
    return [f"{chosen[-1].module}:{chosen[-1].function}"] if chosen else []


def _places(error: BaseException) -> list[str]:
    chosen = [f"{spot.module}:{spot.function}" for spot in _chosen(error)]
    if issubclass(type(error), RecursionError) and (cycle := [place for place, count in Counter(chosen).items() if count > 1]):
        return sorted(cycle)  # which of them hits the limit, and through which door it was entered, is chance
    return _distinct(chosen)


def _distinct(chosen: list[str]) -> list[str]:
    """Return each place once, in the order of their first call, and the innermost."""
    if not chosen:
        return []
    distinct = list(dict.fromkeys(chosen))
    if len(distinct) > MAX_SPOTS:
        distinct[MAX_SPOTS // 2 : -MAX_SPOTS // 2] = []
    return [*distinct, "innermost", chosen[-1]]


# --- text ------------------------------------------------------------------------------------------------------------------------------

# Linear, as in _redact: heads of runs only, possessive or bounded repetitions.
_QUOTED: Final = re.compile(r"\"[^\"\n]{0,300}\"|(?<!\w)'[^'\n]{0,300}'(?!\w)|`[^`\n]{0,300}`|“[^”\n]{0,300}”|«[^»\n]{0,300}»")
_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_UUID: Final = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Fa-f])")
_WORD: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]++")
_NUMBER: Final = re.compile(r"[-+]?\d++(?:[.,:]\d++)*(?:[eE][-+]?\d++)?")
_LIST: Final = re.compile(r"<n>(?:[,;]? ?<n>)++")


def template(text: str) -> str:
    """Return *text* with what varies replaced: quoted strings, e-mail addresses, uuids, hexadecimal and mixed ids, numbers."""
    text = text[:MAX_TEMPLATE]
    if "@" in text:
        text = _EMAIL.sub("<email>", text)
    text = _QUOTED.sub("<s>", text)
    text = _UUID.sub("<id>", text)
    text = _WORD.sub(_word, text)
    text = _LIST.sub("<n>", _NUMBER.sub("<n>", text))
    return " ".join(text.split())


def _word(found: re.Match[str]) -> str:
    """Return `<n>` for a hexadecimal number and `<id>` for letters mixed with digits as ids have them; names such as sha256 stay."""
    word = found[0]
    digits = sum(character.isdigit() for character in word)
    if digits == len(word) or digits == 0:
        return word
    is_hexadecimal = len(word) >= 6 and not (word.strip("0123456789abcdef") and word.strip("0123456789ABCDEF"))
    if is_hexadecimal or word[:2] in {"0x", "0X"}:
        return "<n>"
    return "<id>" if len(word) >= 8 and digits >= 3 else word
