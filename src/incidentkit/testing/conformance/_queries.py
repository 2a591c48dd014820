"""Cases: listings of incidents."""

from __future__ import annotations

from typing import Any

from incidentkit.errors import RejectedError
from incidentkit.model import IncidentQuery, Status
from incidentkit.testing.conformance.kit import Kit, equal


def _ids(kit: Kit, **filters: Any) -> list[str]:
    return [incident.id for incident in kit.backend.query(kit.ns, IncidentQuery(**filters)).items]


def query_filters_compose(kit: Kit) -> None:
    """Filters compose by AND; None does not filter; `since` bounds the last update, itself included."""
    kit.applied(incidents=(
        kit.new("a", at=1, service="pay"), kit.new("b", at=2, service="shop", status=Status.ACKNOWLEDGED),
        kit.new("c", at=3, service="pay", status=Status.RESOLVED), kit.new("d", at=4, service="pay", tenant="t", status=Status.MONITORING)))
    equal(_ids(kit), ["d", "c", "b", "a"], "all")
    equal(_ids(kit, tenant=""), ["c", "b", "a"], "of the empty tenant")
    equal(_ids(kit, service="pay", since=kit.at(3)), ["d", "c"], "of pay since 3")
    equal(_ids(kit, service="pay", tenant="", statuses=frozenset({Status.TRIGGERED, Status.ACKNOWLEDGED})), ["a"], "of pay, not done")
    equal((_ids(kit, statuses=frozenset()), _ids(kit, since=kit.at(4.000_001))), ([], []), "of no status, and since later")
    equal(_ids(kit, number=kit.stored("b").number, tenant=""), ["b"], "by number")


def query_follows_changes(kit: Kit) -> None:
    """A change moves an incident to the front, and into its new status."""
    kit.applied(incidents=(kit.new("a", at=1), kit.new("b", at=2)))
    kit.applied(incidents=(kit.change("a", status=Status.ACKNOWLEDGED, updated_at=kit.at(5), service="new"),))
    equal((_ids(kit), _ids(kit, statuses=frozenset({Status.TRIGGERED})), _ids(kit, service="new")), (["a", "b"], ["b"], ["a"]), "listed")
    (found, _) = kit.backend.query(kit.ns, IncidentQuery()).items
    equal((found.version, found.number), (2, kit.stored("a").number), "version and number")


def query_cursor_no_skip_no_repeat_under_updates(kit: Kit) -> None:
    """An update between pages neither repeats nor hides what was not updated."""
    kit.applied(incidents=tuple(kit.new(f"{number:02}", at=number) for number in range(10)))
    first = kit.backend.query(kit.ns, IncidentQuery(), limit=4)
    kit.applied(incidents=(kit.change("08", updated_at=kit.at(50)), kit.change("02", updated_at=kit.at(51))))
    second = kit.backend.query(kit.ns, IncidentQuery(), cursor=first.cursor, limit=4)
    third = kit.backend.query(kit.ns, IncidentQuery(), cursor=second.cursor, limit=4)
    listed = [item.id for item in (*first.items, *second.items, *third.items)]
    equal(listed, ["09", "08", "07", "06", "05", "04", "03", "01", "00"], "three pages")
    equal((first.cursor is None, third.cursor), (False, None), "cursors")


def query_order_ties_by_id(kit: Kit) -> None:
    """Equal instants are ordered by id, across statuses and pages."""
    kit.applied(incidents=tuple(kit.new(name, status=status) for name, status in
                                (("b", Status.TRIGGERED), ("d", Status.RESOLVED), ("a", Status.MONITORING), ("c", Status.TRIGGERED))))
    found: list[str] = []
    cursor = None
    for _ in range(4):
        page = kit.backend.query(kit.ns, IncidentQuery(), cursor=cursor, limit=1)
        found += [item.id for item in page.items]
        cursor = page.cursor
    equal((found, cursor), (["d", "c", "b", "a"], None), "pages of one")


def a_cursor_that_is_none_is_rejected(kit: Kit) -> None:
    """Text that no listing gave is a RejectedError."""
    try:
        kit.backend.query(kit.ns, IncidentQuery(), cursor="nonsense")
    except RejectedError:
        return
    raise AssertionError("a wrong cursor must be a RejectedError")
