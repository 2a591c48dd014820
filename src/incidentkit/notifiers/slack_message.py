"""The text of a Slack message. What belongs here: blocks, escaping and limits; which call sends it is `slack`."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from incidentkit.model import Link, Notification
from incidentkit.notifiers._text import MARK, one_line, shown_lines, symbol

__all__ = ["escaped", "message"]

#: Slack's limits, in characters (channels.md 1.2). The fallback has no stated limit near this; what a phone shows is far shorter.
HEADER: Final = 150
SECTION: Final = 3_000
FALLBACK: Final = 1_000
_CONTEXT: Final = 600
_MOST_LINKS: Final = 5
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str, most: int) -> str:
    """
    Return *text* with `&`, `<`, `>` as entities, cut so that the result has at most *most* characters and no entity is cut.

    After this nothing in *text* can be a mention (`<!channel>`), a link or an entity of its own. Slack counts what is sent, entities
    included, so the cut is made on the text and measured on the result.
    """
    whole = "".join(_ENTITIES.get(character, character) for character in text[: most + 1])
    if len(whole) <= most and len(text) <= most:
        return whole
    kept, length = [], 0
    for character in text:
        piece = _ENTITIES.get(character, character)
        if length + len(piece) > most - len(MARK):
            break
        kept.append(piece)
        length += len(piece)
    return "".join(kept) + MARK


def message(notification: Notification) -> dict[str, Any]:
    """
    Return `text` (what a push notification shows) and `blocks`; no untrusted character in it is markup.

    Links and names are not expanded: an unfurler would open them, and a name in a title would ping its owner.
    """
    title = f"{symbol(notification)} {one_line(notification.title)}"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": escaped(title, HEADER), "emoji": False}},
    ]
    if lines := shown_lines(notification):
        blocks.append({"type": "section", "text": _mrkdwn(escaped("\n".join(lines), SECTION))})
    blocks.append({"type": "context", "elements": [_mrkdwn(escaped(_context(notification), _CONTEXT))]})
    if links := _links(notification.incident.links):
        blocks.append({"type": "section", "text": _mrkdwn(links)})
    return {
        "text": escaped(" · ".join([title, *lines]), FALLBACK), "blocks": blocks,
        "link_names": False, "unfurl_links": False, "unfurl_media": False,
    }


def _mrkdwn(text: str) -> dict[str, Any]:
    # verbatim: otherwise Slack makes links of bare URLs and mentions of bare names.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _context(notification: Notification) -> str:
    incident = notification.incident
    words = [
        f"#{incident.number}" if incident.number else "", incident.severity.value, incident.status.value, one_line(incident.service),
        one_line(incident.environment), f"seen {incident.occurrences} times" if incident.occurrences > 1 else "",
    ]
    return " · ".join(word for word in words if word)


def _links(links: tuple[Link, ...]) -> str:
    shown, length = [], 0
    for link in links[:_MOST_LINKS]:
        if not link.href.lower().startswith(("http://", "https://")):
            continue
        # A blank, quote, pipe or angle bracket would end the link early and let the rest be markup.
        href = escaped(quote(link.href.encode("utf-8", "replace"), safe="!#$%&'()*+,/:;=?@[]~"), SECTION)
        text = escaped(one_line(link.text).replace("|", "/") or "link", HEADER)
        piece = f"<{href}|{text}>"
        if href.endswith(MARK) or length + len(piece) + 1 > SECTION:
            continue
        shown.append(piece)
        length += len(piece) + 1
    return "\n".join(shown)
