"""Commands: what a person, or code, does to one incident. Load, decide, commit; on Conflict decide again on what is there now."""

from __future__ import annotations

from typing import Final

import attrs

from incidentkit.errors import UnavailableError, UnknownIncidentError
from incidentkit.lifecycle import decide
from incidentkit.model import Committed, Event, Incident, Loaded, Lookup
from incidentkit.runtime._overlay import Overlay
from incidentkit.runtime.requests import Flow, Ground, commit, load

__all__ = ["command", "find", "with_alerts"]

ATTEMPTS: Final = 20


def command(key: str | int, event: Event, ground: Ground, *, tenant: str = "") -> Flow[Incident]:
    """
    Return the incident of that id or number after *event*; what comes too late is recorded as ignored and changes nothing else.

    Raises:
        UnknownIncidentError: There is no such incident of that tenant.
        UnavailableError: The store kept changing under it.
    """
    for _ in range(ATTEMPTS):
        loaded, incident = yield from with_alerts(key, tenant)
        overlay = Overlay(loaded, ground, tenant)
        after = overlay.apply(decide(incident, event, now=overlay.now))
        if not overlay.changed:
            return incident
        reply = yield from commit(overlay.unit())
        if isinstance(reply, Committed):
            return attrs.evolve(after, version=incident.version + 1)
    raise UnavailableError(f"{ATTEMPTS} conflicts in a row on incident {key!r}")


def find(key: str | int, tenant: str) -> Flow[tuple[Loaded, Incident]]:
    """
    Return a snapshot with the incident of that id or number.

    Raises:
        UnknownIncidentError: There is none.
    """
    is_number = isinstance(key, int) or key.isdecimal()
    lookup = Lookup(tenant=tenant, numbers=(int(key),)) if is_number else Lookup(tenant=tenant, ids=(str(key),))
    loaded = yield from load(lookup)
    if not loaded.incidents:
        raise UnknownIncidentError.for_key(key, tenant)
    return loaded, next(iter(loaded.incidents.values()))


def with_alerts(key: str | int, tenant: str) -> Flow[tuple[Loaded, Incident]]:
    """Return a snapshot with the incident and all its alerts, which a resolve makes ok."""
    loaded, incident = yield from find(key, tenant)
    if not incident.alerts:
        return loaded, incident
    loaded = yield from load(Lookup(tenant=tenant, ids=(incident.id,), fingerprints=incident.alerts))
    return loaded, loaded.incidents[incident.id]
