"""What somebody else described, an inbound payload or a user: brought into the bounds that `describe` keeps."""

from __future__ import annotations

from typing import Any, Final

from incidentkit.capture._describe import MAX_CHAIN, MAX_FRAMES, MAX_MEMBERS, MAX_SOURCE, Budget
from incidentkit.capture._message import MAX_NOTE, MAX_NOTES, MAX_TEXT
from incidentkit.capture._render import safe_str
from incidentkit.capture._text import cut, json_size, plain_str
from incidentkit.model import ExceptionInfo, Frame

__all__ = ["bounded"]

MAX_NAME: Final = 200


def bounded(info: ExceptionInfo) -> ExceptionInfo:
    """Return *info* with texts clean and redacted, within the bounds of `describe`; what has a wrong type is left out."""
    return _bounded(info, Budget(), 1)


def _bounded(info: ExceptionInfo, budget: Budget, depth: int) -> ExceptionInfo:
    budget.errors -= 1
    kind, text = _name(info.type), safe_str(plain_str(info.text) or "", MAX_TEXT)
    notes = tuple(safe_str(note, MAX_NOTE) for note in _tuple(info.notes)[:MAX_NOTES] if type(note) is str)
    if not budget.spend(json_size(kind) + json_size(text) + sum(map(json_size, notes)) + 60):
        text, notes, budget.bytes = cut(text, MAX_TEXT // 10), (), 0
    frames: list[Frame] = []
    for given in reversed(_tuple(info.frames)[-MAX_FRAMES:]):
        if type(given) is not Frame:
            continue
        frame = _frame(given)
        if budget.frames <= 0 or not budget.spend(sum(map(json_size, (frame.module, frame.function, frame.file, frame.source))) + 75):
            break
        budget.frames -= 1
        frames.append(frame)
    below: list[ExceptionInfo | None] = []
    for one in (info.cause, *_tuple(info.members)[:MAX_MEMBERS]):
        has_room = depth <= MAX_CHAIN and budget.errors > 0 and budget.bytes > 0
        below.append(_bounded(one, budget, depth + 1) if has_room and type(one) is ExceptionInfo else None)
    members = tuple(member for member in below[1:] if member is not None)
    return ExceptionInfo(type=kind, text=text, frames=tuple(reversed(frames)), cause=below[0], members=members, notes=notes)


def _frame(given: Frame) -> Frame:
    line = given.line if type(given.line) is int and 0 <= given.line < 1 << 31 else 0
    source = safe_str(plain_str(given.source) or "", MAX_SOURCE)
    module, function, file = _name(given.module), _name(given.function), _name(given.file)
    return Frame(module=module, function=function, file=file, line=line, is_in_app=given.is_in_app is True, source=source)


def _name(value: object) -> str:
    return safe_str(plain_str(value) or "", MAX_NAME)


def _tuple(value: object) -> tuple[Any, ...]:
    return value if type(value) is tuple else ()
