"""The front door's engine functions: configure once, then ask the installed engine."""

from __future__ import annotations

from typing import Any

from incidentkit.engine.context import EngineSink
from incidentkit.engine.engine import Engine
from incidentkit.errors import ConfigurationError, NotInstalledError
from incidentkit.host.installed import install, installed
from incidentkit.model import Incident

__all__ = ["acknowledge", "configure", "installed_engine", "note", "raise_incident"]


def configure(path: None = None, /, *, replace: bool = False, **keys: Any) -> Engine:
    """
    Make the engine of this process from *keys*, install and start it, and return it. Without keys: the defaults (docs/defaults.md).

    Raises:
        ConfigurationError: A key or value is wrong, or an engine is installed already and *replace* is False.
        BackendError: A stated store cannot be opened. The engine stays installed on its spool; `engine.start()` tries again.
    """
    if path is not None:
        raise ConfigurationError("configure(path): configuration files are not in this version; state the same keys in Python")
    before = installed()
    if isinstance(before, EngineSink) and before.engine.is_virtual:
        return before.engine
    if before is not None and not replace:
        raise ConfigurationError("configure(): an engine is installed already; configure(..., replace=True) stops it and takes its place")
    made = Engine(**keys)
    if isinstance(before, EngineSink):
        before.engine.stop()
    install(EngineSink(made))
    return made.start()


def installed_engine() -> Engine:
    """
    Return the installed engine.

    Raises:
        NotInstalledError: There is none.
    """
    found = installed()
    if isinstance(found, EngineSink):
        return found.engine
    raise NotInstalledError("No engine is installed: call incidentkit.configure(), or use `with Engine(...).installed():`")


def raise_incident(title: str, /, *, timeout: float = 5, **fields: Any) -> Incident:
    """Report *title* to the installed engine and return its incident; NotInstalledError without one. See `Engine.raise_incident`."""
    return installed_engine().raise_incident(title, timeout=timeout, **fields)


def acknowledge(key: str | int, /, *, by: str, note: str = "", tenant: str = "") -> Incident:
    """Take an incident of the installed engine. See `Engine.acknowledge`."""
    return installed_engine().acknowledge(key, by=by, note=note, tenant=tenant)


def note(key: str | int, text: str, /, *, by: str, tenant: str = "") -> Incident:
    """Write on the timeline of an incident of the installed engine. See `Engine.note`."""
    return installed_engine().note(key, text, by=by, tenant=tenant)
