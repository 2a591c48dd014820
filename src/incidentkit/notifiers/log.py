"""Log: tells a standard library logger. What belongs here: how a notification becomes one log record."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

import attrs

from incidentkit.model import Delivery, Notification, Severity
from incidentkit.notifiers._text import one_line, shown_lines

__all__ = ["Log"]

_LEVELS: Final = {
    Severity.CRITICAL: logging.CRITICAL, Severity.MAJOR: logging.ERROR, Severity.MINOR: logging.WARNING, Severity.INFO: logging.INFO,
}


@attrs.frozen(kw_only=True)
class Log:
    """
    One record per notification, to the logger named by the target, else `to`.

    The record's `msg` is always the same, "incident.told %s", so that records group; its facts are extra fields that begin with
    `incidentkit_`. A record with the field `incidentkit_event` is ours: an IncidentHandler must not make an incident of it.
    """

    name: str = "log"
    to: str = "incidentkit"
    is_quiet: bool = True
    deadline: timedelta = timedelta(minutes=15)

    def send(self, notification: Notification, /) -> Delivery:
        """Write the record. Refused when the logger drops its level, because then nobody was told."""
        logger = logging.getLogger(notification.target or self.to)
        incident = notification.incident
        level = _LEVELS[incident.severity] if notification.kind.is_page else logging.INFO
        if not notification.kind.is_page and not logger.isEnabledFor(level):
            level = logging.WARNING  # a logger left at its default drops INFO, and with it that the incident is over (law 4)
        if not logger.isEnabledFor(level):
            return Delivery.refused(f"the logger {logger.name!r} drops {logging.getLevelName(level)}")
        logger.log(level, "incident.told %s", one_line(notification.title), extra={
            "incidentkit_event": "incident.told", "incidentkit_kind": notification.kind.value, "incidentkit_incident": incident.id,
            "incidentkit_number": incident.number, "incidentkit_key": incident.key, "incidentkit_tenant": incident.tenant,
            "incidentkit_status": incident.status.value, "incidentkit_severity": incident.severity.value,
            "incidentkit_priority": incident.priority.value, "incidentkit_service": incident.service,
            "incidentkit_environment": incident.environment, "incidentkit_notifier": self.name, "incidentkit_person": notification.person,
            "incidentkit_lines": tuple(shown_lines(notification)), "incidentkit_is_unrecorded": notification.is_unrecorded,
        })
        return Delivery.accepted()
