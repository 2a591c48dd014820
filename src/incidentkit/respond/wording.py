"""The words of a notification: one title, and the facts below it, one line each. Plain text; a notifier escapes it for its service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from incidentkit.model import ExceptionInfo, Frame, Incident, PageKind
from incidentkit.policy import format_duration

__all__ = ["compose"]

#: What a telephone shows of a title; what every chat shows of a line.
MOST_TITLE: Final = 200
MOST_LINE: Final = 300
MOST_LABELS: Final = 12
MOST_LINKS: Final = 5
_SECOND: Final = timedelta(seconds=1)

# ESC drives terminals, line separators forge lines, bidirectional marks make a text read as another, lone surrogates cannot be sent.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")
_KINDS: Final = {PageKind.FIRST: "", PageKind.REMINDER: "still open: ", PageKind.UPDATE: "update: ", PageKind.RESOLVED: ""}


def compose(
    incident: Incident, *, kind: PageKind, at: datetime, note: str = "", exception: ExceptionInfo | None = None,
    is_unrecorded: bool = False,
) -> tuple[str, tuple[str, ...]]:
    """
    Return the title and the lines that tell *incident* at the instant *at*. Instants are UTC, to the second.

    *note* goes into the title of an update, which is read without opening it; as a line, the notifiers show `Notification.note` themselves.
    """
    lines = (_resolved if kind is PageKind.RESOLVED else _open)(incident, at, exception)
    shown = [cut for line in lines if (cut := _line(line, MOST_LINE))]
    if is_unrecorded: shown.append("Unrecorded: the store cannot be written; the process that saw it tells it, nobody can acknowledge it.")
    return _title(incident, kind, note, is_unrecorded=is_unrecorded), tuple(shown)


def _title(incident: Incident, kind: PageKind, note: str, *, is_unrecorded: bool) -> str:
    word = "RESOLVED" if kind is PageKind.RESOLVED else incident.severity.name
    number = f"#{incident.number} " if incident.number else ""
    mark = "unrecorded: " if is_unrecorded else ""
    said = f"{note.rstrip().rstrip('.')}: " if note.strip() and kind is PageKind.UPDATE else _KINDS[kind]
    return _line(f"[{word}] {number}{mark}{said}{incident.title}", MOST_TITLE)


def _open(incident: Incident, at: datetime, exception: ExceptionInfo | None) -> Iterator[str]:
    yield f"Severity: {incident.severity.name} ({incident.severity.meaning}), {incident.priority.value}"
    yield from _what(incident, exception)
    yield from _where(incident)
    yield from _how_often(incident)
    yield f"Open since: {_instant(incident.opened_at)}{_after(incident.opened_at, at)}"
    if incident.acknowledged_at is not None:
        by = f" by {incident.acknowledged_by}" if incident.acknowledged_by else ""
        yield f"Acknowledged{by}: {_instant(incident.acknowledged_at)}"
    yield from _belongings(incident)


def _resolved(incident: Incident, at: datetime, exception: ExceptionInfo | None) -> Iterator[str]:  # noqa: ARG001 - same shape as _open
    cause = f" ({incident.cause})" if incident.cause else ""
    yield f"Resolved{cause}: {incident.evidence or 'no evidence was stated'}"
    yield from _where(incident)
    yield from _how_often(incident)
    until = incident.resolved_at or at
    yield f"Open from {_instant(incident.opened_at)} to {_instant(until)}{_after(incident.opened_at, until)}"
    yield from _belongings(incident)


def _what(incident: Incident, exception: ExceptionInfo | None) -> Iterator[str]:
    if exception is None: return
    what = f"{exception.type}: {exception.text}" if exception.text else exception.type
    if what not in incident.title: yield f"Exception: {what}"
    if (frame := _frame(exception)) is not None:
        yield f"Where: {frame.module}.{frame.function} ({frame.file}:{frame.line})"
        if frame.source.strip(): yield f"Code: {frame.source.strip()}"


def _frame(exception: ExceptionInfo) -> Frame | None:
    """Return the innermost frame of the application's own code: where it failed as its author sees it."""
    own = [frame for frame in exception.frames if frame.is_in_app]
    return own[-1] if own else exception.frames[-1] if exception.frames else None


def _where(incident: Incident) -> Iterator[str]:
    if incident.service or incident.environment:
        yield f"Service: {incident.service or 'unnamed'}" + (f" ({incident.environment})" if incident.environment else "")
    if incident.tenant: yield f"Tenant: {incident.tenant}"


def _how_often(incident: Incident) -> Iterator[str]:
    if incident.occurrences:
        yield f"Occurrences: {incident.occurrences}, first {_instant(incident.first_seen_at)}, last {_instant(incident.last_seen_at)}"


def _belongings(incident: Incident) -> Iterator[str]:
    if incident.labels:
        shown = [f"{name}={value}" for name, value in sorted(incident.labels.items())]
        more = f" and {len(shown) - MOST_LABELS} more" if len(shown) > MOST_LABELS else ""
        yield f"Labels: {', '.join(shown[:MOST_LABELS])}{more}"
    if incident.assignees: yield f"Assigned to: {', '.join(incident.assignees)}"
    for link in incident.links[:MOST_LINKS]: yield f"{link.text}: {link.href}" if link.text else link.href


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _after(start: datetime, end: datetime) -> str:
    whole = (end - start) // _SECOND * _SECOND
    return f" ({format_duration(whole)})" if whole > timedelta(0) else ""


def _line(text: str, most: int) -> str:
    text = " ".join(_UNSAFE.sub(" ", text).split())
    return text if len(text) <= most else text[:most - 1] + "…"
