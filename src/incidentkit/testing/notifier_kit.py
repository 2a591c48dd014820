"""
What every notifier must do, as a list of checks that needs no test framework. What belongs here: the checks and their report.

    report = check_notifier(MyNotifier(...))
    assert report.is_passed, report
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import attrs

from incidentkit.model import Delivery, Incident, Link, Notification, Outcome, PageKind, Request, Response, Severity, Status
from incidentkit.notifiers import Sender
from incidentkit.notifiers._http import checked_headers, checked_url
from incidentkit.ports import HttpNotifier, SendNotifier
from incidentkit.testing.local_server import Answer, LocalServer

__all__ = ["Check", "Report", "check_notifier", "sample_notification"]

_AT: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
#: What an attacker puts into a title: terminal codes, header ends, mentions, markup, an unpaired surrogate, and a great deal of it.
HOSTILE: Final = "\x1b[2J\r\nX-Injected: 1\r\n<!channel> <@U1> & *b* `c` [l](http://x) {{t}} \u202e\udc80 " + "\N{PILE OF POO}" * 20_000
_CANARY: Final = "canary5e4d3c2b"


@attrs.frozen(kw_only=True)
class Check:
    """One check: what must hold, and why it does not ("" when it does)."""

    name: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class Report:
    """The outcome of all checks."""

    notifier: str
    checks: tuple[Check, ...] = ()

    @property
    def failures(self) -> tuple[Check, ...]:
        """Return the checks that did not hold."""
        return tuple(check for check in self.checks if check.reason)

    @property
    def is_passed(self) -> bool:
        """Return True when every check held."""
        return not self.failures

    def __str__(self) -> str:
        lines = [f"  FAILED  {check.name}: {check.reason}" if check.reason else f"  ok  {check.name}" for check in self.checks]
        return "\n".join([f"{self.notifier}: {len(self.failures)} of {len(self.checks)} checks failed", *lines])


def check_notifier(notifier: Any) -> Report:
    """
    Return how *notifier* does against what incidentkit asks of every notifier (ports.py; channels.md 0).

    An HttpNotifier's requests go to a real server on 127.0.0.1, never to the service. A SendNotifier's `send` is called for real: give it
    a double of what it talks to. Nothing is raised for a failed check.
    """
    checks = _Checks()
    _check_attributes(checks, notifier)
    has_http, has_send = isinstance(notifier, HttpNotifier), isinstance(notifier, SendNotifier)
    with checks.check("is a SendNotifier (send) or an HttpNotifier (request and verdict), not both"):
        assert has_http != has_send, "both" if has_http else "neither"
    if has_http and not has_send:
        _check_requests(checks, notifier)
        _check_verdicts(checks, notifier)
        _check_over_the_wire(checks, notifier)
    elif has_send and not has_http:
        _check_sends(checks, notifier)
    return Report(notifier=f"{type(notifier).__module__}.{type(notifier).__qualname__}", checks=tuple(checks.done))


class _Checks:
    def __init__(self) -> None:
        self.done: list[Check] = []

    @contextmanager
    def check(self, name: str) -> Generator[None, None, None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 a check that fails is a line of the report
            self.done.append(Check(name=name, reason=f"{type(error).__name__}: {error}"[:500]))
        else:
            self.done.append(Check(name=name))


def sample_notification(kind: PageKind = PageKind.FIRST, *, text: str = "Queue memory overload", **fields: Any) -> Notification:
    """Return a notification to try a notifier with: *text* stands wherever untrusted text can, *fields* replace any field."""
    over = kind is PageKind.RESOLVED
    incident = Incident(
        id="01J0000000000000000000TEST", number=12, key="queue-memory", title=text, severity=Severity.MAJOR, service="worker",
        status=Status.RESOLVED if over else Status.TRIGGERED, resolved_at=_AT if over else None, labels={"team": text[:200]},
        links=(Link(href="https://grafana.example/d/1", text=text[:100]),), occurrences=3,
        opened_at=_AT, updated_at=_AT, first_seen_at=_AT, last_seen_at=_AT,
    )
    sample = Notification(
        kind=kind, incident=incident, title=text, lines=("service worker", text), notifier="sample", idempotency_key="01J0-1-first",
        sent_at=_AT, note=text[:100],
    )
    return attrs.evolve(sample, **fields)


def _for(notifier: Any, kind: PageKind = PageKind.FIRST, **fields: Any) -> Notification:
    """Return a sample addressed to *notifier*."""
    return sample_notification(kind, **{"notifier": notifier.name, "target": notifier.to or "target", **fields})


def _check_attributes(checks: _Checks, notifier: Any) -> None:
    with checks.check("`name` is text without ':', which parts it from a target"):
        assert isinstance(notifier.name, str), repr(notifier.name)
        assert notifier.name, "it is empty"
        assert ":" not in notifier.name, notifier.name
    with checks.check("`to` is text, empty when there is no default target"):
        assert isinstance(notifier.to, str), repr(notifier.to)
    with checks.check("`is_quiet` is a bool: False for what rings"):
        assert isinstance(notifier.is_quiet, bool), repr(notifier.is_quiet)
    with checks.check("`deadline` is a timedelta above zero"):
        assert isinstance(notifier.deadline, timedelta), repr(notifier.deadline)
        assert notifier.deadline > timedelta(0), str(notifier.deadline)


def _check_requests(checks: _Checks, notifier: HttpNotifier) -> None:
    for kind in PageKind:
        for ref in ("", "C0123:1503435956.000247"):
            with checks.check(f"request: {kind.value}, {'with' if ref else 'without'} a reference to the first message"):
                _check_request(notifier, _for(notifier, kind, ref=ref))
    with checks.check("request: hostile text stays inside the body, and the body under 1 MiB"):
        request = _check_request(notifier, _for(notifier, text=HOSTILE, idempotency_key="a.b\r\nX: 1" + "k" * 5_000))
        assert len(request.content) < 1024 * 1024, f"{len(request.content)} bytes"
    with checks.check("request is pure: the same notification gives the same request"):
        once, again = (notifier.request(_for(notifier)) for _ in range(2))
        assert once == again, "two calls differ"


def _check_request(notifier: HttpNotifier, notification: Notification) -> Request:
    request = notifier.request(notification)
    assert isinstance(request, Request), f"returned {type(request).__name__}"
    checked_url("url", request.url)
    checked_headers("headers", request.headers)
    assert request.method.isalpha(), request.method
    assert isinstance(request.content, bytes), f"content is {type(request.content).__name__}"
    return request


def _check_verdicts(checks: _Checks, notifier: HttpNotifier) -> None:
    def verdict(status: int, body: bytes = b"", **headers: str) -> Delivery:
        response = Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, content=body)
        delivery = notifier.verdict(response, _for(notifier))
        assert isinstance(delivery, Delivery), f"HTTP {status}: returned {type(delivery).__name__}"
        return delivery

    bodies = (b"", b"ok", b"{}", b"[]", b"null", b'{"ok":false}', b"<html>", b"\xff\x00", b"[" * 60_000, b'{"ok":1,"error":[{}]}')
    with checks.check("verdict answers every status and body"):
        for status in range(200, 600):
            for body in bodies:
                verdict(status, body)
    with checks.check("verdict: 5xx and 429 are tried again"):
        for status in (429, 500, 502, 503, 504):
            assert verdict(status).outcome is Outcome.RETRY, f"HTTP {status}: {verdict(status).outcome.value}"
    with checks.check("verdict: redirects and 400, 401, 403, 404 are refused"):
        for status in (301, 302, 307, 308, 400, 401, 403, 404):
            assert verdict(status).outcome is Outcome.REFUSED, f"HTTP {status}: {verdict(status).outcome.value}"
    with checks.check("verdict: 429 with Retry-After: 7 waits seven seconds; nonsense there does no harm"):
        assert verdict(429, retry_after="7").retry_after == timedelta(seconds=7), str(verdict(429, retry_after="7").retry_after)
        for text in ("-5", "1e999", "soon", "9" * 400, "Sun, 99 Foo 2026 99:99:99 GMT"):
            verdict(429, retry_after=text)
    with checks.check("reasons hold neither path nor query of the URL, nor what the service said at length"):
        request = notifier.request(_for(notifier))
        parts = urlsplit(request.url)
        secrets = [text for text in (parts.path, parts.query, *request.headers.values()) if len(text) > 8]
        for status in (301, 400, 429, 500):
            reason = verdict(status, (_CANARY * 200).encode()).reason
            assert not any(secret in reason for secret in secrets), f"HTTP {status}: the reason holds a part of the request"
            assert len(reason) < 1_000, f"HTTP {status}: the reason has {len(reason)} characters"


class _Redirected:
    """The notifier, with its requests turned to the local server."""

    def __init__(self, notifier: HttpNotifier, server: LocalServer) -> None:
        self.name, self.to, self.is_quiet, self.deadline = notifier.name, notifier.to, notifier.is_quiet, notifier.deadline
        self._notifier = notifier
        self._port = server.port

    def request(self, notification: Notification, /) -> Request:
        request = self._notifier.request(notification)
        parts = urlsplit(request.url)
        return attrs.evolve(request, url=urlunsplit(("http", f"127.0.0.1:{self._port}", "/kit" + parts.path, parts.query, "")))

    def verdict(self, response: Response, notification: Notification, /) -> Delivery:
        return self._notifier.verdict(response, notification)


def _check_over_the_wire(checks: _Checks, notifier: HttpNotifier) -> None:
    sender = Sender(trust_env=False)
    try:
        with LocalServer() as server:
            _check_on(checks, notifier, server, lambda: _send(sender, _Redirected(notifier, server), _for(notifier)))
    finally:
        sender.close(2.0)


def _send(sender: Sender, notifier: _Redirected, notification: Notification) -> Delivery:
    return sender.submit(notifier, notification, fresh_until=time.monotonic() + 1, monotonic=time.monotonic).result(30)


def _check_on(checks: _Checks, notifier: HttpNotifier, server: LocalServer, send: Callable[[], Delivery]) -> None:
    with checks.check("wire: one request arrives, byte for byte"):
        server.script(Answer(status=503))
        delivery = send()
        (received,) = server.requests
        assert received.body == notifier.request(_for(notifier)).content, "the body differs"
        assert delivery.outcome is Outcome.RETRY, delivery.outcome.value
    with checks.check("wire: a lost answer is tried again, and may have arrived"):
        server.script(Answer(is_lost=True))
        delivery = send()
        assert (delivery.outcome, delivery.may_have_arrived) == (Outcome.RETRY, True), str(delivery)
    with checks.check("wire: an endless answer does not fill the memory"):
        server.script(Answer(body=b"x" * 5_000_000))
        send()


def _check_sends(checks: _Checks, notifier: SendNotifier) -> None:
    cases = [(kind.value, _for(notifier, kind)) for kind in PageKind]
    cases.append(("hostile text", _for(notifier, text=HOSTILE)))
    for name, notification in cases:
        with checks.check(f"send: {name} returns a Delivery"):
            delivery = _sent(notifier, notification)
            assert isinstance(delivery, Delivery), f"returned {type(delivery).__name__}"


def _sent(notifier: SendNotifier, notification: Notification) -> object:
    answer = notifier.send(notification)
    if not inspect.isawaitable(answer):
        return answer

    async def wait() -> object:
        return await answer

    return asyncio.run(wait())
