"""Frames as people know them: module, function, file without the directory of the checkout, and whose code it is. No local is read."""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, NamedTuple

from incidentkit.capture._text import clean, cut

__all__ = [
    "FIRST",
    "LAST",
    "Spot",
    "cause_of",
    "context_of",
    "ends",
    "is_own",
    "members_of",
    "own_name",
    "spot_of",
    "spots",
    "traceback_of",
]

#: Of a longer traceback only its ends are kept: where it began, and where it failed.
FIRST: Final = 50
LAST: Final = 50

MAX_NAME: Final = 200

# A class may define properties of these names; the descriptors of BaseException read its slots and run no Python.
traceback_of: Final[Callable[[BaseException], TracebackType | None]] = BaseException.__dict__["__traceback__"].__get__
cause_of: Final[Callable[[BaseException], BaseException | None]] = BaseException.__dict__["__cause__"].__get__
_any_context_of: Final[Callable[[BaseException], BaseException | None]] = BaseException.__dict__["__context__"].__get__
_is_context_hidden: Final[Callable[[BaseException], bool]] = BaseException.__dict__["__suppress_context__"].__get__
_members_of: Final[Callable[[BaseException], tuple[BaseException, ...]]] = BaseExceptionGroup.__dict__["exceptions"].__get__


def context_of(error: BaseException) -> BaseException | None:
    """Return what a traceback would print before *error*: its explicit cause, else the exception it was raised in the handling of."""
    cause = cause_of(error)
    return cause if cause is not None or _is_context_hidden(error) else _any_context_of(error)


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """Return the members of an exception group, nothing for any other exception."""
    return _members_of(error) if issubclass(type(error), BaseExceptionGroup) else ()


class Spot(NamedTuple):
    """A place in code, without its line: what a frame is called on every machine."""

    module: str
    function: str
    file: str
    is_in_app: bool
    is_own: bool


# --- walking ---------------------------------------------------------------------------------------------------------------------------


def spots(error: BaseException) -> Iterator[Spot]:
    """Yield the places of a traceback, outermost first, without our own wrappers (unless there is nothing else)."""
    known: dict[int, Spot] = {}  # by id, as hashing a code object reads all of it; a recursion has few codes and many frames
    only_own: list[Spot] = []
    is_any = False
    link = traceback_of(error)
    while link is not None:
        frame = link.tb_frame
        code = frame.f_code
        spot = known.get(id(code))
        if spot is None:
            spot = known[id(code)] = spot_of(frame)
            if spot.is_own:
                only_own.append(spot)
        if not spot.is_own:
            is_any = True
            yield spot
        link = link.tb_next
    if not is_any:
        yield from only_own


def ends(link: TracebackType | None, first: int, last: int) -> tuple[list[TracebackType], int]:
    """Return the first and the last links of a traceback, our own wrappers aside, and how many lie between."""
    head: list[TracebackType] = []
    tail: deque[TracebackType] = deque(maxlen=last)
    between = 0
    own: list[TracebackType] = []
    while link is not None:
        if is_own(_module_name(link.tb_frame)):
            own += [link] if len(own) < first + last else []
        elif len(head) < first:
            head.append(link)
        else:
            between += len(tail) == last
            tail.append(link)
        link = link.tb_next
    return ([*head, *tail] or own), between


# --- one frame -------------------------------------------------------------------------------------------------------------------------


def is_own(module: str) -> bool:
    """Return True for the modules of this library."""
    return module == "incidentkit" or module.startswith("incidentkit.")


def own_name(module: str, qualname: str) -> str:
    """Return the name that a watched function has when it was given none: `module.qualname`, bounded, the same on every machine."""
    return cut(clean(f"{module}.{_function_name(qualname, is_generated=False)}"), MAX_NAME)


def spot_of(frame: FrameType) -> Spot:
    """Return the place of a frame."""
    code, scope = frame.f_code, frame.f_globals
    module = _module_of(scope, code.co_filename)
    own = is_own(module)
    function = _function_name(code.co_qualname, is_generated=code.co_filename.startswith("<"))
    in_app = not own and _is_in_app(scope, code)
    return Spot(cut(module, MAX_NAME), cut(clean(function), MAX_NAME), cut(_file_of(module, code.co_filename), MAX_NAME), in_app, own)


def _module_name(frame: FrameType) -> str:
    name = dict.get(frame.f_globals, "__name__")  # globals given to exec() may be of a subclass
    return name if type(name) is str else ""


