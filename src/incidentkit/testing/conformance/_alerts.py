"""Cases: alerts, which outlive incidents."""

from __future__ import annotations

from incidentkit.model import AlertStatus, CounterRead
from incidentkit.testing.conformance.kit import Kit, equal


def alert_without_incident_is_kept(kit: Kit) -> None:
    """An alert below its threshold has no incident, and its counters are kept."""
    reply = kit.applied(alerts=(kit.alert("f", labels={"a": "b"}),), counters=(kit.add("a|f", 2, fingerprint="f"),))
    equal(reply.not_open, (), "a counter of no incident is not reported")
    found = kit.load(fingerprints=("f",), counters=(CounterRead(owner="a|f"),))
    equal((found.alerts["f"].version, found.alerts["f"].labels, found.incidents), (1, {"a": "b"}, {}), "the alert")
    equal(found.counters["a|f"][0].n, 2, "its count")


def alert_compare_and_set(kit: Kit) -> None:
    """An alert is written when its version is the expected one; 0 is "absent"."""
    kit.applied(alerts=(kit.alert("f"),))
    kit.refused(alerts=(kit.alert("f"),))
    kit.refused(alerts=(kit.alert("f", expect=2, title="early"),))
    kit.applied(alerts=(kit.alert("f", expect=1, status=AlertStatus.OK, title="second"),))
    found = kit.load(fingerprints=("f",)).alerts["f"]
    equal((found.version, found.status, found.title), (2, AlertStatus.OK, "second"), "the alert")
    kit.refused(alerts=(kit.alert("g", expect=1),))


def stale_alert_fails_the_whole_unit(kit: Kit) -> None:
    """Nothing of a unit with a stale alert is visible."""
    kit.applied(alerts=(kit.alert("f"),))
    kit.refused(alerts=(kit.alert("g"), kit.alert("f")), incidents=(kit.new("i"),), counters=(kit.add("a|g"),))
    found = kit.load(fingerprints=("g",), ids=("i",), counters=(CounterRead(owner="a|g"),))
    equal((found.alerts, found.incidents, found.counters), ({}, {}, {}), "what a refused unit left")


def alerts_of_tenants_are_apart(kit: Kit) -> None:
    """One fingerprint in two tenants is two alerts."""
    kit.applied(alerts=(kit.alert("f", tenant="a", title="of a"), kit.alert("f", tenant="b", title="of b")))
    equal(kit.load(tenant="a", fingerprints=("f",)).alerts["f"].title, "of a", "the alert of tenant a")
    equal(kit.load(fingerprints=("f",)).alerts, {}, "the alert of the empty tenant")


def alert_outlives_its_incident(kit: Kit) -> None:
    """Resolving an incident leaves its alerts and their pins."""
    kit.applied(incidents=(kit.new("i"),), alerts=(kit.alert("f", incident_id="i"),))
    kit.resolve("i")
    found = kit.load(fingerprints=("f",))
    equal((found.alerts["f"].incident_id, found.incidents["i"].is_open), ("i", False), "pin, and the incident it leads to")
