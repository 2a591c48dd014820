"""Cases: timelines and deliveries."""

from __future__ import annotations

import attrs

from incidentkit.model import DeliveryRecord, Opened, Outcome, Severity
from incidentkit.testing.conformance.kit import Kit, equal, holds


def event_seq_contiguous(kit: Kit) -> None:
    """Events follow each other from 1, with or without a write of their incident, and come back as they were."""
    opened = attrs.evolve(kit.event("i", 1), event=Opened(reason="5 in 1 min", fingerprint="f", severity=Severity.MAJOR, occurrences=5))
    kit.applied(incidents=(kit.new("i", event_seq=2),), events=(opened, kit.event("i", 2, at=1)))
    kit.applied(events=(kit.event("i", 3), kit.event("i", 4)))
    kit.applied(incidents=(kit.change("i", event_seq=5),), events=(kit.event("i", 5),))
    items = kit.backend.history(kit.ns, "i").items
    equal([entry.seq for entry in items], [1, 2, 3, 4, 5], "seqs")
    equal(items[0], opened, "the first event")
    equal(kit.stored("i").event_seq, 5, "event_seq of the incident")


def event_wrong_seq_rejected(kit: Kit) -> None:
    """An event that is not the next one fails the whole unit."""
    kit.refused(incidents=(kit.new("i"),), events=(kit.event("i", 2),))
    kit.applied(incidents=(kit.new("i", event_seq=1),), events=(kit.event("i", 1),))
    for seq in (1, 3):
        kit.refused(events=(kit.event("i", seq),), work=(kit.work("w"),))
        kit.refused(incidents=(kit.change("i"),), events=(kit.event("i", seq),))
    equal((len(kit.backend.history(kit.ns, "i").items), kit.stored("i").version, kit.claim()), (1, 1, []), "events, version, work")


def events_of_an_absent_incident_rejected(kit: Kit) -> None:
    """A timeline belongs to an incident."""
    kit.refused(events=(kit.event("gone", 1),))
    equal(kit.backend.history(kit.ns, "gone").items, (), "events")


def history_cursor_stable_under_append(kit: Kit) -> None:
    """Pages by `after_seq` neither skip nor repeat while events are appended."""
    kit.applied(incidents=(kit.new("i"),), events=tuple(kit.event("i", seq) for seq in range(1, 6)))
    first = kit.backend.history(kit.ns, "i", limit=3)
    kit.applied(events=(kit.event("i", 6),))
    second = kit.backend.history(kit.ns, "i", after_seq=int(first.cursor or 0), limit=3)
    equal([entry.seq for entry in (*first.items, *second.items)], [1, 2, 3, 4, 5, 6], "seqs of two pages")


def history_limit_and_end(kit: Kit) -> None:
    """A page has a cursor only when there is more."""
    events = (kit.event("i", 1), kit.event("i", 2), kit.event("j", 1, tenant="t"))
    kit.applied(incidents=(kit.new("i"), kit.new("j", tenant="t")), events=events)
    equal(kit.backend.history(kit.ns, "i", limit=2).cursor, None, "the cursor of a full last page")
    holds(kit.backend.history(kit.ns, "i", limit=1).cursor is not None, "there is more, so there must be a cursor")
    equal(kit.backend.history(kit.ns, "i", after_seq=2).items, (), "the page after the end")
    equal((len(kit.backend.history(kit.ns, "j").items), len(kit.backend.history(kit.ns, "j", tenant="t").items)), (0, 1), "by tenant")


def deliveries_are_kept_in_order(kit: Kit) -> None:
    """Attempts of an incident's pages come back oldest first; the last word on one attempt counts."""
    def record(work_id: str, attempt: int, at: float, outcome: Outcome, ref: str = "") -> DeliveryRecord:
        return DeliveryRecord(work_id=work_id, attempt=attempt, incident_id="i", notifier="slack", target="#ops", at=kit.at(at),
                              outcome=outcome, ref=ref, error="" if ref else "busy")

    first, second, other = record("w", 1, 1, Outcome.RETRY), record("w", 2, 5, Outcome.ACCEPTED, "ts-1"), record("v", 1, 3, Outcome.REFUSED)
    kit.applied(deliveries=(second, first))
    kit.applied(deliveries=(other, attrs.evolve(other, incident_id="j", work_id="u")))
    equal(kit.backend.deliveries(kit.ns, "i"), (first, other, second), "deliveries")
    equal(kit.backend.deliveries(kit.ns, "i", limit=1), (first,), "one delivery")
    late = attrs.evolve(first, outcome=Outcome.ACCEPTED, ref="ts-0")
    kit.applied(deliveries=(late,))
    equal(kit.backend.deliveries(kit.ns, "i")[0], late, "the last word on an attempt")
