"""Migration: brings a schema up to date inside one transaction, or says why it must not be used."""

from __future__ import annotations

from collections.abc import Sequence

from incidentkit.backends.sql import statements as sql
from incidentkit.backends.sql.schema import META, MIGRATIONS, Migration
from incidentkit.backends.sql.session import Session
from incidentkit.errors import IncompatibleError

__all__ = ["migrate", "verify"]


def migrate(session: Session, where: str, migrations: Sequence[Migration] = MIGRATIONS) -> tuple[int, bool]:
    """
    Return (schema version, True when this call changed it). *where* names the store in errors.

    Raises:
        IncompatibleError: A newer release made the schema, and says that this one must not write.
    """
    session.change(META)
    found = _number(session, "schema_version")
    if found > migrations[-1].version:
        _check_client(session, where, found, migrations[-1].version)
    pending = [migration for migration in migrations if migration.version > found]
    for migration in pending:
        for statement in migration.statements:
            session.change(statement)
        session.change(sql.PUT_META, ("schema_version", str(migration.version)))
        session.change(sql.PUT_META, ("min_client", str(migration.min_client)))
    if not pending:
        session.change(sql.TOUCH)
    return max(found, migrations[-1].version), bool(pending)


def verify(session: Session, where: str, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """
    Return the schema version, and change nothing.

    Raises:
        IncompatibleError: The schema is older than this release needs, or too new for it.
    """
    client = migrations[-1].version
    found = _number(session, "schema_version")
    if found < client:
        raise IncompatibleError(f"{where}: schema version {found}, this release needs {client}. Open it once with open('migrate').")
    if found > client:
        _check_client(session, where, found, client)
    return found


def _number(session: Session, key: str) -> int:
    rows = session.rows(sql.GET_META, (key,))
    return int(rows[0][0]) if rows else 0


def _check_client(session: Session, where: str, found: int, client: int) -> None:
    needed = _number(session, "min_client")
    if needed > client:
        raise IncompatibleError(f"{where}: schema version {found} needs an incidentkit that knows schema {needed}; this one knows "
                                f"{client}. Upgrade incidentkit in this process; until then nothing is written there.")
