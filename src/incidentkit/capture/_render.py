"""Values as JSON: exact builtin types only, bounded in every direction, secrets left out by name and shape. No `__repr__` is called."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from typing import Any, Final

from incidentkit.capture._redact import redact_text
from incidentkit.capture._sensitive import REDACTED, is_sensitive
from incidentkit.capture._text import clean, cut, json_size, mapping_of, plain_str, type_name

__all__ = ["render", "safe_str", "show", "text_of"]

MAX_DEPTH: Final = 5
MAX_ITEMS: Final = 30
MAX_STRING: Final = 1_000
MAX_BYTES: Final = 16 * 1024
MAX_KEY: Final = 100
MAX_NOTES: Final = 20
#: Python refuses to print an int of over 4,300 digits, and below that takes quadratic time; 256 bits hold every hash and address.
MAX_INT_BITS: Final = 256
#: Read past a limit before redaction and cut back after it, so that no secret is cut in half and then not recognised.
SLACK: Final = 256


def safe_str(text: str, limit: int) -> str:
    """Return *text* clean, redacted and in at most *limit* characters. A text of 100 MB costs no more than one of `limit`."""
    if len(text) > limit + SLACK:
        head = text[: limit + SLACK]
        word = max(head.rfind(" ", limit), head.rfind("\n", limit))
        if word < 0:
            word = max(head.rfind(" ", limit - SLACK, limit), head.rfind("\n", limit - SLACK, limit)) if limit > SLACK else -1
        text = (head[:word] if word > 0 else head[:limit]) + "…"
    return cut(redact_text(clean(text)), limit)


def render(value: object, *, name: str = "details", limit: int = MAX_BYTES) -> tuple[Any, tuple[str, ...]]:
    """
    Return (*value* as JSON, what was left out).

    Only exact builtin types are shown; anything else is `<module.Type>` and is not touched. At most 5 levels of containers, 30 items in
    each, 1,000 characters in a string, *limit* bytes in all (UTF-8, compact). What stands under a sensitive name is "[redacted]".
    """
    renderer = _Renderer(limit)
    rendered = renderer.render(value, name, 1)
    return (None if rendered is _FULL else rendered), tuple(renderer.notes)


#: What `render` answers inside when the budget is spent.
_FULL: Final = object()


class _Renderer:
    """One rendering: what is left of its budget, and its notes."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(cut(text, 200))

    def spend(self, size: int) -> bool:
        if size > self.left:
            self.left = -1
            return False
        self.left -= size
        return True

    def render(self, value: object, path: str, depth: int) -> Any:
        """Return *value* as JSON, or `_FULL`."""
        kind = type(value)
        mapping = mapping_of(value)
        if mapping is not None or _is_sequence(kind):
            if depth > MAX_DEPTH:
                self.note(f"{path}: deeper than {MAX_DEPTH} levels")
                return self._leaf(f"<{kind.__name__}>")
            if not self.spend(2):
                return self._full(path)
            return self._sequence(value, path, depth) if mapping is None else self._mapping(mapping, path, depth)
        if kind is str and len(value) > MAX_STRING:  # type: ignore[arg-type]
            self.note(f"{path}: {len(value) - MAX_STRING + 1} of {len(value)} characters left out")  # type: ignore[arg-type]
        leaf = self._leaf(_scalar(value))
        return self._full(path) if leaf is _FULL else leaf

    def _leaf(self, leaf: Any) -> Any:
        return leaf if self.spend(json_size(leaf) if type(leaf) is str else len(repr(leaf)) + 1) else _FULL

    def _full(self, path: str) -> Any:
        self.note(f"{path}: left out, the whole is too big")
        return _FULL

    def _mapping(self, mapping: Any, path: str, depth: int) -> dict[str, Any]:
        rendered: dict[str, Any] = {}
        items = _first(mapping.items())
        is_pair = _is_named_secret(items)
        for key, value in items:
            name, is_secret = _key(key)
            while name in rendered:
                name += "'"
            if not self.spend(json_size(name) + 2):
                self._full(f"{path}.{name}")
                break
            is_hidden = is_secret or (is_pair and name == "value")
            item = self._leaf(REDACTED) if is_hidden else self.render(value, f"{path}.{name}", depth + 1)
            if item is _FULL:
                break
            rendered[name] = item
        self._count(path, len(rendered), len(mapping))
        return rendered

    def _sequence(self, value: Any, path: str, depth: int) -> list[Any]:
        rendered: list[Any] = []
        items = _first(value)
        is_pair = _is_secret_pair(value, items)
        for index, item in enumerate(items):
            shown = self._leaf(REDACTED) if is_pair and index == 1 else self.render(item, f"{path}[{index}]", depth + 1)
            if shown is _FULL or not self.spend(1):
                break
            rendered.append(shown)
        self._count(path, len(rendered), len(value))
        if type(value) is set or type(value) is frozenset:
            rendered.sort(key=repr)  # of a set, the order differs from process to process
        return rendered

    def _count(self, path: str, shown: int, of: int) -> None:
        if shown < of:
            self.note(f"{path}: {of - shown} of {of} items left out")


def _is_sequence(kind: type) -> bool:
    # By identity: `in` would ask the metaclass of *kind*, which is the user's, for a hash or for equality.
    return kind is list or kind is tuple or kind is set or kind is frozenset


