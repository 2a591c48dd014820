"""An exception as data, for people: text, frames, what caused it, members. No source is read here and no local ever."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final

import attrs

from incidentkit.capture._frames import Spot, context_of, ends, members_of, spot_of, traceback_of
from incidentkit.capture._message import MAX_TEXT, message_of, notes_of
from incidentkit.capture._render import safe_str
from incidentkit.capture._text import cut, json_size, type_name
from incidentkit.model import ExceptionInfo, Frame

__all__ = ["MAX_CHAIN", "MAX_FRAMES", "MAX_MEMBERS", "MAX_SOURCE", "Budget", "describe", "with_source"]

MAX_FRAMES: Final = 50
MAX_CHAIN: Final = 5
MAX_MEMBERS: Final = 10
MAX_DEPTH: Final = 3
#: Exceptions, frames and bytes of JSON in the whole tree; with the other parts of a signal it fits into a record of the spool (64 KiB).
MAX_ERRORS: Final = 25
MAX_ALL_FRAMES: Final = 120
MAX_BYTES: Final = 15 * 1024
#: Frames that get a line of source, innermost in-app ones first, and its length.
MAX_SOURCES: Final = 30
MAX_SOURCE: Final = 200


class Budget:
    """What is left for one tree of exceptions."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self.errors, self.frames, self.bytes = MAX_ERRORS, MAX_ALL_FRAMES, limit
        self.seen: set[int] = set()
        self.spots: dict[tuple[int, int], Spot] = {}

    def has_room_for(self, error: BaseException) -> bool:
        """Return True as long as *error* is not described yet and there is something left."""
        return self.errors > 0 and self.bytes > 0 and id(error) not in self.seen

    def spend(self, size: int) -> bool:
        """Take *size* bytes, if they are there."""
        if size > self.bytes:
            return False
        self.bytes -= size
        return True


def describe(error: BaseException, *, max_frames: int = MAX_FRAMES, limit: int = MAX_BYTES) -> ExceptionInfo:
    """
    Return *error* as data: at most *max_frames* frames (both ends), 5 causes, 10 members of a group, three groups deep, *limit* bytes.

    `cause` is the explicit cause, else the exception in whose handling this one was raised. Cycles end. `notes` say what was left out.
    """
    return _describe(error, max(max_frames, 1), Budget(limit), 1, 1)


def _describe(error: BaseException, most: int, budget: Budget, chain: int, depth: int) -> ExceptionInfo:
    budget.errors -= 1
    budget.seen.add(id(error))
    kind, text, notes = type_name(type(error)), message_of(error), list(notes_of(error))
    if not budget.spend(json_size(kind) + json_size(text) + sum(map(json_size, notes)) + 60):
        text, notes, budget.bytes = cut(text, MAX_TEXT // 10), [], 0
    links, between = ends(traceback_of(error), most // 2, most - most // 2)
    frames = _frames(links, budget)
    left_out = between + len(links) - len(frames)
    if left_out:
        notes.append(f"{left_out} of {between + len(links)} frames left out")
    all_members = members_of(error)
    members = [
        _describe(member, max(most // 2, 1), budget, 1, depth + 1)
        for member in (all_members[:MAX_MEMBERS] if depth <= MAX_DEPTH else ())
        if budget.has_room_for(member)
    ]
    if len(members) < len(all_members):
        notes.append(f"{len(all_members) - len(members)} of {len(all_members)} members left out")
    cause, described = context_of(error), None
    if cause is not None and id(cause) not in budget.seen:
        if chain <= MAX_CHAIN and budget.has_room_for(cause):
            described = _describe(cause, max(most // 2, 1), budget, chain + 1, depth)
        else:
            notes.append("earlier causes left out")
    return ExceptionInfo(type=kind, text=text, frames=frames, cause=described, members=tuple(members), notes=tuple(notes))


def _frames(links: list[TracebackType], budget: Budget) -> tuple[Frame, ...]:
    """Return frames, those nearest to the failure first in line for what is left of the budget."""
    frames: list[Frame] = []
    for link in reversed(links):
        code, line = link.tb_frame.f_code, link.tb_lineno
        known = (id(code), id(link.tb_frame.f_globals))
        spot = budget.spots.get(known)
        if spot is None:
            spot = budget.spots[known] = spot_of(link.tb_frame)
        size = json_size(spot.module) + json_size(spot.function) + json_size(spot.file) + 75
        if budget.frames <= 0 or not budget.spend(size):
            break
        budget.frames -= 1
        # An instruction without a line has None, although the stubs say int.
        frames.append(Frame(module=spot.module, function=spot.function, file=spot.file, line=line or 0, is_in_app=spot.is_in_app))
    return tuple(reversed(frames))


def with_source(info: ExceptionInfo, read_line: Callable[[str, int], str]) -> ExceptionInfo:
    """
    Return *info* with the text of the lines, read with `read_line(file, line)`; a reader that fails leaves that line empty.

    Files are relative to the import root, where `linecache.getline` looks. A line of source may hold a secret: it is redacted too.
    """
    return _with_source(info, read_line, [MAX_SOURCES])


def _with_source(info: ExceptionInfo, read_line: Callable[[str, int], str], left: list[int]) -> ExceptionInfo:
    frames = list(info.frames)
    order = sorted(range(len(frames)), key=lambda index: (not frames[index].is_in_app, -index))
    for index in order:
        frame = frames[index]
        if left[0] <= 0:
            break
        if frame.line <= 0 or frame.file.startswith("<"):
            continue
        left[0] -= 1
        try:
            source = read_line(frame.file, frame.line)
        except Exception:  # noqa: BLE001  # the file vanished, or is no text: a frame without its line is still a frame
            source = ""
        if type(source) is str and source.strip():
            frames[index] = attrs.evolve(frame, source=safe_str(source.strip(), MAX_SOURCE))
    cause = None if info.cause is None else _with_source(info.cause, read_line, left)
    members = tuple(_with_source(member, read_line, left) for member in info.members)
    return attrs.evolve(info, frames=tuple(frames), cause=cause, members=members)
