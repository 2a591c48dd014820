"""THE SHELL: Engine, AsyncEngine, the inbox, the spool, threads, fork and exit. All effects are here; no decision is."""

from incidentkit.engine.async_engine import AsyncEngine
from incidentkit.engine.config import Config
from incidentkit.engine.engine import Engine
from incidentkit.engine.front import acknowledge, configure, installed_engine, note, raise_incident
from incidentkit.engine.health import Health
from incidentkit.engine.ticket import Ticket

__all__ = ["AsyncEngine", "Config", "Engine", "Health", "Ticket", "acknowledge", "configure", "installed_engine", "note", "raise_incident"]
