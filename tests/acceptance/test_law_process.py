"""Law 8 and 12 in real processes: import, signal handlers, fork, exit, deaths. The host never pays, and a death is evidence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import incidentkit as ik

HEAD = """
import os, sys
import incidentkit as ik
DIRECTORY = sys.argv[1]
def engine(**keys):
    return ik.Engine(app="law", state_directory=DIRECTORY, notifiers={"log": {"type": "log"}}, **keys)
"""


def run(script: str, directory: Path, *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", HEAD + script, str(directory)], capture_output=True, text=True,
                          timeout=timeout, check=False)


def counts(directory: Path) -> dict[str, int]:
    """Return what a new process finds, the dead ones' spools taken over."""
    with ik.Engine(app="law", state_directory=str(directory), notifiers={"log": {"type": "log"}}, engine="manual").installed() as engine:
        engine.step()
        assert engine.flush()
        return {incident.key: incident.occurrences for incident in engine.incidents(limit=1_000)}


def test_importing_starts_no_thread_opens_no_file_and_sets_no_hook(tmp_path: Path):
    done = run("""
import atexit, logging, signal, threading
hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
files = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
import incidentkit, incidentkit.engine, incidentkit.notifiers, incidentkit.backends, incidentkit.testing
assert threading.active_count() == 1
assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == hooks
assert logging.getLogger().handlers == [] and logging.getLogger("incidentkit").handlers == []
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
if files: assert len(os.listdir("/proc/self/fd")) <= len(files)
assert os.listdir(DIRECTORY) == []
print("ok")
""", tmp_path)
    assert done.stdout == "ok\n", done.stderr


def test_a_signal_handler_that_reports_inside_a_report_neither_deadlocks_nor_loses_a_count(tmp_path: Path):
    """An interval timer interrupts the main thread thousands of times, wherever it is inside report()."""
    done = run("""
import signal
e = engine().start()
handled = 0
def handler(number, frame):
    global handled
    handled += 1
    e.report("from the handler", key="handler")
    e.report("from both", key="both")
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
reported = 0
while handled < 2000:
    e.report("from both", key="both")
    reported += 1
signal.setitimer(signal.ITIMER_REAL, 0)
assert e.flush(20)
found = {i.key: i.occurrences for i in e.incidents()}
assert found == {"handler": handled, "both": handled + reported}, (found, handled, reported)
assert not e.health().faults, e.health().faults
e.stop()
print("ok")
""", tmp_path)
    assert done.stdout == "ok\n", done.stderr


def test_a_finaliser_and_a_thread_that_report_lose_nothing(tmp_path: Path):
    done = run("""
import gc, threading
e = engine().start()
class Reports:
    def __init__(self): self.me = self
    def __del__(self): e.report("collected", key="collected")
def work():
    for _ in range(2000):
        e.report("from a thread", key="thread")
        Reports()
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
gc.collect()
assert e.flush(20)
found = {i.key: i.occurrences for i in e.incidents()}
assert found == {"thread": 8000, "collected": 8000}, found
e.stop()
print("ok")
""", tmp_path)
    assert done.stdout == "ok\n", done.stderr


def test_a_forked_child_has_an_engine_of_its_own_and_the_parent_is_not_touched(tmp_path: Path):
    """Forked while another thread is in the middle of report(): both go on, and every count is there."""
    done = run("""
import threading
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what this is about
e = engine().start()
before = ik.watch  # the child reports through the installed engine too
stop = threading.Event()
count = 0
def busy():
    global count
    while not stop.is_set():
        e.report("busy", key="busy")
        count += 1
t = threading.Thread(target=busy); t.start()
children = []
for number in range(5):
    pid = os.fork()
    if pid == 0:
        for _ in range(10):
            e.report("in a child", key="child")
        assert e.flush(20), e.health()
        e.stop()
        os._exit(0)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set(); t.join()
assert codes == [0] * 5, codes
assert e.flush(20)
found = {i.key: i.occurrences for i in e.incidents()}
assert found == {"busy": count, "child": 50}, (found, count)
e.stop()
print("ok")
""", tmp_path)
    assert done.stdout == "ok\n", done.stderr


def test_a_forked_child_that_never_reports_starts_nothing(tmp_path: Path):
    done = run("""
import threading
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
e = engine().start()
pid = os.fork()
if pid == 0:
    os._exit(0 if threading.active_count() == 1 and not e.is_running else 1)
assert os.waitpid(pid, 0)[1] == 0
assert e.is_running
e.stop()
print("ok")
""", tmp_path)
    assert done.stdout == "ok\n", done.stderr
    assert "incidentkit:death" not in counts(tmp_path)


