"""The one sink of the process, the state of its sites, what is transparent without an engine, and what importing all this costs."""

import asyncio
import contextlib
import logging
import subprocess
import sys

import pytest

from incidentkit import host
from incidentkit.errors import ConfigurationError
from incidentkit.host.watch import watch


class Recorder:
    def __init__(self, answer="ticket"):
        self.calls, self.answer = [], answer

    def failed(self, error, site, fields, /): return self.take("failed", error, site.name, dict(fields))
    def report(self, what, fields, /): return self.take("report", what, dict(fields))
    def ok(self, fields, /): return self.take("ok", dict(fields))

    def take(self, *call):
        self.calls.append(call)
        if isinstance(self.answer, BaseException): raise self.answer
        return self.answer


class Evidence:
    def __init__(self): self.successes = 0
    def success(self): self.successes += 1


@pytest.fixture(autouse=True)
def nothing_installed():
    previous = host.HOLDER.sink
    host.restore(None)
    yield
    host.restore(previous)


def test_installing_returns_what_was_there_and_restoring_puts_it_back():
    first, second = Recorder(), Recorder()
    assert host.installed() is None
    assert host.install(first) is None
    assert (host.install(second), host.installed()) == (first, second)
    host.restore(first)
    assert host.installed() is first


def test_a_watch_made_before_installing_tells_the_sink_that_is_there_when_it_fails():
    on = watch("early")
    sinks = [Recorder(), Recorder()]
    for sink in sinks:
        host.install(sink)
        with contextlib.suppress(ValueError), on: raise ValueError
    assert [len(sink.calls) for sink in sinks] == [1, 1]


# --- sites ----------------------------------------------------------------------------------------------------------------------------


def test_an_open_site_sends_its_successes_from_every_watch_of_that_name():
    evidence = Evidence()
    one, other = watch("open"), watch("open", service="x")
    assert host.open_site("open", evidence)
    for on in (one, other, watch("open")):
        with on: pass
    one(len)("abc")
    host.close_site("open")
    with one: pass
    assert evidence.successes == 4


def test_a_site_that_nothing_here_watches_cannot_be_opened_and_is_not_known():
    assert not host.open_site("elsewhere", Evidence())
    assert "elsewhere" not in host.known_sites()
    host.close_site("elsewhere")


def test_a_watch_without_a_name_is_no_site():
    watch(service="x")
    assert "" not in host.known_sites()


def test_a_site_closed_by_its_own_success_is_no_fault(caplog):
    """The engine closes sites from its thread, between the look of the wrapper and the call."""
    evidence = Evidence()
    on = watch("closing")
    host.open_site("closing", evidence)
    host.close_site("closing")
    with caplog.at_level(logging.DEBUG): on._succeeded()
    assert (evidence.successes, caplog.records) == (0, [])


def test_beyond_the_bound_a_site_is_its_own_and_still_reports(monkeypatch):
    sink = Recorder()
    host.install(sink)
    monkeypatch.setattr(sys.modules["incidentkit.host.installed"], "SITES_MAX", 0)
    with contextlib.suppress(ValueError), watch("one too many"): raise ValueError
    assert "one too many" not in host.known_sites()
    assert len(sink.calls) == 1


# --- nothing installed ----------------------------------------------------------------------------------------------------------------


def test_with_nothing_installed_a_failure_is_one_debug_record_without_its_text(caplog):
    with caplog.at_level(logging.DEBUG, "incidentkit"), contextlib.suppress(ValueError), watch("quiet place"): raise ValueError("secret")
    (record,) = caplog.records
    assert (record.levelno, record.getMessage(), record.name) == (logging.DEBUG, "dormant", "incidentkit")
    assert (record.incidentkit_what, record.incidentkit_type) == ("quiet place", "ValueError")
    assert "secret" not in repr(vars(record))


def test_with_nothing_installed_an_ignored_failure_leaves_nothing(caplog):
    with caplog.at_level(logging.DEBUG, "incidentkit"), contextlib.suppress(ValueError), watch("x", ignore=ValueError): raise ValueError
    assert caplog.records == []


@pytest.mark.parametrize(
    "call", [lambda: host.report("x", key="y"), lambda: host.report(ValueError()), lambda: host.ok(key="y"), lambda: host.resolve(key="y")],
)
def test_with_nothing_installed_a_report_is_a_ticket_that_ended(call, caplog):
    with caplog.at_level(logging.DEBUG, "incidentkit"): ticket = call()
    assert isinstance(ticket, host.TransparentTicket)
    assert ticket.is_stored is False
    assert (ticket.wait(), ticket.wait(timeout=0)) == (None, None)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]

    async def main(): return await ticket, await ticket
    assert asyncio.run(main()) == (None, None)


# --- report, ok, resolve --------------------------------------------------------------------------------------------------------------


def test_a_report_reaches_the_sink_with_its_fields_and_returns_its_ticket():
    sink, error = Recorder(), ValueError()
    host.install(sink)
    assert host.report("Queue full", key="queue", service="worker") == "ticket"
    assert host.report(error) == "ticket"
    assert sink.calls == [("report", "Queue full", {"key": "queue", "service": "worker"}), ("report", error, {})]


def test_fields_may_have_any_name():
    sink = Recorder()
    host.install(sink)
    host.report("x", what="y", self="z")
    assert sink.calls == [("report", "x", {"what": "y", "self": "z"})]


@pytest.mark.parametrize("verb", [host.ok, host.resolve])
def test_ok_reaches_the_sink_with_key_and_tenant(verb):
    sink = Recorder()
    host.install(sink)
    assert verb(key="queue") == "ticket"
    verb(key="queue", tenant="acme")
    assert sink.calls == [("ok", {"key": "queue", "tenant": ""}), ("ok", {"key": "queue", "tenant": "acme"})]


@pytest.mark.parametrize("fault", [RuntimeError(), ConfigurationError("x"), ExceptionGroup("x", [ValueError()])])
def test_reports_never_raise(fault):
    host.install(Recorder(fault))
    for ticket in (host.report("x"), host.ok(key="x"), host.resolve(key="x")):
        assert ticket.is_stored is False


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_inside_a_report_passes(fault):
    host.install(Recorder(fault()))
    for call in (lambda: host.report("x"), lambda: host.ok(key="x")):
        with pytest.raises(fault): call()


# --- importing ------------------------------------------------------------------------------------------------------------------------


def ran(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_the_host_side_imports_nothing_that_costs():
    """No model, so no attrs and cattrs, no asyncio, logging, httpx or inspect: a library that declares watches pays for none of them."""
    loaded = ran("import incidentkit.host, sys; print(*sys.modules)")
    assert not {"asyncio", "attr", "attrs", "cattrs", "httpx", "incidentkit.model", "inspect", "logging", "threading"} & set(loaded)


def test_a_failure_with_nothing_installed_imports_nothing():
    program = """
from incidentkit.host import watch, report
import sys
sys.modules.pop("logging", None)
@watch
def fail(): raise ValueError
before = set(sys.modules)
try: fail()
except ValueError: pass
report("x")
print(*set(sys.modules) - before)
"""
    assert ran(program) == []
