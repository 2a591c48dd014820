"""RULES: the table that is the specification. One row for every status and event; a missing row fails the totality test."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from incidentkit.lifecycle import _moves as moves
from incidentkit.lifecycle import _pages as pages
from incidentkit.model import (
    AckLapsed,
    Acknowledged,
    AlertFired,
    AlertRecovered,
    Event,
    Ignored,
    Muted,
    NobodyReachable,
    Noted,
    Opened,
    PageAbandoned,
    PageClaimLost,
    PageSent,
    PageWithheld,
    PlanAdvanced,
    QuietElapsed,
    Relapsed,
    Reopened,
    Resolved,
    Status,
    StepDue,
    Succeeded,
    Unacknowledged,
    Unmuted,
)

__all__ = ["RULES"]

_T, _A, _M, _R = Status.TRIGGERED, Status.ACKNOWLEDGED, Status.MONITORING, Status.RESOLVED
_OVER: Final = moves.ignore("already resolved")
_OUTCOME: Final = moves.ignore("a fact that only a decision records")

#: (status, event) -> rule. Late and repeated events are normal: they are ignored with a reason, they do not raise.
RULES: Final = MappingProxyType[tuple[Status, type[Event]], moves.Rule]({
    (_T, AlertFired): moves.fired,
    (_A, AlertFired): moves.fired,
    (_M, AlertFired): moves.fired_while_monitored,
    (_R, AlertFired): moves.fired_after_resolve,
    (_T, AlertRecovered): moves.recovered,
    (_A, AlertRecovered): moves.recovered,
    (_M, AlertRecovered): moves.recovered,
    (_R, AlertRecovered): moves.void,
    (_T, Succeeded): moves.succeeded,
    (_A, Succeeded): moves.succeeded,
    (_M, Succeeded): moves.void,
    (_R, Succeeded): moves.void,
    (_T, QuietElapsed): moves.quiet_while_open,
    (_A, QuietElapsed): moves.quiet_while_open,
    (_M, QuietElapsed): moves.quiet_while_monitored,
    (_R, QuietElapsed): moves.void,
    (_T, StepDue): moves.step_due,
    (_A, StepDue): moves.void,
    (_M, StepDue): moves.step_due,
    (_R, StepDue): moves.void,
    (_T, Acknowledged): moves.acknowledge,
    (_A, Acknowledged): moves.acknowledge,
    (_M, Acknowledged): moves.acknowledge,
    (_R, Acknowledged): _OVER,
    (_T, AckLapsed): moves.void,
    (_A, AckLapsed): moves.ack_lapsed,
    (_M, AckLapsed): moves.ack_lapsed_while_monitored,
    (_R, AckLapsed): moves.void,
    (_T, Unacknowledged): moves.ignore("not acknowledged"),
    (_A, Unacknowledged): moves.unacknowledge,
    (_M, Unacknowledged): moves.unacknowledge,
    (_R, Unacknowledged): _OVER,
    (_T, Resolved): moves.resolve,
    (_A, Resolved): moves.resolve,
    (_M, Resolved): moves.resolve,
    (_R, Resolved): _OVER,
    (_T, Reopened): moves.ignore("it is open"),
    (_A, Reopened): moves.ignore("it is open"),
    (_M, Reopened): moves.ignore("it is open"),
    (_R, Reopened): moves.reopen,
    (_T, Muted): moves.mute,
    (_A, Muted): moves.mute,
    (_M, Muted): moves.mute,
    (_R, Muted): _OVER,
    (_T, Unmuted): moves.unmute,
    (_A, Unmuted): moves.unmute,
    (_M, Unmuted): moves.unmute,
    (_R, Unmuted): moves.void,
    **{(status, Noted): moves.note for status in Status},
    **{(status, PageSent): pages.sent for status in Status},
    **{(status, PageAbandoned): pages.abandoned for status in Status},
    **{(status, PageWithheld): pages.withheld for status in Status},
    **{(status, PageClaimLost): pages.claim_lost for status in Status},
    **{(status, kind): _OUTCOME for status in Status for kind in (Opened, PlanAdvanced, NobodyReachable, Relapsed, Ignored)},
})
