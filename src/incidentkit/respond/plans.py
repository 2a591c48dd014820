"""The plan of telling: a route, frozen for one incident when it opens."""

from __future__ import annotations

import attrs

from incidentkit.model import EMPTY, Plan, PlanStep, Severity
from incidentkit.policy import Route

__all__ = ["plan_of"]


def plan_of(route: Route, *, severity: Severity) -> Plan:
    """
    Return the plan that *route* gives an incident of *severity*.

    A severity below the route's `tell_from` has no steps: stored, nobody told. From `repeat_from` up, `repeat_every` makes the steps begin
    again that long after the last of them. `extra["environments"]` are those in which the policy allows the telephone (see `expand`).
    """
    is_told = severity.is_at_least(route.tell_from)
    steps = tuple(PlanStep(tell=step.tell, then_wait=step.then_wait) for step in route.steps) if is_told else ()
    rounds = route.rounds
    if steps and route.repeat_every is not None and severity.is_at_least(route.repeat_from):
        steps, rounds = (*steps[:-1], attrs.evolve(steps[-1], then_wait=route.repeat_every)), None
    return Plan(policy=route.policy, steps=steps, rounds=rounds,
                extra={"environments": list(route.environments)} if route.environments else EMPTY)
