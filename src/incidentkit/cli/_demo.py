"""
The demo: a small real application on real failures. A watched function calls a real local HTTP server that goes down and comes back,
a thread crashes, a person reports something. A local receiver shows what Slack and a webhook get. Nothing here is scripted output: what
is printed is what the engine did.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import incidentkit as ik
from incidentkit.model import Incident, Status
from incidentkit.testing.local_server import LocalServer

__all__ = ["run"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the demo's own receiver
TIMEOUT = 25.0


class Shop:
    """The application: it charges by calling a payment server over HTTP."""

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.open()

    def open(self) -> None:
        """Bring the payment server up, on the port it had."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _Payments)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Take the payment server down: its port refuses connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @ik.watch("shop.charge", service="payments", severity="major", when="3 in 2s", quiet="3s")
    def charge(self) -> str:
        """Charge a card."""
        with urlopen(f"http://127.0.0.1:{self.port}/charge", timeout=2) as response:
            return str(response.read().decode())


class _Payments(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"charged"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing: the demo's output is the engine's."""


def _engine(directory: Path, receiver: LocalServer) -> ik.Engine:
    return ik.configure(
        app="demo", environment="demo", backend=f"sqlite:///{directory / 'incidents.db'}",
        notifiers={"slack": {"type": "slack", "token": "xoxb-demo", "to": "#incidents", "base_url": receiver.slack_api},
                   "webhook": {"type": "webhook", "url": receiver.url, "secret": SECRET}},
        policies=[ik.Policy(name="payments", match='service="payments"', rounds=1,
                            steps=[ik.Step(tell="slack", then_wait="2s"), ik.Step(tell="webhook", then_wait="5s")]),
                  ik.Policy(name="everything else", steps=[ik.Step(tell="slack", then_wait="1m")])],
        settings={"evidence_span": "1s", "sites_every": "1s"})


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stdout.flush()


class _Listener:
    """Prints what the local receiver gets, as it arrives."""

    def __init__(self, receiver: LocalServer) -> None:
        self._receiver = receiver
        self._seen = 0

    def poll(self) -> None:
        """Print what is new."""
        for request in self._receiver.requests[self._seen:]:
            self._seen += 1
            document = request.json
            if "/api/" in request.path:
                what = request.path.rpartition("/")[2]
                _say(f"    --> Slack {what}: {document.get('text', '')}")
            else:
                signed = "signed" if request.is_signed else "NOT SIGNED"
                _say(f"    --> webhook ({signed}): {document['type']}")


def _until(done: Callable[[], Any], listener: _Listener, work: Callable[[], None] = lambda: None) -> Any:
    """Let the application work until *done* has an answer; print what arrives meanwhile."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        work()
        listener.poll()
        if answer := done():
            return answer
        time.sleep(0.1)
    raise TimeoutError("the demo waited too long; the incidents so far are in the SQLite file")


def _of(engine: ik.Engine, key: str, *statuses: Status) -> Incident | None:
    found = (incident for incident in engine.incidents() if incident.key == key)
    return next((incident for incident in found if not statuses or incident.status in statuses), None)


def run(directory: Path | None = None) -> int:
    """Run the demo in *directory* (default: a new temporary one, kept); return the exit code."""
    place = directory or Path(tempfile.mkdtemp(prefix="incidentkit-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with LocalServer(secret=SECRET, slack_token="xoxb-demo") as receiver:  # noqa: S106 - of the demo's own receiver
        engine = _engine(place, receiver)
        listener = _Listener(receiver)
        try:
            _play(engine, listener)
            listener.poll()
            _stories(engine)
        finally:
            engine.stop()
            listener.poll()
    _say(f"done in {time.monotonic() - began:.1f} s; look into {place / 'incidents.db'}")
    return 0


def _play(engine: ik.Engine, listener: _Listener) -> None:
    shop = Shop()

    def charge() -> None:
        with contextlib.suppress(OSError):
            shop.charge()

    _say("the payment server is up; the shop charges")
    for _ in range(5):
        charge()
    _say("the payment server goes down")
    shop.close()
    incident = _until(lambda: _of(engine, "shop.charge"), listener, charge)
    _say(f"incident #{incident.number} [{incident.severity.name}] {incident.title}")
    _say("a thread crashes, and a person reports something")
    crashing = threading.Thread(target=_crash)
    crashing.start()
    crashing.join()
    manual = engine.raise_incident("Customers call: the invoice page is blank", key="invoice-page", service="web", severity="critical")
    _say(f"incident #{manual.number} [{manual.severity.name}] {manual.title}")
    _say("nobody answers; the next step comes after its wait")
    _until(lambda: any("/hook" in request.path for request in listener._receiver.requests), listener, charge)  # noqa: SLF001 - same file
    engine.acknowledge(incident.id, by="ada", note="looking")
    engine.acknowledge(manual.id, by="grace")
    _say(f"ada acknowledges #{incident.number}, grace #{manual.number}: nobody else is told")
    _say("the payment server comes back")
    shop.open()
    resolved = _until(lambda: _of(engine, "shop.charge", Status.RESOLVED), listener, charge)
    _say(f"incident #{resolved.number} is resolved, {resolved.cause}: {resolved.evidence}")
    engine.resolve(manual.id, by="grace", note="a template was missing")
    _until(lambda: not engine.incidents(status="open") or _of(engine, "nightly-report"), listener)
    shop.close()


def _crash() -> None:
    with contextlib.suppress(ZeroDivisionError), ik.watch("nightly-report", service="reports"):
        _average([])


def _average(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def _stories(engine: ik.Engine) -> None:
    for incident in sorted(engine.incidents(), key=lambda one: one.number):
        sys.stdout.write(f"\n#{incident.number} [{incident.severity.name}] {incident.title}\n    {incident.status.value}"
                         f"{f' ({incident.cause}: {incident.evidence})' if incident.cause else ''}, {incident.occurrences} occurrences\n")
        for entry in engine.history(incident.id):
            facts = {name: value for name, value in _facts(entry.event).items() if value not in ("", None, (), False)}
            words = ", ".join(f"{name}={value}" for name, value in facts.items())
            sys.stdout.write(f"    {entry.at:%H:%M:%S.%f}"[:-3] + f"  {type(entry.event).__name__:<15} by {entry.event.by}  {words}\n")


def _facts(event: Any) -> dict[str, Any]:
    import attrs

    return {field.name: getattr(event, field.name) for field in attrs.fields(type(event))
            if field.name in {"reason", "evidence", "cause", "note", "told", "notifier", "target", "step", "round", "why", "occurrences"}}
