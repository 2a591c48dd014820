"""State as rows, in SQL that runs unchanged on SQLite and PostgreSQL; connections, locks and files belong to the backends that use it."""

from incidentkit.backends.sql.backend import SqlBackend
from incidentkit.backends.sql.migration import migrate, verify
from incidentkit.backends.sql.session import Row, Session, TakenError

__all__ = ["Row", "Session", "SqlBackend", "TakenError", "migrate", "verify"]
