"""Trackers: what this process sees of watched sites whose incident is open; the healthy ones cost nothing."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from incidentkit.host.installed import close_site, open_site
from incidentkit.model import Incident, Status
from incidentkit.ports import Clock
from incidentkit.resolve import EvidenceReport
from incidentkit.settings import Settings

__all__ = ["Tracker", "Trackers"]


class Tracker:
    """One process's evidence on one open incident. Counts under a lock: it is only paid while something is broken."""

    def __init__(self, incident: Incident, *, process: str, clock: Clock, settings: Settings, is_reporter: bool) -> None:
        self.incident = incident
        self.is_reporter = is_reporter
        self.next_gather = 0.0
        self.last_write: float | None = None
        self.written_proof = False
        self._process = process
        self._clock = clock
        self._need = settings.evidence_successes
        self._span = settings.evidence_span.total_seconds()
        self._lock = threading.RLock()
        self.restart()

    def restart(self) -> None:
        """Count from here: the incident opened, relapsed, or is monitored from now on. A run that goes on is kept."""
        with self._lock:
            self._since = self._clock.monotonic()
            self._successes = self._failures = 0

    def forget_run(self) -> None:
        """The condition holds again: nothing counts that was before it."""
        with self._lock:
            self._run_count, self._run_started, self._run_last = 0, 0.0, 0.0
            self._proof_last: float | None = None
            self.written_proof = False

    _run_count = 0
    _run_started = 0.0
    _run_last = 0.0
    _proof_last: float | None = None
    is_dirty = False

    def success(self) -> None:
        """Count one success, now."""
        now = self._clock.monotonic()
        with self._lock:
            self._successes += 1
            if not self._run_count:
                self._run_started = now
            self._run_count += 1
            self._run_last = now
            if self._run_count >= self._need and now - self._run_started >= self._span:
                self._proof_last = now
            self.is_dirty = True

    def failure(self) -> None:
        """Count one failure: the run of successes ends, and this process is one that reports it."""
        with self._lock:
            self._failures += 1
            self._run_count = 0
            self.is_reporter = True

    @property
    def has_new_proof(self) -> bool:
        """Return True when the evidence became complete and the store does not know it."""
        return self._proof_last is not None and not self.written_proof

    def report(self) -> EvidenceReport:
        """Return what was seen, as instants."""
        wall, mono = self._clock.now(), self._clock.monotonic()

        def at(reading: float | None) -> datetime | None:
            return None if reading is None else wall - timedelta(seconds=mono - reading)

        with self._lock:
            has_run = self._run_count > 0
            active = max(self._since, self._run_last)
            return EvidenceReport(
                process=self._process, is_reporter=self.is_reporter, active_at=at(active) or wall, successes=self._successes,
                failures=self._failures, since=at(self._since), run_count=self._run_count,
                run_started_at=at(self._run_started if has_run else None), run_last_at=at(self._run_last if has_run else None),
                proof_last_at=at(self._proof_last))


class Trackers:
    """The open sites of this process, by site name and by incident."""

    def __init__(self, *, process: str, clock: Clock, settings: Settings) -> None:
        self._process = process
        self._clock = clock
        self._settings = settings
        self._by_site: dict[str, Tracker] = {}

    def note(self, incident: Incident, *, is_reporter: bool = False) -> bool:
        """Take in what an incident has become; return whether its site changed state for this process."""
        if incident.when is None:
            return False
        tracker = self._by_site.get(incident.key)
        if not incident.is_open:
            if tracker is not None and tracker.incident.id == incident.id:
                del self._by_site[incident.key]
                close_site(incident.key)
                return True
            return False
        if tracker is None or tracker.incident.id != incident.id:
            tracker = Tracker(incident, process=self._process, clock=self._clock, settings=self._settings, is_reporter=is_reporter)
            self._by_site[incident.key] = tracker
            open_site(incident.key, tracker)
            return True
        before, tracker.incident = tracker.incident, incident
        tracker.is_reporter = tracker.is_reporter or is_reporter
        was, is_ = before.status is Status.MONITORING, incident.status is Status.MONITORING
        if is_ and not was:
            tracker.restart()
        elif was and not is_:
            tracker.restart()
            tracker.forget_run()
        return was != is_

    def failed(self, site: str) -> None:
        """Count a failure of *site*, if its incident is open."""
        tracker = self._by_site.get(site)
        if tracker is not None:
            tracker.failure()

    def of_incident(self, incident_id: str) -> Tracker | None:
        """Return the tracker of an incident."""
        return next((tracker for tracker in self._by_site.values() if tracker.incident.id == incident_id), None)

    def all(self) -> tuple[Tracker, ...]:
        """Return all trackers."""
        return tuple(self._by_site.values())

    def keep_only(self, incident_ids: set[str]) -> None:
        """Forget sites whose incident is not open any more, wherever it was closed."""
        for name, tracker in list(self._by_site.items()):
            if tracker.incident.id not in incident_ids:
                del self._by_site[name]
                close_site(name)

    def forget_in_child(self) -> None:
        """Forget all in a forked child, which has no engine yet."""
        self.keep_only(set())

    def clear(self) -> None:
        """Forget all: the engine stops."""
        self.keep_only(set())
