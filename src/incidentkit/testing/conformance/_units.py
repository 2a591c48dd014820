"""Cases: the unit as a whole: idempotence, namespaces, limits, what a value may hold, cells."""

from __future__ import annotations

import datetime as dt
from typing import Any

import attrs

from incidentkit.errors import RejectedError
from incidentkit.model import CellWrite, CounterRead, Duplicate, UnitOfWork
from incidentkit.testing.conformance.kit import Kit, equal, holds


def duplicate_source_seq_is_noop(kit: Kit) -> None:
    """A repeated (source, seq) changes nothing and says so."""
    parts: dict[str, Any] = {"source": "s", "seq": 5, "counters": (kit.add("a|f", 3),)}
    kit.applied(**parts)
    holds(isinstance(kit.commit(**parts), Duplicate), "the second commit of one seq must be a Duplicate")
    equal(kit.load(counters=(CounterRead(owner="a|f"),)).counters["a|f"][0].n, 3, "the count")


def lower_seq_is_duplicate(kit: Kit) -> None:
    """A seq below the last applied one was applied before."""
    kit.applied(source="s", seq=5)
    holds(isinstance(kit.commit(source="s", seq=4, counters=(kit.add("a|f"),)), Duplicate), "a lower seq must be a Duplicate")
    kit.applied(source="s", seq=6)
    equal(kit.load(counters=(CounterRead(owner="a|f"),)).counters, {}, "the count")


def duplicate_wins_over_conflict(kit: Kit) -> None:
    """A unit that was applied is a Duplicate when it comes again, though its versions are stale by now."""
    parts: dict[str, Any] = {"source": "s", "seq": 1, "incidents": (kit.new("i"),)}
    kit.applied(**parts)
    holds(isinstance(kit.commit(**parts), Duplicate), "an applied unit that comes again must be a Duplicate")


def source_seq_independent_between_sources(kit: Kit) -> None:
    """Each source counts for itself, in each namespace."""
    kit.applied(source="s", seq=9)
    kit.applied(source="t", seq=1)
    reply = kit.backend.commit("other/ns", UnitOfWork(source="s", seq=1), now=kit.at())
    holds(not isinstance(reply, Duplicate), "another namespace has its own sequences")


def conflict_does_not_consume_the_seq(kit: Kit) -> None:
    """After a Conflict the same seq is free for the unit that is decided again."""
    kit.applied(incidents=(kit.new("i"),))
    kit.refused(source="s", seq=1, incidents=(kit.new("i"),))
    kit.applied(source="s", seq=1, counters=(kit.add("a|f"),))


def namespace_isolation(kit: Kit) -> None:
    """Nothing of one namespace is seen from another."""
    kit.applied(incidents=(kit.new("i", key="k", event_seq=1),), events=(kit.event("i", 1),), work=(kit.work("w"),),
                alerts=(kit.alert("f"),), counters=(kit.add("a|f"),), cells=(CellWrite(name="c", value="1"),))
    backend, ns = kit.backend, "shop/other"
    equal(backend.claim(ns, owner="x", can=None, limit=9, lease=dt.timedelta(seconds=5), now=kit.at(5)), [], "claimed elsewhere")
    equal((backend.next_due(ns, can=None), backend.history(ns, "i").items), (None, ()), "due work and events elsewhere")
    same = UnitOfWork(incidents=(kit.new("i", key="k"),), alerts=(kit.alert("f"),), work=(kit.work("w"),))
    reply = backend.commit(ns, same, now=kit.at())
    equal(getattr(reply, "numbers", reply), {"i": 1}, "the number of the same incident elsewhere")


def unicode_nul_and_64k_body_roundtrip(kit: Kit) -> None:
    """Any text comes back as it was: astral characters, NUL, quotes, 64 KiB."""
    text = "\x00 'quoted\" \\ \u2028 \U0001f525 é" + "x" * 65_536
    kit.applied(incidents=(kit.new("i", title=text, key="k\U0001f525'", labels={"ü": text}),))
    found = kit.stored("i")
    equal((found.title == text, found.labels == {"ü": text}, found.key), (True, True, "k\U0001f525'"), "text")
    equal(kit.load(keys=("k\U0001f525'",)).by_key, {"k\U0001f525'": "i"}, "found by its key")


def microsecond_time_roundtrip(kit: Kit) -> None:
    """Instants come back aware and exact to the microsecond, whatever zone they came in."""
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    instant = dt.datetime(2026, 10, 25, 2, 59, 59, 999_999, tzinfo=zone)
    kit.applied(incidents=(kit.new("i", acknowledged_at=instant, opened_at=dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),),
                work=(kit.work("w", due=0.000_001),))
    found = kit.stored("i")
    equal((found.acknowledged_at, found.opened_at), (instant, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)), "instants")
    holds(found.acknowledged_at is not None and found.acknowledged_at.tzinfo is not None, "instants must be aware")
    equal(kit.backend.next_due(kit.ns, can=None), kit.at(0.000_001), "due")


def empty_unit_is_legal(kit: Kit) -> None:
    """An empty unit is applied, and its seq counts."""
    kit.applied()
    kit.applied(source="s", seq=1)
    holds(isinstance(kit.commit(source="s", seq=1), Duplicate), "the seq of an empty unit counts")


