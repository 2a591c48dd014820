"""Worker: the one daemon thread that owns the store and drives the core."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Final

from incidentkit.engine.core import Core
from incidentkit.errors import BackendError

__all__ = ["Worker"]

#: The longest sleep: a clock that jumped, or a row another process added, is seen after this at the latest.
NAP_MOST: Final = 1.0


class Worker:
    """Opens the store, beats, sleeps until the next beat or a nudge, and finishes when it is stopped."""

    def __init__(self, core: Core, mailbox: SimpleQueue[Any], *, name: str) -> None:
        self._core = core
        self._mailbox = mailbox
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._is_stopping = False
        self._timeout = 0.0
        self._is_done = False
        self.is_asleep = False
        self.opened: Future[BaseException | None] = Future()

    @property
    def is_current(self) -> bool:
        """Return True on the engine's own thread."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Finish within *timeout* seconds; return whether all was done."""
        self._timeout = timeout
        self._is_stopping = True
        self._mailbox.put(None)
        if self.is_current:
            return False
        self._thread.join(timeout + 0.2)
        return self._is_done and not self._thread.is_alive()

    def open_now(self) -> BaseException | None:
        """Try to open the store once, on this thread; return what went wrong."""
        core = self._core
        if core.open_backend is None or core.driver.backend is not None:
            return None
        try:
            core.driver.backend = core.open_backend()
            core.read_sites()
        except BackendError as error:
            core.go_blind(error)
            return error
        except Exception as error:  # noqa: BLE001 - start() raises it to its caller
            core.faults.counts["opening the store"] = 1
            return error
        return None

    def _run(self) -> None:
        with self._core.busy:
            outcome = self.open_now()
        self.opened.set_result(outcome)
        while not self._is_stopping:
            try:
                with self._core.busy:
                    at = self._core.beat()
            except Exception as error:  # noqa: BLE001 - the thread must live as long as the engine
                self._core.faults.counts["engine"] = self._core.faults.counts.get("engine", 0) + 1
                self._core.faults.counts[f"engine: {type(error).__name__}"] = 1
                at = self._core.clock.monotonic() + NAP_MOST
            self._nap(at)
        self._finish()

    def _nap(self, at: float | None) -> None:
        if self._is_stopping:  # its nudge may have been taken out of the mailbox by the beat before
            return
        nap = NAP_MOST if at is None else min(max(at - self._core.clock.monotonic(), 0.0), NAP_MOST)
        self.is_asleep = True
        try:
            if (due := self._core.inbox.next_due()) is not None:  # reported between the beat and this line
                nap = min(nap, max(due - self._core.clock.monotonic(), 0.0))
            item = self._mailbox.get(timeout=nap) if nap > 0 else self._mailbox.get_nowait()
        except Empty:
            return
        finally:
            self.is_asleep = False
        with self._core.busy:
            self._core.take_up(item)

    def _finish(self) -> None:
        core = self._core
        deadline = core.clock.monotonic() + self._timeout
        with core.busy:
            self._is_done = core.finish(deadline, wait=self._wait)
            if core.driver.backend is not None:
                core.driver.backend.close()

    def _wait(self, seconds: float) -> None:
        try:
            self._core.take_up(self._mailbox.get(timeout=seconds))
        except Empty:
            return
