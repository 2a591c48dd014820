"""Untrusted text made safe for a place where it is shown: control characters become visible, long text is cut. No channel's own markup."""

from __future__ import annotations

import re
from typing import Final

from incidentkit.model import Notification, PageKind, Severity

__all__ = ["MARK", "cut", "one_line", "shown_lines", "symbol"]

#: What stands where text was cut.
MARK: Final = "…"

# C0, DEL, C1 (ESC and CSI move cursors and set titles), line separators that forge log lines, bidi controls that show text backwards
# (CVE-2021-42574), and lone surrogates, which cannot be encoded.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_BLANKS: Final = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")


def one_line(text: str) -> str:
    r"""Return *text* as one line in which every control character is visible (`\x1b`)."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), _BLANKS.sub(" ", text)).strip()


def cut(text: str, most: int) -> str:
    """Return *text*, or its first characters and a mark, at most *most* characters."""
    return text if len(text) <= most else text[: max(most - len(MARK), 0)] + MARK


def shown_lines(notification: Notification) -> list[str]:
    """Return the facts below the title, one safe line each, with the note and the mark of law 11 where there is one."""
    lines = [shown for line in notification.lines for part in line.splitlines() or [""] if (shown := one_line(part))]
    if note := one_line(notification.note):
        lines.append(note)
    if notification.is_unrecorded:
        lines.append("unrecorded: the store is not reachable, nobody can acknowledge this yet")
    return lines


def symbol(notification: Notification) -> str:
    """Return one character that says at a glance how bad it is, or that it is over."""
    if notification.kind is PageKind.RESOLVED or not notification.incident.is_open:
        return "\N{LARGE GREEN CIRCLE}"
    return {
        Severity.CRITICAL: "\N{LARGE RED CIRCLE}", Severity.MAJOR: "\N{LARGE ORANGE CIRCLE}",
        Severity.MINOR: "\N{LARGE YELLOW CIRCLE}", Severity.INFO: "\N{LARGE BLUE CIRCLE}",
    }[notification.incident.severity]
