"""What the tests of backends share: units with one of everything, and programs that run in processes of their own."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from incidentkit.model import (
    Alert,
    AlertStatus,
    AlertWrite,
    CounterAdd,
    Incident,
    IncidentWrite,
    Noted,
    Page,
    PageKind,
    TimelineEntry,
    UnitOfWork,
    Work,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NS = "shop/test"


def opening(name, *, key=None, **more):
    """Return a unit that opens an incident: with an alert, an event, a counter and two rows of work."""
    incident = Incident(id=f"i{name}", key=key or f"k{name}", title="it broke", opened_at=NOW, updated_at=NOW, first_seen_at=NOW,
                        last_seen_at=NOW, event_seq=1)
    alert = Alert(fingerprint=f"f{name}", status=AlertStatus.FIRING, title="it broke", first_at=NOW, last_at=NOW, incident_id=incident.id)
    page = Page(kind=PageKind.FIRST, notifier="slack")
    work = tuple(Work(id=f"w{name}{n}", incident_id=incident.id, body=page, due_at=NOW + timedelta(seconds=n)) for n in (0, 60))
    return UnitOfWork(
        incidents=(IncidentWrite(expect=0, incident=incident),), alerts=(AlertWrite(expect=0, alert=alert),), work=work,
        events=(TimelineEntry(incident_id=incident.id, seq=1, at=NOW, event=Noted(text="opened")),),
        counters=(CounterAdd(owner=f"i|{incident.id}", n=1, first_at=NOW, last_at=NOW),), **more)


def start(program, *arguments):
    """Start a Python program that may import what the tests import; its stdin and stdout are pipes."""
    code = "from tests.backend_support import *\nimport os, signal, sqlite3\nfrom incidentkit.backends import SqliteBackend\n" + program
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process):
    """Return (exit code, stdout) of a started program; its stderr shows when a test fails."""
    out, err = process.communicate(timeout=60)
    sys.stderr.write(err)
    return process.returncode, out
