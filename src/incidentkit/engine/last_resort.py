"""The last resort: when commits have failed for `blind_after`, whoever saw something bad tells it without the store, marked unrecorded."""

from __future__ import annotations

import fcntl
import os
from datetime import datetime
from pathlib import Path

from incidentkit.engine.known import Known
from incidentkit.engine.senders import Senders
from incidentkit.model import Incident, Notification, PageKind, Signal
from incidentkit.policy import Book, apply_rules
from incidentkit.settings import Settings

__all__ = ["LastResort"]


class LastResort:
    """Tells first sightings once per (fingerprint, hour) and host: the first process to enter it in the host's file tells."""

    def __init__(self, *, directory: Path, book: Book, settings: Settings, names: tuple[str, ...], senders: Senders) -> None:
        self._path = directory / "last-resort.txt"
        self._book = book
        self._settings = settings
        self._names = names
        self._senders = senders
        self.told = 0

    def tell(self, known: Known, *, now: datetime, mono: float) -> bool:
        """Tell *known* if its severity after rules asks for it and nobody on this host did in this hour; return whether it was told."""
        triaged = apply_rules(self._book.rules, known.signal)
        known.is_told_last_resort = True
        if triaged.is_dropped or not known.signal.is_firing or not triaged.severity.is_at_least(self._settings.last_resort_from):
            return False
        if not self._enter(known.signal.fingerprint, now):
            return False
        incident = self._incident(known.signal, triaged.title, triaged, known.total, now)
        where = (f"{known.total} occurrences, environment {known.signal.environment or 'unknown'}, "
                 f"service {known.signal.service or 'unnamed'}")
        for name in self._names or ("stderr",):
            notifier = self._senders.notifiers.get(name)
            notification = Notification(
                kind=PageKind.FIRST, incident=incident, title=f"{incident.title} (unrecorded)", notifier=name,
                lines=("The store cannot be written; this was told by the process that saw it, and is not recorded yet.",
                       where),
                target="" if notifier is None else notifier.to, idempotency_key=f"last-resort/{known.signal.fingerprint}/{now:%Y%m%d%H}",
                sent_at=now, is_unrecorded=True)
            self._senders.submit(notification, mono + self._settings.fresh_for.total_seconds())
        self.told += 1
        return True

    def _incident(self, signal: Signal, title: str, triaged: object, count: int, now: datetime) -> Incident:
        severity = getattr(triaged, "severity", signal.severity)
        return Incident(id=f"unrecorded-{signal.fingerprint[:12]}", tenant=signal.tenant, key=signal.group_key, title=title,
                        severity=severity, service=signal.service, environment=signal.environment, labels=signal.labels,
                        opened_at=now, updated_at=now, first_seen_at=now, last_seen_at=now, occurrences=count, is_stored=False)

    def _enter(self, fingerprint: str, now: datetime) -> bool:
        """Return True for the one process of this host that enters (fingerprint, hour) first. A file that fails stops nobody."""
        entry = f"{fingerprint} {now:%Y-%m-%dT%H}\n"
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            size = os.fstat(fd).st_size
            recent = os.pread(fd, 1 << 20, max(0, size - (1 << 20))).decode("ascii", "replace")
            if entry in recent:
                return False
            os.write(fd, entry.encode("ascii", "replace"))
        except OSError:
            return True
        else:
            return True
        finally:
            os.close(fd)


def due(known: list[Known], *, blind_for: float, blind_after: float) -> list[Known]:
    """Return the problems that the last resort is for: not in the store, not told yet, once we have been blind for long enough."""
    if blind_for < blind_after:
        return []
    return [one for one in known if not one.is_told_last_resort]


