"""Cases: how claims end, and cancelling."""

from __future__ import annotations

from incidentkit.model import CounterRead, IncidentWrite, Settle, SettleKind, Work, WorkState
from incidentkit.testing.conformance.kit import Kit, equal


def _claimed(kit: Kit, *names: str, tenant: str = "") -> None:
    kit.applied(work=tuple(kit.work(name, tenant=tenant) for name in names))
    equal(len(kit.claim()), len(names), "claimed")


def _row(kit: Kit, identifier: str = "w") -> Work:
    return next(work for work in kit.backend.work(kit.ns, states=frozenset(WorkState)) if work.id == identifier)


def settle_done_removes_from_due(kit: Kit) -> None:
    """A done row is never claimed again, and says when it was done."""
    _claimed(kit, "w")
    kit.applied(settle=(Settle(work_id="w", attempt=1),), at=2)
    equal((kit.claim(at=1_000), kit.backend.next_due(kit.ns, can=None)), ([], None), "due")
    equal((_row(kit).state, _row(kit).done_at, _row(kit).crashes), (WorkState.DONE, kit.at(2), 0), "the row")


def settle_retry_sets_due_and_error(kit: Kit) -> None:
    """A retry is due again at its time, keeps the error, and counts as one more try."""
    _claimed(kit, "w")
    retry = Settle(work_id="w", attempt=1, kind=SettleKind.RETRY, retry_at=kit.at(30), error="busy", is_failure=True)
    kit.applied(settle=(retry,), at=1)
    row = _row(kit)
    equal((row.state, row.due_at, row.last_error, row.retries, row.done_at), (WorkState.OPEN, kit.at(30), "busy", 1, None), "the row")
    equal((kit.claim(at=29.999_999), [claim.work.attempt for claim in kit.claim(at=30)]), ([], [2]), "claims before and at its time")


def settle_retry_of_a_withheld_row_is_no_failure(kit: Kit) -> None:
    """A re-arm is due again and adds nothing to `retries`."""
    _claimed(kit, "w")
    kit.applied(settle=(Settle(work_id="w", attempt=1, kind=SettleKind.RETRY, retry_at=kit.at(5)),), at=1)
    equal((_row(kit).retries, _row(kit).due_at), (0, kit.at(5)), "retries, due")


def settle_done_is_no_retry(kit: Kit) -> None:
    """Only a retry adds to `retries`."""
    _claimed(kit, "w")
    kit.applied(settle=(Settle(work_id="w", attempt=1, kind=SettleKind.DEAD, error="refused", is_failure=True),), at=1)
    equal(_row(kit).retries, 0, "retries")


def settle_dead_is_queryable(kit: Kit) -> None:
    """A dead row is never claimed again, and is found with its error."""
    _claimed(kit, "w", "v")
    kit.applied(settle=(Settle(work_id="w", attempt=1, kind=SettleKind.DEAD, error="no such channel"),), at=1)
    (dead,) = kit.backend.work(kit.ns, states=frozenset({WorkState.DEAD}))
    equal((dead.id, dead.last_error, dead.done_at), ("w", "no such channel", kit.at(1)), "the dead letter")
    equal([claim.work.id for claim in kit.claim(at=1_000)], ["v"], "claimed later")


def settle_stale_attempt_is_refused(kit: Kit) -> None:
    """After a new claim the old holder can neither finish, fail nor re-arm."""
    _claimed(kit, "w")
    kit.claim(at=10)
    for kind in SettleKind:
        reply = kit.refused(settle=(Settle(work_id="w", attempt=1, kind=kind, retry_at=kit.at(11)),), at=11)
        equal(reply.stale, ("w",), "stale")
    kit.refused(settle=(Settle(work_id="w", attempt=3),), at=11)
    kit.refused(settle=(Settle(work_id="absent", attempt=1),), at=11)
    equal((_row(kit).state, _row(kit).due_at), (WorkState.OPEN, kit.at(20)), "the row")
    kit.applied(settle=(Settle(work_id="w", attempt=2),), at=12)


def settle_of_unclaimed_work_is_stale(kit: Kit) -> None:
    """Who never claimed cannot settle."""
    kit.applied(work=(kit.work("w"),))
    equal(kit.refused(settle=(Settle(work_id="w", attempt=0),)).stale, ("w",), "stale")


def settle_after_the_lease_is_accepted_until_somebody_claims(kit: Kit) -> None:
    """The attempt fences, not the time: a slow holder whom nobody replaced still tells what came of it."""
    _claimed(kit, "w")
    kit.applied(settle=(Settle(work_id="w", attempt=1),), at=500)
    equal(kit.claim(at=501), [], "claimed afterwards")


def settle_twice_second_is_stale(kit: Kit) -> None:
    """A claim ends once, also within one unit."""
    _claimed(kit, "w", "v")
    kit.refused(settle=(Settle(work_id="w", attempt=1), Settle(work_id="w", attempt=1)), at=1)
    kit.applied(settle=(Settle(work_id="w", attempt=1), Settle(work_id="v", attempt=1, kind=SettleKind.RETRY, retry_at=kit.at(9))), at=1)
    equal(kit.refused(settle=(Settle(work_id="w", attempt=1), Settle(work_id="v", attempt=1)), at=1).stale, ("w", "v"), "stale")


