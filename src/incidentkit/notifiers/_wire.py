"""
One process's HTTP: a private event loop in a daemon thread, and small pools. What belongs here: sending one request, in time, in bounds.

This module imports httpx and tenacity; it is imported when a Sender is made. Transports are used without httpx's client on purpose: the
client logs every URL at INFO, and a webhook's URL is its password; it also keeps cookies and follows proxies of its own choosing.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import aclosing, suppress
from importlib import import_module
from typing import Any, Final
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks the second

import httpx
import tenacity

from incidentkit.model import Delivery, Request, Response
from incidentkit.notifiers._http import origin_of
from incidentkit.notifiers._own import OWN_THREAD_PREFIX
from incidentkit.notifiers._resolver import Loop, Resolver

__all__ = ["MOST_ANSWER_BYTES", "Job", "Wire"]

#: What is read of an answer; the rest is not awaited. No verdict needs more, and a hostile server must not fill our memory.
MOST_ANSWER_BYTES: Final = 64 * 1024
# httpcore scans every connection of a pool for every request: many in one pool cost quadratically (encode/httpx#3215; embedding.md 9).
_POOLS: Final = 20
_PER_POOL: Final = 10
_IDLE_PER_POOL: Final = 4
_HEADERS: Final = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "incidentkit"}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


# Below httpx much is imported by the first connection, which would be while something is failing. The test that sends a first request
# and compares sys.modules says when a release has moved these.
for _late in ("anyio._backends._asyncio", "h11", "httpcore", "httpcore._async.http_proxy", "httpcore._backends.anyio"):
    with suppress(ImportError):
        import_module(_late)


class _NotFreshError(Exception):
    """The next try would start later than the state it was allowed by may be old."""


class Job:
    """One attempt: the request, until when a try may start, and what came of it."""

    __slots__ = ("fresh_until", "is_written", "monotonic", "request", "wire_request")

    def __init__(self, request: Request, *, fresh_until: float, monotonic: Callable[[], float]) -> None:
        self.request = request
        self.fresh_until = fresh_until
        self.monotonic = monotonic
        self.is_written = False
        headers = _HEADERS | {name.lower(): value for name, value in request.headers.items()}
        self.wire_request = httpx.Request(
            request.method, request.url, headers=headers, content=request.content, extensions={"trace": self._trace},
        )

    async def _trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.is_written = True

    def check_fresh(self) -> None:
        """Raise when a try that started now would break law 5."""
        if self.monotonic() > self.fresh_until:
            raise _NotFreshError


class _Pool:
    """At most 10 requests at once; a transport for direct connections and one for each proxy, made when first used."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.in_flight = 0
        self._context = context
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    def transport(self, proxy: str) -> httpx.AsyncHTTPTransport:
        if (transport := self._transports.get(proxy)) is None:
            limits = httpx.Limits(max_connections=_PER_POOL, max_keepalive_connections=_IDLE_PER_POOL)
            transport = self._transports[proxy] = httpx.AsyncHTTPTransport(
                verify=self._context, limits=limits, proxy=proxy or None, trust_env=False,
            )
        return transport

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


