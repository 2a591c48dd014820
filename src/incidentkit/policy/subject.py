"""Subject: what matchers see of a signal. What belongs here: the names that can be asked for, and how their values become text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from incidentkit.model import Priority, Severity, Signal

__all__ = ["FIELDS", "Subject"]

#: The names that mean a field of the signal. Any other name is a label; `labels.severity` is the label of that name.
FIELDS: Final = ("tenant", "source", "service", "key", "environment", "release", "instance", "status", "severity", "priority", "title",
                 "exception", "fingerprint")
_LABELS: Final = "labels."
_DETAILS: Final = "details."


@attrs.frozen(eq=False)
class Subject:
    """A signal as it looks after the rules so far. `fields` holds the text of every name in FIELDS; "" is missing."""

    fields: Mapping[str, str]
    labels: Mapping[str, str]
    details: Mapping[str, Any]
    severity: Severity
    priority: Priority | None

    @classmethod
    def of(
        cls, signal: Signal, *, severity: Severity | None = None, priority: Priority | None = None, title: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Subject:
        """
        Return what matchers see of *signal*, with what triage said of it where that is given.

        `key` is the explicit key, else the name of the innermost watched site.
        """
        severity = severity or signal.severity
        fields = {
            "tenant": signal.tenant, "source": signal.source, "service": signal.service,
            "key": signal.key or (signal.sites[0][0].name if signal.sites else ""), "environment": signal.environment,
            "release": signal.release, "instance": signal.instance, "status": signal.status.value, "severity": severity.value,
            "priority": priority.value if priority is not None else "", "title": signal.title if title is None else title,
            "exception": signal.exception.type if signal.exception is not None else "", "fingerprint": signal.fingerprint,
        }
        return cls(fields, signal.labels if labels is None else labels, signal.details, severity, priority)

    def get(self, name: str) -> str:
        """Return the text of a field, a label or a detail ("details.order.id"); "" when there is none."""
        found = self.fields.get(name)
        if found is not None: return found
        if name.startswith(_DETAILS): return self.detail(name[len(_DETAILS):])
        return self.labels.get(name.removeprefix(_LABELS), "")

    def detail(self, path: str) -> str:
        """Return the text of a detail by its dotted path; a key that itself has dots is found too."""
        return _text_at(self.details, path)


def _text_at(value: Any, path: str) -> str:
    if not isinstance(value, Mapping): return ""
    if path in value: return _text(value[path])
    for at, char in enumerate(path):  # the shortest key that is there, and has the rest below it
        if char == "." and path[:at] in value and (found := _text_at(value[path[:at]], path[at + 1:])): return found
    return ""


def _text(value: Any) -> str:
    """Return a scalar as JSON writes it, without quotes; "" for anything else. No class of the host is asked for its text."""
    if type(value) is str: return value
    if type(value) is bool: return "true" if value else "false"
    return str(value) if type(value) in {int, float} else ""
