"""Explain: the whole way of a signal, found by the very code that decides, on the store's view, with nothing committed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from incidentkit.model import EMPTY, Loaded, Page, Signal
from incidentkit.runtime._overlay import Overlay
from incidentkit.runtime.intake import Judged, fold, judge_signal, lookup_for
from incidentkit.runtime.requests import Flow, Ground, load
from incidentkit.triage import choose, counter_owner, counters_of

__all__ = ["Explanation", "explain"]


@attrs.frozen(kw_only=True)
class Explanation:
    """
    What would become of a signal at an instant, stage by stage, and the same as data.

    `outcome` is one of opens, joins, reopens, counts, recovers, dropped, nothing. `str()` is the tree for people.
    """

    outcome: str
    stages: tuple[tuple[str, str], ...]
    facts: Mapping[str, Any] = EMPTY

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.stages)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in self.stages)


def explain(signal: Signal, ground: Ground, *, at: datetime | None = None) -> Flow[Explanation]:
    """Return the way of *signal* as if it came at *at* (None: now). Changes nothing."""
    judged = judge_signal(signal, ground)
    loaded = yield from load(lookup_for((judged,), tenant=signal.tenant, now_hint=at))
    if any(not incident.is_open or not signal.is_firing for incident in loaded.incidents.values()):
        alerts = {fingerprint for incident in loaded.incidents.values() for fingerprint in incident.alerts}
        loaded = yield from load(lookup_for((judged,), tenant=signal.tenant, now_hint=at, more=tuple(sorted(alerts))))
    if at is not None:
        loaded = attrs.evolve(loaded, store_now=at)
    return _explained(judged, loaded, ground)


def _explained(judged: Judged, loaded: Loaded, ground: Ground) -> Explanation:
    signal, triaged = judged.signal, judged.triaged
    overlay = Overlay(loaded, ground, signal.tenant)
    stages = [("signal", f"{signal.status.value}: {signal.title}"), ("fingerprint", signal.fingerprint),
              ("rules", "; ".join(triaged.applied) or "none matches"),
              ("severity", f"{triaged.severity.name} ({triaged.severity.meaning}), {triaged.priority.value}"),
              ("route", "; ".join(f"{route.policy}: {route.why}" for route in judged.routes))]
    stages += _condition(judged, loaded, ground)
    (incident_id,), _ = fold((judged,), overlay)
    outcome, text = _outcome(judged, overlay, loaded, incident_id)
    stages.append(("incident", text))
    unit = overlay.unit()
    pages = [row for row in unit.work if isinstance(row.body, Page)]
    stages.append(("told now", ", ".join(f"{row.body.notifier}:{row.body.target} ({row.body.kind.value})" for row in pages
                                         if isinstance(row.body, Page)) or "nobody"))
    stages += [("timer", f"{row.body.reason.value} at {row.due_at.isoformat()}") for row in unit.work if not isinstance(row.body, Page)]
    events = tuple(type(entry.event).__name__ for entry in unit.events)
    return Explanation(outcome=outcome, stages=tuple(stages), facts={
        "incident": incident_id, "severity": triaged.severity.value, "priority": triaged.priority.value, "events": events,
        "policies": tuple(route.policy for route in judged.routes), "work": tuple(row.id for row in unit.work),
        "told": tuple((row.body.notifier, row.body.target) for row in pages if isinstance(row.body, Page))})


def _condition(judged: Judged, loaded: Loaded, ground: Ground) -> list[tuple[str, str]]:
    if not judged.signal.sites or not judged.signal.is_firing:
        return []
    overlay = Overlay(loaded, ground, judged.signal.tenant)
    at = min(judged.signal.occurred_at or overlay.now, overlay.now)
    for add in counters_of(judged.signal, at=at, incident_id=None):
        overlay.add(add)
    rows = []
    for site, _ in judged.signal.sites:
        alone = attrs.evolve(judged.signal, sites=((site, 0),))
        chosen = choose(alone, overlay.window, at=at)
        holds = "holds" if chosen.holds else "does not hold"
        rows.append(("condition", f"{site.name}: {chosen.failures} of {site.when} ({counter_owner(site)}): {holds}"))
    return rows


def _outcome(judged: Judged, overlay: Overlay, loaded: Loaded, incident_id: str | None) -> tuple[str, str]:
    if judged.triaged.is_dropped:
        return "dropped", "none: a rule drops it (and counts it)"
    if incident_id is None:
        return ("counts", "none yet: its condition does not hold") if judged.signal.is_firing else ("nothing", "none is open for it")
    incident, before = overlay.incident(incident_id), loaded.incidents.get(incident_id)
    if incident is None or before is None:
        return "opens", f"a new one, group key {'' if incident is None else incident.key!r}"
    name = f"#{before.number} ({before.status.value})"
    if not judged.signal.is_firing:
        return "recovers", f"{name} becomes {incident.status.value}"
    return ("reopens", f"{name} is reopened") if not before.is_open else ("joins", f"{name}, which stays {incident.status.value}")
