"""A process that reports and is killed on the next line loses nothing; its death is a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import incidentkit as ik

REPORTS = """
import os, signal, sys
import incidentkit as ik
engine = ik.Engine(app="killed", state_directory=sys.argv[1], notifiers={"log": {"type": "log"}})
engine.start()
for number in range(500):
    engine.report(f"queue {number} is full", key=f"queue-{number}")
    if number % 3 == 0:
        engine.report(f"queue {number} is full", key=f"queue-{number}")
os.kill(os.getpid(), signal.SIGKILL)
"""


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=120, check=False)


def counts(engine: ik.Engine) -> dict[str, int]:
    return {incident.key: incident.occurrences for incident in engine.incidents(limit=2_000)}


def test_five_hundred_reports_and_a_kill_lose_no_key_and_no_count(tmp_path: Path):
    killed = run(REPORTS, str(tmp_path))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with ik.Engine(app="killed", state_directory=str(tmp_path), notifiers={"log": {"type": "log"}}, engine="manual").installed() as engine:
        engine.step()
        assert engine.flush()
        found = counts(engine)
    death = found.pop("incidentkit:death")
    assert death == 1
    assert found == {f"queue-{number}": 2 if number % 3 == 0 else 1 for number in range(500)}


def test_a_second_kill_while_the_first_is_being_adopted_counts_nothing_twice(tmp_path: Path):
    """The adopter is killed as soon as it has adopted; whoever comes next finds exact counts."""
    assert run(REPORTS, str(tmp_path)).returncode == -signal.SIGKILL
    adopter = REPORTS.replace("for number in range(500):", "for number in range(0):")
    assert run(adopter, str(tmp_path)).returncode == -signal.SIGKILL
    with ik.Engine(app="killed", state_directory=str(tmp_path), notifiers={"log": {"type": "log"}}, engine="manual").installed() as engine:
        engine.step()
        assert engine.flush()
        found = counts(engine)
    found.pop("incidentkit:death")
    assert found == {f"queue-{number}": 2 if number % 3 == 0 else 1 for number in range(500)}


def test_a_clean_end_is_no_death(tmp_path: Path):
    ended = run(REPORTS.replace("os.kill(os.getpid(), signal.SIGKILL)", ""), str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    with ik.Engine(app="killed", state_directory=str(tmp_path), notifiers={"log": {"type": "log"}}, engine="manual").installed() as engine:
        engine.step()
        assert engine.flush()
        found = counts(engine)
    assert "incidentkit:death" not in found
    assert len(found) == 500
