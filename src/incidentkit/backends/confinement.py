"""Confinement: one thread of one process uses a handle at a time. What is asked here is only "may you?", before every call."""

from __future__ import annotations

import os
import threading

from incidentkit.errors import RejectedError

__all__ = ["Confinement"]


class Confinement:
    """Remembers who opened a handle. `close()` gives it free, so that another thread may open it again."""

    __slots__ = ("_name", "_process", "_thread")

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: int | None = None
        self._process: int | None = None

    @property
    def is_open(self) -> bool:
        """Return True between `enter` and `leave`."""
        return self._thread is not None

    @property
    def is_inherited(self) -> bool:
        """Return True in a forked child for a handle that its parent opened."""
        return self._process is not None and self._process != os.getpid()

    def enter(self) -> None:
        """Give the handle to the calling thread."""
        self._thread, self._process = threading.get_ident(), os.getpid()

    def leave(self) -> None:
        """Give the handle free."""
        self._thread = self._process = None

    def check(self) -> None:
        """
        Return when the calling thread may use the handle.

        Raises:
            RejectedError: It is not open, was opened by the parent of this process, or belongs to another thread.
        """
        if self._thread == threading.get_ident() and self._process == os.getpid():
            return
        if self._thread is None:
            raise RejectedError(f"{self._name} is not open. Call open() first.")
        if self._process != os.getpid():
            raise RejectedError(f"{self._name} was opened before a fork, by process {self._process}; this is {os.getpid()}. "
                                "A forked process must call close() and open() on a handle of its own.")
        raise RejectedError(f"{self._name} is used by thread {threading.get_ident()}, but was opened by thread {self._thread}. "
                            "Use one handle per thread, or close() it and open() it here.")
