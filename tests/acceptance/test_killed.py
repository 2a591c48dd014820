"""A process that reports and is killed on the next line loses nothing; its death is a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


KILLED_IN_COMMIT = """
import os, signal, sys
import incidentkit as ik
from incidentkit.backends import SqliteBackend
class Deadly(SqliteBackend):
    def commit(self, ns, unit, *, now=None):
        if sys.argv[2] == "before" and unit.seq == 2: os.kill(os.getpid(), signal.SIGKILL)
        reply = super().commit(ns, unit, now=now)
        if sys.argv[2] == "after" and unit.seq == 2: os.kill(os.getpid(), signal.SIGKILL)
        return reply
engine = ik.Engine(app="killed", state_directory=sys.argv[1], backend=Deadly(sys.argv[1] + "/incidentkit.db"), notifiers={"log": {"type": "log"}})
engine.start()
for turn in range(5):
    for number in range(10):
        engine.report(f"queue {number} is full", key=f"queue-{number}")
    engine.flush()
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_around_a_commit_counts_nothing_twice_and_nothing_less(tmp_path: Path, when: str):
    """Killed between commit and its acknowledgement in the spool, the same (source, seq) goes again: a duplicate, and exact."""
    killed = run(KILLED_IN_COMMIT, str(tmp_path), when)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with ik.Engine(app="killed", state_directory=str(tmp_path), notifiers={"log": {"type": "log"}}, engine="manual").installed() as engine:
        engine.step()
        assert engine.flush()
        found = counts(engine)
    found.pop("incidentkit:death")
    assert found == {f"queue-{number}": 2 for number in range(10)}
