"""
A small real HTTP server on 127.0.0.1 that stands for the services around: it records, answers by a script, speaks Slack and webhooks.

What belongs here: the server and what it received. What Slack would say is `local_slack`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import attrs

from incidentkit.model import EMPTY
from incidentkit.notifiers import verify_webhook
from incidentkit.testing.local_slack import SlackWorkspace

__all__ = ["Answer", "LocalServer", "Received"]


@attrs.frozen(kw_only=True)
class Answer:
    """
    One scripted answer. `path` limits it to requests whose path begins so.

    `is_lost`: the connection is closed after the request was read, without an answer. `is_held`: nothing is answered until
    `LocalServer.release()` or the end of the server.
    """

    status: int = 200
    headers: Mapping[str, str] = EMPTY
    body: bytes = b""
    path: str = ""
    is_lost: bool = False
    is_held: bool = False


@attrs.frozen(kw_only=True)
class Received:
    """One request as it came; header names in lower case. `is_signed` is None when the server has no webhook secret."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    is_signed: bool | None = None

    @property
    def json(self) -> Any:
        """Return the body, decoded."""
        return json.loads(self.body)


class LocalServer:
    """
    A receiver to test with: `with LocalServer() as server: Webhook(url=server.url)`.

    What it does without a script: Slack's calls under `slack_api` and `slack_webhook`, see `slack`; everywhere else 200, or 401 when it has
    a webhook secret and the request is not signed with it. It answers no other machine.
    """

    def __init__(self, *, port: int = 0, secret: str | Iterable[str] = (), slack_token: str = "") -> None:
        self.slack = SlackWorkspace(token=slack_token)
        self._secret = (secret,) if isinstance(secret, str) else tuple(secret)
        self._script: deque[Answer] = deque()
        self._received: list[Received] = []
        self._arrived = threading.Condition()
        self._released = threading.Event()
        self._http = _Http(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="local-server", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Return the URL of a plain endpoint; add any path."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def slack_webhook(self) -> str:
        """Return the URL of an incoming webhook."""
        return f"http://127.0.0.1:{self.port}/services/T000/B000/local"

    @property
    def slack_api(self) -> str:
        """Return the `base_url` for a Slack bot."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def requests(self) -> tuple[Received, ...]:
        """Return what came so far, in order."""
        with self._arrived:
            return tuple(self._received)

    def script(self, *answers: Answer) -> None:
        """Add answers: each is used once, in order, by the first request whose path it fits."""
        with self._arrived:
            self._script.extend(answers)

    def release(self) -> None:
        """Let the held answers go, those to come too."""
        self._released.set()

    def wait_for(self, count: int, timeout: float = 5.0) -> tuple[Received, ...]:
        """
        Return what came, as soon as there are *count* requests. A held or lost one counts when it has been read.

        Raises:
            TimeoutError: There were fewer after *timeout* seconds.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._received) >= count, timeout):
                raise TimeoutError(f"{len(self._received)} of {count} requests in {timeout:g} s")
            return tuple(self._received)

    def close(self) -> None:
        """Stop, and cut every open connection. Idempotent."""
        self._released.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.cut_connections()

    def _answer_to(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        signed = verify_webhook(body, headers, self._secret, now=datetime.now(UTC)) if self._secret else None
        with self._arrived:
            answer = next((one for one in self._script if path.startswith(one.path)), None)
            if answer is not None:
                self._script.remove(answer)
            else:
                answer = self._usual(path, headers, body, is_signed=signed)
            self._received.append(Received(method=method, path=path, headers=headers, body=body, status=answer.status, is_signed=signed))
            self._arrived.notify_all()
        if answer.is_held:
            self._released.wait()
        return answer

    def _usual(self, path: str, headers: Mapping[str, str], body: bytes, *, is_signed: bool | None) -> Answer:
        if path.startswith("/api/"):
            said = self.slack.call(path.removeprefix("/api/"), headers, body)
            return Answer(headers={"content-type": "application/json"}, body=json.dumps(said).encode())
        if path.startswith("/services/"):
            status, text = self.slack.webhook(body)
            return Answer(status=status, headers={"content-type": "text/html"}, body=text.encode())
        return Answer(status=401) if is_signed is False else Answer()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], owner: LocalServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is what some tests are about."""

    def cut_connections(self) -> None:
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http  # pyright: ignore[reportIncompatibleVariableOverride] - it is only ever made by that server

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.owner._answer_to(self.command, self.path, headers, body)  # noqa: SLF001 one file, one server
        if answer.is_lost:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in ({"Date": self.date_time_string()} | {name.title(): value for name, value in answer.headers.items()}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 http.server's word
        """Say nothing: what came is in `requests`."""
