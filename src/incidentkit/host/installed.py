"""
What this process has installed: the one sink, and the state of each watched site. Nothing is decided here.

With no sink everything on the host's side is transparent: one debug record on the logger `incidentkit` for each failure.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # nothing of the library is imported with this module: whoever only declares watches does not pay for the model
    import logging

    from incidentkit.ports import Evidence, Sink

__all__ = [
    "HOLDER",
    "SITES_MAX",
    "SiteState",
    "close_site",
    "dormant",
    "find_log",
    "install",
    "installed",
    "known_sites",
    "open_site",
    "our_fault",
    "restore",
    "site_state",
]

#: Names made from data ("order-4711") must not fill the memory of a process that runs for months.
SITES_MAX: Final = 10_000


class SiteState:
    """What a watched site asks on success: `evidence` is None while no incident of it is open."""

    __slots__ = ("evidence", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.evidence: Evidence | None = None


class _Holder:
    """The process-wide slots: the sink, and the logger once the host has imported `logging`."""

    __slots__ = ("has_complained", "log", "sink")

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.log: logging.Logger | None = None
        self.has_complained = False


HOLDER: Final = _Holder()
_SITES: Final[dict[str, SiteState]] = {}


def install(sink: Sink) -> Sink | None:
    """Let *sink* hear of every failure from now on; return the one that was there before, for `restore`."""
    previous, HOLDER.sink = HOLDER.sink, sink
    HOLDER.has_complained = False
    return previous


def restore(previous: Sink | None) -> None:
    """Put back what `install` returned."""
    HOLDER.sink = previous


def installed() -> Sink | None:
    """Return the installed sink, or None."""
    return HOLDER.sink


def site_state(name: str) -> SiteState:
    """
    Return the state of the site *name*, the same one for every watch of that name.

    Beyond 10,000 names it is a new one that nobody else knows: failures are reported as ever, but such a site gives no evidence.
    """
    found = _SITES.get(name)
    if found is not None: return found
    made = SiteState(name)
    return made if len(_SITES) >= SITES_MAX else _SITES.setdefault(name, made)


def open_site(name: str, evidence: Evidence) -> bool:
    """Send the successes of the site *name* to *evidence*; return False when nothing here watches that name."""
    found = _SITES.get(name)
    if found is None: return False
    found.evidence = evidence
    return True


def close_site(name: str) -> None:
    """Stop counting the successes of the site *name*."""
    found = _SITES.get(name)
    if found is not None:
        found.evidence = None


def known_sites() -> tuple[str, ...]:
    """Return the names of the sites that this process watches."""
    return tuple(_SITES)


def find_log() -> logging.Logger | None:
    """Return our logger, or None where the host never imported `logging`: nobody listens, and importing while something fails is slow."""
    if HOLDER.log is None and (module := sys.modules.get("logging")) is not None:
        HOLDER.log = module.getLogger("incidentkit")
    return HOLDER.log


def dormant(what: str, kind: type) -> None:
    """Leave one debug record that *what* went unreported. Of an exception only the type: its text may hold secrets."""
    log = HOLDER.log or find_log()
    if log is not None and log.isEnabledFor(10):
        log.debug("dormant", extra={"incidentkit_what": what, "incidentkit_type": kind.__qualname__})


def our_fault(where: str, fault: Exception) -> None:
    """Say once per installation that a sink broke its promise and raised. It counts its own faults; here only the host is protected."""
    if HOLDER.has_complained: return
    HOLDER.has_complained = True
    fields: dict[str, Any] = {"incidentkit_where": where, "incidentkit_type": type(fault).__qualname__}
    try:
        if (log := find_log()) is not None:
            log.warning("sink.failed", extra=fields)
    except Exception:  # noqa: BLE001, S110 - a handler or filter of the host's that raises would do so inside the host's failing call
        pass
