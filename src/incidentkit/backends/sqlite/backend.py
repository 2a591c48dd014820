"""`SqliteBackend`: opening, migrating and closing one file; what is done inside a transaction is in `backends.sql`."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

from incidentkit.backends.clock import StoreClock
from incidentkit.backends.confinement import Confinement
from incidentkit.backends.sql import Session, SqlBackend, migrate, verify
from incidentkit.backends.sqlite._connection import Connection
from incidentkit.backends.sqlite._journal import Journal, choose_journal
from incidentkit.backends.sqlite._place import prepare
from incidentkit.errors import ConfigurationError, IncompatibleError
from incidentkit.model import Capabilities, Durability, SchemaInfo

__all__ = ["SqliteBackend"]

T = TypeVar("T")

_log = logging.getLogger("incidentkit.backends")


class SqliteBackend(SqlBackend):
    """
    Keeps everything in one SQLite file, shared by any number of processes of one host. A committed unit survives loss of power.

    *journal* "auto" takes the write-ahead log where SQLite is free of its reset bug, else the rollback journal; "wal" takes it anyway
    (some distributions patch older versions). *busy_timeout* is how long one call may wait for other processes' locks. *clock* is the
    store's clock: the host's, unless a test says otherwise; it never goes back within a handle.

    Raises:
        ConfigurationError: The path names no file, or an option is wrong. Nothing is opened here.
    """

    capabilities: Capabilities = Capabilities(durability=Durability.HOST, is_shared_between_processes=True)

    def __init__(
        self, path: str | os.PathLike[str], *, journal: Literal["auto", "wal", "truncate"] = "auto",
        busy_timeout: timedelta = timedelta(seconds=5), clock: Callable[[], datetime] | None = None,
    ) -> None:
        if not os.fspath(path) or os.fspath(path) == ":memory:":
            raise ConfigurationError.at("SqliteBackend.path", os.fspath(path), "a file", remedy="MemoryBackend() keeps nothing.")
        if journal not in {"auto", "wal", "truncate"}:
            raise ConfigurationError.at("SqliteBackend.journal", journal, "a journal", known=("auto", "wal", "truncate"))
        if busy_timeout <= timedelta(0):
            raise ConfigurationError.at("SqliteBackend.busy_timeout", str(busy_timeout), "more than zero")
        self.path = str(Path(path).expanduser().absolute())
        self._journal: Literal["auto", "wal", "truncate"] = journal
        self._budget = busy_timeout.total_seconds()
        self._clock = StoreClock(clock)
        self._confinement = Confinement(f"SqliteBackend({self.path})")
        self._connection: Connection | None = None
        self._schema: SchemaInfo | None = None

    def open(self, mode: Literal["migrate", "verify"] = "migrate") -> SchemaInfo:
        """
        Connect and bring the schema up to date; "verify" checks it and changes nothing in the file.

        Raises:
            UnavailableError: The file cannot be made, read or written now.
            IncompatibleError: It is no SQLite database, not on a local disk, or its schema is not for this release.
        """
        if self._connection is not None and not self._confinement.is_inherited:
            self._confinement.check()
            if self._schema is not None:
                return self._schema
        self.close()
        file_system = prepare(self.path, may_create=mode == "migrate")
        self._connection = Connection(self.path, self._budget)
        try:
            journal, version, was_migrated = self._settle_in(self._connection, mode)
        except BaseException:
            self._drop()
            raise
        self._confinement.enter()
        facts = {"backend": "sqlite", "path": self.path, "sqlite": sqlite3.sqlite_version, "journal": journal.mode,
                 "file_system": file_system}
        if journal.warning:
            facts["warning"] = journal.warning
            _log.warning("backend.journal: %s: %s", self.path, journal.warning, extra={"incidentkit_path": self.path})
        self._schema = SchemaInfo(version=version, facts=facts)
        return SchemaInfo(version=version, was_migrated=was_migrated, facts=facts)

    def _settle_in(self, connection: Connection, mode: Literal["migrate", "verify"]) -> tuple[Journal, int, bool]:
        is_migrating = mode == "migrate"
        journal = connection.configure(lambda raw: choose_journal(raw, self._journal, may_switch=is_migrating))
        connection.configure(lambda raw: raw.execute("PRAGMA synchronous = FULL").fetchall())
        if not is_migrating:
            return journal, connection.read(lambda session: verify(session, self.path)), False
        return journal, *connection.write(lambda session: migrate(session, self.path))

    def close(self) -> None:
        """Release the file. Any thread may; a forked child forgets what it inherited and closes nothing."""
        if self._connection is not None and self._confinement.is_inherited:
            self._connection.park()
            self._connection = None
        self._drop()
        self._confinement.leave()

    def _drop(self) -> None:
        connection, self._connection, self._schema = self._connection, None, None
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()

    def _read(self, act: Callable[[Session], T]) -> T:
        return self._usable().read(act)

    def _write(self, act: Callable[[Session], T]) -> T:
        return self._usable().write(act)

    def _usable(self) -> Connection:
        self._confinement.check()
        if self._connection is None:
            raise IncompatibleError(f"{self.path} is not open")
        return self._connection
