"""What a store that cannot be used costs: a clear error from start(), and nothing that was reported is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import incidentkit as ik
from incidentkit.errors import BackendError

LOG = {"log": {"type": "log"}}


def engine(directory: Path, **keys) -> ik.Engine:
    return ik.Engine(app="store", backend=f"sqlite:///{directory / 'incidents.db'}", notifiers=LOG, **keys)


def test_a_file_that_is_no_database_is_named_and_nothing_reported_meanwhile_is_lost(tmp_path: Path):
    """configure() and start() raise; the engine stays on its spool, and a later start() has it all."""
    path = tmp_path / "incidents.db"
    path.write_bytes(b"this is a text, not a database" * 100)
    made = engine(tmp_path)
    with pytest.raises(BackendError, match=r"incidents\.db") as refused:
        made.start()
    assert "database" in str(refused.value)
    for number in range(20):
        made.report("kept", key=f"k{number}")
    assert not made.health().is_green
    path.unlink()
    made.start()
    assert made.flush(10)
    assert {incident.key for incident in made.incidents(limit=100)} == {f"k{number}" for number in range(20)}
    made.stop()


def test_what_was_reported_without_a_store_is_there_after_a_restart(tmp_path: Path):
    (tmp_path / "incidents.db").write_bytes(b"no database" * 1_000)
    made = engine(tmp_path)
    with pytest.raises(BackendError):
        made.start()
    made.report("kept", key="k").wait  # noqa: B018 - the ticket is dropped, which loses nothing
    made.stop()
    (tmp_path / "incidents.db").unlink()
    with engine(tmp_path, engine="manual").installed() as again:
        again.step()
        assert again.flush()
        assert [incident.key for incident in again.incidents()] == ["k"]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path):
    with engine(tmp_path).installed() as made:
        made.raise_incident("there", key="there")
    path = tmp_path / "incidents.db"
    connection = sqlite3.connect(path)
    connection.execute("UPDATE ik_meta SET v = '999' WHERE k IN ('schema_version', 'min_client')")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    newer = engine(tmp_path)
    with pytest.raises(BackendError, match=r"incidents\.db"):
        newer.start()
    newer.stop()
    assert path.read_bytes() == before


def test_two_tenants_with_one_key_are_two_incidents_with_their_own_numbers(tmp_path: Path):
    with engine(tmp_path, engine="manual").installed() as made:
        for tenant in ("acme", "globex"):
            made.report("queue is full", key="queue", tenant=tenant)
        assert made.flush()
        assert {(found.tenant, found.number) for found in made.incidents()} == {("acme", 1), ("globex", 1)}
        made.ok(key="queue", tenant="acme")
        assert made.flush()
        assert made.get(1, tenant="acme").status.value == "resolved"
        assert made.get(1, tenant="globex").status.value == "triggered"


def test_a_secret_is_in_no_file_of_ours(tmp_path: Path):
    """A canary in the text, the details, the labels and a URL: not in the store, not in the spool, not even after a kill."""
    canary = "hunter2-canary-7d1f"
    with engine(tmp_path).installed() as made:
        try:
            raise RuntimeError(f"cannot log in: password={canary} at https://user:{canary}@db.example.com/x?token={canary}")
        except RuntimeError as error:
            made.report(error, details={"db_password": canary, "nested": {"apiKey": canary}}).wait(5)
        made.report(f"login with password={canary}", key="login", details={"headers": {"Authorization": f"Bearer {canary}"}}).wait(5)
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert canary.encode() not in path.read_bytes(), path
        for incident in made.incidents():
            assert canary not in repr(incident)
            assert canary not in repr(made.alerts(incident.id))


def test_nested_watches_count_one_failure_once_each(tmp_path: Path):
    inner = ik.watch("nested.inner", when="2 in 1m")
    outer = ik.watch("nested.outer", when="1 in 1m", severity="major")
    with engine(tmp_path, engine="manual").installed() as made:
        with pytest.raises(ZeroDivisionError), outer, inner:
            _ = 1 / 0
        assert made.flush()
        (incident,) = made.incidents()
        assert (incident.key, incident.occurrences, incident.severity.value) == ("nested.outer", 1, "major")
