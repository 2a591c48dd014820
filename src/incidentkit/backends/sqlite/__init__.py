"""The embedded durable backend: one file, opened by any number of processes of one host."""

from incidentkit.backends.sqlite.backend import SqliteBackend

__all__ = ["SqliteBackend"]
