"""
Which threads are ours: by name, so that a layer that may not import this package can ask the same question (law 8: no recursion).

Records that httpx, httpcore or asyncio write while we send come from such a thread; a handler that reports them would report itself.
"""

from __future__ import annotations

import threading
from typing import Final

__all__ = ["OWN_THREAD_PREFIX", "is_own_thread"]

#: Every thread that incidentkit starts has a name that begins so. `host` checks the same words.
OWN_THREAD_PREFIX: Final = "incidentkit-"


def is_own_thread() -> bool:
    """Return True when the calling thread was started by incidentkit."""
    return threading.current_thread().name.startswith(OWN_THREAD_PREFIX)
