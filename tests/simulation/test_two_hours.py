"""Two hours of virtual time at 50 calls/s, from a stated seed: an outage, its recovery, and one input that always fails."""

from __future__ import annotations

import random
from datetime import timedelta

import incidentkit as ik
from incidentkit.model import PageKind, Status
from incidentkit.testing import World

SEED = 20_260_105
PER_SECOND = 50
BACKGROUND = 0.0001
OUTAGE = (20 * 60, 29 * 60)  # seconds: nine minutes
POISON_FROM, POISON_EVERY = 60 * 60, 10
END = 2 * 60 * 60
SLOT = 10  # "5 in 1m" is kept in six slots of ten seconds
QUIET = 5 * 60


@ik.watch("sim.charge", service="payments", severity="major", when="5 in 1m", quiet="5m")
def charge(error: Exception | None) -> str:
    if error is not None:
        raise error
    return "charged"


def failures(rng: random.Random, second: int, call: int) -> Exception | None:
    """Return how this call fails, or None."""
    if OUTAGE[0] <= second < OUTAGE[1]:
        return rng.choice((TimeoutError("db"), ConnectionError("refused"), ValueError("empty answer")))
    if second >= POISON_FROM and second % POISON_EVERY == 0 and call == 0:
        return KeyError("the one input")
    return OSError("background") if rng.random() < BACKGROUND else None


def call_fails(error: Exception | None) -> bool:
    """Call the watched function; return whether it failed, with the very exception it raised."""
    try:
        charge(error)
    except (TimeoutError, ConnectionError, ValueError, KeyError, OSError) as caught:
        if caught is not error:
            raise AssertionError("the host's exception must go on unchanged") from caught
        return True
    return False


def last_held(failed_at: list[float], until: float) -> int:
    """Return, by brute force over the slots, when the condition last held for failures before *until*: the oracle of this test."""
    counts: dict[int, int] = {}
    for at in failed_at:
        if at < until:
            counts[int(at // SLOT)] = counts.get(int(at // SLOT), 0) + 1
    held = [slot for slot in range(int(until // SLOT) + 6) if sum(counts.get(slot - back, 0) for back in range(6)) >= 5]
    return (held[-1] + 1) * SLOT


def test_two_hours_make_exactly_two_incidents_and_two_first_pages():
    rng = random.Random(SEED)
    failed_at: list[float] = []
    background = 0
    with World(notifiers={"slack": {"type": "slack", "url": "https://hooks.slack.com/services/T/B/X"}}) as world:
        start = world.clock.now()
        for second in range(END):
            for call in range(PER_SECOND):
                error = failures(rng, second, call)
                if call_fails(error):
                    failed_at.append((world.clock.now() - start).total_seconds())
                    background += type(error) is OSError
                world.advance(timedelta(seconds=1 / PER_SECOND))
        incidents = world.incidents
        first_pages = [one for one in world.sent if one.notification.kind is PageKind.FIRST]
        assert background > 5, "the seed must make some background failures"
        assert len(incidents) == 2
        assert len(first_pages) == 2
        outage, poison = incidents
        opened = (outage.opened_at - start).total_seconds()
        fifth = sorted(at for at in failed_at if at >= OUTAGE[0])[4]
        assert fifth <= opened <= fifth + world.engine.config.settings.flush_after.total_seconds() + 0.02
        held = last_held([at for at in failed_at if at < POISON_FROM], POISON_FROM)
        assert outage.cause == "proved"
        assert outage.resolved_at is not None
        resolved = (outage.resolved_at - start).total_seconds()
        tick = world.engine.config.settings.tick.total_seconds()
        assert held + QUIET <= resolved <= held + QUIET + tick
        assert len([alert for alert in world.engine.alerts(outage.id) if alert.exception]) >= 3
        during = [at for at in failed_at if opened - 60 <= at < resolved]
        assert outage.occurrences == len([at for at in during if at >= (int(fifth // SLOT) - 5) * SLOT])
        assert poison.status is not Status.RESOLVED
        assert "KeyError" in poison.title
