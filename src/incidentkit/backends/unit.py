"""What every backend asks of a unit of work before it touches its store, and in which order the writes of a unit apply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from incidentkit.errors import RejectedError
from incidentkit.model import DocWrite, IncidentWrite, TimelineEntry, UnitOfWork

__all__ = ["CELL_GRACE", "CRASH_LIMIT", "Runs", "check_docs", "check_unit", "runs_of", "writes_in_order"]

#: Claims in a row without a settle after which a row is poison: it is handed out flagged, never to be run again. River and Oban stop at
#: 25 and 20 attempts of any kind; ours counts only processes that died or hung while holding the row.
CRASH_LIMIT: Final = 5

#: How long the version of an expired or deleted cell is remembered, so that nobody takes a successor for the cell that was its own.
CELL_GRACE: Final = timedelta(days=1)

Runs = dict[tuple[str, str], list[TimelineEntry]]


def check_unit(unit: UnitOfWork, max_batch: int) -> None:
    """
    Return when *unit* could be applied to some state of a store.

    Raises:
        RejectedError: It is too large, half idempotent, names one thing twice, or has an instant without a zone: a bug of the caller.
    """
    if unit.rows > max_batch:
        raise RejectedError(f"a unit of {unit.rows} rows is over the limit of {max_batch}; split it")
    if (unit.source is None) != (unit.seq is None):
        raise RejectedError(f"a unit needs both source and seq, or neither; found source={unit.source!r}, seq={unit.seq!r}")
    if len(unit.incidents) > 1:
        _no_twins("incident", [(write.incident.tenant, write.incident.id) for write in unit.incidents])
    if len(unit.alerts) > 1:
        _no_twins("alert", [(write.alert.tenant, write.alert.fingerprint) for write in unit.alerts])
    if len(unit.cells) > 1:
        _no_twins("cell", [write.name for write in unit.cells])
    _check_instants(unit)


def check_docs(writes: Sequence[DocWrite]) -> None:
    """
    Return when *writes* name every document once.

    Raises:
        RejectedError: They do not.
    """
    _no_twins("document", [(write.doc.kind, write.doc.id) for write in writes])


def _no_twins(what: str, names: Sequence[object]) -> None:
    if len(set(names)) != len(names):
        twins = sorted({str(name) for name in names if names.count(name) > 1})
        raise RejectedError(f"a unit writes each {what} once; twice in this one: {', '.join(twins)[:200]}")


def _check_instants(unit: UnitOfWork) -> None:
    for work in unit.work:
        if work.due_at.tzinfo is None:
            raise RejectedError(f"work {work.id}: due_at has no time zone")
    for add in unit.counters:
        if add.first_at.tzinfo is None or add.last_at.tzinfo is None:
            raise RejectedError(f"counter {add.owner}: first_at and last_at need a time zone")
    others: Iterable[datetime | None] = [settle.retry_at for settle in unit.settle] + [cell.expires_at for cell in unit.cells]
    if any(instant is not None and instant.tzinfo is None for instant in others):
        raise RejectedError("retry_at of a settle and expires_at of a cell need a time zone")


def runs_of(events: Sequence[TimelineEntry]) -> Runs:
    """
    Return the events by (tenant, incident id), each a run of consecutive numbers.

    Raises:
        RejectedError: The numbers of an incident's events are not consecutive.
    """
    runs: Runs = {}
    for entry in events:
        run = runs.setdefault((entry.tenant, entry.incident_id), [])
        if run and entry.seq != run[-1].seq + 1:
            raise RejectedError(f"incident {entry.incident_id}: event {entry.seq} follows event {run[-1].seq} in one unit")
        run.append(entry)
    return runs


def writes_in_order(writes: Sequence[IncidentWrite]) -> Sequence[IncidentWrite]:
    """
    Return *writes* so that keys are freed before they are taken: closings, other changes, new closed ones, new open ones.

    Thus a unit may resolve one incident and open the next of the same key, in whatever order it lists them.
    """
    if len(writes) < 2 or all(write.expect == 0 and write.incident.is_open for write in writes):
        return writes
    return sorted(writes, key=_turn)


def _turn(write: IncidentWrite) -> int:
    if write.expect:
        return 1 if write.incident.is_open else 0
    return 3 if write.incident.is_open else 2
