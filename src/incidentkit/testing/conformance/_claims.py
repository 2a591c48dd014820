"""Cases: work, due and claimed."""

from __future__ import annotations

from datetime import timedelta

import attrs

from incidentkit.model import Settle, SettleKind, Wake, WakeReason, Work, WorkState
from incidentkit.testing.conformance.kit import Kit, equal, holds


def _ids(kit: Kit, *, at: float = 0, limit: int = 100, lease: float = 10, can: frozenset[str] | None = None) -> list[str]:
    return [claim.work.id for claim in kit.claim(at=at, limit=limit, lease=lease, can=can)]


def claim_due_only(kit: Kit) -> None:
    """Work due at this very instant is claimed, work due a microsecond later is not."""
    kit.applied(work=(kit.work("now", due=5), kit.work("later", due=5.000_001)))
    equal(_ids(kit, at=4.999_999), [], "before it is due")
    equal(_ids(kit, at=5), ["now"], "at the instant")
    equal(_ids(kit, at=5.000_001), ["later"], "a microsecond later")


def claim_gives_the_row_back(kit: Kit) -> None:
    """A claim carries the whole row, the lease's end on the store's clock, and attempt 1."""
    row = kit.work("w", incident_id="i", needs="notify:slack", target="#ops", generation=7, due=1)
    timer = attrs.evolve(kit.work("t", due=2), body=Wake(reason=WakeReason.STEP, plan=3))
    kit.applied(work=(row, timer))
    first, second = kit.claim(at=3, lease=10)
    equal(first.work, attrs.evolve(row, attempt=1, crashes=1), "the row")
    equal((first.leased_until, first.is_exhausted, second.work.body), (kit.at(13), False, timer.body), "lease, exhausted, body")


def claim_orders_by_due(kit: Kit) -> None:
    """The oldest due first."""
    kit.applied(work=(kit.work("b", due=2), kit.work("c", due=3), kit.work("a", due=1), kit.work("d", due=3)))
    equal(_ids(kit, at=9, limit=2), ["a", "b"], "the first two")
    equal(_ids(kit, at=9), ["c", "d"], "the rest")


def claim_respects_limit(kit: Kit) -> None:
    """Never more than asked for."""
    kit.applied(work=tuple(kit.work(f"w{number}") for number in range(5)))
    equal((len(_ids(kit, limit=0)), len(_ids(kit, limit=3)), len(_ids(kit, limit=3))), (0, 3, 2), "claimed")


def claim_respects_needs(kit: Kit) -> None:
    """Only what this process can do: work that needs nothing, or something in `can`; None can do everything."""
    kit.applied(work=(kit.work("slack", needs="notify:slack"), kit.work("run", needs="run:fix"), kit.work("any"),
                      kit.work("mail", needs="notify:mail")))
    equal(_ids(kit, can=frozenset({"notify:slack", "notify:sms"})), ["any", "slack"], "of one who can notify:slack")
    equal(_ids(kit, can=frozenset()), [], "of one who can do nothing special")
    equal(_ids(kit, can=None), ["mail", "run"], "of one who can do everything")


def unclaimable_work_does_not_hide_the_rest(kit: Kit) -> None:
    """Rows that nobody here can do, though older and many, leave the limit to those behind them."""
    kit.applied(work=(*(kit.work(f"n{number}", needs="run:x") for number in range(20)), kit.work("last", due=1)))
    equal(_ids(kit, at=1, limit=1, can=frozenset()), ["last"], "claimed")
    equal(len(_ids(kit, at=1)), 20, "the others are still there")


def claim_hides_until_lease_end(kit: Kit) -> None:
    """Nobody gets a leased row before the lease is over, and everybody may at that instant."""
    kit.applied(work=(kit.work("w"),))
    equal((_ids(kit, at=1, lease=10), _ids(kit, at=10.999_999), _ids(kit, at=11)), (["w"], [], ["w"]), "first, under the lease, at its end")


def claim_again_adds_one_to_attempt(kit: Kit) -> None:
    """Each claim is a new attempt, through any handle."""
    kit.applied(work=(kit.work("w"),))
    other = kit.handle()
    attempts = [kit.claim(at=0), kit.claim(at=10, through=other, owner="two"), kit.claim(at=20)]
    equal([[claim.work.attempt for claim in claims] for claims in attempts], [[1], [2], [3]], "attempts")


def extend_returns_only_held(kit: Kit) -> None:
    """A lease is lengthened for its holder only: not for an old attempt, a settled, a cancelled or an unknown row."""
    kit.applied(work=tuple(kit.work(name) for name in ("mine", "lost", "done", "gone")))
    kit.claim(lease=10)
    kit.applied(settle=(Settle(work_id="done", attempt=1),), cancel=(("", "gone"),), at=1)
    equal(_extend(kit, [("mine", 1), ("lost", 2), ("done", 1), ("gone", 1), ("absent", 1)], at=5), {"mine"}, "held")
    equal(_ids(kit, at=10), ["lost"], "claimable when the old lease is over")
    equal((_ids(kit, at=14.999_999), _ids(kit, at=15)), ([], ["mine"]), "claimable when the new lease is over")
    equal(_extend(kit, [("mine", 1), ("lost", 1)], at=16), set(), "held by the old attempts")


def extend_never_shortens(kit: Kit) -> None:
    """Asking for less than what is left keeps what is left."""
    kit.applied(work=(kit.work("w"),))
    kit.claim(lease=60)
    equal(_extend(kit, [("w", 1)], at=1), {"w"}, "held")
    equal((_ids(kit, at=59), _ids(kit, at=60)), ([], ["w"]), "claimable")