def stale_settle_fails_whole_unit(kit: Kit) -> None:
    """Nothing of a unit with a stale settle is applied, and the reply names all stale ones."""
    _claimed(kit, "w", "v", "u")
    kit.applied(settle=(Settle(work_id="v", attempt=1), Settle(work_id="u", attempt=1)), at=1)
    settles = tuple(Settle(work_id=name, attempt=1) for name in ("w", "v", "u"))
    reply = kit.refused(settle=settles, incidents=(kit.new("i"),), counters=(kit.add("a|f"),), at=2)
    equal(sorted(reply.stale), ["u", "v"], "stale")
    equal((_row(kit).state, kit.get("i")), (WorkState.OPEN, None), "state, incident")
    equal(kit.load(counters=(CounterRead(owner="a|f"),)).counters, {}, "counters")


def conflict_keeps_the_claim(kit: Kit) -> None:
    """When something else of the unit is stale, the settle did not happen either, and nothing is named stale."""
    _claimed(kit, "w")
    reply = kit.refused(settle=(Settle(work_id="w", attempt=1),), incidents=(IncidentWrite(expect=4, incident=kit.incident("i")),), at=1)
    equal(reply.stale, (), "stale")
    kit.applied(settle=(Settle(work_id="w", attempt=1),), at=2)


def settle_asks_for_the_tenant(kit: Kit) -> None:
    """The same id in another tenant is another row."""
    _claimed(kit, "w", tenant="t")
    kit.refused(settle=(Settle(work_id="w", attempt=1),), at=1)
    kit.applied(settle=(Settle(work_id="w", attempt=1, tenant="t"),), at=1)


def cancel_pending_work(kit: Kit) -> None:
    """A cancelled row is never claimed; cancelling what is settled, cancelled or unknown changes nothing."""
    kit.applied(work=(kit.work("w"), kit.work("v"), kit.work("other", tenant="t")))
    kit.applied(cancel=(("", "w"), ("", "absent"), ("", "other")), at=1)
    equal(sorted(claim.work.id for claim in kit.claim(at=5)), ["other", "v"], "claimed")
    equal((_row(kit).state, _row(kit).done_at), (WorkState.CANCELLED, kit.at(1)), "the row")
    kit.applied(settle=(Settle(work_id="v", attempt=1),), at=6)
    kit.applied(cancel=(("", "v"),), at=7)
    equal((_row(kit, "v").state, _row(kit, "v").done_at), (WorkState.DONE, kit.at(6)), "a done row")


def cancel_and_insert_in_one_unit(kit: Kit) -> None:
    """A row that a unit inserts and cancels is there, cancelled: its key is used up."""
    kit.applied(work=(kit.work("w"),), cancel=(("", "w"),))
    kit.applied(work=(kit.work("w"),))
    equal((kit.claim(), _row(kit).state), ([], WorkState.CANCELLED), "claims and state")


def cancel_of_leased_work_lets_the_holder_settle_once(kit: Kit) -> None:
    """The holder may settle a row cancelled under it, once; it stays cancelled, and nobody else can claim or settle it."""
    _claimed(kit, "w")
    kit.applied(cancel=(("", "w"),), at=1)
    kit.refused(settle=(Settle(work_id="w", attempt=2),), at=2)
    kit.applied(settle=(Settle(work_id="w", attempt=1, error="sent after cancel"),), at=3)
    equal((_row(kit).state, _row(kit).last_error, _row(kit).done_at), (WorkState.CANCELLED, "sent after cancel", kit.at(3)), "the row")
    kit.refused(settle=(Settle(work_id="w", attempt=1),), at=4)
    equal(kit.claim(at=1_000), [], "claimed later")


def retry_of_a_cancelled_row_stays_cancelled(kit: Kit) -> None:
    """A retry cannot bring a cancelled row back."""
    _claimed(kit, "w")
    kit.applied(cancel=(("", "w"),), at=1)
    kit.applied(settle=(Settle(work_id="w", attempt=1, kind=SettleKind.RETRY, retry_at=kit.at(2), is_failure=True),), at=2)
    equal((_row(kit).state, kit.claim(at=1_000)), (WorkState.CANCELLED, []), "state, claims")
    equal(kit.backend.next_due(kit.ns, can=None), None, "the next due row")


def cancel_of_unclaimed_work_lets_nobody_settle(kit: Kit) -> None:
    """Who does not hold a cancelled row cannot settle it, though it knows the number of attempts."""
    _claimed(kit, "w")
    kit.applied(settle=(Settle(work_id="w", attempt=1, kind=SettleKind.RETRY, retry_at=kit.at(5)),), at=1)
    kit.applied(cancel=(("", "w"),), at=2)
    equal(kit.refused(settle=(Settle(work_id="w", attempt=1),), at=3).stale, ("w",), "stale")


def settle_and_cancel_in_one_unit(kit: Kit) -> None:
    """A unit that ends a claim and cancels everything pending of the incident: done is done, a re-armed row is cancelled."""
    _claimed(kit, "w", "v")
    kit.applied(settle=(Settle(work_id="w", attempt=1), Settle(work_id="v", attempt=1, kind=SettleKind.RETRY, retry_at=kit.at(5))),
                cancel=(("", "w"), ("", "v")), at=1)
    equal((_row(kit).state, _row(kit, "v").state), (WorkState.DONE, WorkState.CANCELLED), "the rows")
