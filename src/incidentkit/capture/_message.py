"""What an exception says, without calling anybody's code but its class's own `__str__` (DESIGN.md, law 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from incidentkit.capture._frames import members_of
from incidentkit.capture._render import safe_str, show
from incidentkit.capture._text import cut

__all__ = ["MAX_NOTE", "MAX_NOTES", "MAX_TEXT", "UNPRINTABLE", "message_of", "notes_of"]

MAX_TEXT: Final = 1_000
MAX_NOTES: Final = 10
MAX_NOTE: Final = 500
MAX_ARGS: Final = 10
UNPRINTABLE: Final = "<unprintable>"

_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a `class` statement, or by an extension that wrote a `__str__` for it

# As in _frames: the descriptors of the builtins read slots; a class or metaclass that overrides the names is not asked.
_args_of: Final[Callable[[BaseException], tuple[Any, ...]]] = BaseException.__dict__["args"].__get__
_attributes_of: Final[Callable[[BaseException], dict[str, Any] | None]] = BaseException.__dict__["__dict__"].__get__
_mro_of: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
_names_of: Final[Callable[[type], Mapping[str, Any]]] = type.__dict__["__dict__"].__get__
_flags_of: Final[Callable[[type], int]] = type.__dict__["__flags__"].__get__


def message_of(error: BaseException, limit: int = MAX_TEXT) -> str:
    """
    Return the text of *error*: clean, redacted, at most *limit* characters, "<unprintable>" when its own `__str__` fails.

    From its arguments when `__str__` is a builtin's, where only exact builtin values are shown: `<module.Type>` for any other.
    """
    for kind in _mro_of(type(error)):
        if "__str__" in _names_of(kind):
            break
    else:
        return UNPRINTABLE
    if not _flags_of(kind) & _HEAP_TYPE:
        return safe_str(_BUILTIN.get(kind, _from_args)(error), limit)
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # theirs, and of any kind; Ctrl-C and cancellation pass
        return UNPRINTABLE
    return safe_str(text, limit) if type(text) is str else UNPRINTABLE


def notes_of(error: BaseException) -> tuple[str, ...]:
    """Return what `add_note` added, the first ten, clean and redacted."""
    notes = dict.get(_attributes_of(error) or {}, "__notes__")  # its dictionary may be of a subclass
    return tuple(safe_str(note, MAX_NOTE) for note in notes[:MAX_NOTES] if type(note) is str) if type(notes) is list else ()


# --- what each builtin __str__ prints --------------------------------------------------------------------------------------------------


def _from_args(error: BaseException) -> str:
    args = _args_of(error)
    if len(args) == 1:
        return args[0] if type(args[0]) is str else show(args[0])
    shown = ", ".join(_short(arg) for arg in args[:MAX_ARGS])
    return f"({shown}{', …' if len(args) > MAX_ARGS else ''})" if args else ""


def _short(value: object) -> str:
    return cut(show(value), MAX_TEXT)


def _from_key(error: BaseException) -> str:
    args = _args_of(error)
    return _short(args[0]) if len(args) == 1 else _from_args(error)


def _slot(kind: type, name: str, error: BaseException) -> Any:
    try:
        return _names_of(kind)[name].__get__(error)
    except (AttributeError, KeyError):  # never set
        return None


def _from_errno(error: BaseException) -> str:
    number, text, first, second = (_slot(OSError, name, error) for name in ("errno", "strerror", "filename", "filename2"))
    if number is None or text is None:
        return _from_args(error)
    said = f"[Errno {_short(number)}] {text if type(text) is str else _short(text)}"
    if first is not None:
        said += f": {_short(first)}" + (f" -> {_short(second)}" if second is not None else "")
    return said


def _from_unicode(error: BaseException) -> str:
    kind: Any = next(one for one in (UnicodeEncodeError, UnicodeDecodeError, UnicodeTranslateError) if issubclass(type(error), one))
    encoding, whole, start, end, reason = (type(_slot(kind, name, error)) for name in ("encoding", "object", "start", "end", "reason"))
    # CPython's own text names one character or byte at most, but calls str() on slots that anybody may have set.
    is_plain = (encoding is str or kind is UnicodeTranslateError) and (whole is str or whole is bytes) and reason is str
    is_plain = is_plain and start is int and end is int
    text: Any = kind.__str__  # the slot of the builtin class, whatever a subclass defines
    return str(text(error)) if is_plain else _from_args(error)


def _from_syntax(error: BaseException) -> str:
    said, file, line = (_slot(SyntaxError, name, error) for name in ("msg", "filename", "lineno"))
    text = said if type(said) is str else _short(said)
    where = [file.replace("\\", "/").rpartition("/")[2]] if type(file) is str else []
    where += [f"line {line}"] if type(line) is int and 0 <= line < 1 << 31 else []
    return f"{text} ({', '.join(where)})" if where else text


def _from_import(error: BaseException) -> str:
    said = _slot(ImportError, "msg", error)
    return said if type(said) is str else _from_args(error)


def _from_group(error: BaseException) -> str:
    said, count = _slot(BaseExceptionGroup, "message", error), len(members_of(error))
    return f"{said if type(said) is str else _short(said)} ({count} sub-exception{'' if count == 1 else 's'})"


_BUILTIN: Final[Mapping[type, Callable[[BaseException], str]]] = MappingProxyType({
    KeyError: _from_key,
    OSError: _from_errno,
    UnicodeEncodeError: _from_unicode,
    UnicodeDecodeError: _from_unicode,
    UnicodeTranslateError: _from_unicode,
    SyntaxError: _from_syntax,
    ImportError: _from_import,
    BaseExceptionGroup: _from_group,
})
