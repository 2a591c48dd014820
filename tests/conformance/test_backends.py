"""The shipped backends, case by case."""

from functools import partial

import pytest

from incidentkit.backends import MemoryBackend, MemoryStore, SqliteBackend
from incidentkit.testing.conformance import cases, check_backend


@pytest.mark.parametrize("name", cases())
def test_memory_keeps_the_rule(name):
    check_backend(lambda: partial(MemoryBackend, MemoryStore()), only=[name]).check()


@pytest.mark.parametrize("journal", ["truncate", "wal"])
@pytest.mark.parametrize("name", cases())
def test_sqlite_keeps_the_rule(name, journal, tmp_path):
    """WAL is asked for by name here: within one process, and without concurrent checkpoints, it is safe on every build."""
    check_backend(lambda: partial(SqliteBackend, tmp_path / "incidents.db", journal=journal), only=[name]).check()


def test_a_case_that_does_not_exist_is_an_error():
    with pytest.raises(LookupError, match="no conformance case is named nonsense"):
        check_backend(lambda: partial(MemoryBackend, MemoryStore()), only=["nonsense"])


def test_the_report_says_what_failed_and_which_rule_that_breaks():
    class Forgetful(MemoryBackend):
        def history(self, ns, incident_id, **more):
            raise RuntimeError("lost")

    report = check_backend(lambda: partial(Forgetful, MemoryStore()), only=["event_seq_contiguous", "empty_unit_is_legal"])
    assert report.failed == ("event_seq_contiguous",)
    assert "RuntimeError: lost" in str(report)
    assert "1 passed, 1 failed, 0 skipped" in str(report)
    with pytest.raises(AssertionError, match="Events follow each other from 1"):
        report.check()
