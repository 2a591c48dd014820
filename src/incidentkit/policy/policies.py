"""Policy and Step: who is told, in what order, for which signals; as stated. What a policy inherits is resolved by the tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, Final

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.model import Severity
from incidentkit.policy import _tables as read
from incidentkit.policy._matchtext import parse_match
from incidentkit.policy.durations import parse_duration
from incidentkit.policy.matching import Match

__all__ = ["UNSET", "Policy", "ResolveOn", "Step", "Unset", "policies_from"]

_DEEPEST: Final = 20
_MOST_STEPS: Final = 50
_MOST_ROUNDS: Final = 1_000


class Unset(Enum):
    """Nothing is stated: the policy above says it, else the default."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class ResolveOn(Enum):
    """Which of an incident's alerts must be ok before it resolves."""

    ALL = "all"
    FIRST = "first"
    LAST = "last"
    NEVER = "never"


def _tell(value: str | Iterable[str], place: str = "tell") -> tuple[str, ...]:
    found = read.names(value, place)
    if not found: raise ConfigurationError.at(place, "", "at least one target: a notifier or a person")
    return tuple(dict.fromkeys(found))


@attrs.frozen
class Step:
    """Tell these targets at once, then wait before the next step. A wait runs only while nobody has acknowledged."""

    tell: tuple[str, ...] = attrs.field(converter=_tell)
    then_wait: timedelta = attrs.field(default=timedelta(minutes=5), converter=parse_duration)


def _steps(value: Iterable[Step | Mapping[str, Any]] | None, place: str = "steps") -> tuple[Step, ...] | None:
    if value is None: return None
    found = read.listed(value, place, "steps")
    if len(found) > _MOST_STEPS: raise ConfigurationError.at(place, len(found), f"at most {_MOST_STEPS} steps")
    return tuple(read.of_table(Step, {"tell": step} if isinstance(step, str) else step, f"{place}[{at}]") for at, step in enumerate(found))


def _rounds(value: int | str | Unset | None, place: str = "rounds") -> int | Unset | None:
    if value is None or value == "forever": return None
    if isinstance(value, Unset) or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_ROUNDS): return value
    raise ConfigurationError.at(place, value, f'1 to {_MOST_ROUNDS:,}, or "forever"', known=("forever",) if isinstance(value, str) else ())


def _group_by(value: str | Iterable[str] | None, place: str = "group_by") -> tuple[str, ...] | None:
    if value is None: return None
    found = tuple(dict.fromkeys(read.names(value, place)))
    if "..." in found: raise ConfigurationError.at(place, "...", "names of labels or fields: grouping by all labels is not in this version")
    return found


def _duration(value: str | timedelta | None, place: str = "duration") -> timedelta | None:
    return None if value is None else parse_duration(value, place)


def _duration_or_zero(value: str | timedelta | None, place: str = "duration") -> timedelta | None:
    return None if value is None else parse_duration(value, place, allow_zero=True)


def _resolve_on(value: ResolveOn | str | None, place: str = "resolve_on") -> ResolveOn | None:
    return None if value is None else read.word(ResolveOn, value, place)


def _environments(value: str | Iterable[str] | None, place: str = "environments") -> tuple[str, ...] | None:
    return None if value is None else read.names(value, place)


def _policies(value: Iterable[Policy | Mapping[str, Any]], place: str = "policies") -> tuple[Policy, ...]:
    return policies_from(value, place)


@attrs.frozen
class Policy:
    """
    A node of the routing tree. What it leaves out (None) the policy above it says, else the default.

    `rounds` None (in text "forever") repeats the steps until somebody acts. `repeat_every` tells the steps again that long after the last
    of them, without end, while the severity is at least `repeat_from`. `environments` names those outside production in which the steps
    may use the telephone. `continue_` goes on to the policies after this one, which then add their plans to the same incident.
    """

    name: str = attrs.field(converter=read.text)
    match: Match = attrs.field(default=Match(), converter=parse_match, kw_only=True)
    steps: tuple[Step, ...] | None = attrs.field(default=None, converter=_steps, kw_only=True)
    rounds: int | Unset | None = attrs.field(default=UNSET, converter=_rounds, kw_only=True)
    group_by: tuple[str, ...] | None = attrs.field(default=None, converter=_group_by, kw_only=True)
    quiet_after: timedelta | None = attrs.field(default=None, converter=_duration, kw_only=True)
    ack_timeout: timedelta | None = attrs.field(default=None, converter=_duration, kw_only=True)
    reopen_within: timedelta | None = attrs.field(default=None, converter=_duration_or_zero, kw_only=True)
    repeat_every: timedelta | None = attrs.field(default=None, converter=_duration, kw_only=True)
    repeat_from: Severity | None = attrs.field(default=None, converter=read.optional_severity, kw_only=True)
    resolve_on: ResolveOn | None = attrs.field(default=None, converter=_resolve_on, kw_only=True)
    environments: tuple[str, ...] | None = attrs.field(default=None, converter=_environments, kw_only=True)
    continue_: bool = attrs.field(default=False, converter=read.flag, kw_only=True)
    policies: tuple[Policy, ...] = attrs.field(default=(), converter=_policies, kw_only=True)


def policies_from(value: Iterable[Policy | Mapping[str, Any]], place: str = "policies") -> tuple[Policy, ...]:
    """
    Return the policies that a list of tables or objects states, each checked with those below it.

    Raises:
        ConfigurationError: One is wrong, or two have the same path of names.
    """
    listed = read.listed(value, place, "policies")
    check_floor(listed, place)
    found: dict[str, Policy] = {}
    for at, stated in enumerate(listed):
        here = read.named(f"{place}[{at}]", stated)
        policy = read.of_table(Policy, stated, here)
        _check(policy, here)
        if policy.name in found:
            raise ConfigurationError.at(here, policy.name, "a name that no policy beside it has: a plan is known by its policy's name")
        found[policy.name] = policy
    return tuple(found.values())


def check_floor(policies: Sequence[object], place: str) -> None:
    """Refuse policies that stand too deep: routing goes down by calls."""
    if policies and place.count("policies[") >= _DEEPEST:
        raise ConfigurationError.at(place, f"{_DEEPEST + 1} floors", f"at most {_DEEPEST} floors of policies")


def _check(policy: Policy, place: str) -> None:
    if not policy.name.strip() or "/" in policy.name or policy.name.startswith("("):
        raise ConfigurationError.at(f"{place}.name", policy.name, "a name, without / and not beginning with (")
    if policy.repeat_every is not None and policy.rounds is not UNSET and policy.rounds != 1:
        raise ConfigurationError.at(f"{place}.repeat_every", str(policy.repeat_every), "rounds or repeat_every, not both")