def extend_asks_for_the_tenant(kit: Kit) -> None:
    """The same id in another tenant is another row."""
    kit.applied(work=(kit.work("w", tenant="t"),))
    kit.claim(lease=10)
    equal(_extend(kit, [("w", 1)], at=1), set(), "held in the empty tenant")


def _extend(kit: Kit, held: list[tuple[str, int]], *, at: float, lease: float = 10) -> set[str]:
    return kit.backend.extend(kit.ns, [("", name, attempt) for name, attempt in held], timedelta(seconds=lease), now=kit.at(at))


def exhausted_after_five_crashes_and_again(kit: Kit) -> None:
    """The sixth claim in a row without a settle is flagged, and each one after it, until the row is settled dead."""
    kit.applied(work=(kit.work("w"),))
    flags = [kit.claim(at=10 * number)[0].is_exhausted for number in range(8)]
    equal(flags, [False] * 5 + [True] * 3, "exhausted")
    kit.applied(settle=(Settle(work_id="w", attempt=8, kind=SettleKind.DEAD, error="poison"),), at=71)
    equal(_ids(kit, at=1_000), [], "claimed after it was settled dead")


def any_settle_resets_crashes(kit: Kit) -> None:
    """A row that is settled for another try, or only re-armed, is no poison, though it was claimed often."""
    kit.applied(work=(kit.work("w"),))
    for number in range(1, 13):
        (claim,) = kit.claim(at=number)
        holds(not claim.is_exhausted, f"claim {number} is flagged, though the row was settled after each claim")
        retry = Settle(work_id="w", attempt=number, kind=SettleKind.RETRY, retry_at=kit.at(number + 1), is_failure=number % 2 == 0)
        kit.applied(settle=(retry,), at=number)


def work_is_one_row_a_key(kit: Kit) -> None:
    """Inserting an id that exists, open, claimed or settled, is silently skipped."""
    kit.applied(work=(kit.work("w", due=1, target="first"), kit.work("w", due=2, target="second")))
    kit.applied(work=(kit.work("w", due=0, target="third"),))
    (claim,) = kit.claim(at=1)
    equal((claim.work.target, claim.work.due_at), ("first", kit.at(1)), "the row")
    kit.applied(settle=(Settle(work_id="w", attempt=1),), at=1)
    kit.applied(work=(kit.work("w", due=3), kit.work("v", due=3)), at=2)
    equal(_ids(kit, at=9), ["v"], "claimed after it was done")


def work_without_incident(kit: Kit) -> None:
    """A row needs no incident, and comes back without one."""
    kit.applied(work=(kit.work("w", incident_id=None),))
    equal(kit.claim()[0].work.incident_id, None, "its incident")


def new_work_is_open_and_unclaimed(kit: Kit) -> None:
    """What a new row says of its own past is not believed."""
    kit.applied(work=(kit.work("w", state=WorkState.DONE, attempt=9, crashes=9, retries=9, last_error="x", done_at=kit.at()),))
    (claim,) = kit.claim()
    equal((claim.work.attempt, claim.work.retries, claim.is_exhausted, claim.work.last_error), (1, 0, False, ""), "the claimed row")


def next_due_is_the_first_claimable(kit: Kit) -> None:
    """The instant the next claimable row is due, in the past too; leases count as due times; None when there is nothing."""
    equal(kit.backend.next_due(kit.ns, can=None), None, "of an empty store")
    kit.applied(work=(kit.work("run", due=1, needs="run:x"), kit.work("any", due=5)))
    equal((_next(kit, None), _next(kit, frozenset()), _next(kit, frozenset({"run:x"}))), (1, 5, 1), "next due")
    kit.claim(at=1, lease=20)
    equal((_next(kit, None), _next(kit, frozenset({"run:x"}))), (5, 5), "while run is leased")
    kit.applied(cancel=(("", "any"),))
    equal((_next(kit, None), _next(kit, frozenset())), (21, None), "after any was cancelled")


def _next(kit: Kit, can: frozenset[str] | None) -> float | None:
    due = kit.backend.next_due(kit.ns, can=can)
    return None if due is None else (due - kit.at()).total_seconds()


def work_is_listed_by_state(kit: Kit) -> None:
    """Rows by state, tenant and incident, by due_at: what is late, what is dead."""
    rows = (kit.work("b", due=2, incident_id="i"), kit.work("a", due=1, incident_id="j"), kit.work("t", due=0, tenant="t", incident_id="i"))
    kit.applied(work=rows)
    kit.applied(cancel=(("", "a"),), at=3)
    equal(_listed(kit, WorkState.OPEN), ["t", "b"], "open")
    equal(_listed(kit, WorkState.OPEN, WorkState.CANCELLED), ["t", "a", "b"], "open and cancelled")
    equal(_listed(kit, WorkState.OPEN, tenant=""), ["b"], "open of the empty tenant")
    equal(_listed(kit, *WorkState, incident_id="i"), ["t", "b"], "of incident i in any tenant")
    equal(_listed(kit, *WorkState, incident_id="i", tenant="t", limit=1), ["t"], "of incident i of tenant t")
    equal((_listed(kit), _listed(kit, *WorkState, limit=1)), ([], ["t"]), "of no state, and one of all")


def _listed(kit: Kit, *states: WorkState, tenant: str | None = None, incident_id: str | None = None, limit: int = 9) -> list[str]:
    rows: tuple[Work, ...] = kit.backend.work(kit.ns, states=frozenset(states), tenant=tenant, incident_id=incident_id, limit=limit)
    return [work.id for work in rows]
