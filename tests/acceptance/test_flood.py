"""A million identical errors are one incident with their exact number, one page, and no memory."""

from __future__ import annotations

import resource
from pathlib import Path

import incidentkit as ik
from incidentkit.testing import RecordingNotifier

MILLION = 1_000_000


def fail() -> None:
    raise TimeoutError("db")


def test_a_million_identical_errors_make_one_incident_one_page_and_flat_memory(tmp_path: Path):
    channel = RecordingNotifier("slack", to="#x")
    with ik.Engine(app="flood", state_directory=str(tmp_path), notifiers={"slack": channel}).installed() as engine:
        memory = 0
        for number in range(MILLION):
            try:
                fail()
            except TimeoutError as error:
                engine.report(error)
            if number == 50_000:
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        assert engine.flush(timeout=30)
        (incident,) = engine.incidents()
        assert incident.occurrences == MILLION
        assert len(channel.notifications) == 1
        assert grown < 4 * 1024, f"{grown} KiB more after 950,000 repeats"
