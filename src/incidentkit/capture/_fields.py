"""The fields of a signal as hosts give them: what can be used is normalised, redacted and bounded, what cannot is left out with a note."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TypeVar

from incidentkit.capture._fingerprint import key_fingerprint
from incidentkit.capture._render import render, safe_str
from incidentkit.capture._sensitive import REDACTED, is_sensitive
from incidentkit.capture._text import clean, cut, json_size, mapping_of, plain_str, type_name
from incidentkit.errors import ConfigurationError
from incidentkit.model import EMPTY, Link, Severity, Site

__all__ = ["MAX_FIELD", "MAX_KEY", "MAX_NOTE", "MAX_TITLE", "Fields", "instant_of", "is_of", "stored_key", "stored_tenant"]

MAX_TITLE: Final = 300
MAX_KEY: Final = 200
MAX_FIELD: Final = 200
MAX_LABELS: Final = 30
MAX_LABEL_NAME: Final = 100
MAX_LABEL: Final = 500
#: Of JSON, in UTF-8: 30 full labels in ASCII fit. With title, details (16 KiB) and exception (15 KiB) a signal stays under 64 KiB.
MAX_LABELS_BYTES: Final = 18_600
MAX_LINKS: Final = 10
MAX_LINKS_BYTES: Final = 3 * 1024
MAX_NOTES: Final = 20
MAX_NOTE: Final = 200
MAX_NOTES_BYTES: Final = 3 * 1024
MAX_COUNT: Final = 2**31 - 1

E = TypeVar("E", bound=Enum)
D = TypeVar("D")


def stored_key(key: str) -> str:
    """
    Return *key* as a signal carries it: clean, redacted, at most 200 characters.

    A key that this changes gets a short hash at its end, so that two keys never become one. Its fingerprint is that of the whole key.
    """
    return _told_apart(key, safe_str(key, MAX_KEY))


def stored_tenant(tenant: str) -> str:
    """Return *tenant* clean and bounded, never redacted: it is an address, and what it is called must find it again."""
    return _told_apart(tenant, cut(clean(tenant[: MAX_KEY + 1]), MAX_KEY))


def _told_apart(given: str, stored: str) -> str:
    return stored if stored == given else f"{stored[: MAX_KEY - 9]}~{key_fingerprint(given)[:8]}"


def is_of(value: object, kind: type) -> bool:
    """Return True for an instance, without asking *value*, whose `__class__` may be anything."""
    return issubclass(type(value), kind)


def instant_of(value: object) -> datetime | None:
    """Return the instant *value* as an exact datetime in UTC (one without a zone is taken for UTC), or None."""
    if not (is_of(value, datetime) and isinstance(value, datetime)):  # the second is for the type checker
        return None
    try:
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        moved = datetime.astimezone(aware, UTC)
        return datetime(moved.year, moved.month, moved.day, moved.hour, moved.minute, moved.second, moved.microsecond, UTC)
    except Exception:  # noqa: BLE001  # the zone, or a subclass, is the host's; the year 1 may lie before it
        return None


class Fields:
    """Fields as given, and the notes about what of them could not be used."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._left = MAX_NOTES_BYTES
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Add a note, as long as there is room."""
        text = safe_str(text, MAX_NOTE)
        if text in self.notes:
            return
        self._left -= json_size(text) + 1
        if self._left >= 0 and len(self.notes) < MAX_NOTES:
            self.notes.append(text)

    def raw(self, name: str) -> str:
        """Return the characters of a text field; a number is one too; nothing for what is no text."""
        value = self._given.get(name)
        if value is None:
            return ""
        text = plain_str(value)
        if text is None and (type(value) is int or type(value) is float):
            text = str(render(value)[0])
        if text is None:
            self.refuse(name, value, "a text")
        return text or ""

    def refuse(self, name: str, value: object, expected: str) -> None:
        """Note that *value* is not what it should be."""
        self.note(f"{name}: left out, {expected} is expected and {type_name(type(value))} was given")

    def text(self, name: str, limit: int = MAX_FIELD) -> str:
        """Return a text field: clean, redacted, bounded."""
        raw = self.raw(name)
        if len(raw) > limit:
            self.note(f"{name}: cut to {limit} of {len(raw)} characters")
        return safe_str(raw, limit)

    def choice(self, name: str, kind: type[E], default: D) -> E | D:
        """Return a member of an enum, by itself or by its value."""
        value = self._given.get(name)
        if value is None:
            return default
        if type(value) is kind:
            return value
        for member in kind:
            if plain_str(value) == member.value:
                return member
        self.refuse(name, value, f"one of {', '.join(str(member.value) for member in kind)}")
        return default

    def severity(self, default: Severity) -> Severity:
        """Return the severity, in whatever word; MINOR for a word that nobody uses."""
        value = self._given.get("severity")
        if value is None or type(value) is Severity:
            return default if value is None else value
        word = plain_str(value)
        known = word[:50] if word is not None else value if type(value) is int and 0 <= value <= 9 else None
        try:
            if known is not None:
                return Severity.parse(known)
        except ConfigurationError:
            pass
        shown = f'"{known}"' if known is not None else type_name(type(value))
        self.note(f"severity: {shown} is none, taken as minor")
        return Severity.MINOR

    def count(self) -> int:
        """Return how many occurrences this is, 1 unless told."""
        value = self._given.get("count")
        if value is None:
            return 1
        if type(value) is int and 1 <= value <= MAX_COUNT:
            return value
        self.refuse("count", value, f"a whole number from 1 to {MAX_COUNT}")
        return 1

    def site(self) -> Site | None:
        """Return the watched site."""
        value = self._given.get("site")
        if value is None or is_of(value, Site):
            return value
        self.refuse("site", value, "a Site")
        return None

    def labels(self, site: Site | None) -> Mapping[str, str]:
        """Return at most 30 labels, those of *site* behind the given ones."""
        given, of_site = self._mapping("labels"), mapping_of(site.labels) if site is not None else None
        left, labels = MAX_LABELS_BYTES, dict[str, str]()
        merged = [*given.items(), *(item for item in (of_site or {}).items() if item[0] not in given)] if of_site else given.items()
        for index, (key, value) in enumerate(merged):
            if len(labels) >= MAX_LABELS:
                self.note(f"labels: {len(merged) - index} of {len(merged)} left out")
                break
            name, text = plain_str(key), _label(value)
            if name is None or text is None:
                self.note(f"labels: one left out, {type_name(type(key))} = {type_name(type(value))} is no text")
                continue
            text = REDACTED if is_sensitive(name) else safe_str(text, MAX_LABEL)
            name = safe_str(name, MAX_LABEL_NAME)
            left -= json_size(name) + json_size(text) + 2
            if left < 0:
                self.note(f"labels: {len(merged) - index} of {len(merged)} left out, the whole is too big")
                break
            labels[name] = text
        return labels or EMPTY

    def details(self) -> Mapping[str, Any]:
        """Return the details as JSON, secrets left out."""
        mapping = self._mapping("details")
        if not mapping:
            return EMPTY
        rendered, notes = render(mapping)
        for note in notes:
            self.note(note)
        return rendered or EMPTY

    def links(self) -> tuple[Link, ...]:
        """Return at most ten links to web pages."""
        value = self._given.get("links")
        if value is None:
            return ()
        given: Any = value if type(value) is tuple or type(value) is list else (value,)
        left, links = MAX_LINKS_BYTES, list[Link]()
        for item in given[: MAX_LINKS + 1]:
            is_link = is_of(item, Link)
            href, text = plain_str(item.href if is_link else item), plain_str(item.text) if is_link else ""
            # A page may show it: no javascript:, no file:. What redaction or a cut would change leads nowhere, but says where to look.
            if href is None or not href.lower().startswith(("https://", "http://")):
                self.note("links: one left out, it is no http or https address")
                continue
            link = Link(href=safe_str(href, MAX_LINKS_BYTES // 2), text=safe_str(text or "", MAX_FIELD))
            left -= json_size(link.href) + json_size(link.text) + 20
            if left < 0 or len(links) >= MAX_LINKS:
                self.note(f"links: {len(given) - len(links)} of {len(given)} left out")
                break
            links.append(link)
        return tuple(links)

    def _mapping(self, name: str) -> Mapping[Any, Any]:
        value = self._given.get(name)
        mapping = mapping_of(value)
        if mapping is None and value is not None:
            self.refuse(name, value, "a dict")
        return mapping or {}


def _label(value: object) -> str | None:
    text = plain_str(value)
    if text is not None or value is None:
        return text
    kind = type(value)
    return str(render(value)[0]) if kind is int or kind is float or kind is bool else None
