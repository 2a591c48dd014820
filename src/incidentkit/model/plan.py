"""Plan: who is told, in what order, with which waits; frozen into the incident when it opens, with the position it has reached."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import attrs

from incidentkit.model.signal import EMPTY

__all__ = ["Plan", "PlanState", "PlanStep", "Told", "ToldState"]


class PlanState(Enum):
    """What a plan is doing."""

    #: A step was told; `next_at` is when the next one is due.
    RUNNING = "running"
    #: MONITORING holds it; `wait_left` is what remained of the running wait.
    PAUSED = "paused"
    #: An acknowledgement stopped it.
    STOPPED = "stopped"
    #: All rounds were used.
    SPENT = "spent"


@attrs.frozen(kw_only=True)
class PlanStep:
    """One step: target expressions told at once ("slack:#payments", "on_call:payments"), then the wait before the next step."""

    tell: tuple[str, ...]
    then_wait: timedelta = timedelta(minutes=5)
    extra: Mapping[str, Any] = EMPTY


@attrs.frozen(kw_only=True)
class Plan:
    """
    A frozen plan and its position.

    `step` is the index of the step told last, -1 before the first. `round` counts from 1. `rounds` None repeats until somebody acts.
    `generation` grows with every move, and a timer of an older generation is void. `waiting_for` are the pages of the current step
    that have no outcome yet; `reached` becomes True when one of them was accepted.
    """

    policy: str
    steps: tuple[PlanStep, ...]
    rounds: int | None = 1
    state: PlanState = PlanState.RUNNING
    step: int = -1
    round: int = 1
    generation: int = 0
    next_at: datetime | None = None
    wait_left: timedelta | None = None
    waiting_for: tuple[str, ...] = ()
    reached: bool = False
    extra: Mapping[str, Any] = EMPTY


class ToldState(Enum):
    """What is known of one page."""

    #: Asked for; not yet sent, or claimed and no outcome yet.
    PENDING = "pending"
    #: The service accepted it.
    ACCEPTED = "accepted"
    #: Claimed by somebody who never answered: it may have been sent.
    POSSIBLE = "possible"
    #: Never sent: refused, dead, or withheld to the end.
    NOT_TOLD = "not_told"


@attrs.frozen(kw_only=True)
class Told:
    """Somebody who was, or is to be, told: the notifier, the target on it, for whom, and what the provider calls the message."""

    page: str
    notifier: str
    target: str = ""
    person: str = ""
    state: ToldState = ToldState.PENDING
    ref: str = ""
    at: datetime | None = None
    extra: Mapping[str, Any] = EMPTY
