"""Cases: purging."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from incidentkit.model import (
    AlertStatus,
    CellWrite,
    CounterRead,
    DeliveryRecord,
    Duplicate,
    Outcome,
    PurgePolicy,
    PurgeReport,
    Settle,
    Status,
    WorkState,
)
from incidentkit.testing.conformance.kit import Kit, equal, holds

_DAY: Final = 86_400.0
_POLICY: Final = PurgePolicy(incidents=timedelta(days=10), alerts=timedelta(days=10), work=timedelta(days=5), counters=timedelta(days=5),
                             sources=timedelta(days=5))


def _purge(kit: Kit, at: float, limit: int = 1_000) -> PurgeReport:
    return kit.backend.purge(kit.ns, _POLICY, limit=limit, now=kit.at(at))


def _ids(kit: Kit, *names: str) -> list[str]:
    return sorted(kit.load(ids=names).incidents)


def purge_keeps_open_and_young(kit: Kit) -> None:
    """Open incidents are kept for ever, closed ones until they are older than the policy, to the microsecond."""
    kit.applied(incidents=(kit.new("open"), kit.new("old"), kit.new("young")))
    kit.resolve("old", at=1)
    kit.resolve("young", at=1.000_001)
    equal(_purge(kit, 10 * _DAY + 1).deleted, {}, "deleted at the very age")
    equal(_purge(kit, 10 * _DAY + 1.000_001).deleted, {"incidents": 1}, "deleted a microsecond later")
    equal(_ids(kit, "open", "old", "young"), ["open", "young"], "left")
    equal((_purge(kit, 999 * _DAY).deleted, _ids(kit, "open")), ({"incidents": 1}, ["open"]), "after years")


def purge_cascades_events_counters_deliveries(kit: Kit) -> None:
    """All that belongs to a purged incident goes with it, and nothing of its neighbours."""
    for name in ("i", "j"):
        record = DeliveryRecord(work_id=f"w{name}", attempt=1, incident_id=name, notifier="slack", at=kit.at(), outcome=Outcome.ACCEPTED)
        kit.applied(incidents=(kit.new(name),), events=(kit.event(name, 1), kit.event(name, 2)), counters=(kit.add(f"i|{name}", 5),),
                    deliveries=(record,))
    kit.resolve("i")
    report = _purge(kit, 11 * _DAY)
    equal(report.deleted, {"incidents": 1, "events": 2, "deliveries": 1, "counters": 1}, "deleted")
    backend, ns = kit.backend, kit.ns
    equal((backend.history(ns, "i").items, backend.deliveries(ns, "i"), kit.load(keys=("key-i",)).by_key, kit.load(numbers=(1,)).incidents),
          ((), (), {}, {}), "left of i")
    equal((len(backend.history(ns, "j").items), len(backend.deliveries(ns, "j")), kit.stored("j").occurrences), (2, 1, 5), "left of j")


def purge_bounded_and_resumable(kit: Kit) -> None:
    """A step deletes at most `limit` rows and says whether to go on; an interrupted incident is finished by the next step."""
    kit.applied(incidents=tuple(kit.new(name, status=Status.RESOLVED) for name in "abc"),
                events=tuple(kit.event(name, seq) for name in "abc" for seq in range(1, 6)))
    deleted, steps = 0, 0
    while steps < 50:
        report = _purge(kit, 11 * _DAY, limit=4)
        steps += 1
        size = sum(report.deleted.values())
        holds(size <= 4, f"one step deleted {size} rows, the limit is 4")
        deleted += size
        if not report.is_more:
            break
    equal((deleted, _ids(kit, "a", "b", "c")), (18, []), "deleted rows, and what is left")


def purge_keeps_dedup_window(kit: Kit) -> None:
    """Open work is kept for ever; settled work until it is older than the policy, so that its key stays used."""
    kit.applied(work=(kit.work("open"), kit.work("done"), kit.work("future", due=8 * _DAY)))
    kit.applied(cancel=(("", "future"),), at=1)
    (claim,) = [claim for claim in kit.claim(at=1) if claim.work.id == "done"]
    kit.applied(settle=(Settle(work_id="done", attempt=claim.work.attempt),), at=2)
    equal(_purge(kit, 5 * _DAY + 1).deleted.get("work", 0), 0, "deleted within the window")
    kit.applied(work=(kit.work("done"),))
    equal(_work(kit), ["done", "future", "open"], "one row a key")
    equal((_purge(kit, 6 * _DAY).deleted, _work(kit)), ({"work": 1}, ["future", "open"]), "deleted after it, and left")
    equal((_purge(kit, 99 * _DAY).deleted, _work(kit)), ({"work": 1}, ["open"]), "deleted much later, and left")


def _work(kit: Kit) -> list[str]:
    return sorted(work.id for work in kit.backend.work(kit.ns, states=frozenset(WorkState)))


def purge_keeps_the_alerts_of_open_incidents(kit: Kit) -> None:
    """An alert that is long silent goes, unless its incident is open."""
    kit.applied(incidents=(kit.new("open"), kit.new("closed", status=Status.RESOLVED)), alerts=(
        kit.alert("pinned", incident_id="open"), kit.alert("loose"), kit.alert("past", incident_id="closed", status=AlertStatus.OK)))
    _purge(kit, 11 * _DAY)
    equal(list(kit.load(fingerprints=("pinned", "loose", "past")).alerts), ["pinned"], "left")


def purge_keeps_the_counts_of_incidents(kit: Kit) -> None:
    """Old buckets go; what an incident has counted stays as long as the incident."""
    kit.applied(incidents=(kit.new("i"),), counters=(kit.add("i|i", 3), kit.add("a|f", bucket=1), kit.add("a|f", bucket=2, last=4 * _DAY)))
    equal(_purge(kit, 6 * _DAY).deleted, {"counters": 1}, "deleted")
    found = kit.load(counters=(CounterRead(owner="a|f"), CounterRead(owner="i|i"))).counters
    equal({owner: [bucket.bucket for bucket in buckets] for owner, buckets in found.items()}, {"a|f": [2], "i|i": [0]}, "left")


def purge_keeps_recent_sources(kit: Kit) -> None:
    """A source is forgotten only when its last unit is older than the policy: until then a repeat is a Duplicate."""
    kit.applied(source="s", seq=9, at=0)
    equal(_purge(kit, 5 * _DAY).deleted, {}, "deleted within the window")
    holds(isinstance(kit.commit(source="s", seq=9), Duplicate), "a repeat within the window must be a Duplicate")
    equal(_purge(kit, 5 * _DAY + 1).deleted, {"sources": 1}, "deleted after it")


def purge_deletes_cells_long_after_their_expiry(kit: Kit) -> None:
    """Expired cells go, a day later at the earliest; living ones stay."""
    kit.applied(cells=(CellWrite(name="gone", value="1", expires_at=kit.at(10)), CellWrite(name="kept", value="1")))
    equal((_purge(kit, 3_600).deleted, _purge(kit, 2 * _DAY).deleted), ({}, {"cells": 1}), "deleted")
    equal(list(kit.load(cell_prefixes=("",)).cells), ["kept"], "left")


def purge_frees_nothing_that_numbers_need(kit: Kit) -> None:
    """A number is never given twice, though its incident was purged."""
    kit.applied(incidents=(kit.new("i", status=Status.RESOLVED),))
    _purge(kit, 11 * _DAY)
    equal(kit.applied(incidents=(kit.new("j"),)).numbers, {"j": 2}, "the next number")