def test_multiprocessing_children_that_end_normally_are_no_deaths(tmp_path: Path):
    for method in ("fork", "spawn"):
        script = tmp_path / f"{method}.py"
        script.write_text(HEAD.replace("DIRECTORY = sys.argv[1]", f"DIRECTORY = {str(tmp_path / method)!r}") + f"""
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)
def child(number):
    import incidentkit as ik
    global E
    if ik.installed_engine_or_none() is None:
        ik.configure(app="law", state_directory=DIRECTORY, notifiers={{"log": {{"type": "log"}}}})
    ik.report("in a child", key="child")
if __name__ == "__main__":
    ik.configure(app="law", state_directory=DIRECTORY, notifiers={{"log": {{"type": "log"}}}})
    context = multiprocessing.get_context("{method}")
    processes = [context.Process(target=child, args=(n,)) for n in range(3)]
    for p in processes: p.start()
    for p in processes: p.join()
    assert [p.exitcode for p in processes] == [0, 0, 0], [p.exitcode for p in processes]
    print("ok")
""".replace("ik.installed_engine_or_none() is None", "__import__('incidentkit.host').host.installed() is None"))
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout == "ok\n", done.stderr
        found = counts(tmp_path / method)
        assert found == {"child": 3}, (method, found, done.stderr)


def test_a_process_that_leaves_without_a_word_is_a_death(tmp_path: Path):
    done = run("""
e = engine().start()
e.report("the last thing seen", key="last")
os._exit(3)
""", tmp_path)
    assert done.returncode == 3, done.stderr
    with ik.Engine(app="law", state_directory=str(tmp_path), notifiers={"log": {"type": "log"}}, engine="manual").installed() as engine:
        engine.step()
        assert engine.flush()
        (death,) = [incident for incident in engine.incidents() if incident.key == "incidentkit:death"]
        assert death.severity.value == "minor"
        (alert,) = engine.alerts(death.id)
        assert "the last thing seen" in alert.details["last_first_sightings"]


def test_a_death_with_everything_committed_is_only_good_to_know(tmp_path: Path):
    done = run("""
e = engine().start()
e.report("stored", key="stored").wait(10)
assert e.flush()
os._exit(0)
""", tmp_path)
    assert done.returncode == 0, done.stderr
    with ik.Engine(app="law", state_directory=str(tmp_path), notifiers={"log": {"type": "log"}}, engine="manual").installed() as engine:
        engine.step()
        assert engine.flush()
        (death,) = [incident for incident in engine.incidents() if incident.key == "incidentkit:death"]
    assert death.severity.value == "info"


def test_a_user_notifier_that_hangs_neither_stops_other_channels_nor_the_exit(tmp_path: Path):
    done = run("""
import threading, datetime
from incidentkit.model import Delivery
class Hangs:
    name, to, is_quiet, deadline = "hangs", "x", True, datetime.timedelta(minutes=15)
    def send(self, notification): threading.Event().wait()
told = threading.Event()
class Tells:
    name, to, is_quiet, deadline = "tells", "x", True, datetime.timedelta(minutes=15)
    async def send(self, notification):
        told.set()
        return Delivery.accepted("1")
e = ik.Engine(app="law", state_directory=DIRECTORY, notifiers={"hangs": Hangs(), "tells": Tells()}).start()
for number in range(3):
    e.report("x", key=f"k{number}")
assert told.wait(10)
assert e.get(1).number == 1
print("ok")
""", tmp_path, timeout=30)
    assert done.stdout == "ok\n", done.stderr


def test_reporting_before_start_and_after_stop_is_harmless(tmp_path: Path):
    done = run("""
e = engine()
assert e.report("too early").wait(1) is None
e.start(); e.stop()
ticket = e.report("too late")
assert ticket.is_stored is False and ticket.wait(1) is None
assert not e.health().is_green
class Evil(Exception):
    def __str__(self): raise RuntimeError("no")
    __repr__ = __str__
e.start()
for what in (Evil(object()), 5, None, object(), b"bytes", "x" * 10_000_000, Evil):
    e.report(what, details={"o": object(), "deep": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}}, labels={1: 2}, severity="nonsense", nonsense=1)
assert e.flush(10)
assert len(e.incidents()) >= 2
e.stop()
print("ok")
""", tmp_path)
    assert done.stdout == "ok\n", done.stderr
