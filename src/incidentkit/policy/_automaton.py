"""
A matcher whose work is linear in the text, whatever the pattern: one step per character, each bounded by the size of the pattern.

`re` backtracks: `.*a.*b` takes quadratic time there, and whoever writes a label value chooses the text (DESIGN.md 6, "cannot stall"). Here
the pattern's tree, parsed by the standard library, becomes a position automaton, run as sets of positions; steps seen are remembered.

Source: V. Glushkov, The abstract theory of automata, 1961.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]  # typeshed leaves the parser out
from typing import Any, Final

import attrs

__all__ = ["Automaton", "NotSupportedError"]

#: A step costs at most this many machine words per position; "a{1,9999}" is refused, not built.
MOST_POSITIONS: Final = 500
#: Remembered steps per pattern; then it starts to remember anew, so that hostile text cannot make memory grow.
MOST_STEPS: Final = 4_096

_STARTS: Final = {codes.AT_BEGINNING, codes.AT_BEGINNING_STRING}
_ENDS: Final = {codes.AT_END, codes.AT_END_STRING}
_REPEATS: Final = {codes.MAX_REPEAT, codes.MIN_REPEAT}
_CLASSES: Final = {
    codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_NOT_DIGIT: r"\D", codes.CATEGORY_SPACE: r"\s", codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w", codes.CATEGORY_NOT_WORD: r"\W",
}
_REFUSED: Final = {
    codes.ASSERT: "lookaround", codes.ASSERT_NOT: "lookaround", codes.GROUPREF: "a backreference", codes.GROUPREF_EXISTS: "a backreference",
    codes.ATOMIC_GROUP: "an atomic group", codes.POSSESSIVE_REPEAT: "a possessive repeat",
}


class NotSupportedError(ValueError):
    """The pattern asks for something that cannot be matched in linear time, or is too large."""


@attrs.frozen
class _Part:
    """A piece of the pattern: may it be empty, the positions it can begin with, and those it can end with (bit sets)."""

    is_nullable: bool
    first: int
    last: int


class _State:
    """A set of positions, as what may come next and whether the text may end here."""

    __slots__ = ("accepts", "moves", "reach")

    def __init__(self, reach: int, *, accepts: bool) -> None:
        self.reach = reach
        self.accepts = accepts
        self.moves: dict[str, _State] = {}


_EMPTY: Final = _Part(is_nullable=True, first=0, last=0)


class Automaton:
    """A pattern, ready to match whole texts."""

    def __init__(self, tree: Any) -> None:
        """Build it from the tree of `re`'s parser. NotSupportedError: it cannot be matched in linear time, or is too large."""
        self._follow: list[int] = []
        self._sets: dict[tuple[str, int], int] = {}
        whole = self._sequence(tree, tree.state.flags, is_start=True, is_end=True)
        self._last, self._whole = whole.last, whole
        self._chars = [(re.compile(source, flags), mask) for (source, flags), mask in self._sets.items()]
        self._forget()

    def matches(self, text: str) -> bool:
        """Return True when the whole of *text* matches."""
        state, left = self._start, len(text)
        for char in text:
            state = state.moves.get(char) or self._move(state, char)
            left -= 1
            if not state.reach: break  # nothing may follow
        return state.accepts and not left

    # -- running -----------------------------------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._start = _State(self._whole.first, accepts=self._whole.is_nullable)
        self._states: dict[int, _State] = {}
        self._steps = 0

    def _move(self, state: _State, char: str) -> _State:
        if self._steps >= MOST_STEPS: self._forget()
        self._steps += 1
        here = 0
        for chars, mask in self._chars:
            if chars.fullmatch(char): here |= mask
        here &= state.reach
        found = self._states.get(here)
        if found is None:
            reach = 0
            for position in _bits(here): reach |= self._follow[position]
            found = self._states[here] = _State(reach, accepts=bool(here & self._last))
        state.moves[char] = found
        return found

    # -- building ----------------------------------------------------------------------------------------------------------------------

    def _sequence(self, tree: Any, flags: int, *, is_start: bool, is_end: bool) -> _Part:
        whole = _EMPTY
        widths = [tree[at:at + 1].getwidth()[1] for at in range(len(tree))]
        for at, (code, value) in enumerate(tree):
            starts = is_start and not any(widths[:at])
            ends = is_end and not any(widths[at + 1:])
            whole = self._then(whole, self._item(code, value, flags, is_start=starts, is_end=ends))
        return whole

    def _item(self, code: Any, value: Any, flags: int, *, is_start: bool, is_end: bool) -> _Part:
        if code is codes.SUBPATTERN:
            _, added, removed, body = value
            return self._sequence(body, (flags | added) & ~removed, is_start=is_start, is_end=is_end)
        if code is codes.BRANCH:
            parts = [self._sequence(body, flags, is_start=is_start, is_end=is_end) for body in value[1]]
            return _Part(any(part.is_nullable for part in parts), _union(part.first for part in parts),
                         _union(part.last for part in parts))
        if code in _REPEATS:
            return self._repeat(value[0], value[1], value[2], flags)
        if code is codes.AT:
            if (value in _STARTS and is_start) or (value in _ENDS and is_end): return _EMPTY
            raise NotSupportedError("an anchor in the middle" if value in _STARTS | _ENDS else "a word boundary")
        if code in _REFUSED: raise NotSupportedError(_REFUSED[code])
        return self._char(_source_of(code, value), flags)

    def _char(self, source: str, flags: int) -> _Part:
        position = len(self._follow)
        if position >= MOST_POSITIONS:
            raise NotSupportedError(f"a pattern of more than {MOST_POSITIONS} characters, its repeats written out,")
        self._follow.append(0)
        key = (source, flags & (re.IGNORECASE | re.DOTALL | re.ASCII))
        self._sets[key] = self._sets.get(key, 0) | 1 << position
        return _Part(is_nullable=False, first=1 << position, last=1 << position)

    def _then(self, left: _Part, right: _Part) -> _Part:
        for position in _bits(left.last): self._follow[position] |= right.first
        return _Part(left.is_nullable and right.is_nullable, left.first | (right.first if left.is_nullable else 0),
                     right.last | (left.last if right.is_nullable else 0))

    def _repeat(self, least: int, most: int, body: Any, flags: int) -> _Part:
        whole, is_endless = _EMPTY, most == codes.MAXREPEAT
        for at in range(max(least, 1) if is_endless else most):
            before = len(self._follow)
            copy = self._sequence(body, flags, is_start=False, is_end=False)
            if len(self._follow) == before: return _EMPTY  # it matches the empty text only, however often
            if is_endless and at >= least - 1:
                self._then(copy, copy)
            whole = self._then(whole, copy if at < least else attrs.evolve(copy, is_nullable=True))
        return whole


def _source_of(code: Any, value: Any) -> str:
    """Return the pattern of one character, for the standard library to answer: its tables of Unicode are the ones users know."""
    if code is codes.LITERAL: return re.escape(chr(value))
    if code is codes.NOT_LITERAL: return f"[^{re.escape(chr(value))}]"
    if code is codes.ANY: return "."
    if code is not codes.IN: raise NotSupportedError(str(code).lower())
    return f"[{''.join(_source_in_set(*item) for item in value)}]"


def _source_in_set(code: Any, value: Any) -> str:
    if code is codes.NEGATE: return "^"
    if code is codes.RANGE: return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return _CLASSES[value] if code is codes.CATEGORY else re.escape(chr(value))


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _union(masks: Iterator[int]) -> int:
    whole = 0
    for mask in masks: whole |= mask
    return whole