_SCRIPT: Final = re.compile(r"[^\W\d][\w-]*")


def _module_of(scope: dict[str, Any], file: str) -> str:
    name = dict.get(scope, "__name__")
    if type(name) is not str or not name:
        return _pseudo(file) if file.startswith("<") else _stem(file)
    if name != "__main__":
        return clean(name)
    # `python -m shop.worker`, `python shop/worker.py` and an import of it are the same code.
    spec = dict.get(scope, "__spec__")
    if type(spec) is ModuleSpec and type(spec.name) is str:
        return clean(spec.name)
    stem = "" if file.startswith("<") else _stem(file)
    return stem if _SCRIPT.fullmatch(stem) else "__main__"  # a notebook's cells are files named by numbers


def _stem(file: str) -> str:
    return clean(file.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or file)


_NUMBERS: Final = re.compile(r"0x[0-9a-fA-F]+|(?<![^\W_])[0-9a-fA-F]{6,}(?![^\W_])|\d+")


def _pseudo(file: str) -> str:
    """Return `<ipython-input-#-#>`: the name of generated code without its counters, hashes and addresses."""
    return _NUMBERS.sub("#", clean(file[:MAX_NAME]))


# 3.12 made comprehensions part of the function around them (PEP 709): before, they were functions of their own.
_COMPREHENSION: Final = re.compile(r"(?:\.<locals>)?\.?<(?:list|set|dict)comp>")


def _function_name(qualname: str, *, is_generated: bool) -> str:
    name = _COMPREHENSION.sub("", qualname).removeprefix(".<locals>.") or "<module>"
    return name.rpartition("<locals>.")[2] if is_generated else name  # __create_fn__.<locals>.__init__ of dataclasses


# --- whose code ------------------------------------------------------------------------------------------------------------------------


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


_LIBRARY: Final = _slashes(os.path.dirname(os.__file__)) + "/"  # noqa: PTH120  # one string, at import
_SCRIPTS: Final = tuple(f"{_slashes(prefix)}/{name}/" for prefix in (sys.prefix, sys.exec_prefix) for name in ("bin", "Scripts"))
_INSTALLED: Final = re.compile(r"(?:^|/)(?:site|dist)-packages/")
_STANDARD: Final = re.compile(
    r"(?:^|/)(?:lib(?:64)?/(?:python|pypy)\d\.\d+t?/|python\d{2,3}(?:-32)?/lib/|python\d{2,3}\.zip/)", re.IGNORECASE
)
#: Generators that name their output: attrs, cattrs, decorator, makefun, sympy, numpy.
_GENERATED: Final = re.compile(r"<(?:frozen |\w*generated|attrs |\w+-gen|__array_function__)|<[^>]{0,100} generated")


def _is_in_app(scope: dict[str, Any], code: CodeType) -> bool:
    file = code.co_filename
    if not file.startswith("<"):
        return _is_app_file(file)
    if _GENERATED.match(file):
        return False
    # What exec() ran in the namespace of a module belongs to it (the methods of a dataclass), all else to who ran it.
    where, name = dict.get(scope, "__file__"), dict.get(scope, "__name__")
    if type(where) is str and not where.startswith("<"):
        return _is_app_file(where)
    return not (type(name) is str and name.startswith("namedtuple_"))


@lru_cache(maxsize=4_096)  # bounded; a process has as many as it has source files
def _is_app_file(file: str) -> bool:
    path = _slashes(file)
    return not (path.startswith((_LIBRARY, *_SCRIPTS)) or _INSTALLED.search(path) or _STANDARD.search(path))


def _file_of(module: str, file: str) -> str:
    """Return *file* relative to the import root, with forward slashes; so no home directory is told, and linecache still finds it."""
    if file.startswith("<"):
        return _pseudo(file)
    path = clean(_slashes(file))
    tail = module.replace(".", "/")
    for candidate in (f"{tail}.py", f"{tail}/__init__.py"):
        if path == candidate or path.endswith("/" + candidate):
            return candidate
    if path.startswith(_LIBRARY) and not _INSTALLED.search(path):
        return path[len(_LIBRARY) :]
    roots = [*_INSTALLED.finditer(path)] or [*_STANDARD.finditer(path)]
    return path[roots[-1].end() :] if roots else path.rpartition("/")[2]
