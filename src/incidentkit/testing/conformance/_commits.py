"""Cases: compare-and-set of incidents, open keys, numbers."""

from __future__ import annotations

from incidentkit.model import CellWrite, CounterRead, DeliveryRecord, IncidentWrite, Outcome, Status
from incidentkit.testing.conformance.kit import Kit, equal, holds


def open_creates_version_1(kit: Kit) -> None:
    """Snapshot, first event and work of a new incident become visible together, at version 1."""
    kit.applied(incidents=(kit.new("i", labels={"a": "b"}, event_seq=1),), events=(kit.event("i", 1),), work=(kit.work("w"),))
    found = kit.stored("i")
    equal((found.version, found.event_seq, found.labels, found.is_stored), (1, 1, {"a": "b"}, True), "the stored incident")
    equal([entry.seq for entry in kit.backend.history(kit.ns, "i").items], [1], "its timeline")
    equal([claim.work.id for claim in kit.claim()], ["w"], "its work")


def open_absent_conflicts_when_open(kit: Kit) -> None:
    """A second incident of a key that is open is a Conflict, and the winner stays."""
    kit.applied(incidents=(kit.new("i", key="k"),))
    kit.refused(incidents=(kit.new("j", key="k"),), work=(kit.work("w"),))
    equal(kit.load(keys=("k",)).by_key, {"k": "i"}, "the open incident of the key")
    equal((kit.get("j"), kit.claim()), (None, []), "what the loser wrote")


def open_absent_conflicts_when_the_id_is_there(kit: Kit) -> None:
    """`expect` 0 asks that the id be absent, open or closed."""
    kit.applied(incidents=(kit.new("i"),))
    kit.resolve("i")
    kit.refused(incidents=(kit.new("i", key="another", title="an impostor"),))
    equal(kit.stored("i").title, "incident i", "the title")


def born_closed_conflicts_when_another_is_open(kit: Kit) -> None:
    """An incident opened and resolved within one batch must not slip in beside one that somebody else opened."""
    kit.applied(incidents=(kit.new("i", key="k"),))
    kit.refused(incidents=(kit.new("j", key="k", status=Status.RESOLVED),))
    kit.resolve("i")
    kit.applied(incidents=(kit.new("j", key="k", status=Status.RESOLVED),))


def key_is_free_after_close(kit: Kit) -> None:
    """Resolving frees the key, for a new incident or for the same one reopened, never for both."""
    kit.applied(incidents=(kit.new("i", key="k"),))
    kit.resolve("i")
    kit.applied(incidents=(kit.new("j", key="k", at=1),))
    kit.refused(incidents=(kit.change("i", status=Status.TRIGGERED),))
    kit.resolve("j")
    kit.applied(incidents=(kit.change("i", status=Status.TRIGGERED),))
    equal(kit.load(keys=("k",)).by_key, {"k": "i"}, "the open incident of the key")
    kit.refused(incidents=(kit.new("l", key="k"),))


def two_closed_of_one_key_allowed(kit: Kit) -> None:
    """A key has one open incident and any number of closed ones."""
    for identifier in ("i", "j", "l"):
        kit.applied(incidents=(kit.new(identifier, key="k"),))
        kit.resolve(identifier)
    equal(sum(kit.get(identifier) is not None for identifier in ("i", "j", "l")), 3, "closed incidents of one key")


def a_unit_may_resolve_one_and_open_the_next(kit: Kit) -> None:
    """Keys are freed before they are taken, in whatever order a unit lists its writes."""
    kit.applied(incidents=(kit.new("i", key="k"),))
    kit.applied(incidents=(kit.new("j", key="k"), kit.change("i", status=Status.RESOLVED)))
    kit.applied(incidents=(kit.change("j", status=Status.RESOLVED), kit.new("l", key="k")))
    equal(kit.load(keys=("k",)).by_key, {"k": "l"}, "the open incident of the key")


def one_unit_cannot_open_a_key_twice(kit: Kit) -> None:
    """At most one open incident per key, even within one unit."""
    kit.refused(incidents=(kit.new("i", key="k"), kit.new("j", key="k")))
    equal((kit.get("i"), kit.get("j")), (None, None), "what the unit wrote")


def tenants_do_not_share_keys_or_ids(kit: Kit) -> None:
    """The same id and key in two tenants are two incidents."""
    kit.applied(incidents=(kit.new("i", key="k", tenant="a"),))
    kit.applied(incidents=(kit.new("i", key="k", tenant="b", title="the other"),))
    equal(kit.stored("i", "b").title, "the other", "the incident of tenant b")
    equal((kit.get("i"), kit.load(keys=("k",)).by_key), (None, {}), "what the empty tenant sees")
    kit.resolve("i", tenant="a")
    equal((kit.stored("i", "a").is_open, kit.stored("i", "b").is_open), (False, True), "open in a, open in b")


