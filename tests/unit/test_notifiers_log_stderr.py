"""The two channels that need no network: a logger, and standard error."""

import logging
import os
import pty
import re
import subprocess
import sys

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidentkit.model import Outcome, PageKind, Severity
from incidentkit.notifiers import Log, Stderr
from incidentkit.notifiers._text import cut, one_line
from incidentkit.testing.notifier_kit import HOSTILE, sample_notification

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def with_severity(notification, severity):
    return attrs.evolve(notification, incident=attrs.evolve(notification.incident, severity=severity))


@pytest.fixture
def records():
    """Everything the logger `test.told` gets."""
    kept = []

    class Keep(logging.Handler):
        def emit(self, record):
            kept.append(record)

    logger, handler = logging.getLogger("test.told"), Keep()
    logger.addHandler(handler); logger.setLevel(logging.DEBUG); logger.propagate = False
    yield kept
    logger.removeHandler(handler); logger.setLevel(logging.NOTSET); logger.propagate = True


def test_a_notification_is_one_record_with_a_stable_name_and_prefixed_facts(records):
    assert Log(to="test.told").send(sample_notification()).outcome is Outcome.ACCEPTED
    (record,) = records
    assert record.msg == "incident.told %s"
    assert record.getMessage() == "incident.told Queue memory overload"
    ours = {name for name in vars(record) if name not in {*vars(logging.makeLogRecord({})), "message"}}
    assert all(name.startswith("incidentkit_") for name in ours)
    assert (record.incidentkit_event, record.incidentkit_number, record.incidentkit_kind) == ("incident.told", 12, "first")


@pytest.mark.parametrize(("severity", "level"), [("critical", 50), ("major", 40), ("minor", 30), ("info", 20)])
def test_a_page_is_logged_as_badly_as_the_incident_is(records, severity, level):
    Log(to="test.told").send(with_severity(sample_notification(), Severity(severity)))
    assert records[0].levelno == level


@pytest.mark.parametrize("kind", [PageKind.UPDATE, PageKind.RESOLVED])
def test_news_for_those_who_know_is_info(records, kind):
    Log(to="test.told").send(sample_notification(kind))
    assert records[0].levelno == logging.INFO


def test_a_resolve_is_not_lost_in_a_logger_left_at_its_default(records):
    """The root logger's default drops INFO: without this everybody would hear of incidents and nobody that they are over."""
    logging.getLogger("test.told").setLevel(logging.WARNING)
    assert Log(to="test.told").send(sample_notification(PageKind.RESOLVED)).outcome is Outcome.ACCEPTED
    assert records[0].levelno == logging.WARNING


def test_a_logger_that_drops_the_record_told_nobody(records):
    logging.getLogger("test.told").setLevel(logging.CRITICAL)
    assert Log(to="test.told").send(sample_notification()).outcome is Outcome.REFUSED
    assert records == []


def test_the_target_names_another_logger(records):
    Log().send(sample_notification(target="test.told"))
    assert len(records) == 1


def test_untrusted_text_cannot_forge_a_second_log_line(records):
    Log(to="test.told").send(sample_notification(text=HOSTILE[:200]))
    assert not CONTROL.search(records[0].getMessage())
    assert "\n" not in records[0].getMessage()


def test_a_percent_sign_in_a_title_is_no_format(records):
    Log(to="test.told").send(sample_notification(text="disk 100%s full %d"))
    assert records[0].getMessage() == "incident.told disk 100%s full %d"


def test_stderr_gets_one_compact_block(capsys):
    assert Stderr().send(sample_notification(note="")).outcome is Outcome.ACCEPTED
    assert capsys.readouterr().err == (
        "incidentkit MAJOR #12 [worker] Queue memory overload\n    service worker\n    Queue memory overload\n"
    )


def test_stderr_says_that_it_is_over(capsys):
    Stderr().send(sample_notification(PageKind.RESOLVED))
    assert capsys.readouterr().err.startswith("incidentkit RESOLVED #12")


@given(st.text(max_size=200), st.text(max_size=50))
def test_untrusted_text_cannot_reach_the_terminal_as_a_command(text, service):
    shown = one_line(text)
    assert not CONTROL.search(shown)
    assert "\n" not in shown
    assert not CONTROL.search(one_line(service))


@given(st.text(max_size=40), st.integers(min_value=1, max_value=50))
def test_a_cut_text_is_never_longer_than_asked(text, most):
    shown = cut(text, most)
    assert len(shown) <= most
    assert shown == text or shown.endswith("…")


def test_a_flood_of_lines_is_cut_and_says_so(capsys):
    Stderr().send(sample_notification(lines=tuple(f"line {number}" for number in range(100)), note=""))
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 22
    assert shown[-1].strip() == "(80 more lines)"


def on_a_terminal(monkeypatch, notification, **environment):
    """Return what Stderr writes to a real pseudo-terminal."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        delivery = Stderr().send(notification)
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert delivery.outcome is Outcome.ACCEPTED
    return shown


def test_a_terminal_gets_colours(monkeypatch):
    assert "\x1b[31mMAJOR\x1b[0m" in on_a_terminal(monkeypatch, sample_notification())


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_none_gets_no_colours(monkeypatch, environment):
    assert "\x1b" not in on_a_terminal(monkeypatch, sample_notification(), **environment)


def test_an_empty_no_color_does_not_count(monkeypatch):
    """no-color.org: "when present and not an empty string"."""
    assert "\x1b[31m" in on_a_terminal(monkeypatch, sample_notification(), NO_COLOR="")


def test_on_a_terminal_only_our_own_colours_are_escape_codes(monkeypatch):
    shown = on_a_terminal(monkeypatch, sample_notification(text=HOSTILE[:300]))
    assert re.findall(r"\x1b\[[0-9;]*[A-Za-z]", shown) == ["\x1b[31m", "\x1b[0m"]
    assert shown.count("\x1b") == 2


@pytest.mark.parametrize(
    "breaking",
    [
        "sys.stderr.close()", "sys.stderr = None", "import os; os.close(2)",
        "import os; r, w = os.pipe(); os.close(r); sys.stderr = open(w, 'w')",
    ],
    ids=["closed", "none", "fd closed", "broken pipe"],
)
def test_a_broken_stderr_is_refused_and_harms_nobody(breaking):
    program = f"""
        import sys
        from incidentkit.notifiers import Stderr
        from incidentkit.testing.notifier_kit import sample_notification
        {breaking}
        delivery = Stderr().send(sample_notification())
        print(delivery.outcome.value, delivery.reason, flush=True)
        import os; os._exit(0)
    """
    ran = subprocess.run([sys.executable, "-c", "if True:" + program], capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("refused stderr: "), ran


def test_a_stream_that_knows_only_ascii_still_tells():
    program = """
        from incidentkit.notifiers import Stderr
        from incidentkit.testing.notifier_kit import sample_notification
        print(Stderr().send(sample_notification(text="Überlast \\N{PILE OF POO} \\udc80")).outcome.value)
    """
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    ran = subprocess.run([sys.executable, "-c", "if True:" + program], capture_output=True, text=True, check=False, env=environment)
    assert ran.stdout == "accepted\n"
    assert r"\xdcberlast" in ran.stderr
