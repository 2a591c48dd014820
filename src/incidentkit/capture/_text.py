"""Text that is safe to keep: bounded, printable, never made by calling somebody's code."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import Any, Final

__all__ = ["clean", "cut", "json_size", "mapping_of", "plain_str", "type_name"]

MAX_NAME: Final = 200

# NUL breaks PostgreSQL, ESC drives terminals, bidirectional marks make a text read as another, lone surrogates cannot be encoded.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# A metaclass may define properties of these names; the descriptors of `type` itself read the slots and run no Python.
_module_of: Final[Callable[[type], Any]] = type.__dict__["__module__"].__get__
_qualname_of: Final[Callable[[type], Any]] = type.__dict__["__qualname__"].__get__


def clean(text: str) -> str:
    """Return *text* with what cannot be stored or shown safely replaced, one character by one; tabs and line ends stay."""
    return text if text.isprintable() else _UNPRINTABLE.sub("\ufffd", text)


def cut(text: str, limit: int) -> str:
    """Return *text* in at most *limit* characters; the last one shows that something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def json_size(text: str) -> int:
    """Return the bytes that *text* (clean) takes in a JSON document, quotes included."""
    return len(encode_basestring(text).encode())


def plain_str(value: object) -> str | None:
    """Return the characters of a str or of an instance of a subclass (an enum member, say) without calling its methods; else None."""
    if type(value) is str:
        return value
    exact: Any = str.__str__
    found: str | None = exact(value) if issubclass(type(value), str) else None
    return found


def type_name(kind: type) -> str:
    """Return `module.Qualname`, without the module for builtins; nothing of the class is called."""
    try:
        module, name = _module_of(kind), _qualname_of(kind)
    except AttributeError:  # a class whose dictionary has lost `__module__`
        module, name = None, _qualname_of(kind)
    module = plain_str(module)
    full = name if module in {None, "builtins", ""} else f"{module}.{name}"
    return cut(clean(full), MAX_NAME)


def mapping_of(value: object) -> Mapping[Any, Any] | None:
    """Return the exact dict that *value* is, or that a read-only proxy stands before; None for anything else."""
    if type(value) is dict:
        return value
    if type(value) is MappingProxyType:
        # A proxy passes every read on to what it wraps, which may be anybody's mapping; the collector knows what that is.
        for inner in gc.get_referents(value):
            if type(inner) is dict:
                return inner
    return None
