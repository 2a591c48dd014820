"""With the store failing every commit, something bad is told by the last resort, once, marked unrecorded."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import incidentkit as ik
from incidentkit.backends import MemoryBackend
from incidentkit.errors import UnavailableError
from incidentkit.testing import World


class Refusing(MemoryBackend):
    """The real backend, but for its commits while the switch is on."""

    is_refusing = True

    def commit(self, ns, unit, *, now=None):
        if self.is_refusing:
            raise UnavailableError("the disk is full")
        return super().commit(ns, unit, now=now)


@pytest.fixture
def world(tmp_path: Path):
    with World(notifiers={"slack": {"type": "slack", "url": "https://hooks.slack.com/services/T/B/X"}}, backend=Refusing(),
               state_directory=str(tmp_path)) as world:
        yield world


def test_a_major_first_sighting_is_told_once_within_blind_after_and_five_seconds(world: World):
    ik.report("the store of orders is gone", key="orders", severity="major")
    ik.report("a small thing", key="small", severity="minor")
    world.advance("19s")
    assert world.sent == []
    world.advance("6s")
    (told,) = world.sent
    assert told.notification.is_unrecorded
    assert "unrecorded" in told.notification.title
    assert not world.engine.health().is_green
    for _ in range(3):
        ik.report("the store of orders is gone", key="orders", severity="major")
        world.advance("10m")
    assert len(world.sent) == 1


def test_when_the_store_is_back_the_spool_reconciles_and_the_counts_are_exact(world: World):
    for _ in range(7):
        ik.report("the store of orders is gone", key="orders", severity="major")
        world.advance("5s")
    world.engine.config.backend.is_refusing = False
    world.advance("10s")
    (incident,) = world.incidents
    assert incident.occurrences == 7
    assert world.engine.health().blind_since is None


def test_another_process_of_the_host_does_not_tell_it_again(world: World, tmp_path: Path):
    ik.report("the store of orders is gone", key="orders", severity="major")
    world.advance("25s")
    assert len(world.sent) == 1
    with World(notifiers={"slack": {"type": "slack", "url": "https://hooks.slack.com/services/T/B/X"}}, backend=Refusing(),
               state_directory=str(tmp_path)) as other:
        ik.report("the store of orders is gone", key="orders", severity="major")
        other.advance("30s")
        assert other.sent == []
        other.advance(timedelta(hours=1))
        ik.report("the store of orders is gone", key="orders", severity="major", labels={"next": "hour"})
        other.advance("30s")
        assert len(other.sent) == 1
