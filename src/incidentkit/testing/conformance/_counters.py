"""Cases: counters, which are added to and never compared."""

from __future__ import annotations

import itertools

from incidentkit.model import Bucket, CounterRead, IncidentQuery, Status
from incidentkit.testing.conformance.kit import Kit, equal


def counter_adds_commute(kit: Kit) -> None:
    """The same adds in any order give the same row."""
    adds = [kit.add("a", 1, first=5, last=6), kit.add("a", 10, first=1, last=2), kit.add("a", 100, first=3, last=9)]
    for number, order in enumerate(itertools.permutations(adds)):
        for add in order:
            kit.applied(counters=(add,), source=f"s{number}", seq=order.index(add) + 1)
    (bucket,) = kit.load(counters=(CounterRead(owner="a"),)).counters["a"]
    equal(bucket, Bucket(bucket=0, n=666, first_at=kit.at(1), last_at=kit.at(9)), "the bucket")


def counter_first_last_min_max(kit: Kit) -> None:
    """`first_at` is the smallest and `last_at` the largest of all adds, also within one unit."""
    kit.applied(counters=(kit.add("a", first=5, last=6), kit.add("a", first=4, last=7), kit.add("a", first=6, last=6)))
    (bucket,) = kit.load(counters=(CounterRead(owner="a"),)).counters["a"]
    equal((bucket.n, bucket.first_at, bucket.last_at), (3, kit.at(4), kit.at(7)), "the bucket")


def counter_buckets_from_since(kit: Kit) -> None:
    """Buckets come in order, from `since` on."""
    kit.applied(counters=tuple(kit.add("a", number, bucket=number) for number in (30, 10, 20)))
    found = kit.load(counters=(CounterRead(owner="a", since=20), CounterRead(owner="absent"))).counters
    equal({owner: [bucket.bucket for bucket in buckets] for owner, buckets in found.items()}, {"a": [20, 30]}, "buckets from 20 on")


def reads_are_after_the_adds(kit: Kit) -> None:
    """A unit that adds gets the sum back, with what others added."""
    kit.applied(counters=(kit.add("s|site|10", 2, bucket=1), kit.add("s|other|10")))
    reply = kit.applied(counters=(kit.add("s|site|10", 3, bucket=1), kit.add("s|site|10", 1, bucket=2), kit.add("s|site|10", 9, bucket=0)),
                        reads=(CounterRead(owner="s|site|10", since=1),))
    equal([(bucket.bucket, bucket.n) for bucket in reply.counters["s|site|10"]], [(1, 5), (2, 1)], "the sums in the reply")
    equal(list(reply.counters), ["s|site|10"], "owners in the reply")


def counters_of_tenants_are_apart(kit: Kit) -> None:
    """One owner in two tenants is two counters."""
    kit.applied(counters=(kit.add("a", 1, tenant="t"), kit.add("a", 2)))
    equal(kit.load(counters=(CounterRead(owner="a", tenant="t"),)).counters["a"][0].n, 1, "the count of tenant t")


def counter_on_closed_incident_kept_and_reported(kit: Kit) -> None:
    """An add always applies; the reply names the alerts whose incident is not open after the unit."""
    kit.applied(incidents=(kit.new("open"), kit.new("closed")))
    kit.resolve("closed")
    reply = kit.applied(counters=(
        kit.add("i|open", incident_id="open", fingerprint="f"), kit.add("i|closed", 4, incident_id="closed", fingerprint="g"),
        kit.add("i|gone", incident_id="gone", fingerprint="h"), kit.add("a|x", fingerprint="x")))
    equal(sorted(reply.not_open), ["g", "h"], "reported")
    equal(kit.load(counters=(CounterRead(owner="i|closed"),)).counters["i|closed"][0].n, 4, "the count all the same")


def not_open_is_judged_after_the_unit(kit: Kit) -> None:
    """An incident opened by the unit is open for its adds, one resolved by it is not."""
    kit.applied(incidents=(kit.new("old"),))
    closing = kit.change("old", status=Status.RESOLVED)
    reply = kit.applied(incidents=(kit.new("new"), closing), counters=(
        kit.add("i|new", incident_id="new", fingerprint="f"), kit.add("i|old", incident_id="old", fingerprint="g")))
    equal(reply.not_open, ("g",), "reported")


def counter_over_2_53(kit: Kit) -> None:
    """Counts are exact beyond what a float can hold."""
    kit.applied(counters=(kit.add("a", 2**53),))
    kit.applied(counters=(kit.add("a", 1),))
    equal(kit.load(counters=(CounterRead(owner="a"),)).counters["a"][0].n, 2**53 + 1, "the count")


def occurrences_are_joined_into_the_incident(kit: Kit) -> None:
    """`occurrences`, first and last seen of a loaded incident come from the counter `i|id`; without one they are as written."""
    kit.applied(incidents=(kit.new("i", occurrences=1), kit.new("j", occurrences=7)), counters=(kit.add("i|i", 5, first=-9, last=3),))
    for _ in range(2):
        kit.applied(counters=(kit.add("i|i", 2, first=0, last=8),))
    found = kit.stored("i")
    equal((found.occurrences, found.first_seen_at, found.last_seen_at), (9, kit.at(-9), kit.at(8)), "counts of i")
    equal((kit.stored("j").occurrences, kit.stored("j").last_seen_at), (7, kit.at(0)), "counts of j")
    (listed,) = [item for item in kit.backend.query(kit.ns, IncidentQuery()).items if item.id == "i"]
    equal((listed.occurrences, listed.last_seen_at), (9, kit.at(8)), "counts of i in a listing")
