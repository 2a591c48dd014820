"""May this page be told now? Asked by its claimer on the store's view, because only there is the fleet's truth known (DESIGN.md 3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import attrs

from incidentkit.model import Incident, Page, PageKind, PlanState, Status, ToldState

__all__ = ["Permission", "may_tell"]

#: A mute without an end is asked about again this often.
ASK_AGAIN: Final = timedelta(minutes=15)


@attrs.frozen(kw_only=True)
class Permission:
    """Send it; or withhold it for good; or withhold it until `again_at` (law 4: what withholds a page re-arms it for its end)."""

    is_granted: bool
    why: str = ""
    again_at: datetime | None = None


def may_tell(incident: Incident, page_id: str, page: Page, *, is_quiet: bool, now: datetime) -> Permission:
    """Return whether *page* may be sent in the state *incident* is in."""
    if page.cycle != incident.cycle:
        return Permission(is_granted=False, why="the incident was reopened since")
    if page.kind is PageKind.RESOLVED:
        if incident.is_open:
            return Permission(is_granted=False, why="the incident is open again")
        if not is_quiet:
            return Permission(is_granted=False, why="resolve not tellable: the channel rings, and a resolve never rings")
        return Permission(is_granted=True)
    if not incident.is_open:
        return Permission(is_granted=False, why="resolved before it was sent")
    if incident.is_muted:
        return Permission(is_granted=False, why="muted", again_at=max(incident.muted_until or now + ASK_AGAIN, now))
    if page.kind is PageKind.UPDATE:
        return Permission(is_granted=is_quiet, why="" if is_quiet else "an update never rings")
    return _page(incident, page_id, page, now=now)


def _page(incident: Incident, page_id: str, page: Page, *, now: datetime) -> Permission:
    if any(told.page == page_id and told.state is ToldState.ACCEPTED for told in incident.told):
        return Permission(is_granted=False, why="sent already")
    if incident.status is Status.ACKNOWLEDGED:
        return Permission(is_granted=False, why=f"acknowledged by {incident.acknowledged_by or 'somebody'} before it was sent")
    if incident.status is Status.MONITORING and incident.was_acknowledged:
        return Permission(is_granted=False, why="acknowledged before it was sent")
    is_paused = page.plan < len(incident.plans) and incident.plans[page.plan].state is not PlanState.RUNNING
    if incident.status is Status.MONITORING and is_paused and incident.relapses < 3:
        again = incident.quiet_at or now + ASK_AGAIN
        return Permission(is_granted=False, why="it works again; evidence is gathered", again_at=max(again, now + timedelta(seconds=1)))
    return Permission(is_granted=True)
