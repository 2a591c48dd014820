"""What keeps state: memory and SQLite behind one protocol (`ports.Backend`); what should be kept, and when, is decided elsewhere."""

from incidentkit.backends.memory import MemoryBackend, MemoryStore
from incidentkit.backends.sqlite import SqliteBackend
from incidentkit.backends.url import backend_from_url

__all__ = ["MemoryBackend", "MemoryStore", "SqliteBackend", "backend_from_url"]
