"""Evidence: what this process saw of a site whose incident is open goes to the store, and starts and ends MONITORING."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import attrs

from incidentkit.lifecycle import decide
from incidentkit.model import CellWrite, Committed, CounterRead, Incident, Lookup, QuietElapsed, Recovery, Site, Status, Succeeded
from incidentkit.policy.windows import counter_since, held_until
from incidentkit.resolve import EvidenceReport, Verdict, judge, report_cell, report_of_cell
from incidentkit.runtime._overlay import Overlay
from incidentkit.runtime.requests import Flow, Ground, commit, load, local_evidence
from incidentkit.triage import counter_owner

__all__ = ["DEAD_PREFIX", "evidence_cell", "gather", "quiet_facts"]

#: Cells that name processes known to be dead: their evidence no longer counts.
DEAD_PREFIX: Final = "dead|"
ATTEMPTS: Final = 5


def evidence_cell(incident_id: str, process: str) -> str:
    """Return the name of the cell with one process's evidence on one incident."""
    return f"ev|{incident_id}|{process}"


def _site(incident: Incident) -> Site | None:
    return None if incident.when is None else Site(name=incident.key, when=incident.when)


def _facts(
    incident: Incident, ground: Ground, local: EvidenceReport | None, *, back: timedelta, now_hint: datetime,
) -> Flow[tuple[Incident, datetime, Verdict | None, datetime | None]]:
    """Return the incident, the store's now, what all reports prove, and until when the condition last held."""
    site = _site(incident)
    owner = "" if site is None else counter_owner(site)
    since = 0 if site is None else counter_since(site.when, now_hint, back)
    reads = () if site is None else (CounterRead(tenant=incident.tenant, owner=owner, since=since),)
    loaded = yield from load(Lookup(tenant=incident.tenant, ids=(incident.id,), counters=reads,
                                    cell_prefixes=(f"ev|{incident.id}|", DEAD_PREFIX)))
    fresh = loaded.incidents.get(incident.id, incident)
    until = None if site is None else held_until(loaded.counters.get(owner, ()), site.when)
    held = max((at for at in (until, fresh.held_until) if at is not None), default=None)
    if held is None:
        return fresh, loaded.store_now, None, None
    reports = {report.process: report for name, cell in loaded.cells.items() if name.startswith("ev|")
               for report in (report_of_cell(cell.value),)}
    if local is not None:
        reports[local.process] = local
    dead = frozenset(name.removeprefix(DEAD_PREFIX) for name in loaded.cells if name.startswith(DEAD_PREFIX))
    verdict = judge(reports.values(), held_until=held, now=loaded.store_now, settings=ground.settings, dead=dead)
    return fresh, loaded.store_now, verdict, held


def quiet_facts(incident: Incident, now: datetime, ground: Ground) -> Flow[QuietElapsed]:
    """Return the facts for a quiet timer: when it was last seen, when its condition last held, what is proved."""
    if incident.recovery is not Recovery.PROVED or incident.when is None:
        return QuietElapsed(last_seen_at=incident.last_seen_at, channel="timer")
    local = yield from local_evidence(incident.id)
    fresh, _, verdict, held = yield from _facts(incident, ground, local, back=incident.quiet_for, now_hint=now)
    is_proved = verdict is not None and verdict.is_proved
    return QuietElapsed(last_seen_at=fresh.last_seen_at, held_until=held, is_proved=is_proved, channel="timer",
                        recheck_at=None if verdict is None else verdict.recheck_at, evidence="" if verdict is None else verdict.statement)


def gather(incident: Incident, report: EvidenceReport, ground: Ground, *, must_write: bool, now_hint: datetime) -> Flow[Incident]:
    """
    Return the incident after this process's *report*: written to its cell where *must_write*, and the first success after the condition
    stopped holding begins MONITORING.
    """
    cell = CellWrite(name=evidence_cell(incident.id, ground.process), value=report_cell(report),
                     expires_at=report.active_at + max(ground.settings.evidence_window * 6, timedelta(hours=1)))
    for _ in range(ATTEMPTS):
        fresh, now, verdict, held = yield from _facts(incident, ground, report, back=incident.quiet_for, now_hint=now_hint)
        if not fresh.is_open:
            return fresh
        may_begin = fresh.status in {Status.TRIGGERED, Status.ACKNOWLEDGED} and held is not None and now >= held
        begins = may_begin and verdict is not None and verdict.has_success
        if not begins and not must_write:
            return fresh
        loaded = yield from load(Lookup(tenant=fresh.tenant, ids=(fresh.id,)))
        overlay = Overlay(loaded, ground, fresh.tenant)
        if begins and held is not None and verdict is not None:
            overlay.apply(decide(fresh, Succeeded(held_until=held, evidence=verdict.statement), now=overlay.now))
        reply = yield from commit(overlay.unit(cells=(cell,)))
        if isinstance(reply, Committed):
            after = overlay.incident(fresh.id) or fresh
            return attrs.evolve(after, version=fresh.version + (1 if overlay.changed else 0))
    return incident
