"""Rules: when a signal matches, change what it is (severity, priority, title, labels, owner) or drop it. Whom to tell, policies say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.model import DEFAULT_MATRIX, EMPTY, Impact, Link, Priority, Severity, Signal, Urgency, frozen_mapping
from incidentkit.policy import _tables as read
from incidentkit.policy._matchtext import parse_match
from incidentkit.policy.matching import Match
from incidentkit.policy.subject import Subject
from incidentkit.policy.titles import Title, parse_title

__all__ = ["Rule", "Triaged", "apply_rules", "rules_from"]

Matrix = Mapping[tuple[Impact, Urgency], Priority]

_BY_SEVERITY: Final = {
    Severity.CRITICAL: (Impact.HIGH, Urgency.HIGH), Severity.MAJOR: (Impact.HIGH, Urgency.MEDIUM),
    Severity.MINOR: (Impact.MEDIUM, Urgency.MEDIUM), Severity.INFO: (Impact.LOW, Urgency.LOW),
}
_WORST_FIRST: Final = tuple(Severity)


def _tiers(value: int, place: str = "raise_by") -> int:
    stated: Any = value  # from a file it is anything
    if type(stated) is int and 0 <= stated < len(Severity): return stated
    raise ConfigurationError.at(place, value, "a number of tiers, 1 to 3")


def _priority(value: Priority | str | None, place: str = "priority") -> Priority | None:
    return None if value is None else read.word(Priority, value, place)


def _impact(value: Impact | str | None, place: str = "impact") -> Impact | None:
    return None if value is None else read.word(Impact, value, place)


def _urgency(value: Urgency | str | None, place: str = "urgency") -> Urgency | None:
    return None if value is None else read.word(Urgency, value, place)


def _labels(value: Mapping[str, str], place: str = "labels") -> Mapping[str, str]:
    return frozen_mapping(read.labels(value, place))


@attrs.frozen(kw_only=True)
class Rule:
    """
    One rule of triage. Rules are asked in order, and each sees what earlier ones made of the signal; the fingerprint never changes.

    `severity` sets it, `raise_by` and `lower_by` move it by that many tiers. `stop` ends the list for a signal that matches, `drop` ends
    the signal: it is counted and nothing else.
    """

    match: Match = attrs.field(default=Match(), converter=parse_match)
    name: str = attrs.field(default="", converter=read.text)
    severity: Severity | None = attrs.field(default=None, converter=read.optional_severity)
    raise_by: int = attrs.field(default=0, converter=_tiers)
    lower_by: int = attrs.field(default=0, converter=_tiers)
    priority: Priority | None = attrs.field(default=None, converter=_priority)
    impact: Impact | None = attrs.field(default=None, converter=_impact)
    urgency: Urgency | None = attrs.field(default=None, converter=_urgency)
    title: Title | None = attrs.field(default=None, converter=parse_title)
    labels: Mapping[str, str] = attrs.field(default=EMPTY, converter=_labels)
    owner: str = attrs.field(default="", converter=read.text)
    links: tuple[Link, ...] = attrs.field(default=(), converter=read.links)
    drop: bool = attrs.field(default=False, converter=read.flag)
    stop: bool = attrs.field(default=False, converter=read.flag)


@attrs.frozen(kw_only=True)
class Triaged:
    """What a signal is after the rules. `applied` names each rule that matched with what it changed; `links` are those the rules added."""

    severity: Severity
    priority: Priority
    impact: Impact
    urgency: Urgency
    title: str
    labels: Mapping[str, str]
    owner: str = ""
    links: tuple[Link, ...] = ()
    is_dropped: bool = False
    applied: tuple[str, ...] = ()


def rules_from(value: Iterable[Rule | Mapping[str, Any]], place: str = "rules") -> tuple[Rule, ...]:
    """
    Return the rules that a list of tables or objects states.

    Raises:
        ConfigurationError: One is wrong, changes nothing, or says two things at once.
    """
    found = []
    for at, stated in enumerate(read.listed(value, place, "rules")):
        here = read.named(f"{place}[{at}]", stated)
        rule = read.of_table(Rule, stated, here)
        _check(rule, here)
        found.append(rule)
    return tuple(found)


def _check(rule: Rule, place: str) -> None:
    if sum((rule.severity is not None, bool(rule.raise_by), bool(rule.lower_by))) > 1:
        raise ConfigurationError.at(place, "severity, raise_by, lower_by", "only one of them")
    if rule.priority is not None and (rule.impact or rule.urgency):
        raise ConfigurationError.at(place, "priority, impact, urgency", "a priority, or what it follows from, not both")
    if attrs.evolve(rule, match=Match(), name="") == Rule():
        expected = "something to change: severity, priority, title, labels, owner, links, drop or stop"
        raise ConfigurationError.at(place, str(rule.match), expected)
    if rule.drop and attrs.evolve(rule, match=Match(), name="", drop=False, stop=False) != Rule():
        raise ConfigurationError.at(place, "drop", "drop alone: what is dropped is nothing else")


@attrs.define
class _State:
    """What the rules have said so far."""

    signal: Signal
    severity: Severity
    impact: Impact | None
    urgency: Urgency | None
    priority: Priority | None
    title: str
    labels: Mapping[str, str]
    owner: str = ""
    links: tuple[Link, ...] = ()

    def ranks(self, matrix: Matrix) -> tuple[Priority, Impact, Urgency]:
        impact, urgency = _BY_SEVERITY[self.severity]
        impact, urgency = self.impact or impact, self.urgency or urgency
        return self.priority or matrix[impact, urgency], impact, urgency

    def subject(self, matrix: Matrix) -> Subject:
        return Subject.of(self.signal, severity=self.severity, priority=self.ranks(matrix)[0], title=self.title, labels=self.labels)


def apply_rules(rules: Iterable[Rule], signal: Signal, *, matrix: Matrix = DEFAULT_MATRIX) -> Triaged:
    """Return what *signal* is after *rules*, in order. Priority is what a rule sets, else what *matrix* makes of impact and urgency."""
    state = _State(signal, signal.severity, signal.impact, signal.urgency, None, signal.title, signal.labels)
    subject: Subject | None = None
    applied: list[str] = []
    is_dropped = False
    for at, rule in enumerate(rules):
        if subject is None: subject = state.subject(matrix)
        if not rule.match.holds(subject): continue
        name = f'rules[{at}] "{rule.name}"' if rule.name else f"rules[{at}]"
        if rule.drop:
            applied.append(f"{name} ({rule.match}): dropped")
            is_dropped = True
            break
        changes = _apply(rule, state, subject)
        subject = None
        applied.append(f"{name} ({rule.match}): {', '.join(changes) or 'changes nothing'}{'; stops' if rule.stop else ''}")
        if rule.stop: break
    priority, impact, urgency = state.ranks(matrix)
    return Triaged(severity=state.severity, priority=priority, impact=impact, urgency=urgency, title=state.title, labels=state.labels,
                   owner=state.owner, links=state.links, is_dropped=is_dropped, applied=tuple(applied))


def _apply(rule: Rule, state: _State, subject: Subject) -> list[str]:
    """Change *state* as *rule* says; return each change in words."""
    changes: list[str] = []

    def put(name: str, new: Any, old: Any) -> None:
        if new != old:
            setattr(state, name, new)
            changes.append(f"{name} {_word(old)} -> {_word(new)}" if old else f"{name} {_word(new)}")

    at = _WORST_FIRST.index(state.severity) - rule.raise_by + rule.lower_by
    put("severity", rule.severity or _WORST_FIRST[min(max(at, 0), len(_WORST_FIRST) - 1)], state.severity)
    for name in ("impact", "urgency", "priority", "owner"):
        if stated := getattr(rule, name): put(name, stated, getattr(state, name))
    if rule.title is not None: put("title", rule.title.of(subject) or state.title, state.title)
    for name, value in rule.labels.items():
        if state.labels.get(name) != value: changes.append(f"labels.{name} {value!r}")
    if rule.labels: state.labels = frozen_mapping({**state.labels, **rule.labels})
    if new := tuple(link for link in rule.links if link not in state.links and link not in state.signal.links):
        state.links += new
        changes += [f"link {link.href}" for link in new]
    return changes


def _word(value: Any) -> str:
    return str(getattr(value, "value", value))
