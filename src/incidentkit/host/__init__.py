"""
What sits in the application: watch, the front functions, and how one exception is known again; it knows the Sink in ports, no engine.

Importing it imports no model, no asyncio and no logging; the first watch that is made does the rest.
"""

from incidentkit.host.identity import mark, renew_source, seen
from incidentkit.host.installed import HOLDER, SiteState, close_site, install, installed, known_sites, open_site, restore
from incidentkit.host.report import TransparentTicket, ok, report, resolve
from incidentkit.host.watch import Watch, watch

__all__ = [
    "HOLDER",
    "SiteState",
    "TransparentTicket",
    "Watch",
    "close_site",
    "install",
    "installed",
    "known_sites",
    "mark",
    "ok",
    "open_site",
    "renew_source",
    "report",
    "resolve",
    "restore",
    "seen",
    "watch",
]
