"""
Whether an exception object seen again is still on its way up, or was raised anew; told from its traceback alone, no reference kept.

A traceback grows at its head. Nodes that are new since the last sighting must read as propagation: each frame called the one below it.
Where the chain breaks, the object was raised again, unless somebody was only passing it on: code that was handling it at that moment,
a generator or coroutine into which it was thrown, a future that gave it to whoever asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from opcode import opmap
from types import CodeType, FrameType, TracebackType
from typing import Final

__all__ = ["NODES", "Trail", "is_still_propagating", "trail_of"]

#: How many nodes below the head a trail remembers. Those at the very top may be gone when the exception is seen again: contextlib takes
#: away the generator's own node, trio and pytest hide frames of theirs.
NODES: Final = 4
#: Ids of the nodes at and below the head, then 0 if the chain ended there.
Trail = tuple[int, ...]

_RAISE: Final = opmap["RAISE_VARARGS"]
_HANDLER: Final = opmap["PUSH_EXC_INFO"]  # first in the block of except, finally and with; a clean-up has none
_RESUMABLE: Final = 0x20 | 0x80 | 0x100 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR
_STEPS: Final = 10_000
_OUTWARD: Final = 100
#: Packages with a `raise` of an object that was handed to them: `Future.result()`, `ThreadPool.get()`, `ExitStack.__exit__`, outcome and
#: trio, starlette's `call_next`, tenacity's `reraise`, gevent's `AsyncResult`, six's `reraise`, SQLAlchemy's `safe_reraise`.
_RELAYS: Final = frozenset({
    "anyio", "asgiref", "asyncio", "billiard", "celery", "concurrent", "contextlib", "eventlet", "gevent", "multiprocessing", "outcome",
    "six", "sqlalchemy", "starlette", "tenacity", "trio", "twisted",
})


def trail_of(head: TracebackType | None) -> Trail:
    """Return what to remember of the traceback that starts at *head*."""
    trail: list[int] = []
    node = head
    while node is not None:
        trail.append(id(node))
        if len(trail) == NODES: return tuple(trail)
        node = node.tb_next
    trail.append(0)
    return tuple(trail)


def is_still_propagating(head: TracebackType | None, trail: Trail) -> bool:
    """Return True when what stands above *trail* in the traceback at *head* is propagation only; False: raised anew, or unknown."""
    above: list[TracebackType] = []
    while head is not None and len(above) < _STEPS:
        if _is_on(head, trail): return True
        below = head.tb_next
        if below is None or not (_is_a_call(head, below) or _is_handled(above, head, below)): return False
        above.append(head)
        head = below
    return False


def _is_on(node: TracebackType, trail: Trail) -> bool:
    """Return True when *node* and all below it are remembered. One id alone may be a new node at the address of a freed one."""
    try:
        place = trail.index(id(node))
    except ValueError:
        return False
    return trail[place:] == trail_of(node)[: len(trail) - place]


def _is_a_call(node: TracebackType, below: TracebackType) -> bool:
    """Return True when the frame of *node* called that of *below*, or is where an exception comes out that somebody only passed on."""
    frame, callee = node.tb_frame, below.tb_frame
    if frame.f_code.co_code[node.tb_lasti] == _RAISE: return _is_relay(frame)
    if callee.f_back is frame: return True
    # A finished generator or coroutine has no f_back; into a suspended one an exception is thrown, by `with` or by an event loop.
    return bool((frame.f_code.co_flags | callee.f_code.co_flags) & _RESUMABLE) or _is_relay(frame) or _is_relay(callee)


def _is_relay(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__")
    return isinstance(name, str) and name.partition(".")[0] in _RELAYS


def _is_handled(above: list[TracebackType], node: TracebackType, below: TracebackType) -> bool:
    """Return True when the frame of *below* was handling this exception while *node* raised it again, itself or in something it called."""
    frame = below.tb_frame
    for caller in (node, *reversed(above)):
        if caller.tb_frame is frame: return _handles(frame.f_code, caller.tb_lasti, below.tb_lasti)
    outer = node.tb_frame.f_back
    for _ in range(_OUTWARD):
        if outer is None: return False
        if outer is frame: return _handles(frame.f_code, frame.f_lasti, below.tb_lasti)
        outer = outer.f_back
    return False


def _handles(code: CodeType, at: int, failed: int) -> bool:
    """Return True when the instruction *at* belongs to an except or finally block for what the instruction *failed* raises."""
    entries = tuple(_entries(code.co_exceptiontable))
    for _ in range(_OUTWARD):
        block = _target(entries, failed)
        if block is None: return False
        end = _target(entries, block)  # what fails in a handler is led to its clean-up, which stands right behind it
        if code.co_code[block] == _HANDLER and end is not None and block <= at < end: return True
        failed = block
    return False


def _target(entries: tuple[tuple[int, int, int], ...], at: int) -> int | None:
    return next((target for start, end, target in entries if start <= at < end), None)


def _entries(table: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, target) in bytes. Source: CPython, Objects/exception_handling_notes.txt, "Format of the exception table"."""
    numbers = iter(table)
    for first in numbers:
        values = [first & 63]
        more = first & 64
        while more or len(values) < 4:
            if not more:
                values.append(0)
            byte = next(numbers)
            values[-1] = values[-1] << 6 | byte & 63
            more = byte & 64
        start, length, target, _depth = values
        yield start * 2, (start + length) * 2, target * 2
