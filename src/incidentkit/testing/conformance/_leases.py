"""Cases: named leases."""

from __future__ import annotations

from datetime import timedelta

from incidentkit.model import Lease
from incidentkit.testing.conformance.kit import Kit, equal, holds


def _lease(kit: Kit, owner: str, at: float, *, token: int | None = None, release: bool = False, name: str = "slot") -> Lease | None:
    return kit.backend.lease(kit.ns, name, owner, timedelta(seconds=10), token=token, release=release, now=kit.at(at))


def lease_acquire_renew_release(kit: Kit) -> None:
    """A lease is acquired, renewed by its holder, and free for others once released."""
    equal(_lease(kit, "a", 0), Lease(name="slot", owner="a", token=1, expires_at=kit.at(10)), "acquired")
    equal(_lease(kit, "a", 5, token=1), Lease(name="slot", owner="a", token=1, expires_at=kit.at(15)), "renewed")
    equal(_lease(kit, "b", 12), None, "for somebody else, after the first end but within the renewed term")
    holds(_lease(kit, "a", 13, token=1, release=True), "the holder must be able to release")
    taken = _lease(kit, "b", 13)
    equal(taken is not None and taken.owner, "b", "the next holder")


def lease_denied_until_expiry(kit: Kit) -> None:
    """Nobody acquires before the end, and everybody may at that instant."""
    _lease(kit, "a", 0)
    equal((_lease(kit, "b", 9.999_999), _lease(kit, "b", 10) is None), (None, False), "a moment before the end, and at it")


def lease_token_grows_per_term(kit: Kit) -> None:
    """Each term has a larger token, for the same owner too."""
    tokens = [lease.token for at in (0, 10, 20) if (lease := _lease(kit, "a", at)) is not None]
    equal(tokens, sorted(set(tokens)), "tokens")
    equal(len(tokens), 3, "terms")


def old_term_cannot_renew_or_release(kit: Kit) -> None:
    """An old token, or another owner, neither lengthens nor ends the new term; an expired term cannot be renewed."""
    _lease(kit, "a", 0)
    equal(_lease(kit, "a", 10, token=1), None, "renewed at its end")
    new = _lease(kit, "a", 10)
    equal(new is not None and new.token, 2, "the new term")
    equal((_lease(kit, "a", 11, token=1), _lease(kit, "a", 11, token=1, release=True)), (None, None), "by the old term")
    equal(_lease(kit, "b", 11, token=2), None, "renewed by another owner")
    equal(_lease(kit, "b", 12), None, "acquired by b under the new term")


def release_does_not_reset_the_token(kit: Kit) -> None:
    """Whoever held a released term is not taken for the holder of the next one."""
    _lease(kit, "a", 0)
    _lease(kit, "a", 1, token=1, release=True)
    new = _lease(kit, "a", 2)
    equal(new is not None and new.token, 2, "the token of the next term")


def leases_by_name_and_namespace(kit: Kit) -> None:
    """Leases of other names and namespaces are other leases."""
    _lease(kit, "a", 0)
    holds(_lease(kit, "b", 1, name="other"), "another name must be free")
    holds(kit.backend.lease("other/ns", "slot", "b", timedelta(seconds=5), now=kit.at(1)), "another namespace must be free")
