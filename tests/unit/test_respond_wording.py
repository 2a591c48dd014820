from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest

from incidentkit.model import ExceptionInfo, Frame, Incident, Link, PageKind, Priority, Severity, Status
from incidentkit.respond import compose

OPENED = datetime(2026, 3, 29, 0, 50, 0, 900_000, tzinfo=UTC)
NOW = OPENED + timedelta(minutes=12, seconds=3, milliseconds=500)
INCIDENT = Incident(
    id="i1", key="app.charge", number=42, title="charge fails: TimeoutError: db", severity=Severity.MAJOR, priority=Priority.P2,
    service="payments",
    environment="production", labels={"zone": "eu", "team": "pay"},
    links=(Link(href="https://x/d", text="dashboard"), Link(href="https://y")),
    opened_at=OPENED, updated_at=OPENED, first_seen_at=OPENED - timedelta(minutes=1), last_seen_at=NOW, occurrences=17)
FRAMES = (
    Frame(module="app.web", function="post", file="app/web.py", line=10, is_in_app=True, source="charge(order)"),
    Frame(module="app.pay", function="charge", file="app/pay.py", line=33, is_in_app=True, source="  db.execute(sql)  "),
    Frame(module="driver", function="execute", file="driver.py", line=900, is_in_app=False, source="raise"),
)
ERROR = ExceptionInfo(type="TimeoutError", text="db", frames=FRAMES)


def words(kind=PageKind.FIRST, incident=INCIDENT, at=NOW, **more):
    return compose(incident, kind=kind, at=at, **more)


def test_a_first_page_says_what_where_how_often_and_since_when():
    assert words(exception=ERROR) == ("[MAJOR] #42 charge fails: TimeoutError: db", (
        "Severity: MAJOR (leaves customers furious), P2",
        "Where: app.pay.charge (app/pay.py:33)",
        "Code: db.execute(sql)",
        "Service: payments (production)",
        "Occurrences: 17, first 2026-03-29T00:49:00Z, last 2026-03-29T01:02:04Z",
        "Open since: 2026-03-29T00:50:00Z (12 min 3 s)",
        "Labels: team=pay, zone=eu",
        "dashboard: https://x/d",
        "https://y",
    ))


def test_an_incident_of_few_words_has_few_lines():
    bare = Incident(id="i", key="k", title="t", opened_at=NOW, updated_at=NOW, first_seen_at=NOW, last_seen_at=NOW)
    assert words(incident=bare) == ("[MINOR] t", ("Severity: MINOR (needs attention), P3", "Open since: 2026-03-29T01:02:04Z"))


@pytest.mark.parametrize(("kind", "note", "title"), [
    (PageKind.FIRST, "", "[MAJOR] #42 charge fails: TimeoutError: db"),
    (PageKind.FIRST, "a note", "[MAJOR] #42 charge fails: TimeoutError: db"),
    (PageKind.REMINDER, "", "[MAJOR] #42 still open: charge fails: TimeoutError: db"),
    (PageKind.UPDATE, "", "[MAJOR] #42 update: charge fails: TimeoutError: db"),
    (PageKind.UPDATE, "It broke again.", "[MAJOR] #42 It broke again: charge fails: TimeoutError: db"),
    (PageKind.RESOLVED, "", "[RESOLVED] #42 charge fails: TimeoutError: db"),
])
def test_the_title_says_why_it_is_told(kind, note, title):
    assert words(kind, note=note)[0] == title


def test_a_resolve_states_its_cause_and_evidence():
    over = attrs.evolve(INCIDENT, status=Status.RESOLVED, resolved_at=OPENED + timedelta(hours=1), cause="proved",
                        evidence="412 successes, 0 failures in 5 min")
    lines = words(PageKind.RESOLVED, over, at=NOW + timedelta(days=1))[1]
    assert lines[0] == "Resolved (proved): 412 successes, 0 failures in 5 min"
    assert "Open from 2026-03-29T00:50:00Z to 2026-03-29T01:50:00Z (1 h)" in lines
    assert words(PageKind.RESOLVED, attrs.evolve(over, evidence="", cause=""))[1][0] == "Resolved: no evidence was stated"
    pending = attrs.evolve(over, resolved_at=None)
    assert "Open from 2026-03-29T00:50:00Z to 2026-03-29T01:02:04Z (12 min 3 s)" in words(PageKind.RESOLVED, pending)[1]