class Wire:
    """The loop, its threads and its pools, for the process that made them; a forked child makes its own."""

    def __init__(self, *, timeout: float, trust_env: bool) -> None:
        self.pid = os.getpid()
        self.fault = ""
        self._timeout = timeout
        self._proxies = getproxies_environment() if trust_env else {}
        self._is_closing = False
        self._is_over = False
        self._pending: set[Future[Delivery]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._resolver = Resolver(OWN_THREAD_PREFIX)
        self._loop = Loop(self._resolver)
        self._thread = threading.Thread(target=self._run, name=f"{OWN_THREAD_PREFIX}sender", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is going down, or there are no threads left
            self._resolver.close()
            self._loop.close()
            raise

    # --- from any thread

    def submit(self, job: Job, judge: Callable[[Response], Delivery]) -> Future[Delivery]:
        """Return at once; the future ends with a Delivery, whatever happens, and is never cancelled."""
        future: Future[Delivery] = Future()
        future.set_running_or_notify_cancel()
        self._pending.add(future)
        with suppress(RuntimeError):  # closed meanwhile
            self._loop.call_soon_threadsafe(self._begin, job, judge, future)
        if self._is_over:  # after the callback was queued: either it runs, or this sees that it will not
            self._end_pending()
        return future

    def close(self, timeout: float) -> None:
        """Wait for what is in flight, then cancel it; return after at most *timeout* seconds."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._spawn, self._drain(timeout))
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    # --- on the loop's thread

    def _run(self) -> None:
        context = self._context()
        self._pools = [_Pool(context) for _ in range(_POOLS)]
        self._free = asyncio.Semaphore(_POOLS * _PER_POOL)
        try:
            self._loop.run_forever()
        finally:
            self._is_over = True
            self._resolver.close()
            self._loop.close()
            self._end_pending()

    def _context(self) -> ssl.SSLContext:
        try:  # 20 ms, so not on the thread that calls configure(); one for all pools (SSL_CERT_FILE and SSL_CERT_DIR are honoured)
            return httpx.create_ssl_context()
        except (OSError, ValueError) as error:
            self.fault = f"TLS certificates cannot be loaded: {type(error).__name__}"
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody: https fails closed, http still works

    def _end_pending(self) -> None:
        for future in list(self._pending):
            self._pending.discard(future)
            with suppress(InvalidStateError):
                future.set_result(Delivery.retry("the sender was closed"))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, job: Job, judge: Callable[[Response], Delivery], future: Future[Delivery]) -> None:
        if not self._is_closing:  # else it ends with the loop, as not sent
            self._spawn(self._answer(job, judge, future))

    async def _drain(self, close_for: float) -> None:
        self._is_closing = True
        grace = min(0.25, close_for / 4)
        others = {task for task in self._tasks if task is not asyncio.current_task()}
        if others:
            _, late = await asyncio.wait(others, timeout=close_for - grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=grace)
        with suppress(Exception):
            async with asyncio.timeout(grace):
                for pool in self._pools:
                    await pool.aclose()
        self._loop.stop()

    async def _answer(self, job: Job, judge: Callable[[Response], Delivery], future: Future[Delivery]) -> None:
        try:
            delivery = await self._attempt(job, judge)
        except asyncio.CancelledError:
            delivery = Delivery.retry("the sender was closed", may_have_arrived=job.is_written)
        self._pending.discard(future)
        with suppress(InvalidStateError):
            future.set_result(delivery)

    async def _attempt(self, job: Job, judge: Callable[[Response], Delivery]) -> Delivery:
        place = origin_of(job.request.url)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._tries(job)
            return judge(response)
        except _NotFreshError:
            return Delivery.retry("not sent: its state must be read again first")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Delivery.retry(f"no connection to {place}: {_kind_of(error)}")
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            return Delivery.refused(f"not a right request for {place}: {_kind_of(error)}")
        except TimeoutError:
            return Delivery.retry(f"no answer of {place} in {self._timeout:g} s", may_have_arrived=job.is_written)
        except Exception as error:  # noqa: BLE001 whatever it is, the page is tried again and its future must end
            return Delivery.retry(f"no answer of {place}: {_kind_of(error)}", may_have_arrived=job.is_written)

    async def _tries(self, job: Job) -> Response:
        """Return the answer; only what failed while connecting is tried again, and only while a try may still start (law 5)."""
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((httpx.ConnectError, httpx.ConnectTimeout)),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=0.4),
            stop=lambda state: job.monotonic() + state.upcoming_sleep > job.fresh_until,
            sleep=asyncio.sleep, reraise=True,
        )
        answer: Response = await retrying(self._try, job)
        return answer

    async def _try(self, job: Job) -> Response:
        proxy = self._proxy_for(job.wire_request.url)
        async with self._free:
            job.check_fresh()
            pool = self._least_busy(job.wire_request.url.host)
            pool.in_flight += 1
            try:
                return await _exchange(pool.transport(proxy), job.wire_request)
            finally:
                pool.in_flight -= 1

    def _least_busy(self, host: str) -> _Pool:
        # Among equals always the same one for a host, so that a quiet day reuses its open connection.
        first = sum(host.encode()) % _POOLS
        return min(self._pools[first:] + self._pools[:first], key=lambda pool: pool.in_flight)

    def _proxy_for(self, url: httpx.URL) -> str:
        if not self._proxies or url.host in _LOOPBACK or proxy_bypass_environment(url.host, self._proxies):
            return ""
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all") or ""
        return proxy if not proxy or "://" in proxy else f"http://{proxy}"


async def _exchange(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> Response:
    response = await transport.handle_async_request(request)
    content = bytearray()
    try:
        async with aclosing(response.aiter_raw()) as parts:  # type: ignore[type-var]  # httpx types its generator as an iterator
            async for part in parts:
                content += part
                if len(content) >= MOST_ANSWER_BYTES:
                    break
    finally:
        await response.aclose()
    return Response(status=response.status_code, headers=dict(response.headers), content=bytes(content[:MOST_ANSWER_BYTES]))


def _kind_of(error: BaseException) -> str:
    """Return the class of *error* and of what caused it; never its text, which may hold the URL."""
    root = error
    for _ in range(8):
        if (deeper := root.__cause__ or root.__context__) is None:
            break
        root = deeper
    names = [type(error).__name__]
    if type(root).__name__ not in names:
        names.append(type(root).__name__)
    return " / ".join(names)
