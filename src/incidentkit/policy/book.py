"""Book: everything that policies decide from, checked as a whole, in one frozen value with a hash. Live objects stay outside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.model import EMPTY, Severity, Signal, frozen_mapping
from incidentkit.policy._problems import problems_of
from incidentkit.policy.matching import Match
from incidentkit.policy.people import STDERR, NotifierFacts, Person, parse_target, people_from
from incidentkit.policy.policies import Policy, Step, check_floor, policies_from
from incidentkit.policy.rules import Rule, Triaged, apply_rules, rules_from
from incidentkit.policy.subject import Subject
from incidentkit.policy.titles import Title
from incidentkit.policy.tree import DEFAULT, Route, Tree
from incidentkit.settings import Settings

__all__ = ["Book"]


@attrs.frozen(kw_only=True, eq=False)
class Book:
    """What the policies are. `config_hash` is equal exactly when everything they decide from is."""

    app: str = "default"
    environment: str = "production"
    rules: tuple[Rule, ...] = ()
    tree: Tree
    people: Mapping[str, Person] = EMPTY
    notifiers: Mapping[str, NotifierFacts] = EMPTY
    config_hash: str = ""

    @classmethod
    def build(
        cls, *, rules: Iterable[Rule | Mapping[str, Any]] = (), policies: Iterable[Policy | Mapping[str, Any]] = (),
        people: Mapping[str, Person | Mapping[str, str]] | Iterable[Person] = EMPTY, notifiers: Mapping[str, NotifierFacts] = EMPTY,
        environment: str = "production", app: str = "default", settings: Settings | None = None,
    ) -> Book:
        """
        Return the book that objects, or tables with the same keys, state.

        Raises:
            ConfigurationError: Something is wrong; the message has its place, what was found, what was expected, the nearest spelling.
        """
        settings = settings or Settings()
        notifiers = _checked(notifiers)
        known = people_from(people, notifiers=notifiers)
        listed = policies_from(policies)
        _check_targets(listed, notifiers=notifiers, people=known, place="policies")
        tree = Tree(listed, default=_default(notifiers, settings))
        ruled = rules_from(rules)
        stated = (app, environment, ruled, listed, tree.default, known, notifiers)
        digest = hashlib.blake2b(json.dumps(_canonical(stated)).encode(), digest_size=8).hexdigest()
        return cls(app=app, environment=environment, rules=ruled, tree=tree, people=known, notifiers=notifiers, config_hash=digest)

    def route(self, subject: Subject) -> tuple[Route, ...]:
        """Return the policies that *subject* is for; at least the default one."""
        return self.tree.route(subject)

    def judge(self, signal: Signal) -> tuple[Triaged, tuple[Route, ...]]:
        """Return what *signal* is after the rules, and the policies it is for: both halves of the decision that needs no state."""
        triaged = apply_rules(self.rules, signal)
        subject = Subject.of(signal, severity=triaged.severity, priority=triaged.priority, title=triaged.title, labels=triaged.labels)
        return triaged, self.tree.route(subject)

    def default_targets(self) -> tuple[str, ...]:
        """Return the notifiers with a default target, else stderr: who is told when nothing else says so."""
        return _default_targets(self.notifiers)

    def problems(self) -> tuple[str, ...]:
        """Return what is allowed and probably not meant, one sentence each."""
        return problems_of(rules=self.rules, tree=self.tree, people=self.people, notifiers=self.notifiers, environment=self.environment)


def _checked(notifiers: Mapping[str, NotifierFacts]) -> Mapping[str, NotifierFacts]:
    for name, facts in notifiers.items():
        place = f"notifiers.{name}"
        if ":" in name or name != name.strip() or name in {"", "person", "on_call", "team"}:
            raise ConfigurationError.at(place, name, "a name without a colon, and none of on_call, person, team")
        if not isinstance(facts, NotifierFacts): raise ConfigurationError.at(place, facts, "the facts of a notifier")
    return frozen_mapping(notifiers)


def _default_targets(notifiers: Mapping[str, NotifierFacts]) -> tuple[str, ...]:
    return tuple(name for name, facts in notifiers.items() if facts.to) or (STDERR,)


def _default(notifiers: Mapping[str, NotifierFacts], settings: Settings) -> Route:
    """Return DESIGN.md 7, "no policy, or none matches"."""
    return Route(policy=DEFAULT, path=(DEFAULT,), why="no policy matches", steps=(Step(_default_targets(notifiers)),), is_default=True,
                 quiet_after=settings.quiet_after, reopen_within=settings.reopen_within, repeat_every=settings.repeat_every,
                 repeat_from=settings.repeat_from, tell_from=Severity.MINOR)


def _check_targets(
    policies: Sequence[Policy], *, notifiers: Mapping[str, NotifierFacts], people: Mapping[str, Person], place: str,
) -> None:
    check_floor(policies, place)
    for at, policy in enumerate(policies):
        here = f'{place}[{at}] "{policy.name}"'
        for number, step in enumerate(policy.steps or ()):
            for target in step.tell: parse_target(target, notifiers=notifiers, people=people, place=f"{here}.steps[{number}].tell")
        _check_targets(policy.policies, notifiers=notifiers, people=people, place=f"{here}.policies")


def _canonical(value: Any) -> Any:
    """Return *value* as JSON of one form: objects as their fields, tables sorted, a match by its text."""
    if isinstance(value, Match): return str(value)
    if isinstance(value, Title): return value.text
    if isinstance(value, Enum): return value.value
    if isinstance(value, timedelta): return value.total_seconds()
    if isinstance(value, Mapping): return [[name, _canonical(found)] for name, found in sorted(value.items())]
    if isinstance(value, tuple): return [_canonical(found) for found in value]
    if attrs.has(type(value)): return {field.name: _canonical(getattr(value, field.name)) for field in attrs.fields(type(value))}
    return value
