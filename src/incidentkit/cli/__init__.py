"""The command line. What belongs here: words for people; every answer comes from the engine's public methods."""

from incidentkit.cli._main import main

__all__ = ["main"]