def test_who_acknowledged_is_named():
    taken = attrs.evolve(INCIDENT, acknowledged_at=NOW, acknowledged_by="ada", assignees=("grace",), tenant="acme")
    lines = words(PageKind.UPDATE, taken)[1]
    assert {"Acknowledged by ada: 2026-03-29T01:02:04Z", "Assigned to: grace", "Tenant: acme"} <= set(lines)
    assert "Acknowledged: 2026-03-29T01:02:04Z" in words(incident=attrs.evolve(taken, acknowledged_by=""))[1]


def test_an_exception_that_the_title_does_not_name_has_a_line():
    other = attrs.evolve(ERROR, text="pool")
    assert "Exception: TimeoutError: pool" in words(exception=other)[1]
    assert "Exception: KeyError" in words(exception=attrs.evolve(ERROR, type="KeyError", text=""))[1]


def test_the_innermost_frame_of_the_application_is_shown_else_the_innermost():
    foreign = attrs.evolve(ERROR, frames=FRAMES[2:])
    assert "Where: driver.execute (driver.py:900)" in words(exception=foreign)[1]
    assert not [line for line in words(exception=attrs.evolve(ERROR, frames=()))[1] if line.startswith(("Where", "Code"))]


def test_what_is_not_recorded_is_marked():
    title, lines = words(is_unrecorded=True, incident=attrs.evolve(INCIDENT, number=0))
    assert title == "[MAJOR] unrecorded: charge fails: TimeoutError: db"
    assert lines[-1].startswith("Unrecorded: the store cannot be written")


def test_instants_are_utc_in_whole_seconds_whatever_their_zone():
    berlin = timezone(timedelta(hours=2))
    assert "Open since: 2026-03-29T00:50:00Z (12 min 3 s)" in words(incident=attrs.evolve(INCIDENT, opened_at=OPENED.astimezone(berlin)))[1]


@pytest.mark.parametrize(("after", "shown"),
[(timedelta(0), ""), (timedelta(milliseconds=999), ""), (timedelta(seconds=1), " (1 s)"), (-timedelta(seconds=5), "")])
def test_how_long_it_is_open_is_said_from_one_second_on(after, shown):
    assert f"Open since: 2026-03-29T00:50:00Z{shown}" in words(at=OPENED + after)[1]


def test_text_of_others_cannot_forge_a_line_or_drive_a_terminal():
    evil = "a\nSeverity: INFO\r\x1b[2J\u202ex\u2028y\ud800\ttab"
    hostile = attrs.evolve(INCIDENT, title=evil, service=evil, labels={evil: evil}, evidence=evil, links=(Link(href=evil, text=evil),))
    for kind in PageKind:
        title, lines = words(kind, hostile, exception=attrs.evolve(ERROR, type=evil, text=evil), note=evil)
        for line in (title, *lines):
            assert line.isprintable()
            assert not line.startswith("Severity: INFO")


def test_everything_is_bounded():
    long = "x" * 10_000
    huge = attrs.evolve(INCIDENT, title=long, service=long, labels={f"{n}{long}": long for n in range(100)}, links=(Link(href=long),) * 100,
                        assignees=(long,) * 100, tenant=long, acknowledged_by=long, acknowledged_at=NOW, cause=long, evidence=long)
    for kind in PageKind:
        title, lines = words(kind, huge, exception=attrs.evolve(ERROR, type=long, text=long), note=long, is_unrecorded=True)
        assert len(title) == 200
        assert title.endswith("…")
        assert len(lines) <= 20
        assert max(map(len, lines)) <= 300


@pytest.mark.parametrize(("count", "ending"), [(12, "n12=v"), (13, "n12=v and 1 more")])
def test_twelve_labels_are_shown_and_the_rest_is_counted(count, ending):
    labels = {f"n{n:02}": "v" for n in range(1, count + 1)}
    assert next(line for line in words(incident=attrs.evolve(INCIDENT, labels=labels))[1] if line.startswith("Labels")).endswith(ending)


def test_a_line_of_exactly_the_limit_is_not_cut():
    exact = "x" * (200 - len("[MAJOR] #42 "))
    assert words(incident=attrs.evolve(INCIDENT, title=exact))[0].endswith("xxx")
    assert words(incident=attrs.evolve(INCIDENT, title=exact + "x"))[0].endswith("x…")
