"""Patterns in matches: regular expressions, fully anchored, bounded, and never slow. What belongs here: which patterns are taken."""

from __future__ import annotations

import re
import warnings
from itertools import pairwise
from re import _constants as codes  # type: ignore[attr-defined]  # typeshed leaves the parser out
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from incidentkit.policy._automaton import Automaton, NotSupportedError

__all__ = ["MOST_PATTERN", "MOST_TEXT", "Pattern", "PatternError"]

#: Longer patterns are refused.
MOST_PATTERN: Final = 500
#: A pattern looks at this much of a text.
MOST_TEXT: Final = 2_000
_MOST_WORDS: Final = 64
_REPEATS: Final = {codes.MAX_REPEAT, codes.MIN_REPEAT}


class PatternError(ValueError):
    """The pattern is refused. `position` is the place in the pattern, where it is known."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class Pattern:
    """
    A pattern that matches whole texts, as `re.fullmatch` does, in time linear in the text.

    `words` are all the texts it matches when they are few ("eu|us"): an index can use them.
    """

    __slots__ = ("_automaton", "text", "words")

    def __init__(self, text: str) -> None:
        """Compile *text*. PatternError: it is no pattern, is too long, or asks for what cannot be matched without stalling."""
        if len(text) > MOST_PATTERN: raise PatternError(f"it is {len(text)} characters long, {MOST_PATTERN} are allowed")
        self.text = text
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a set that will mean something else in the next Python
                tree = parser.parse(text)
            _refuse_runaways(tree)
            self._automaton = Automaton(tree)
            self.words = frozenset(found) if (found := _words(tree, tree.state.flags)) is not None else None
        except re.error as error:
            raise PatternError(error.msg, error.pos) from error
        except NotSupportedError as error:
            raise PatternError(f"{error} is not supported") from error
        except (OverflowError, RecursionError, Warning) as error:
            raise PatternError("it is too deeply nested or not understood by every Python") from error

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def matches(self, text: str) -> bool:
        """Return True when the whole of *text* (of its first 2,000 characters) matches."""
        if self.words is not None: return text[:MOST_TEXT] in self.words
        return self._automaton.matches(text[:MOST_TEXT])


def _refuse_runaways(tree: Any) -> None:
    """
    Refuse repeats that stand for the same text in many ways: `(a+)+`, `(a*b?)*`, `.*.*`.

    Our matcher would not stall on them; whoever wrote one meant something else, and every other tool it is copied to would stall.
    """
    atoms = [_unwrapped(tree[at:at + 1]) for at in range(len(tree))]
    for left, right in pairwise(atoms):
        if _is_endless(left) and _is_endless(right) and repr(left[0][1][2]) == repr(right[0][1][2]):
            raise PatternError("two endless repeats of the same thing stand side by side: one is enough")
    for code, value in tree:
        if code in _REPEATS and value[1] == codes.MAXREPEAT and _repeats_alone(value[2]):
            raise PatternError("an endless repeat of an endless repeat: it matches the same text in too many ways")
        for body in _bodies(code, value): _refuse_runaways(body)


def _bodies(code: Any, value: Any) -> list[Any]:
    if code in _REPEATS: return [value[2]]
    if code is codes.SUBPATTERN: return [value[-1]]
    return list(value[1]) if code is codes.BRANCH else []


def _unwrapped(tree: Any) -> Any:
    while len(tree) == 1 and tree[0][0] is codes.SUBPATTERN: tree = tree[0][1][-1]
    return tree


def _is_endless(tree: Any) -> bool:
    return len(tree) == 1 and tree[0][0] in _REPEATS and tree[0][1][1] == codes.MAXREPEAT


def _repeats_alone(tree: Any) -> bool:
    """Return True when *tree* can be nothing but an endless repeat: all that stands beside it may be empty."""
    least = [tree[at:at + 1].getwidth()[0] for at in range(len(tree))]
    return any(sum(least) == least[at] and _can_be_endless(*tree[at]) for at in range(len(tree)))


def _can_be_endless(code: Any, value: Any) -> bool:
    return (code in _REPEATS and value[1] == codes.MAXREPEAT) or any(map(_repeats_alone, _bodies(code, value)))


def _words(tree: Any, flags: int) -> list[str] | None:
    """Return every text that *tree* matches, or None when they are many or a letter stands for its other case."""
    if flags & re.IGNORECASE: return None
    found = [""]
    for code, value in tree:
        more = _words_of(code, value, flags)
        if more is None or len(found) * len(more) > _MOST_WORDS: return None
        found = [left + right for left in found for right in more]
    return found


def _words_of(code: Any, value: Any, flags: int) -> list[str] | None:
    if code is codes.LITERAL: return [chr(value)]
    if code is codes.AT: return [""]  # at the start or the end: the automaton has refused the others
    if code is codes.SUBPATTERN: return None if value[1] or value[2] else _words(value[-1], flags)
    if code is codes.IN: return [chr(item) for _, item in value] if all(kind is codes.LITERAL for kind, _ in value) else None
    if code is not codes.BRANCH: return None
    found: list[str] = []
    for body in value[1]:
        more = _words(body, flags)
        if more is None: return None
        found += more
    return found
