"""THE LOOPS, as generators over ports: intake, command, dispatch, evidence, explain. They ask, a driver answers; no thread, no I/O."""

from incidentkit.runtime.command import command, find
from incidentkit.runtime.dispatch import dispatch
from incidentkit.runtime.evidence import DEAD_PREFIX, evidence_cell, gather
from incidentkit.runtime.explain import Explanation, explain
from incidentkit.runtime.intake import Taken, intake, judge_signal
from incidentkit.runtime.requests import (
    STALE,
    Ask,
    ClaimDue,
    Commit,
    Flow,
    Ground,
    Load,
    LocalEvidence,
    OpenSites,
    Purge,
    Send,
    claim_due,
    open_sites,
    purge,
)

__all__ = [
    "DEAD_PREFIX",
    "STALE",
    "Ask",
    "ClaimDue",
    "Commit",
    "Explanation",
    "Flow",
    "Ground",
    "Load",
    "LocalEvidence",
    "OpenSites",
    "Purge",
    "Send",
    "Taken",
    "claim_due",
    "command",
    "dispatch",
    "evidence_cell",
    "explain",
    "find",
    "gather",
    "intake",
    "judge_signal",
    "open_sites",
    "purge",
]
