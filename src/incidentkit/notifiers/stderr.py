"""Stderr: tells whoever watches the process. What belongs here: the block of text, its colours, and surviving a broken stream."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import Final, TextIO

import attrs

from incidentkit.model import Delivery, Notification, PageKind, Severity
from incidentkit.notifiers._text import cut, one_line, shown_lines

__all__ = ["Stderr"]

_RESET: Final = "\x1b[0m"
_GREEN: Final = "\x1b[32m"
_COLOURS: Final = {Severity.CRITICAL: "\x1b[1;31m", Severity.MAJOR: "\x1b[31m", Severity.MINOR: "\x1b[33m", Severity.INFO: "\x1b[36m"}
_MOST_LINES: Final = 20
_LONGEST_LINE: Final = 400


@attrs.frozen(kw_only=True)
class Stderr:
    """One compact block on standard error, in one write; coloured on a terminal only, never when NO_COLOR is set (no-color.org)."""

    name: str = "stderr"
    to: str = "-"
    is_quiet: bool = True
    deadline: timedelta = timedelta(minutes=15)

    def send(self, notification: Notification, /) -> Delivery:
        """Write the block. Refused when standard error is closed, broken, or not there at all."""
        stream = sys.stderr  # looked up now: hosts replace it
        if stream is None:  # pythonw, daemons
            return Delivery.refused("stderr: there is none")
        try:
            block = _block(notification, is_coloured=_wants_colour(stream))
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(block.encode(encoding, "backslashreplace").decode(encoding))  # an ASCII terminal must not lose the page
            stream.flush()
        except (OSError, ValueError, AttributeError, LookupError) as error:
            return Delivery.refused(f"stderr: {type(error).__name__}")
        return Delivery.accepted()


def _wants_colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _block(notification: Notification, *, is_coloured: bool) -> str:
    incident = notification.incident
    is_over = notification.kind is PageKind.RESOLVED
    word = "RESOLVED" if is_over else incident.severity.name
    colour = _GREEN if is_over else _COLOURS[incident.severity]
    head = f"{colour}{word}{_RESET}" if is_coloured else word
    number = f" #{incident.number}" if incident.number else ""
    service = f" [{one_line(incident.service)}]" if incident.service else ""
    lines = shown_lines(notification)
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"({len(lines) - _MOST_LINES} more lines)"]
    body = "".join(f"    {cut(line, _LONGEST_LINE)}\n" for line in lines)
    return f"incidentkit {head}{number}{cut(service, _LONGEST_LINE)} {cut(one_line(notification.title), _LONGEST_LINE)}\n{body}"
