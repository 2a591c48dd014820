"""Cases: snapshots."""

from __future__ import annotations

from incidentkit.model import CounterRead, IncidentWrite, Lookup, Status
from incidentkit.testing.conformance.kit import Kit, equal


def load_of_nothing_is_empty(kit: Kit) -> None:
    """What is not there is simply missing."""
    found = kit.load(fingerprints=("f",), keys=("k",), ids=("i",), numbers=(1,), counters=(CounterRead(owner="a"),), cells=("c",),
                     cell_prefixes=("c",))
    equal((found.alerts, found.incidents, found.by_key, found.counters, found.cells, found.doc_revision), ({}, {}, {}, {}, {}, 0), "found")


def load_gives_what_was_written(kit: Kit) -> None:
    """An incident and an alert come back with every field, and the version of the store."""
    incident = kit.incident("i", labels={"team": "pay"}, alerts=("f",), assignees=("ada",), acknowledged_at=kit.at(3), cause="proved")
    alert = kit.alert("f", incident_id="i", details={"n": 1, "nested": {"a": [1, 2]}}, last_ok_at=kit.at(1))
    kit.applied(incidents=(IncidentWrite(expect=0, incident=incident),), alerts=(alert,))
    found = kit.load(ids=("i",), fingerprints=("f",))
    for name in ("labels", "alerts", "assignees", "acknowledged_at", "cause", "title", "key", "status", "opened_at", "quiet_after"):
        equal(getattr(found.incidents["i"], name), getattr(incident, name), name)
    for name in ("details", "last_ok_at", "first_at", "status", "incident_id", "exception"):
        equal(getattr(found.alerts["f"], name), getattr(alert.alert, name), name)


def load_follows_pins(kit: Kit) -> None:
    """The incidents that loaded alerts are pinned to come along, without being asked for."""
    kit.applied(incidents=(kit.new("i", key="k"), kit.new("j")), alerts=(kit.alert("f", incident_id="i"), kit.alert("g")))
    found = kit.load(fingerprints=("f", "g"))
    equal((list(found.incidents), found.by_key), (["i"], {}), "incidents of the pins")


def load_by_key_prefers_the_open_one(kit: Kit) -> None:
    """For each key: the open incident, though a closed one was opened later; else the one opened last."""
    kit.applied(incidents=(kit.new("old", key="k", at=1),))
    kit.resolve("old")
    kit.applied(incidents=(kit.new("young", key="k", at=5),))
    kit.resolve("young", at=6)
    equal(kit.load(keys=("k",)).by_key, {"k": "young"}, "the one opened last")
    kit.applied(incidents=(kit.change("old", status=Status.TRIGGERED, updated_at=kit.at(7)),))
    found = kit.load(keys=("k", "absent"))
    equal((found.by_key, list(found.incidents)), ({"k": "old"}, ["old"]), "the open one")


def load_by_key_takes_the_last_opened_not_the_last_changed(kit: Kit) -> None:
    """A note on an old incident does not make it the newest of its key; equal instants are told apart by id."""
    kit.applied(incidents=(kit.new("b", key="k", at=1, status=Status.RESOLVED), kit.new("a", key="k", at=1, status=Status.RESOLVED)))
    equal(kit.load(keys=("k",)).by_key, {"k": "b"}, "the larger id of two opened at once")
    kit.applied(incidents=(kit.new("c", key="k", at=2, status=Status.RESOLVED),))
    kit.applied(incidents=(kit.change("b", updated_at=kit.at(50)),))
    equal(kit.load(keys=("k",)).by_key, {"k": "c"}, "the one opened last")


def load_hundreds_at_once(kit: Kit) -> None:
    """A batch of hundreds of fingerprints, keys and ids is one snapshot."""
    names = [f"{number:03}" for number in range(300)]
    kit.applied(incidents=tuple(kit.new(name) for name in names), alerts=tuple(kit.alert(f"f{name}", incident_id=name) for name in names))
    found = kit.load(fingerprints=tuple(f"f{name}" for name in names), keys=tuple(f"key-{name}" for name in names), ids=tuple(names[:7]),
                     numbers=tuple(range(1, 400)))
    equal((len(found.alerts), len(found.by_key), len(found.incidents)), (300, 300, 300), "alerts, keys, incidents")
    equal(found.by_key["key-299"], "299", "the incident of a key")


def handles_see_each_other(kit: Kit) -> None:
    """What one handle committed, another sees, also after the first is closed and opened again."""
    other = kit.handle()
    kit.applied(incidents=(kit.new("i"),))
    equal(list(other.load(kit.ns, Lookup(ids=("i",)), now=kit.at()).incidents), ["i"], "through another handle")
    kit.backend.close()
    kit.backend.close()
    kit.backend.open()
    equal(kit.stored("i").number, 1, "after closing and opening")


def open_is_idempotent(kit: Kit) -> None:
    """Opening twice, or only verifying, changes nothing."""
    kit.applied(incidents=(kit.new("i"),))
    again = kit.backend.open()
    verified = kit.raw().open("verify")
    equal((again.was_migrated, verified.was_migrated, verified.version), (False, False, again.version), "migrated, migrated, version")
    equal(kit.stored("i").version, 1, "the version of what was there")
