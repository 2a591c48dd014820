"""The whole story in real time, as a user's program would live it: one page, the next step, silence, proof, history."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import incidentkit as ik
from incidentkit.model import Status
from incidentkit.testing.local_server import LocalServer


class Outage:
    """A dependency that is really down or up."""

    is_down = False


@ik.watch("orders.charge", service="orders", severity="major", when="3 in 3s", quiet="2s")
def charge() -> str:
    if Outage.is_down:
        raise ConnectionError("refused")
    return "charged"


def until(done, *, work=lambda: None, timeout: float = 15):
    """Wait for the real engine in real time, doing the application's work meanwhile."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while time.monotonic() < end:
        work()
        if answer := done():
            return answer
        pause.wait(0.05)
    raise AssertionError("it did not happen in time")


def quietly() -> None:
    try:
        charge()
    except ConnectionError:
        return


@pytest.mark.usefixtures("ik_network")
def test_a_failing_function_is_told_escalated_acknowledged_and_proved(tmp_path: Path):
    with LocalServer() as server, ik.Engine(
        app="story", state_directory=str(tmp_path),
        notifiers={"slack": {"type": "slack", "url": server.slack_webhook}, "hook": {"type": "webhook", "url": server.url}},
        policies=[ik.Policy(name="orders", steps=[ik.Step(tell="slack", then_wait="1s"), ik.Step(tell="hook", then_wait="1h"),
                                                  ik.Step(tell="slack", then_wait="1h")], rounds=3)],
        settings={"evidence_span": "500ms", "sites_every": "1s"},
    ).installed() as engine:
        quietly()
        Outage.is_down = True
        for _ in range(3):
            quietly()
        (first,) = server.wait_for(1)
        assert "/services/" in first.path
        (incident,) = engine.incidents()
        _, second = server.wait_for(2)
        assert second.path == "/hook"
        engine.acknowledge(incident.id, by="ada")
        for _ in range(20):
            quietly()
        assert len(server.requests) == 2
        Outage.is_down = False
        resolved = until(lambda: engine.incidents(status=Status.RESOLVED), work=quietly)[0]
        assert resolved.cause == "proved"
        assert "successes, 0 failures" in resolved.evidence
        server.wait_for(4)
        history = engine.history(incident.id)
        names = [type(entry.event).__name__ for entry in history]
        for fact in ("Opened", "PlanAdvanced", "PageSent", "Acknowledged", "Succeeded", "Resolved"):
            assert fact in names, names
        assert [entry.seq for entry in history] == list(range(1, len(names) + 1))
