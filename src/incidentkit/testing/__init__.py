"""THE TESTING KIT: World, ManualClock, doubles, conformance suites, the pytest plugin. Shipped; production code never imports it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incidentkit.testing.clock import ManualClock
    from incidentkit.testing.conformance import check_backend
    from incidentkit.testing.local_server import LocalServer
    from incidentkit.testing.notifier_kit import check_notifier
    from incidentkit.testing.recording import RecordingNotifier
    from incidentkit.testing.world import Sent, World

__all__ = ["LocalServer", "ManualClock", "RecordingNotifier", "Sent", "World", "check_backend", "check_notifier"]

_HOME = {"LocalServer": "local_server", "ManualClock": "clock", "RecordingNotifier": "recording", "Sent": "world", "World": "world",
         "check_backend": "conformance", "check_notifier": "notifier_kit"}


def __getattr__(name: str) -> Any:
    """Resolve a name when it is first used: the pytest plugin must cost a test run nothing."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'incidentkit.testing' has no attribute {name!r}")
    return getattr(import_module(f"incidentkit.testing.{home}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
