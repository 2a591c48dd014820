"""
The cheap identity of an exception, made for every repeat of it: ids of types and code objects, so nothing is hashed, formatted or called.

Equal raw keys have equal fingerprints, but for code run in several namespaces (`exec`), and recursions that differ in their middle only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from incidentkit.capture._frames import FIRST, LAST, cause_of, members_of, traceback_of

__all__ = ["MAX_CAUSES", "MAX_DEPTH", "MAX_ERRORS", "MAX_MEMBERS", "pins", "raw_key"]

#: Explicit causes of one exception; members of one group; groups in groups; and exceptions in all. What lies beyond does not count.
MAX_CAUSES: Final = 8
MAX_MEMBERS: Final = 50
MAX_DEPTH: Final = 3
MAX_ERRORS: Final = 200

_RANGE: Final = range(FIRST)


def raw_key(error: BaseException) -> tuple[object, ...]:
    """
    Return what tells this exception from others in this process: per exception its type and, per frame, code object and instruction.

    Explicit causes and the members of groups count. Of more than 100 frames the first 50 and the last 50 do. The ids in it are valid
    as long as somebody holds `pins(error)`.
    """
    key: list[object] = [id(type(error))]
    link = traceback_of(error)
    add = key.append
    for _ in _RANGE:
        if link is None:
            break
        add(id(link.tb_frame.f_code))
        add(link.tb_lasti)
        link = link.tb_next
    if link is not None:
        _add_last(key, link)
    if cause_of(error) is not None or issubclass(type(error), BaseExceptionGroup):
        for mark, related in _related(error):
            key += mark, id(type(related))
            _add_frames(key, related)
    return tuple(key)


def pins(error: BaseException) -> tuple[object, ...]:
    """Return the objects whose ids `raw_key(error)` holds: kept beside it, no later object gets the same id."""
    kept: dict[int, object] = {}
    for related in (error, *(one for _, one in _related(error))):
        kept[id(type(related))] = type(related)
        link = traceback_of(related)
        while link is not None:  # all of them: a few code objects, however many frames
            kept[id(link.tb_frame.f_code)] = link.tb_frame.f_code
            link = link.tb_next
    return tuple(kept.values())


def _add_frames(key: list[object], error: BaseException) -> None:
    link = traceback_of(error)
    for _ in _RANGE:
        if link is None:
            return
        key += id(link.tb_frame.f_code), link.tb_lasti
        link = link.tb_next
    if link is not None:
        _add_last(key, link)


def _add_last(key: list[object], link: TracebackType | None) -> None:
    last: deque[tuple[int, int]] = deque(maxlen=LAST)
    while link is not None:
        last.append((id(link.tb_frame.f_code), link.tb_lasti))
        link = link.tb_next
    for pair in last:
        key += pair


def _related(error: BaseException) -> Iterator[tuple[int, BaseException]]:
    """Yield causes and members, each once, with a mark that says where in the tree it stands."""
    seen = {id(error)}
    waiting: list[tuple[int, BaseException, int, int]] = [(0, error, 0, 0)]
    while waiting and len(seen) < MAX_ERRORS:
        mark, one, depth, causes = waiting.pop()
        if one is not error:
            if id(one) in seen:
                continue
            seen.add(id(one))
            yield mark, one
        cause = cause_of(one)
        if cause is not None and causes < MAX_CAUSES:
            waiting.append((-1, cause, depth, causes + 1))
        if depth < MAX_DEPTH:
            waiting += [(-2 - depth, member, depth + 1, 0) for member in members_of(one)[:MAX_MEMBERS]]
