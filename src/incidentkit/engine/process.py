"""Process: an engine's life inside one operating-system process: start, stop, fork, exit, and the doors that let nothing of ours out."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeVar

import attrs

from incidentkit.capture import signal_of_exception, signal_of_signal, signal_of_title
from incidentkit.engine.clock import RandomIds, SystemClock
from incidentkit.engine.config import Config
from incidentkit.engine.core import Core
from incidentkit.engine.health import Faults, Health
from incidentkit.engine.inbox import Inbox
from incidentkit.engine.senders import Senders
from incidentkit.engine.spool import MemorySpool, Spool, SpoolLike
from incidentkit.engine.ticket import Ticket
from incidentkit.engine.worker import Worker
from incidentkit.errors import BackendError, ConfigurationError, NotInstalledError
from incidentkit.host.identity import renew_source
from incidentkit.host.report import TransparentTicket
from incidentkit.model import SchemaInfo, Signal, Site, prepare
from incidentkit.ports import Backend, Clock, Notifier
from incidentkit.runtime import Ground

__all__ = ["Process"]

T = TypeVar("T")
#: How long a fork waits for the store and the inbox, each: a fork must end even when the store hangs.
FORK_WAIT: Final = 2.0
log: Final = logging.getLogger("incidentkit")


class Process:
    """Everything of an engine that belongs to one process and is made anew in a forked child."""

    #: Asked before every real HTTP send; may raise to forbid it. The pytest plugin sets it.
    guard: Callable[[Any], None] | None = None
    #: What stands for stderr; a World records it.
    stderr: Notifier | None = None

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock: Clock = config.clock or SystemClock()
        self.is_virtual = config.clock is not None
        self.faults = Faults(raises=config.settings.raise_own_errors)
        self.core: Core | None = None
        self.schema: SchemaInfo | None = None
        self._worker: Worker | None = None
        self._mailbox: SimpleQueue[Any] = SimpleQueue()
        self._pid = os.getpid()
        self._is_forked = False
        self._lock = threading.RLock()
        self.problems: list[str] = []
        self.loop: Any = None
        self.process = ""
        self._held: list[Any] = []
        self.ground = Ground(book=config.book, settings=config.settings, ids=RandomIds(), process="")
        _every.add(self)

    # -- starting ------------------------------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Return True between start and stop in this process."""
        return self.core is not None and self._pid == os.getpid()

    def start(self) -> None:
        """Make the spool, the senders and the core; open the store; start the thread. Raises BackendError when it cannot be opened."""
        with self._lock:
            self._leave_parent()
            if self.core is not None:
                self._open_again()
                return
            prepare()
            ids = RandomIds()
            self.process = ids.new(self.clock.now())
            self.ground = attrs.evolve(self.ground, process=self.process)
            directory = self._place()
            notifiers = self._notifiers()
            is_manual = self.config.engine == "manual"
            guard = _environment_guard() or type(self).guard
            senders = Senders(notifiers, self.config.settings, self.clock, is_inline=is_manual, guard=guard, loop=self.loop)
            self._mailbox = SimpleQueue()
            defaults = {"environment": self.config.environment, "release": self.config.release, "instance": self._instance()}
            inbox = Inbox(settings=self.config.settings, clock=self.clock, spool=self._spool(directory), wake=self._wake,
                          faults=self.faults, defaults=defaults)
            self.core = Core(self.config, process=self.process, ground=self.ground, clock=self.clock, is_virtual=self.is_virtual,
                             inbox=inbox, senders=senders, faults=self.faults, mailbox=self._mailbox)
            self.core.open_backend = self._open_backend
            _at_exit_once()
            _finalize_in_children(self)
            self._begin(is_manual=is_manual)

    def _begin(self, *, is_manual: bool) -> None:
        core = self.core
        assert core is not None  # noqa: S101 - made a line before
        if is_manual:
            core.driver.backend = self._open_backend()
            core.read_sites()
            return
        self._worker = Worker(core, self._mailbox, name=f"incidentkit-engine-{self.config.app}")
        self._worker.start()
        error = self._worker.opened.result()
        if error is not None:
            raise error

    def _open_again(self) -> None:
        core = self.core
        if core is not None and core.driver.backend is None:
            if self._worker is None:
                core.driver.backend = self._open_backend()
                return
            error = self.submit(self._worker.open_now).result(self.config.settings.exit_timeout.total_seconds() + 5)
            if error is not None:
                raise error

    def _place(self) -> Path:
        """Return the state directory, made with mode 0700. The default place read-only: memory, and health is red."""
        directory = self.config.state_directory
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(directory, os.W_OK):
                raise PermissionError(13, "not writable", str(directory))
        except OSError as error:
            self.problems.append(f"{directory} cannot be written ({error.strerror}): state is in memory only and dies with the process")
            if self.config.is_default_place:
                self.config = attrs.evolve(self.config, backend="memory://", spool="memory")
            else:
                self.config = attrs.evolve(self.config, spool="memory")
        else:
            if self.config.is_default_place and not self.config.backend:
                log.info("engine.store", extra={"incidentkit_directory": str(directory)})
        return directory

    def _spool(self, directory: Path) -> SpoolLike:
        settings = self.config.settings
        if self.config.spool == "memory":
            return MemorySpool(self.process)
        try:
            return Spool.create(directory / "spool", self.process, fsync=self.config.spool == "fsync", max_bytes=settings.spool_bytes,
                                slots=max(4096, settings.inbox_keys * 2), about=self.config.ns.encode())
        except OSError as error:
            self.problems.append(f"no spool in {directory / 'spool'} ({error.strerror}): kill -9 loses what is not committed")
            return MemorySpool(self.process)

    def _notifiers(self) -> dict[str, Notifier]:
        notifiers = dict(self.config.notifiers)
        if not notifiers and not self.config.book.notifiers:
            self.problems.append("nobody can be told: no notifier is configured; incidents are printed to stderr")
            log.warning("engine.nobody_can_be_told", extra={"incidentkit_remedy": "configure(notifiers={...})"})
        if "stderr" not in notifiers:
            notifiers["stderr"] = self.stderr or _stderr()
        return notifiers

    def _instance(self) -> str:
        if self.config.instance:
            return self.config.instance
        import socket

        return f"{socket.gethostname()}:{os.getpid()}"

    def _open_backend(self) -> Backend:
        backend = self.config.backend
        if isinstance(backend, str):
            from incidentkit.backends import backend_from_url

            backend = backend_from_url(backend or f"sqlite:///{(self.config.state_directory / 'incidentkit.db').absolute()}")
        self.schema = backend.open("migrate")
        return backend

    # -- doors that let nothing of ours out ----------------------------------------------------------------------------------------

    def failed(self, error: BaseException, site: Site | None, fields: Mapping[str, Any]) -> Ticket | TransparentTicket:
        """Take in an exception. Whatever goes wrong in here ends in here."""
        try:
            core = self.core
            if core is None or self._pid != os.getpid():
                core = self._revived()
                if core is None:
                    return TransparentTicket()
            ticket = core.inbox.exception(error, site, fields)
            if site is not None:
                core.trackers.failed(site.name)
            return ticket if ticket is not None else TransparentTicket()
        except Exception as fault:  # noqa: BLE001 - law 8: the host never pays
            self.faults.caught("reporting", fault)
            return TransparentTicket()

    def guarded(self, call: Callable[[], Ticket | TransparentTicket]) -> Ticket | TransparentTicket:
        """Return what *call* returns; a fault of ours is counted and ends here."""
        try:
            return call()
        except Exception as fault:  # noqa: BLE001 - law 8
            self.faults.caught("reporting", fault)
            return TransparentTicket()

    def accept(self, what: Any, fields: Mapping[str, Any]) -> Ticket | TransparentTicket:
        """Take in whatever the host reports."""
        core = self.core
        if core is None or self._pid != os.getpid():
            core = self._revived()
            if core is None:
                return TransparentTicket()
        if isinstance(what, BaseException):
            ticket = core.inbox.exception(what, None, fields)
        elif isinstance(what, Signal):
            ticket = core.inbox.signal(what)
        else:
            title = what if type(what) is str else f"report of a {type(what).__module__}.{type(what).__qualname__}"
            ticket = core.inbox.title(title, fields)
        return ticket if ticket is not None else TransparentTicket()

    def signal_of(self, what: Any, fields: Mapping[str, Any], *, at: Any) -> Signal:
        """Return the signal that a report of *what* would be."""
        stated: dict[str, Any] = {"environment": self.config.environment, **fields}
        if isinstance(what, BaseException):
            return signal_of_exception(what, at=at, **stated)
        if isinstance(what, Signal):
            return signal_of_signal(what, at=what.occurred_at or at)
        return signal_of_title(str(what), at=at, **stated)

    # -- the mailbox ---------------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        worker = self._worker
        self.is_nudged = True
        if worker is not None and worker.is_asleep:
            self._mailbox.put(None)  # SimpleQueue: re-entrant, safe in a signal handler

    def submit(self, ask: Callable[[], T]) -> Future[T]:
        """Return the future of *ask*, run on the thread that owns the store."""
        core = self.running_core()
        future: Future[T] = Future()
        if self._worker is None or self._worker.is_current:
            core.take_up((ask, future))
            self.is_nudged = True  # a command may have made work that is due now
        else:
            self._mailbox.put((ask, future))
        return future

    def running_core(self) -> Core:
        """Return the core, or raise NotInstalledError with the remedy."""
        if self.core is None or self._pid != os.getpid():
            raise NotInstalledError("The engine is not running in this process: call start(), or use `with engine.installed():`")
        return self.core

    def step(self) -> float | None:
        """Beat once, in manual mode."""
        core = self.running_core()
        if self._worker is not None:
            raise ConfigurationError('step() is for engine="manual"; this engine has a thread of its own')
        self.is_nudged = False
        with core.busy:
            self.next_at = core.beat()
        return self.next_at

    def is_due(self, mono: float) -> bool:
        """Return whether, in manual mode, anything is to be done up to the monotonic instant *mono*."""
        return self.is_nudged or not self._mailbox.empty() or (self.next_at is not None and self.next_at <= mono)

    is_nudged = True
    next_at: float | None = 0.0

    # -- ending --------------------------------------------------------------------------------------------------------------------

    def stop(self, timeout: float) -> bool:
        """End within *timeout* seconds: commit, send first pages that are due, mark the spool clean. Return whether all was done."""
        with self._lock:
            core, worker, self.core, self._worker = self.core, self._worker, None, None
        if core is None or self._is_forked or self._pid != os.getpid():
            return True
        end = self.clock.monotonic() + timeout
        is_done = worker.stop(timeout) if worker is not None else core.finish(end, wait=lambda _: None)
        core.trackers.clear()
        if core.inbox.lock.acquire(timeout=0.2):
            try:
                core.inbox.spool.close(clean=True)
            finally:
                core.inbox.lock.release()
        core.senders.close(min(timeout, 0.5))
        if worker is None and core.driver.backend is not None:
            core.driver.backend.close()
        return is_done

    def health(self) -> Health:
        """Return a snapshot; asks the store only in manual mode or through the last beat's figures."""
        core = self.core
        if core is None:
            faults = dict(self.faults.counts)
            return Health(is_green=False, problems=("not running",), config_hash=self.config.book.config_hash, faults=faults)
        keys, outstanding = core.inbox.tally()
        problems = list(self.problems)
        blind_since = None
        if core.blind_since is not None:
            blind_for = self.clock.monotonic() - core.blind_since
            blind_since = self.clock.now() - timedelta(seconds=blind_for)
            problems.append(f"the store has refused every commit for {blind_for:.0f} s; what is reported is in the spool")
        if core.inbox.folded:
            problems.append(f"{core.inbox.folded} reports were folded into an overflow incident")
        if core.inbox.spool.refused:
            problems.append(f"the spool refused {core.inbox.spool.refused} first sightings ({core.inbox.spool.trouble})")
        if core.flusher.quarantined:
            problems.append(f"{core.flusher.quarantined} signals were put aside: the store refused them")
        ours = {where: n for where, n in self.faults.counts.items() if where != "store"}
        if ours:
            problems.append(f"{sum(ours.values())} faults of this library, none reached the host: {', '.join(sorted(ours))}")
        return Health(
            is_green=not problems, problems=tuple(problems), is_running=True, process=self.process, backend=self._backend_name(),
            spool=self.config.spool, config_hash=self.config.book.config_hash, keys_in_memory=keys, not_durable=outstanding,
            folded=core.inbox.folded, refused=core.inbox.spool.refused, units_committed=core.driver.units,
            units_quarantined=core.flusher.quarantined, last_resort_told=core.last_resort.told, blind_since=blind_since,
            last_commit_at=core.driver.last_commit_at, late_work=core.late_work, oldest_due_at=core.oldest_due_at,
            faults=dict(self.faults.counts), facts={} if self.schema is None else dict(self.schema.facts))

    def _backend_name(self) -> str:
        backend = self.config.backend
        if isinstance(backend, str):
            return (backend or f"sqlite in {self.config.state_directory}").split("@")[-1]
        return type(backend).__name__

    # -- fork ----------------------------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Wait, for a bounded time, until nobody is inside the store or the inbox, so that the child inherits neither half-way."""
        core = self.core
        self._held = []
        if core is not None:
            self._held = [lock for lock in (core.busy, core.inbox.lock) if lock.acquire(timeout=FORK_WAIT)]

    def after_fork_in_parent(self) -> None:
        """Go on."""
        held, self._held = self._held, []
        for lock in reversed(held):
            lock.release()

    def after_fork_in_child(self) -> None:
        """Let go of everything the parent owns. Nothing is started here: the first report, or watched failure, does that."""
        core, self.core, self._worker = self.core, None, None
        self._lock = threading.RLock()
        self._mailbox = SimpleQueue()
        self._is_forked = core is not None
        self._pid = os.getpid()
        renew_source()
        if core is not None:
            core.trackers.forget_in_child()
            core.inbox.spool.abandon_in_child()
            _parked.append(core)  # its connections are neither used nor closed here (POSIX locks are per process)

    def _leave_parent(self) -> None:
        if self._pid != os.getpid():  # a fork that ran no hooks (uWSGI without its option)
            self.after_fork_in_child()
        self._is_forked = False

    def _revived(self) -> Core | None:
        """Start lazily in a forked child; None where the engine was never started, or was stopped."""
        if self._pid != os.getpid():
            self.after_fork_in_child()
        if not self._is_forked:
            return None
        try:
            self.start()
        except BackendError as error:
            self.faults.caught("starting in a forked child", error)
        return self.core


