"""
incidentkit: an application handles its own incidents, in-process.

Failures become incidents that are triaged, stored, told to somebody, escalated when nobody answers, and resolved on evidence that
the failing code works again. Nothing happens at import: no thread, file, network or hook; names are resolved when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incidentkit import notifiers
    from incidentkit.engine import AsyncEngine, Engine, acknowledge, configure, installed_engine, note, raise_incident
    from incidentkit.errors import ConfigurationError, IncidentKitError, NotInstalledError, NotStoredError, UnknownIncidentError
    from incidentkit.host import ok, report, resolve, watch
    from incidentkit.model import Incident, Priority, Severity, Signal, Status
    from incidentkit.policy import Policy, Rule, Step
    from incidentkit.settings import Settings

__all__ = [
    "AsyncEngine",
    "ConfigurationError",
    "Engine",
    "Incident",
    "IncidentKitError",
    "NotInstalledError",
    "NotStoredError",
    "Policy",
    "Priority",
    "Rule",
    "Settings",
    "Severity",
    "Signal",
    "Status",
    "Step",
    "UnknownIncidentError",
    "acknowledge",
    "configure",
    "installed_engine",
    "note",
    "notifiers",
    "ok",
    "raise_incident",
    "report",
    "resolve",
    "watch",
]

_HOMES = {
    "engine": ("AsyncEngine", "Engine", "acknowledge", "configure", "installed_engine", "note", "raise_incident"),
    "errors": ("ConfigurationError", "IncidentKitError", "NotInstalledError", "NotStoredError", "UnknownIncidentError"),
    "host": ("ok", "report", "resolve", "watch"),
    "model": ("Incident", "Priority", "Severity", "Signal", "Status"),
    "policy": ("Policy", "Rule", "Step"),
    "settings": ("Settings",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Resolve a public name when it is first used (PEP 562), so that importing this package costs next to nothing."""
    if name == "notifiers":
        return import_module("incidentkit.notifiers")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'incidentkit' has no attribute {name!r}")
    value = getattr(import_module(f"incidentkit.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
