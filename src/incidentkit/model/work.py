"""Work: what a decision asks for, stored in the same transaction as the state and claimed later by somebody who can do it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

import attrs

from incidentkit.model.signal import EMPTY

__all__ = ["Claim", "Page", "PageKind", "Settle", "SettleKind", "Wake", "WakeReason", "Work", "WorkState"]


class PageKind(Enum):
    """Why somebody is told."""

    #: The first page of a target in this cycle.
    FIRST = "first"
    #: The same target again, because nobody answered.
    REMINDER = "reminder"
    #: Something changed for people who know already (relapse, worse severity is a page again, not an update). Quiet.
    UPDATE = "update"
    #: It is over. Quiet.
    RESOLVED = "resolved"

    @property
    def is_page(self) -> bool:
        """Return True for what may wake somebody: first page and reminder."""
        return self in {PageKind.FIRST, PageKind.REMINDER}


@attrs.frozen(kw_only=True)
class Page:
    """Tell one target on one notifier. `ref` is the provider's name of the earlier message, for edits and threads."""

    kind: PageKind
    notifier: str
    target: str = ""
    person: str = ""
    plan: int = 0
    step: int = 0
    round: int = 1
    cycle: int = 1
    note: str = ""
    extra: Mapping[str, Any] = EMPTY


class WakeReason(Enum):
    """Which timer rings."""

    STEP = "step"
    ACK_TIMEOUT = "ack_timeout"
    QUIET = "quiet"
    MUTE_END = "mute_end"


@attrs.frozen(kw_only=True)
class Wake:
    """A timer. `plan` is the index of the plan whose wait is over, for STEP."""

    reason: WakeReason
    plan: int = 0
    extra: Mapping[str, Any] = EMPTY


class WorkState(Enum):
    """Where a row of work stands."""

    OPEN = "open"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


@attrs.frozen(kw_only=True)
class Work:
    """
    One row of work. `id` is its dedup key, made from the incident, the cycle and what it is for: the same decision twice is one row.

    `needs` says who can do it ("notify:slack"; empty: any engine). `generation` fences timers. `attempt` counts claims and only fences;
    `crashes` counts claims in a row that ended without a settle; `retries` counts settles that asked for another try.
    """

    id: str
    tenant: str = ""
    incident_id: str | None = None
    body: Page | Wake
    due_at: datetime
    needs: str = ""
    target: str = ""
    generation: int = 0
    created_at: datetime | None = None
    state: WorkState = WorkState.OPEN
    attempt: int = 0
    crashes: int = 0
    retries: int = 0
    last_error: str = ""
    done_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Claim:
    """A row of work that is ours until `leased_until` on the store's clock; `work.attempt` is the fencing token."""

    work: Work
    leased_until: datetime
    #: Too many claims in a row ended without a settle: do not run it, settle it dead.
    is_exhausted: bool = False


class SettleKind(Enum):
    """How a claim ends."""

    DONE = "done"
    RETRY = "retry"
    DEAD = "dead"


@attrs.frozen(kw_only=True)
class Settle:
    """The end of a claim, fenced by (work_id, attempt). RETRY makes it due again at `retry_at`; `counts` says whether that is a retry."""

    work_id: str
    tenant: str = ""
    attempt: int
    kind: SettleKind = SettleKind.DONE
    retry_at: datetime | None = None
    error: str = ""
    #: False when the row was only withheld: a re-arm is no failed try.
    is_failure: bool = False
