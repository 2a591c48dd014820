"""Cases: time."""

from __future__ import annotations

from datetime import timedelta

from incidentkit.model import CellWrite, Committed, Doc, DocWrite, Lookup, Settle, UnitOfWork
from incidentkit.testing.conformance.kit import Kit, equal, holds


def store_now_monotone_per_handle(kit: Kit) -> None:
    """Without an override `store_now` is an aware instant that never goes back."""
    instants = []
    for _ in range(5):
        instants.append(kit.backend.load(kit.ns, Lookup()).store_now)
        reply = kit.backend.commit(kit.ns, UnitOfWork())
        instants.append(reply.store_now)
    equal(instants, sorted(instants), "instants of one handle")
    equal({instant.utcoffset() for instant in instants}, {timedelta(0)}, "their zone")


def injected_now_used_everywhere(kit: Kit) -> None:
    """`now` overrides the store's clock, in the far past and the far future, and says so."""
    far = 50 * 365 * 86_400.0
    for at in (-far, far):
        cell = CellWrite(name=f"c{at}", value="1", expires_at=kit.at(at + 5))
        reply = kit.applied(work=(kit.work(f"w{at}", due=at),), cells=(cell,), at=at)
        equal((reply.store_now, kit.load(at=at).store_now), (kit.at(at), kit.at(at)), "store_now")
        equal([claim.work.id for claim in kit.claim(at=at)], [f"w{at}"], "claimed")
        kit.applied(settle=(Settle(work_id=f"w{at}", attempt=1),), at=at)
        before, after = kit.load(cells=(f"c{at}",), at=at).cells, kit.load(cells=(f"c{at}",), at=at + 5).cells
        equal((list(before), list(after)), ([f"c{at}"], []), "cells")
        lease = kit.backend.lease(kit.ns, f"l{at}", "a", timedelta(seconds=5), now=kit.at(at))
        equal(lease is not None and lease.expires_at, kit.at(at + 5), "the lease")
    kit.applied(incidents=(kit.new("i"),))
    equal(kit.refused(incidents=(kit.new("i"),), at=7).store_now, kit.at(7), "store_now of a Conflict")
    written = kit.backend.put_docs(kit.ns, (DocWrite(expect=0, doc=Doc(kind="k", id="d")),), now=kit.at(8))
    equal(written.store_now, kit.at(8), "store_now of put_docs")


def the_store_clock_is_used_without_an_override(kit: Kit) -> None:
    """Work due now on the store's clock is claimed without telling the time."""
    backend, ns = kit.backend, kit.ns
    now = backend.load(ns, Lookup()).store_now
    soon = kit.work("soon", due=(now - kit.at()).total_seconds() + 3_600)
    past = kit.work("past", due=(now - kit.at()).total_seconds())
    holds(isinstance(backend.commit(ns, UnitOfWork(work=(soon, past))), Committed), "the unit must be applied")
    claims = backend.claim(ns, owner="a", can=None, limit=9, lease=timedelta(seconds=60))
    equal([claim.work.id for claim in claims], ["past"], "claimed")
    holds(claims[0].leased_until >= now + timedelta(seconds=60), "the lease must end on the store's clock")
