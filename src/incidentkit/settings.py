"""Settings: every number in one frozen, validated value (the table of defaults in the docs is generated from it). No live objects."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.model import Severity

__all__ = ["Settings"]


def _positive(_: object, attribute: attrs.Attribute[Any], value: timedelta | int) -> None:
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if number <= 0:
        raise ConfigurationError.at(f"settings.{attribute.name}", str(value), "more than zero")


def _number(default: Any, about: str, *, zero: bool = False) -> Any:
    return attrs.field(default=default, validator=None if zero else _positive, metadata={"about": about})


def _for(about: str, *, zero: bool = False, **units: float) -> Any:
    return _number(timedelta(**units), about, zero=zero)


@attrs.frozen(kw_only=True)
class Settings:
    """All numbers of the library, with their defaults (DESIGN.md 7)."""

    quiet_for: timedelta = _for("quiet window of a watch: how long its condition must not hold", minutes=5)
    quiet_after: timedelta = _for("without proof, resolved this long after the last sighting", hours=4)
    evidence_successes: int = _number(3, "successes that evidence needs")
    evidence_span: timedelta = _for("time those successes must span", seconds=60)
    evidence_window: timedelta = _for("a process that reported the failure and is silent this long no longer counts", minutes=10)
    repeat_every: timedelta = _for("default policy: MAJOR and up are told again this often", hours=4)
    repeat_from: Severity = attrs.field(default=Severity.MAJOR, metadata={"about": "default policy: what is told again"})
    ack_timeout_critical: timedelta = _for("an acknowledged CRITICAL is paged again after this", minutes=30)
    reopen_within: timedelta = _for("a firing this soon after a resolve reopens the same incident", minutes=15)
    relapse_limit: int = _number(3, "after this many relapses MONITORING no longer pauses the plan")
    lease_for: timedelta = _for("lease of claimed work", seconds=10)
    send_timeout: timedelta = _for("one HTTP attempt, connect to last byte", seconds=8)
    fresh_for: timedelta = _for("no send starts later than this after the read that allowed it", seconds=1)
    page_deadline: timedelta = _for("a page is tried this long, then it is a dead letter", minutes=15)
    retry_first: timedelta = _for("first pause between attempts of one page", seconds=5)
    retry_most: timedelta = _for("longest pause between attempts of one page", minutes=2)
    tick: timedelta = _for("how often the engine looks for due work", milliseconds=500)
    flush_after: timedelta = _for("a first sighting waits this long for company before it is committed", milliseconds=50, zero=True)
    repeat_flush: timedelta = _for("repeats are committed this often at first, then less and less", seconds=1)
    repeat_flush_most: timedelta = _for("repeats are committed at least this often", seconds=30)
    sites_every: timedelta = _for("how often the engine reads which watched sites have an open incident", seconds=15)
    blind_after: timedelta = _for("commits failing this long: the last resort tells MAJOR and up", seconds=20)
    last_resort_from: Severity = attrs.field(default=Severity.MAJOR, metadata={"about": "what the last resort tells"})
    exit_timeout: timedelta = _for("the most that stop() and exit may take", seconds=2)
    late_after: timedelta = _for("self-audit: work this late makes health red", seconds=60)
    slot_ttl: timedelta = _for("how long an engine counts as alive without a sign", seconds=15)
    purge_every: timedelta = _for("how often old rows are deleted", hours=1)
    keep_incidents: timedelta = _for("retention of incidents and events", days=400)
    keep_raw: timedelta = _for("retention of raw signals and done work", days=30)
    inbox_keys: int = _number(2_000, "distinct problems held in memory at once; more fold into one overflow incident per service")
    spool_bytes: int = _number(16 * 1024 * 1024, "size of one process's spool")
    delivery_threads: int = _number(4, "senders of one process")
    flush_rows: int = _number(200, "distinct problems in one unit")
    raise_own_errors: bool = attrs.field(default=False, metadata={"about": "tests: faults of this library raise instead of being counted"})
