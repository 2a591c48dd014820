"""The state diagram of the docs, printed from RULES: which events can change an incident's status, and to what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from incidentkit.lifecycle._rules import RULES
from incidentkit.model import Status

__all__ = ["state_diagram"]

#: What a rule can make of the status: found by reading it, held true by a property test that plays random events.
_TARGETS: Final[Mapping[str, Mapping[Status, str]]] = {
    "fired": {Status.ACKNOWLEDGED: "triggered (worse severity)"},
    "fired_while_monitored": {Status.MONITORING: "triggered or acknowledged (relapse)"},
    "fired_after_resolve": {Status.RESOLVED: "triggered (within reopen_within)"},
    "recovered": dict.fromkeys((Status.TRIGGERED, Status.ACKNOWLEDGED, Status.MONITORING), "resolved (last alert ok)"),
    "succeeded": dict.fromkeys((Status.TRIGGERED, Status.ACKNOWLEDGED), "monitoring"),
    "quiet_while_open": dict.fromkeys((Status.TRIGGERED, Status.ACKNOWLEDGED), "resolved (quiet)"),
    "quiet_while_monitored": {Status.MONITORING: "resolved (proved or quiet)"},
    "acknowledge": {Status.TRIGGERED: "acknowledged"},
    "ack_lapsed": {Status.ACKNOWLEDGED: "triggered"},
    "unacknowledge": {Status.ACKNOWLEDGED: "triggered"},
    "resolve": dict.fromkeys((Status.TRIGGERED, Status.ACKNOWLEDGED, Status.MONITORING), "resolved"),
    "reopen": {Status.RESOLVED: "triggered"},
}


def state_diagram() -> str:
    """Return the Mermaid state diagram and, below it, the whole table as Markdown."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> triggered: Opened"]
    rows = ["| status | event | rule |", "|---|---|---|"]
    for (status, kind), rule in sorted(RULES.items(), key=lambda row: (list(Status).index(row[0][0]), row[0][1].__name__)):
        target = _TARGETS.get(rule.__name__, {}).get(status)
        if target is not None:
            lines += [f"    {status.value} --> {name}: {kind.__name__}{label}" for name, label in _ends(target)]
        rows.append(f"| {status.value} | {kind.__name__} | {rule.__name__.replace('_', ' ')} |")
    return "\n".join([*lines, "```", "", *rows, ""])


def _ends(target: str) -> list[tuple[str, str]]:
    names, _, label = target.partition(" (")
    return [(name, f" ({label}" if label else "") for name in names.split(" or ")]