def _stderr() -> Notifier:
    from incidentkit.notifiers import Stderr

    return Stderr(name="stderr")


def _environment_guard() -> Callable[[Any], None] | None:
    """Under the pytest plugin, before it could reach this module."""
    if "INCIDENTKIT_NO_REAL_SEND" not in os.environ:
        return None

    def refuse(_: Any) -> None:
        raise AssertionError("a test tried to send for real; take the fixture ik_network if it should, or use ik_world")

    return refuse


_every: Final[weakref.WeakSet[Process]] = weakref.WeakSet()
_parked: Final[list[Core]] = []
_registered: Final[set[str]] = set()


def _all(method: str) -> None:
    for process in list(_every):
        try:
            getattr(process, method)()
        except Exception as error:  # noqa: BLE001 - a hook that raises would be printed into the host's stderr
            process.faults.counts["fork"] = process.faults.counts.get("fork", 0) + 1
            process.problems.append(f"fork hook: {type(error).__name__}")


def _at_exit_once() -> None:
    """Register the fork and exit hooks, at the first start of an engine and never at import."""
    if "hooks" in _registered:
        return
    _registered.add("hooks")
    os.register_at_fork(before=lambda: _all("before_fork"), after_in_parent=lambda: _all("after_fork_in_parent"),
                        after_in_child=lambda: _all("after_fork_in_child"))
    atexit.register(_stop_all)


def _stop_all() -> None:
    for process in list(_every):
        if process.core is not None:
            process.stop(process.config.settings.exit_timeout.total_seconds())


def _finalize_in_children(process: Process) -> None:
    """Atexit does not run in multiprocessing's children: their own finalisers do (law 12)."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        reference = weakref.ref(process)

        def finalize() -> None:
            alive = reference()
            if alive is not None and alive.core is not None:
                alive.stop(alive.config.settings.exit_timeout.total_seconds())

        util.Finalize(None, finalize, exitpriority=10)
