"""Tree: from a signal to the policies it is for, with what they inherit resolved; those that cannot match cost nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import chain
from typing import Final

import attrs

from incidentkit.model import Severity
from incidentkit.policy.matching import Match
from incidentkit.policy.policies import Policy, ResolveOn, Step, Unset
from incidentkit.policy.subject import FIELDS, Subject

__all__ = ["DEFAULT", "Route", "Tree"]

#: The name of the policy that is there when none matches. No stated policy may begin with a parenthesis.
DEFAULT: Final = "(default)"
_EVERYTHING: Final = "matches everything"
_NONE: Final[dict[str, list[int]]] = {}


@attrs.frozen(kw_only=True)
class Route:
    """
    A policy that a signal reached, with what it inherits resolved. `policy` is its path in one text, `why` the matches that led to it.

    `ack_timeout` None: 30 min for CRITICAL, else none (settings). `tell_from`: milder incidents are stored and nobody is told.
    """

    policy: str
    path: tuple[str, ...]
    why: str
    steps: tuple[Step, ...] = ()
    rounds: int | None = 1
    group_by: tuple[str, ...] = ()
    quiet_after: timedelta
    reopen_within: timedelta
    ack_timeout: timedelta | None = None
    repeat_every: timedelta | None = None
    repeat_from: Severity = Severity.INFO
    tell_from: Severity = Severity.INFO
    resolve_on: ResolveOn = ResolveOn.ALL
    environments: tuple[str, ...] = ()
    is_default: bool = False


class Tree:
    """The policies, ready to route. `default` is where a signal goes that no policy matches; the timers of all others start from its."""

    def __init__(self, policies: Sequence[Policy], *, default: Route) -> None:
        self.policies = tuple(policies)
        self.default = default
        above = attrs.evolve(default, policy="", path=(), why="", steps=(), rounds=1, repeat_every=None, repeat_from=Severity.INFO,
                             tell_from=Severity.INFO, is_default=False)
        self._top = _Level(self.policies, above)

    def route(self, subject: Subject) -> tuple[Route, ...]:
        """Return the policies that *subject* is for, in order: children before their parent, on to the next where `continue` says so."""
        found: list[Route] = []
        self._top.collect(subject, found)
        return tuple(found) or (self.default,)

    def routes(self) -> tuple[Route, ...]:
        """Return every policy's route, each parent before its children: for checks and listings."""
        return tuple(self._top.all_routes())


class _Node:
    __slots__ = ("below", "holds", "is_last", "route")

    def __init__(self, policy: Policy, above: Route) -> None:
        self.route = _resolved(policy, above)
        self.holds = policy.match.holds
        self.is_last = not policy.continue_
        self.below = _Level(policy.policies, self.route) if policy.policies else None


class _Level:
    """Policies side by side. Those that demand one of a few values of a name are found by that value; the rest are always asked."""

    __slots__ = ("_always", "_fields", "_labels", "_nodes")

    def __init__(self, policies: Sequence[Policy], above: Route) -> None:
        self._nodes = tuple(_Node(policy, above) for policy in policies)
        keys = _index_keys([policy.match for policy in policies])
        self._always = [at for at, key in enumerate(keys) if key is None]
        fields: dict[str, dict[str, list[int]]] = {}
        labels: dict[str, dict[str, list[int]]] = {}
        for at, key in enumerate(keys):
            if key is None: continue
            name, values = key
            into = fields if name in FIELDS or name.startswith("details.") else labels
            by_value = into.setdefault(name if into is fields else name.removeprefix("labels."), {})
            for value in values: by_value.setdefault(value, []).append(at)
        self._fields = tuple(fields.items())
        self._labels = labels

    def collect(self, subject: Subject, found: list[Route]) -> None:
        nodes = self._nodes
        for at in self._candidates(subject):
            node = nodes[at]
            if not node.holds(subject): continue
            before = len(found)
            if node.below is not None: node.below.collect(subject, found)
            if len(found) == before: found.append(node.route)
            if node.is_last: return

    def _candidates(self, subject: Subject) -> Sequence[int]:
        lists = [self._always] if self._always else []
        for name, by_value in self._fields:
            if hit := by_value.get(subject.get(name)): lists.append(hit)
        if self._labels:
            have = subject.labels
            names = have if len(have) < len(self._labels) else self._labels  # the shorter one bounds the cost
            lists += [hit for name in names if (hit := self._labels.get(name, _NONE).get(have.get(name, "")))]
        return lists[0] if len(lists) == 1 else sorted(chain.from_iterable(lists))

    def all_routes(self) -> Iterable[Route]:
        for node in self._nodes:
            yield node.route
            if node.below is not None: yield from node.below.all_routes()


def _index_keys(matches: Sequence[Match]) -> list[tuple[str, frozenset[str]] | None]:
    """Return for each match the name and values under which it is found: of all it demands, what the fewest others demand too."""
    # "" is also what a missing label has, so it is found by no label of the subject
    demands = [[(comparison.name, values) for comparison in match.comparisons
                if (values := comparison.admits) is not None and "" not in values] for match in matches]
    often = Counter((name, value) for demand in demands for name, values in demand for value in values)
    return [min(demand, key=lambda key: sum(often[key[0], value] for value in key[1])) if demand else None for demand in demands]


def _resolved(policy: Policy, above: Route) -> Route:
    path = (*above.path, policy.name)
    why = ", ".join(text for text in (above.why.removeprefix(_EVERYTHING), str(policy.match)) if text) or _EVERYTHING
    stated = {name: value for name in ("steps", "group_by", "quiet_after", "ack_timeout", "reopen_within", "repeat_every", "repeat_from",
                                       "resolve_on", "environments") if (value := getattr(policy, name)) is not None}
    if not isinstance(policy.rounds, Unset):
        stated["rounds"] = policy.rounds
        if policy.rounds != 1: stated.setdefault("repeat_every", None)  # rounds of its own end what it inherits
    elif policy.repeat_every is not None:
        stated["rounds"] = 1
    return attrs.evolve(above, policy="/".join(path), path=path, why=why, **stated)
