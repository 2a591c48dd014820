"""Migrations: one after the other, in one transaction, by several processes at once."""

import sqlite3

import pytest

from incidentkit.backends import SqliteBackend
from incidentkit.backends.sql.migration import migrate, verify
from incidentkit.backends.sql.schema import MIGRATIONS, Migration
from incidentkit.backends.sqlite._connection import Connection
from incidentkit.errors import IncompatibleError
from incidentkit.model import Lookup
from tests.backend_support import NOW, NS, finish, opening, start

NEXT = (*MIGRATIONS, Migration(version=2, min_client=1, statements=("CREATE TABLE ik_more (x BIGINT)",)))
BREAKING = (*NEXT, Migration(version=3, min_client=3, statements=("ALTER TABLE ik_more ADD COLUMN y BIGINT",)))
FAILING = (*MIGRATIONS, Migration(version=2, min_client=1, statements=("CREATE TABLE ik_more (x BIGINT)", "CREATE TABLE ik_more (x BIGINT)")))


@pytest.fixture
def connection(tmp_path):
    path = tmp_path / "x.db"
    path.touch()
    connection = Connection(str(path), 5)
    yield connection
    connection.close()


def run(connection, migrations):
    return connection.write(lambda session: migrate(session, "x.db", migrations))


def tables(connection):
    return {name for (name,) in connection.raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_only_what_is_missing_runs(connection):
    assert [run(connection, MIGRATIONS), run(connection, MIGRATIONS), run(connection, NEXT), run(connection, BREAKING)] == [
        (1, True), (1, False), (2, True), (3, True)]
    assert "ik_more" in tables(connection)


def test_data_survives_an_upgrade(tmp_path):
    backend = SqliteBackend(tmp_path / "x.db")
    backend.open()
    backend.commit(NS, opening("1"), now=NOW)
    run(backend._connection, NEXT)
    assert backend.load(NS, Lookup(ids=("i1",)), now=NOW).incidents["i1"].occurrences == 1
    backend.close()


def test_an_older_release_goes_on_after_a_compatible_upgrade_and_stops_after_a_breaking_one(connection):
    run(connection, NEXT)
    assert run(connection, MIGRATIONS) == (2, False)
    assert connection.read(lambda session: verify(session, "x.db", MIGRATIONS)) == 2
    run(connection, BREAKING)
    with pytest.raises(IncompatibleError, match="needs an incidentkit that knows schema 3; this one knows 1"):
        run(connection, MIGRATIONS)
    with pytest.raises(IncompatibleError):
        connection.read(lambda session: verify(session, "x.db", MIGRATIONS))


def test_a_migration_that_fails_leaves_the_old_schema(connection):
    run(connection, MIGRATIONS)
    with pytest.raises(Exception, match="already exists"):
        run(connection, FAILING)
    assert connection.read(lambda session: verify(session, "x.db", MIGRATIONS)) == 1
    assert "ik_more" not in tables(connection)


def test_verify_asks_for_a_migration(connection):
    run(connection, MIGRATIONS)
    with pytest.raises(IncompatibleError, match=r"schema version 1, this release needs 2\. Open it once with open\('migrate'\)"):
        connection.read(lambda session: verify(session, "x.db", NEXT))


KILLED = """
from incidentkit.backends.sqlite._connection import Connection
Connection._commit = lambda self, deadline: os.kill(os.getpid(), signal.SIGKILL)
SqliteBackend(sys.argv[1]).open()
"""


def test_a_process_killed_in_the_middle_of_a_migration_leaves_an_empty_database(tmp_path):
    path = tmp_path / "x.db"
    code, _ = finish(start(KILLED, path))
    assert code == -9
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    backend = SqliteBackend(path)
    assert backend.open().was_migrated
    backend.close()


OPENER = """
sys.stdin.readline()
backend = SqliteBackend(sys.argv[1])
info = backend.open()
print(info.was_migrated)
"""


def test_processes_that_open_at_once_migrate_once(tmp_path):
    openers = [start(OPENER, tmp_path / "new" / "x.db") for _ in range(6)]
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    answers = [finish(opener) for opener in openers]
    assert sorted(answers) == [(0, "False\n")] * 5 + [(0, "True\n")]
