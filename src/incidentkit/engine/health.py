"""Health: what the engine says of itself. Every loss, every fault of ours and everything late has a number here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

__all__ = ["Faults", "Health"]


@attrs.frozen(kw_only=True)
class Health:
    """
    A snapshot. `is_green` is False when something needs a look; `problems` says what, in sentences.

    `faults` counts our own faults by where they happened (none of them reached the host). `not_durable` are occurrences not yet in the
    store (they are in the spool); `folded` went into an overflow incident; `refused` could not be written to the spool either.
    """

    is_green: bool
    problems: tuple[str, ...] = ()
    is_running: bool = False
    process: str = ""
    backend: str = ""
    spool: str = ""
    config_hash: str = ""
    keys_in_memory: int = 0
    not_durable: int = 0
    folded: int = 0
    refused: int = 0
    units_committed: int = 0
    units_quarantined: int = 0
    pages_sent: int = 0
    pages_dead: int = 0
    last_resort_told: int = 0
    blind_since: datetime | None = None
    last_commit_at: datetime | None = None
    late_work: int = 0
    oldest_due_at: datetime | None = None
    faults: Mapping[str, int] = attrs.field(factory=dict)
    facts: Mapping[str, str] = attrs.field(factory=dict)


class Faults:
    """Counts faults of this library, logs each kind once an hour at most, and lets none of them out."""

    def __init__(self, *, raises: bool = False) -> None:
        self.raises = raises
        self.counts: dict[str, int] = {}
        self._logged: dict[str, float] = {}

    def caught(self, where: str, error: BaseException) -> None:
        """Count *error*; raise it again only where the settings ask for it (tests)."""
        import logging
        import time

        self.counts[where] = self.counts.get(where, 0) + 1
        last = self._logged.get(where)
        if last is None or time.monotonic() - last > 3600:
            self._logged[where] = time.monotonic()
            logging.getLogger("incidentkit").warning(
                "engine.fault", exc_info=error if self.counts[where] == 1 else None,
                extra={"incidentkit_where": where, "incidentkit_error": type(error).__name__})
        if self.raises:
            raise error
