"""SQLite against a bare driver: the same rows, the same pragmas, the same batches."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from incidentkit.backends import SqliteBackend
from incidentkit.model import (
    Alert,
    AlertStatus,
    AlertWrite,
    Incident,
    IncidentWrite,
    Opened,
    Severity,
    TimelineEntry,
    UnitOfWork,
    Wake,
    WakeReason,
    Work,
    encode,
)
from rows.row import Row, lowest, timed

NOW = datetime(2026, 1, 5, tzinfo=UTC)
_serial = iter(range(10**9))


def unit(incidents: int) -> UnitOfWork:
    """Return a unit that opens so many incidents, each with an alert, an event and a timer."""
    numbers = [next(_serial) for _ in range(incidents)]
    opened = [Incident(id=f"i{number}", key=f"k{number}", title="it broke", opened_at=NOW, updated_at=NOW, first_seen_at=NOW,
                       last_seen_at=NOW) for number in numbers]
    return UnitOfWork(
        incidents=tuple(IncidentWrite(expect=0, incident=incident) for incident in opened),
        alerts=tuple(AlertWrite(expect=0, alert=Alert(fingerprint=f"f{number}", status=AlertStatus.FIRING, title="it broke", first_at=NOW,
                                                      last_at=NOW)) for number in numbers),
        events=tuple(TimelineEntry(incident_id=incident.id, seq=1, at=NOW,
                                   event=Opened(reason="x", fingerprint="f", severity=Severity.MAJOR)) for incident in opened),
        work=tuple(Work(id=f"w{number}", incident_id=f"i{number}", body=Wake(reason=WakeReason.QUIET), due_at=NOW) for number in numbers))


def bare(path: Path, pragma: str) -> sqlite3.Connection:
    """Return a bare connection with the same durability and the same number of tables and indexes."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode={pragma}").fetchall()
    connection.execute("PRAGMA synchronous=FULL")
    for table in ("incident", "alert", "event", "work"):
        connection.execute(f"CREATE TABLE {table} (ns TEXT, shard INT, id TEXT, at INT, body TEXT, PRIMARY KEY (ns, shard, id))")
        connection.execute(f"CREATE INDEX {table}_at ON {table} (ns, shard, at)")
    return connection


def write_bare(connection: sqlite3.Connection, work: UnitOfWork) -> None:
    """Write the same rows with nothing around them."""
    connection.execute("BEGIN IMMEDIATE")
    for table, rows_ in (("incident", [(write.incident.id, encode(write.incident)) for write in work.incidents]),
                         ("alert", [(write.alert.fingerprint, encode(write.alert)) for write in work.alerts]),
                         ("event", [(entry.incident_id, encode(entry.event)) for entry in work.events]),
                         ("work", [(row.id, encode(row.body)) for row in work.work])):
        connection.executemany(f"INSERT INTO {table} VALUES ('ns', 180, ?, 1, ?)", rows_)
    connection.execute("COMMIT")


def rows() -> Iterator[Row]:
    """Yield the rows."""
    place = Path(tempfile.mkdtemp())
    backend = SqliteBackend(place / "ours.db")
    journal = backend.open("migrate").facts.get("journal_mode", "truncate")
    connection = bare(place / "bare.db", journal)
    for size, count in ((1, 60), (100, 6)):
        units = [[unit(size) for _ in range(count)] for _ in range(10)]
        mine, theirs = iter(units[:5]), iter(units[5:])
        ours = lowest(lambda mine=mine, count=count: timed(  # type: ignore[misc]
            lambda: [backend.commit("ns", work, now=NOW) for work in next(mine)], count))
        floor = lowest(lambda theirs=theirs, count=count: timed(  # type: ignore[misc]
            lambda: [write_bare(connection, work) for work in next(theirs)], count))
        yield Row(what=f"SQLite ({journal}, FULL): unit of {size} new incidents, per second", ours=1 / ours, floor=1 / floor, unit="/s",
                  against="bare driver", budget=0.5, is_rate=True)
    backend.close()
    connection.close()
