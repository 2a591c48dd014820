"""The reference backend: plain dictionaries in this process, and the semantics that every other backend must show."""

from incidentkit.backends.memory.backend import MemoryBackend
from incidentkit.backends.memory.store import MemoryStore

__all__ = ["MemoryBackend", "MemoryStore"]
