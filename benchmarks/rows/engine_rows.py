"""The engine's own work: deciding, taking in, remembering, and the way to the wire."""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import incidentkit as ik
from incidentkit.backends import MemoryBackend
from incidentkit.engine.clock import RandomIds
from incidentkit.model import Signal
from incidentkit.policy import Book, NotifierFacts
from incidentkit.runtime import Commit, Ground, Load, intake
from incidentkit.settings import Settings
from incidentkit.testing import LocalServer
from rows.row import Row, lowest, timed

NOW = datetime(2026, 1, 5, tzinfo=UTC)
ALERTMANAGER = 25_000  # alerts per CPU second, measured on the reference machine of the design; printed, not measured here
FACTS = {"slack": NotifierFacts(name="slack", to="#x", is_quiet=True)}


def book(policies: int) -> Book:
    """Return a book of so many policies, of which one matches."""
    listed = [ik.Policy(name=f"p{number}", match=f'service="s{number}"', steps=[ik.Step(tell="slack", then_wait="5m")])
              for number in range(policies)]
    return Book.build(policies=listed, notifiers=FACTS, rules=[ik.Rule(match='title=~".*deadlock.*"', severity="critical")])


def judged(policies: int) -> float:
    """Return the seconds of one decision with so many policies."""
    found = book(policies)
    signal = Signal(title="it broke", fingerprint="f", service=f"s{policies // 2}")
    return lowest(lambda: timed(lambda: [found.judge(signal) for _ in range(2_000)], 2_000))


def drive(backend: MemoryBackend, flow: Any) -> Any:
    """Run a loop on a backend."""
    try:
        request = next(flow)
        while True:
            if isinstance(request, Load):
                request = flow.send(backend.load("bench", request.lookup, now=NOW))
            elif isinstance(request, Commit):
                request = flow.send(backend.commit("bench", request.unit, now=NOW))
    except StopIteration as stop:
        return stop.value


def signals(start: int, count: int) -> list[Signal]:
    """Return firing signals of distinct problems."""
    return [Signal(title=f"it broke {number}", fingerprint=f"f{number}", key=f"k{number}", service="s1", occurred_at=NOW, first_at=NOW)
            for number in range(start, start + count)]


def rows() -> Iterator[Row]:
    """Yield the rows."""
    small, large = judged(100), judged(10_000)
    yield Row(what="decision (rules and route) with 1,000 policies", ours=judged(1_000) * 1e6, floor=0, unit="us", against="bound",
              budget=50, is_absolute=True)
    yield Row(what="decision with 10,000 policies", ours=large * 1e6, floor=small * 1e6, unit="us", against="with 100", budget=1.3)
    yield from _taking_in()
    yield from _wire()


def _taking_in() -> Iterator[Row]:
    ground = Ground(book=book(100), settings=Settings(), ids=RandomIds(), process="p")
    backend = MemoryBackend()
    backend.open("migrate")
    batches = [signals(start, 100) for start in range(0, 5_000, 100)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for batch in batches[:10]:
        drive(backend, intake(batch, ground))
    kept = (tracemalloc.get_traced_memory()[0] - before) / 1_000 / 1_024
    tracemalloc.stop()
    began = time.process_time()
    for batch in batches[10:]:
        drive(backend, intake(batch, ground))
    new = 4_000 / (time.process_time() - began)
    began = time.process_time()
    for batch in batches:
        drive(backend, intake(batch, ground))
    repeats = 5_000 / (time.process_time() - began)
    yield Row(what="taken in: new incidents per CPU second", ours=new, floor=ALERTMANAGER, unit="/s", against="Alertmanager (reference)",
              budget=0.25, is_rate=True)
    yield Row(what="taken in: repeats of 100 problems per CPU second", ours=repeats, floor=ALERTMANAGER, unit="/s",
              against="Alertmanager (reference)", budget=2.0, is_rate=True)
    yield Row(what="memory of an open incident with one alert", ours=kept, floor=0, unit="KiB", against="bound", budget=4, is_absolute=True)


def _wire() -> Iterator[Row]:
    found = []
    with LocalServer() as server, ik.Engine(
        app="wire", state_directory=tempfile.mkdtemp(), notifiers={"slack": {"type": "slack", "url": server.slack_webhook}},
    ).installed() as engine:
        for number in range(30):
            began = time.perf_counter()
            engine.report(f"problem {number} of letters {chr(97 + number % 26) * 5}", key=f"wire-{number}")
            server.wait_for(number + 1)
            found.append(time.perf_counter() - began)
    yield Row(what="report to first byte on the wire, SQLite (worst of 30)", ours=max(found) * 1e3, floor=0, unit="ms", against="bound",
              budget=1_500, is_absolute=True)