def _is_secret_pair(value: Any, items: list[Any]) -> bool:
    """Return True for ("Authorization", "Bearer x"), the way headers are listed."""
    if len(value) != 2 or len(items) != 2 or not (type(value) is tuple or type(value) is list):
        return False
    return (type(items[0]) is str or type(items[0]) is bytes) and _key(items[0])[1]


def _is_named_secret(items: list[tuple[Any, Any]]) -> bool:
    """Return True for the items of {"name": "password", "value": "x"}: by hand, as a lookup may call the `__eq__` of another key."""
    return any(type(key) is str and key in {"name", "key"} and is_sensitive(plain_str(value) or "") for key, value in items)


def _first(items: Any) -> list[Any]:
    try:
        return list(islice(items, MAX_ITEMS))
    except RuntimeError:  # another thread changed its size
        return []


def _key(key: object) -> tuple[str, bool]:
    """Return the name a key has in JSON, and whether its value must not be shown: a key that cannot be read might name a secret."""
    kind = type(key)
    if kind is tuple or kind is frozenset:
        known = show(key)
        return safe_str(known, MAX_KEY), is_sensitive(known) or "<" in known or "…" in known
    scalar = _scalar(key)
    shown = safe_str(scalar if type(scalar) is str else str(scalar), MAX_KEY)
    known = key[: 4 * MAX_STRING].decode("utf-8", "replace") if type(key) is bytes else plain_str(key) or ""
    return shown, is_sensitive(known) or (not known and shown == cut(_placeholder(key), MAX_KEY))


def _placeholder(value: object) -> str:
    return f"<{type_name(type(value))}>"


def _scalar(value: object) -> str | int | float | bool | None:
    """Return an exact builtin that is no container as JSON; of anything else, the name of its type."""
    kind = type(value)
    if value is None or kind is bool:
        return value  # type: ignore[return-value]
    if kind is str:
        return safe_str(value, MAX_STRING)  # type: ignore[arg-type]
    if kind is int:
        bits = value.bit_length()  # type: ignore[attr-defined]
        if bits > MAX_INT_BITS:
            return f"<int of {bits} bits>"
        return value if bits < 64 else str(value)  # type: ignore[return-value]  # what every reader of JSON can hold
    if kind is float:
        return value if value - value == 0 else str(value)  # type: ignore[operator, return-value]  # NaN and infinities are no JSON
    if kind is bytes:
        return safe_str(value[: MAX_STRING + SLACK + 1].decode("utf-8", "backslashreplace"), MAX_STRING)  # type: ignore[index]
    shown = text_of(value)
    return _placeholder(value) if shown is None else cut(shown, MAX_STRING)


def text_of(value: object) -> str | None:
    """Return the text of an exact instant, duration, Decimal or UUID, None for anything else."""
    kind: Any = type(value)  # Any: what is compared by identity below is narrowed by hand
    if kind is datetime:
        zone = value.tzinfo  # type: ignore[attr-defined]
        if zone is None or type(zone) is timezone or type(zone) is _loaded("zoneinfo", "ZoneInfo"):  # another class may be anybody's
            return value.isoformat()  # type: ignore[attr-defined, no-any-return]
    elif kind is date or kind is timedelta:
        return str(value)
    elif kind is _loaded("decimal", "Decimal"):
        measure: Any = kind.__sizeof__
        size = measure(value)
        return str(value) if size < MAX_STRING else f"<Decimal of {size} bytes>"
    elif kind is _loaded("uuid", "UUID") and type(number := getattr(value, "int", None)) is int and 0 <= number < 1 << 128:
        digits = f"{number:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return None


def _loaded(module: str, name: str) -> Any:
    """Return a class of the standard library if the host has imported it: else there is no instance of it to show."""
    return getattr(sys.modules.get(module), name, sys)


def show(value: object) -> str:
    """Return *value* as a short text for people, like `repr`, by the same rule as `render`."""
    return clean(_show(value, 1))


def _show(value: object, depth: int) -> str:
    kind = type(value)
    mapping = mapping_of(value)
    if mapping is None and not _is_sequence(kind):
        if kind is bytes:
            return safe_str(repr(value[: MAX_STRING + SLACK + 1]), MAX_STRING)  # type: ignore[index]
        scalar = _scalar(value)
        return repr(scalar) if kind is str or type(scalar) is not str else scalar
    most = _BREADTH.get(depth)
    if most is None:
        return f"<{kind.__name__}>"
    if mapping is not None:
        listed = _first(mapping.items())
        hidden = "value" if _is_named_secret(listed) else None
        pairs = [_show_pair(key, item, depth, hidden) for key, item in listed[:most]]
        return "{" + ", ".join(pairs) + (", …}" if len(mapping) > most else "}")
    opening, closing = _BRACKETS[kind]
    whole: Any = value
    items = _first(whole)[:most]
    shown = [_show(item, depth + 1) for item in items]
    if _is_secret_pair(whole, items):
        shown[1] = REDACTED
    if kind is set or kind is frozenset:
        shown.sort()
    return opening + ", ".join(shown) + ("," if kind is tuple and len(shown) == 1 else "") + (", …" if len(whole) > most else "") + closing


#: Items shown at each level; deeper, only the type is.
_BREADTH: Final = {1: 10, 2: 5, 3: 3}
_BRACKETS: Final[dict[type, tuple[str, str]]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("frozenset({", "})")}


def _show_pair(key: object, value: object, depth: int, hidden: str | None) -> str:
    name, is_secret = _key(key)
    return f"{name!r}: {REDACTED if is_secret or name == hidden else _show(value, depth + 1)}"