def cas_stale_version_rejected(kit: Kit) -> None:
    """A stale version changes nothing."""
    kit.applied(incidents=(kit.new("i"),))
    kit.applied(incidents=(kit.change("i", title="second"),))
    kit.refused(incidents=(kit.change("i", expect=1, title="late"),))
    kit.refused(incidents=(kit.change("i", expect=3, title="early"),))
    equal((kit.stored("i").title, kit.stored("i").version), ("second", 2), "title and version")


def cas_of_an_absent_incident_rejected(kit: Kit) -> None:
    """A change of what is not there is a Conflict."""
    kit.refused(incidents=(IncidentWrite(expect=1, incident=kit.incident("i")),))
    equal(kit.get("i"), None, "the incident")


def cas_version_increments_by_one(kit: Kit) -> None:
    """Each applied write adds one to the version, whatever the value says."""
    kit.applied(incidents=(kit.new("i", version=41),))
    for expected in (1, 2, 3):
        equal(kit.stored("i").version, expected, "the version")
        kit.applied(incidents=(kit.change("i", version=99, expect=expected),))


def conflict_leaves_nothing_behind(kit: Kit) -> None:
    """Nothing of a refused unit is visible: alerts, counters, events, work, cells, deliveries, the number, the seq."""
    kit.applied(incidents=(kit.new("i", event_seq=1),), events=(kit.event("i", 1),))
    record = DeliveryRecord(work_id="w", attempt=1, incident_id="i", notifier="slack", at=kit.at(), outcome=Outcome.ACCEPTED)
    kit.refused(source="s", seq=1, incidents=(kit.change("i", expect=7), kit.new("j")), alerts=(kit.alert("f"),),
                counters=(kit.add("a|f"),), events=(kit.event("i", 2), kit.event("j", 1)), work=(kit.work("w"),),
                cells=(CellWrite(name="c", value="1"),), deliveries=(record,))
    found = kit.load(fingerprints=("f",), ids=("j",), cells=("c",), counters=(CounterRead(owner="a|f"),))
    equal((found.alerts, found.incidents, found.cells, found.counters), ({}, {}, {}, {}), "what a refused unit left")
    equal(len(kit.backend.history(kit.ns, "i").items), 1, "events of i")
    equal((kit.claim(), kit.backend.history(kit.ns, "j").items), ([], ()), "work and events")
    equal(kit.backend.deliveries(kit.ns, "i"), (), "deliveries")
    equal(kit.applied(source="s", seq=1, incidents=(kit.new("j"),)).numbers, {"j": 2}, "the same seq, tried again")


def multi_write_all_or_nothing(kit: Kit) -> None:
    """Of three writes the third is stale: none is visible."""
    kit.applied(incidents=(kit.new("i"), kit.new("j"), kit.new("l")))
    writes = (kit.change("i", title="new"), kit.change("j", title="new"), kit.change("l", expect=9, title="new"))
    kit.refused(incidents=writes)
    equal([kit.stored(name).title for name in "ijl"], ["incident i", "incident j", "incident l"], "the titles")
    equal([kit.stored(name).version for name in "ijl"], [1, 1, 1], "the versions")


def numbers_are_unique_per_tenant(kit: Kit) -> None:
    """New incidents get numbers from 1, each tenant its own, and the reply says which."""
    first = kit.applied(incidents=(kit.new("i"), kit.new("j"), kit.new("a", tenant="t")))
    second = kit.applied(incidents=(kit.new("l"), kit.new("b", tenant="t")))
    equal(sorted([first.numbers["i"], first.numbers["j"], second.numbers["l"]]), [1, 2, 3], "numbers of the empty tenant")
    equal([first.numbers["a"], second.numbers["b"]], [1, 2], "numbers of tenant t")
    kit.applied(incidents=(kit.new("twin"), kit.new("twin", tenant="t")))
    equal((kit.stored("twin").number, kit.stored("twin", "t").number), (4, 3), "numbers of one id in two tenants")
    equal(kit.stored("l").number, second.numbers["l"], "the number of a loaded incident")


def a_number_is_for_ever(kit: Kit) -> None:
    """A change never renumbers, whatever the value says; a refused unit's number is not given to two."""
    number = kit.applied(incidents=(kit.new("i"),)).numbers["i"]
    kit.refused(incidents=(kit.new("j"), kit.new("i")))
    kit.applied(incidents=(kit.change("i", number=77, title="new"),))
    equal(kit.stored("i").number, number, "the number")
    other = kit.applied(incidents=(kit.new("l"),)).numbers["l"]
    holds(other != number, "two incidents have one number")


def numbers_find_incidents(kit: Kit) -> None:
    """An incident is found by its number, in its tenant only."""
    number = kit.applied(incidents=(kit.new("i"), kit.new("a", tenant="t"))).numbers["i"]
    equal(list(kit.load(numbers=(number, 999)).incidents), ["i"], "found by number")
    equal(list(kit.load(tenant="t", numbers=(1,)).incidents), ["a"], "found by number in tenant t")
