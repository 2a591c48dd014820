"""Match: which signals a rule or policy is for. What belongs here: comparisons and what they mean; `_matchtext` reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

import attrs

from incidentkit.model import Priority, Severity
from incidentkit.policy.patterns import Pattern
from incidentkit.policy.subject import FIELDS, Subject

__all__ = ["Comparison", "Match", "Op"]

Test = Callable[[Subject], bool]


class Op(Enum):
    """How a field is compared."""

    EQUAL = "="
    UNEQUAL = "!="
    MATCHES = "=~"
    DIFFERS = "!~"
    #: At least as bad, or as pressing. Ordering exists on severity and priority only.
    AT_LEAST = ">="
    WORSE = ">"
    AT_MOST = "<="
    MILDER = "<"
    ONE_OF = "in"

    @property
    def is_order(self) -> bool:
        """Return True for the four that ask for an order."""
        return self in _ORDERS

    @property
    def is_pattern(self) -> bool:
        """Return True when the value is a regular expression."""
        return self in {Op.MATCHES, Op.DIFFERS}


_ORDERS: Final = {Op.AT_LEAST, Op.WORSE, Op.AT_MOST, Op.MILDER}
#: Mildest first: an order is a question about places in this list.
RANKED: Final = {
    "severity": tuple(severity.value for severity in reversed(Severity)),
    "priority": tuple(priority.value for priority in reversed(Priority)),
}
#: What cannot stand in a name or a value without quotes. Source: Alertmanager's matcher grammar (semantics.md 1.1); `<>` are ours.
RESERVED: Final = frozenset("{}!=~,\"'\\`<>()")


@attrs.frozen
class Comparison:
    """One comparison: a name, how, and with what (several values for `in`). Built by `parse_match`, which checks all three."""

    name: str
    op: Op
    values: tuple[str, ...]
    pattern: Pattern | None = attrs.field(default=None, eq=False, repr=False)
    test: Test = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "test", _test_of(self))

    def __str__(self) -> str:
        name = self.name if self.name and not any(char in RESERVED or char.isspace() for char in self.name) else quoted(self.name)
        if self.op is Op.ONE_OF: return f"{name} in ({', '.join(map(quoted, self.values))})"
        value = self.values[0]
        return f"{name}{self.op.value}{value if self.op.is_order else quoted(value)}"

    @property
    def admits(self) -> frozenset[str] | None:
        """Return the only texts that the field may have for this to hold, or None when they are many: what an index can use."""
        if self.op in {Op.EQUAL, Op.ONE_OF}: return frozenset(self.values)
        if self.op.is_order: return frozenset(_in_order(self.name, self.op, self.values[0]))
        return self.pattern.words if self.op is Op.MATCHES and self.pattern is not None else None


@attrs.frozen
class Match:
    """Comparisons that must all hold; none at all matches everything. `str()` gives the text back, in one spelling."""

    comparisons: tuple[Comparison, ...] = ()
    _tests: tuple[Test, ...] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_tests", tuple(comparison.test for comparison in self.comparisons))

    def holds(self, subject: Subject) -> bool:
        """Return True when *subject* is one of those meant."""
        for test in self._tests:  # noqa: SIM110 - a loop, not all(): this runs for every candidate of every signal
            if not test(subject): return False
        return True

    def __str__(self) -> str:
        return ", ".join(map(str, self.comparisons))


def quoted(text: str) -> str:
    """Return *text* in quotes, with the three escapes that Alertmanager prints."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _in_order(name: str, op: Op, value: str) -> Iterable[str]:
    ranked = RANKED[name]
    at = ranked.index(value)
    if op is Op.AT_LEAST: return ranked[at:]
    if op is Op.WORSE: return ranked[at + 1:]
    return ranked[:at + 1] if op is Op.AT_MOST else ranked[:at]


def _test_of(comparison: Comparison) -> Test:
    name, op, value, pattern = comparison.name, comparison.op, comparison.values[0], comparison.pattern
    if op.is_order or op is Op.ONE_OF:
        wanted = comparison.admits or frozenset()
        if name in FIELDS: return lambda subject: subject.fields[name] in wanted
        return lambda subject: subject.get(name) in wanted
    if op is Op.EQUAL:
        if name in FIELDS: return lambda subject: subject.fields[name] == value
        return lambda subject: subject.get(name) == value
    if op is Op.UNEQUAL: return lambda subject: subject.get(name) != value
    matches = (pattern or Pattern(value)).matches
    if op is Op.MATCHES: return lambda subject: matches(subject.get(name))
    return lambda subject: not matches(subject.get(name))
