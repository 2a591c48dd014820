"""A row of the table, and how a thing is timed."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import attrs


@attrs.frozen(kw_only=True)
class Row:
    """What was measured: ours and the floor in one unit; the budget is a ratio of the two, or a bound on ours (`is_absolute`)."""

    what: str
    ours: float
    floor: float
    unit: str
    against: str
    budget: float
    is_absolute: bool = False
    is_rate: bool = False

    @property
    def ratio(self) -> float:
        """Return ours by floor."""
        return self.ours / self.floor if self.floor else 0.0

    @property
    def is_within(self) -> bool:
        """Return whether the budget holds: at most for costs, at least for rates."""
        value = self.ours if self.is_absolute else self.ratio
        return value >= self.budget if self.is_rate else value <= self.budget

    def __str__(self) -> str:
        against = f"{self.against} {self.floor:,.2f}" if self.floor else self.against
        sign = ">=" if self.is_rate else "<="
        budget = f"{sign}{self.budget:g}{self.unit if self.is_absolute else 'x'}"
        ratio = f"{self.ratio:.2f}" if self.floor else ""
        return f"{self.what:<58} {self.ours:>9,.2f} {self.unit:<3}{against:>33} {ratio:>7} {budget:>9} {'' if self.is_within else 'OVER'}"


def lowest(run: Callable[[], float], repeats: int = 5) -> float:
    """Return the lowest of several results of *run*, with the collector at rest."""
    found = []
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        try:
            found.append(run())
        finally:
            gc.enable()
    return min(found)


def timed(call: Callable[[], object], count: int = 1) -> float:
    """Return the seconds that one of *count* things took, done by one *call*."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) / count
