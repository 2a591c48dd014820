"""Problems: what a configuration may say and probably does not mean. One sentence each, for `check` and for one warning at start."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from incidentkit.policy.matching import Match
from incidentkit.policy.people import STDERR, NotifierFacts, Person, TargetKind, parse_target
from incidentkit.policy.policies import Policy
from incidentkit.policy.rules import Rule
from incidentkit.policy.subject import FIELDS
from incidentkit.policy.tree import Route, Tree

__all__ = ["problems_of"]


def problems_of(
    *, rules: Sequence[Rule], tree: Tree, people: Mapping[str, Person], notifiers: Mapping[str, NotifierFacts], environment: str,
) -> tuple[str, ...]:
    """Return the sentences, in the order of the file."""
    found = [*_nobody(notifiers), *_spellings(((f'rules[{at}] "{rule.name}"' if rule.name else f"rules[{at}]"), rule.match)
                                              for at, rule in enumerate(rules))]
    found += _in_level(tree.policies, "policies")
    for route in tree.routes():
        found += _in_route(route, people, notifiers, environment)
    found += _of_people(people, notifiers)
    if not tree.policies or all(policy.match.comparisons for policy in tree.policies):
        told = ", ".join(target for step in tree.default.steps for target in step.tell)
        found.append(f"what no policy matches goes to the default policy: {told} is told, INFO is stored only")
    return tuple(found)


def _nobody(notifiers: Mapping[str, NotifierFacts]) -> Iterator[str]:
    if not notifiers:
        yield "no notifier is configured: nobody can be told, everything goes to stderr"
    elif not any(facts.to for facts in notifiers.values()):
        yield "no notifier has a default target (`to`): what no policy matches goes to stderr"


def _in_level(policies: Sequence[Policy], place: str) -> Iterator[str]:
    closed = ""
    for at, policy in enumerate(policies):
        here = f'{place}[{at}] "{policy.name}"'
        yield from _spellings([(here, policy.match)])
        if closed: yield f"{here} is never reached: {closed} before it matches everything and does not continue"
        elif not policy.match.comparisons and not policy.continue_: closed = here
        yield from _in_level(policy.policies, f"{here}.policies")


def _spellings(matches: Iterable[tuple[str, Match]]) -> Iterator[str]:
    for place, match in matches:
        for comparison in match.comparisons:
            if comparison.name in FIELDS or "." in comparison.name: continue
            close = difflib.get_close_matches(comparison.name, FIELDS, n=1, cutoff=0.75)
            if close: yield f"{place} asks for the label {comparison.name!r}; the field is called {close[0]!r}"


def _in_route(
    route: Route, people: Mapping[str, Person], notifiers: Mapping[str, NotifierFacts], environment: str,
) -> Iterator[str]:
    if not route.steps: yield f"policy {route.policy!r} tells nobody: its incidents are stored only"
    if environment == "production" or environment in route.environments: return
    names = {name for step in route.steps for text in step.tell for name in _notifiers_of(text, people, notifiers)}
    phones = sorted(name for name in names if name in notifiers and notifiers[name].is_for_production)
    if phones:
        yield (f"policy {route.policy!r} uses {', '.join(phones)}: outside production that goes to stderr "
               f"unless its `environments` names {environment!r}")


def _notifiers_of(text: str, people: Mapping[str, Person], notifiers: Mapping[str, NotifierFacts]) -> Iterable[str]:
    target = parse_target(text, notifiers=notifiers, people=people)
    return people[target.name].contacts if target.kind is TargetKind.PERSON else (target.name,)


def _of_people(people: Mapping[str, Person], notifiers: Mapping[str, NotifierFacts]) -> Iterator[str]:
    for name, person in people.items():
        if not person.contacts:
            yield f"people.{name} has no contact: telling {name} tells the default targets instead"
        elif STDERR not in person.contacts and not any(notifiers[contact].is_quiet for contact in person.contacts):
            yield f"people.{name} has no quiet contact: that an incident is over cannot be told to {name}"