def batch_at_max_size_and_over_is_rejected(kit: Kit) -> None:
    """A unit of `max_batch` rows is applied; one row more is a RejectedError, not a Conflict."""
    size = kit.backend.capabilities.max_batch
    kit.applied(counters=tuple(kit.add("a|f", bucket=number) for number in range(size)))
    equal(len(kit.load(counters=(CounterRead(owner="a|f"),)).counters["a|f"]), size, "buckets")
    _is_rejected(kit, counters=tuple(kit.add("a|g", bucket=number) for number in range(size + 1)))
    equal(kit.load(counters=(CounterRead(owner="a|g"),)).counters, {}, "what a rejected unit left")


def a_unit_that_cannot_be_right_is_rejected(kit: Kit) -> None:
    """One thing twice in a unit, a hole in its events, a source without a seq, an instant without a zone: RejectedError."""
    _is_rejected(kit, incidents=(kit.new("i"), kit.new("i")))
    _is_rejected(kit, alerts=(kit.alert("f"), kit.alert("f")))
    _is_rejected(kit, cells=(CellWrite(name="c", value="1"), CellWrite(name="c", value="2")))
    _is_rejected(kit, incidents=(kit.new("i"),), events=(kit.event("i", 1), kit.event("i", 3)))
    _is_rejected(kit, source="s")
    naive = dt.datetime(2026, 1, 1)  # noqa: DTZ001  that is the point
    _is_rejected(kit, counters=(kit.add("a|f"),), work=(kit.work("w"), attrs.evolve(kit.work("x"), due_at=naive)))
    equal((kit.get("i"), kit.claim(), kit.load(counters=(CounterRead(owner="a|f"),)).counters), (None, [], {}), "what rejected units left")


def _is_rejected(kit: Kit, **parts: Any) -> None:
    try:
        reply = kit.commit(**parts)
    except RejectedError:
        return
    raise AssertionError(f"a RejectedError was expected, found {reply!r}")


def cells_compare_and_set(kit: Kit) -> None:
    """A cell is written when its version is the expected one; 0 is "absent"; None is "whatever is there"."""
    kit.applied(cells=(CellWrite(name="c", value="one", expect=0),))
    kit.refused(cells=(CellWrite(name="c", value="two", expect=0),))
    kit.refused(cells=(CellWrite(name="c", value="two", expect=2),), counters=(kit.add("a|f"),))
    kit.applied(cells=(CellWrite(name="c", value="two", expect=1),))
    found = kit.load(cells=("c", "absent"), counters=(CounterRead(owner="a|f"),))
    equal((found.cells["c"].value, found.cells["c"].version, list(found.cells), found.counters), ("two", 2, ["c"], {}), "the cell")
    kit.applied(cells=(CellWrite(name="c", value="three"),))
    equal(kit.load(cells=("c",)).cells["c"].value, "three", "written without expectation")


def cells_expire(kit: Kit) -> None:
    """A cell is gone at the very instant of its expiry: unread, and absent for a write."""
    kit.applied(cells=(CellWrite(name="c", value="1", expires_at=kit.at(10)),))
    equal(list(kit.load(cells=("c",), at=9.999_999).cells), ["c"], "before its expiry")
    equal(list(kit.load(cells=("c",), cell_prefixes=("c",), at=10).cells), [], "at its expiry")
    kit.refused(cells=(CellWrite(name="c", value="2", expect=1),), at=10)
    kit.applied(cells=(CellWrite(name="c", value="2", expect=0),), at=10)
    equal(kit.load(cells=("c",), at=11).cells["c"].value, "2", "the cell")


def cells_are_deleted(kit: Kit) -> None:
    """A value of None deletes, under the same comparison."""
    kit.applied(cells=(CellWrite(name="c", value="1"),))
    kit.refused(cells=(CellWrite(name="c", value=None, expect=2),))
    kit.applied(cells=(CellWrite(name="c", value=None, expect=1),))
    equal(kit.load(cells=("c",), cell_prefixes=("",)).cells, {}, "a deleted cell")
    kit.applied(cells=(CellWrite(name="c", value="2", expect=0),))


def a_successor_is_not_the_cell_that_expired(kit: Kit) -> None:
    """Whoever held a cell that expired, or was deleted, cannot write its successor: versions of a name never restart."""
    kit.applied(cells=(CellWrite(name="c", value="mine", expect=0, expires_at=kit.at(10)), CellWrite(name="d", value="mine", expect=0)))
    kit.applied(cells=(CellWrite(name="d", value=None),))
    kit.applied(cells=(CellWrite(name="c", value="theirs", expect=0), CellWrite(name="d", value="theirs", expect=0)), at=10)
    kit.refused(cells=(CellWrite(name="c", value="mine", expect=1),), at=11)
    kit.refused(cells=(CellWrite(name="d", value="mine", expect=1),), at=11)


def cells_by_prefix(kit: Kit) -> None:
    """All cells whose names begin with one of the prefixes, exactly."""
    names = ("p|a", "p|b", "p", "q|a", "P|a", "p}")
    kit.applied(cells=tuple(CellWrite(name=name, value=name) for name in names))
    equal(sorted(kit.load(cell_prefixes=("p|",)).cells), ["p|a", "p|b"], "cells of p|")
    equal(sorted(kit.load(cell_prefixes=("p|", "q"), cells=("p", "p|a")).cells), ["p", "p|a", "p|b", "q|a"], "cells of two prefixes")
