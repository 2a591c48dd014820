"""
One exception object seen by nested watches, a logging handler, a framework and a hook is one signal with count 1 (DESIGN.md 6, "Identity").

Nothing is kept alive to know it: a mark is a few numbers. Classes written in Python take weak references, so their marks stand in a table
here and the object stays as it was (its `vars()`, equality and pickles too). The built-in classes take none; theirs stands in `__dict__`.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, Final

from incidentkit.host._propagation import Trail, is_still_propagating, trail_of

__all__ = ["MARKS_MAX", "mark", "renew_source", "seen"]

#: Exceptions that the host keeps alive by the thousand are marked in themselves from here on.
MARKS_MAX: Final = 10_000
_KEY: Final = "_incidentkit_mark"

# Past whatever a class makes of attributes: frozen ones refuse them, others log or convert them.
_dict_of: Final = BaseException.__dict__["__dict__"].__get__
_traceback_of: Final = BaseException.__dict__["__traceback__"].__get__


class _Mark(weakref.ref[BaseException]):
    """A weak reference that knows what was remembered of its exception."""

    __slots__ = ("key", "record")

    key: int
    record: tuple[int, Trail]


class _Source:
    """Which process marks: a mark travels inside a pickled exception, and a child's number means nothing to its parent."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = int.from_bytes(os.urandom(7), "big")


_SOURCE: Final = _Source()
_MARKS: Final[dict[int, _Mark]] = {}


def renew_source() -> None:
    """Forget all marks. For a forked child: what its parent has seen was reported by the parent."""
    _MARKS.clear()
    _SOURCE.number = int.from_bytes(os.urandom(7), "big")


def mark(error: BaseException, token: int) -> None:
    """Remember *token* as the signal that this occurrence of *error* became. Never raises."""
    try:  # noqa: SIM105 - making a `suppress` costs half of what marking does
        _write(error, token, trail_of(_traceback_of(error)))
    except Exception:  # noqa: BLE001, S110 - not marked: a second sighting counts again, which is better than a fault in the host
        pass


def seen(error: BaseException) -> int | None:
    """
    Return the token of the signal that this occurrence of *error* already is, or None: not seen yet, or raised again since.

    The mark then moves up to where the exception is now, so that nested watches cost what is between them. Never raises.
    """
    try:
        place = _MARKS.get(id(error))
        found = _dict_of(error).get(_KEY) if place is None else place.record
        if found is None: return None
        token, trail = found if place is not None else _own(error, found)
        head = _traceback_of(error)
        now = trail_of(head)
        if now == trail: return None if head is None else token
        if not is_still_propagating(head, trail): return None
        _write(error, token, now)
    except Exception:  # noqa: BLE001 - as in `mark`; also what is no mark of ours, though it bears the name
        return None
    return token


def _write(error: BaseException, token: int, trail: Trail) -> None:
    key = id(error)
    place = _MARKS.get(key)
    if place is not None:
        place.record = token, trail
    elif type(error).__weakrefoffset__ and len(_MARKS) < MARKS_MAX:
        place = _Mark(error, _forget)
        place.key, place.record = key, (token, trail)
        _MARKS[key] = place
    else:
        _dict_of(error)[_KEY] = (_SOURCE.number, key, token, *trail)


def _own(error: BaseException, found: Any) -> tuple[int, Trail]:
    """Return the token and trail of a mark that stood in `__dict__`. A copy carries one too, but it is another object."""
    source, key, token, *trail = found
    if source != _SOURCE.number or key != id(error): return token, ()
    return token, tuple(trail)


def _forget(gone: _Mark, _marks: dict[int, _Mark] = _MARKS) -> None:
    """Drop the mark of an exception that died. Runs before its memory is free, so no other object has its id yet."""
    _marks.pop(gone.key, None)
