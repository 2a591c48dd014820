"""Adoption: the spools of dead processes are taken over; their counts go to the store exactly, and the death is a signal of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from incidentkit.engine.health import Faults
from incidentkit.engine.known import instant
from incidentkit.engine.spool import Entry, Orphan, orphans
from incidentkit.errors import BackendError, RejectedError
from incidentkit.model import CellWrite, Severity, Signal, Site, UnitOfWork, decode
from incidentkit.runtime import DEAD_PREFIX

__all__ = ["adopt"]

#: Problems in one unit: a unit has a bound.
CHUNK: Final = 200
#: Store the signals of one tenant as unit (source, seq). Raises UnavailableError when it could not.
Store = Callable[[list[Signal], str, int], Any]


def adopt(
    directory: Path, *, own: str, about: bytes, store: Store, commit: Callable[[UnitOfWork], Any], report: Callable[[Signal], Any],
    now: datetime, faults: Faults,
) -> int:
    """
    Take over every spool in *directory* whose process is dead; return how many.

    A unit that was on its way goes again under its own (source, seq), so that nothing is counted twice. Stops at the first sign that the
    store is away: the locks are given back and the next call goes on.
    """
    adopted = 0
    for orphan in orphans(directory, own=own):
        with orphan:
            if orphan.about != about:
                continue  # another application's, in a shared directory
            was_committed = orphan.is_committed
            try:
                _replay(orphan, store, faults)
                commit(UnitOfWork(cells=(CellWrite(name=f"{DEAD_PREFIX}{orphan.source}", value="1", expires_at=_tomorrow(now)),)))
            except RejectedError as error:
                faults.caught("adopting a spool", error)
                continue
            except BackendError:
                return adopted
            if not orphan.clean:
                report(_death(orphan, now, was_committed=was_committed))
            orphan.remove()
            adopted += 1
    return adopted


def _tomorrow(now: datetime) -> datetime:
    return instant(int(now.timestamp() * 1_000_000) + 86_400_000_000)


def _replay(orphan: Orphan, store: Store, faults: Faults) -> None:
    for unit in orphan.pending():
        signals = _signals(orphan, unit.entries, faults)
        if signals:
            store(signals, orphan.source, unit.seq)
        orphan.acked(unit.seq)
    seq = orphan.last_seq
    by_tenant: dict[str, list[Entry]] = {}
    for entry in orphan.rest():
        by_tenant.setdefault(_tenant(entry.payload), []).append(entry)
    chunks = [entries[at: at + CHUNK] for entries in by_tenant.values() for at in range(0, len(entries), CHUNK)]
    for entries in chunks:
        seq += 1
        orphan.flush(seq, {entry.slot: entry.upto for entry in entries})
        signals = _signals(orphan, tuple(entries), faults)
        if signals:
            store(signals, orphan.source, seq)
        orphan.acked(seq)


def _tenant(payload: bytes) -> str:
    try:
        return str(json.loads(payload).get("tenant", ""))
    except (ValueError, AttributeError):
        return ""


def _signals(orphan: Orphan, entries: tuple[Entry, ...], faults: Faults) -> list[Signal]:
    """Return the entries as signals, each with its count; what enclosing watches saw is put back beside its signal."""
    found: dict[int, Signal] = {}
    outers: list[tuple[int, Site, int, Entry]] = []
    for entry in entries:
        try:
            document = json.loads(entry.payload)
            if "of" in document:
                outers.append((int(document["of"]), decode(Site, json.dumps(document["site"])), entry.count, entry))
                continue
            signal = decode(Signal, entry.payload)
            if not entry.count:
                continue  # killed inside report(), before it had counted; or only an enclosing watch has news of it
        except (ValueError, RejectedError) as error:
            faults.caught("reading a spooled signal", error)
            continue
        at = instant(entry.last_at_us) if entry.last_at_us else signal.occurred_at
        sites = tuple((site, entry.count) for site, _ in signal.sites)
        found[entry.slot] = attrs.evolve(signal, count=entry.count, occurred_at=at, sites=sites)
    for of, site, count, entry in outers:
        inner = found.get(of) or _inner(orphan, of, entry)
        if inner is not None:
            found[of] = attrs.evolve(inner, sites=(*inner.sites, (site, count)))
    return list(found.values())


def _inner(orphan: Orphan, slot: int, entry: Entry) -> Signal | None:
    """Return the signal of *slot* with nothing left to count: only what an enclosing watch saw of it is outstanding."""
    payload = orphan.payload(slot)
    if payload is None:
        return None
    signal = decode(Signal, payload)
    return attrs.evolve(signal, count=0, occurred_at=instant(entry.last_at_us), sites=tuple((site, 0) for site, _ in signal.sites))


def _death(orphan: Orphan, now: datetime, *, was_committed: bool) -> Signal:
    """A spool without a clean-exit mark is a death (law 12): MINOR, or INFO when everything in it was committed."""
    titles = []
    for payload in orphan.first_sightings():
        try:
            titles.append(str(json.loads(payload).get("title", ""))[:200])
        except (ValueError, AttributeError):
            continue
    severity = Severity.INFO if was_committed else Severity.MINOR
    return Signal(title="a process ended without saying goodbye (killed, crashed or powered off)", key="incidentkit:death",
                  source="incidentkit", severity=severity, occurred_at=now,
                  details={"process": orphan.source, "last_first_sightings": [title for title in titles if title]})
