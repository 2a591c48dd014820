"""The file of `SqliteBackend`: what may be there, how it is made, and what people are told when it is wrong."""

import logging
import os
import sqlite3
import stat

import pytest

from incidentkit.backends import SqliteBackend
from incidentkit.backends.sqlite import _place
from incidentkit.backends.sqlite._journal import is_wal_safe
from incidentkit.backends.sqlite._place import file_system_of, is_network
from incidentkit.errors import IncompatibleError, RejectedError, UnavailableError
from incidentkit.model import Lookup, UnitOfWork
from tests.backend_support import NOW, NS, finish, opening, start

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "incidents.db"


@pytest.fixture
def backend(path):
    backend = SqliteBackend(path)
    backend.open()
    yield backend
    backend.close()


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_directories_and_file_are_for_the_owner_only(tmp_path):
    path = tmp_path / "a" / "b" / "incidents.db"
    backend = SqliteBackend(path)
    backend.open()
    backend.commit(NS, opening("1"), now=NOW)
    assert [mode_of(tmp_path / "a"), mode_of(tmp_path / "a" / "b"), mode_of(path)] == [0o700, 0o700, 0o600]
    assert {mode_of(file) for file in path.parent.iterdir()} == {0o600}
    backend.close()


def test_the_facts_say_what_was_found(path):
    backend = SqliteBackend(path)
    first, second = backend.open(), backend.open()
    assert (first.version, first.was_migrated, second.was_migrated) == (1, True, False)
    assert first.facts["path"] == str(path)
    assert first.facts["journal"] == ("wal" if is_wal_safe(sqlite3.sqlite_version_info) else "truncate")
    backend.close()


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [((3, 40, 1), False), ((3, 50, 6), False), ((3, 50, 7), True), ((3, 50, 8), True), ((3, 51, 0), False), ((3, 51, 2), False),
     ((3, 51, 3), True), ((3, 52, 0), True), ((4, 0, 0), True)],
)
def test_the_log_is_used_where_sqlite_is_fixed(version, is_safe):
    assert is_wal_safe(version) is is_safe


def test_the_journal_can_be_stated(path):
    for journal in ("wal", "truncate"):
        backend = SqliteBackend(path, journal=journal)
        assert backend.open().facts["journal"] == journal
        backend.close()


@pytest.mark.skipif(is_wal_safe(sqlite3.sqlite_version_info), reason="this SQLite has no such bug")
def test_a_file_that_others_hold_in_wal_mode_is_used_without_checkpoints_and_one_warning(path, caplog):
    holder = SqliteBackend(path, journal="wal")
    holder.open()
    holder.commit(NS, opening("1"), now=NOW)
    backend = SqliteBackend(path)
    with caplog.at_level(logging.WARNING):
        facts = backend.open().facts
        backend.open()
    assert facts["journal"] == "wal"
    assert "does not checkpoint" in facts["warning"]
    assert len(caplog.records) == 1
    assert backend._connection.raw.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    assert "ii" not in backend.load(NS, Lookup(ids=("i1",)), now=NOW).incidents
    holder.close()
    backend.close()
    alone = SqliteBackend(path)
    assert alone.open().facts["journal"] == "truncate"
    alone.close()


def test_every_commit_is_synced(backend):
    assert backend._connection.raw.execute("PRAGMA synchronous").fetchone() == (2,)


# --- what must not be there --------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database(path):
    path.parent.mkdir()
    path.write_text("dear diary, " * 1_000)
    with pytest.raises(IncompatibleError, match=r"incidents\.db: .*not a database.*Move it away, or name another file"):
        SqliteBackend(path).open()
    assert path.read_text().startswith("dear diary")


def test_a_damaged_database(path):
    backend = SqliteBackend(path)
    backend.open()
    for number in range(50):
        backend.commit(NS, opening(str(number)), now=NOW)
    backend.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(IncompatibleError, match="damaged"):
        backend.open()


def test_a_directory(tmp_path):
    with pytest.raises(IncompatibleError, match=r"is a directory\. Name a file, such as .*/incidents\.db"):
        SqliteBackend(tmp_path).open()


def test_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IncompatibleError, match="no regular file"):
        SqliteBackend(tmp_path / "pipe").open()


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match=r"file/x\.db cannot be (made|reached)"):
        SqliteBackend(tmp_path / "file" / "x.db").open()


def test_verify_makes_nothing(path):
    with pytest.raises(UnavailableError, match=r"does not exist\. open\('migrate'\) makes it"):
        SqliteBackend(path).open("verify")
    assert not path.parent.exists()


def test_an_empty_file_is_a_new_database(path):
    path.parent.mkdir()
    path.touch()
    backend = SqliteBackend(path)
    assert backend.open().was_migrated
    backend.close()


def test_a_database_of_the_host_is_shared(path):
    """Tables of ours begin with ik_, so the host may keep its own beside them."""
    path.parent.mkdir()
    with sqlite3.connect(path) as own:
        own.execute("CREATE TABLE orders (id)")
    own.close()
    backend = SqliteBackend(path)
    assert backend.open().was_migrated
    names = {name for (name,) in backend._connection.raw.execute("SELECT name FROM sqlite_master WHERE sql IS NOT NULL")}
    assert {name for name in names if not name.startswith("ik_")} == {"orders"}
    backend.close()


AS_NOBODY = """
import tempfile
warm = SqliteBackend(os.path.join(tempfile.mkdtemp(), "warm.db")); warm.open()  # nobody may not read where the modules are
warm.commit(NS, opening("0"), now=NOW); warm.close()
os.setgid(65534); os.setuid(65534)
try:
    backend = SqliteBackend(sys.argv[1]); backend.open()
    backend.commit(NS, opening("1"), now=NOW)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize(("directory", "file"), [(0o755, 0o644), (0o755, 0o666)])
def test_what_cannot_be_written_is_told_with_the_user_and_the_remedy(directory, file, tmp_path):
    """A writable file in a directory that is not is found at opening too: SQLite needs a journal beside the file."""
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        above.chmod(0o755)
    backend = SqliteBackend(tmp_path / "incidents.db")
    backend.open()
    backend.close()
    (tmp_path / "incidents.db").chmod(file)
    tmp_path.chmod(directory)
    code, out = finish(start(AS_NOBODY, tmp_path / "incidents.db"))
    assert (code, out.partition(" ")[0]) == (0, "UnavailableError")
    assert f"{tmp_path}/incidents.db" in out
    assert "user 65534 must be able to write" in out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        above.chmod(0o755)
    code, out = finish(start(AS_NOBODY, tmp_path / "new" / "incidents.db"))
    assert code == 0
    assert out.startswith(f"UnavailableError {tmp_path}/new/incidents.db cannot be made (Permission denied")


MOUNTS = """/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/ada/tmp tmpfs rw 0 0
me@host: /mnt/my\\040files fuse.sshfs rw 0 0
share /mnt/win cifs rw 0 0
overlay /srv overlay rw 0 0
/dev/vdb /srv xfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind", "is_remote"),
    [("/var/lib/app", "ext4", False), ("/home/ada", "nfs4", True), ("/home/ada/tmp/x", "tmpfs", False), ("/homework", "ext4", False),
     ("/mnt/my files/x", "fuse.sshfs", True), ("/mnt/win", "cifs", True), ("/srv/app", "xfs", False), ("/", "ext4", False)],
)
def test_the_file_system_is_read_from_the_mounts(path, kind, is_remote):
    assert file_system_of(path, MOUNTS) == kind
    assert is_network(kind) is is_remote


def test_mounts_that_say_nothing_refuse_nothing():
    assert file_system_of("/srv", "") == ""
    assert not is_network("")


def test_a_network_file_system_is_refused_before_anything_is_made(path, monkeypatch):
    monkeypatch.setattr(_place, "_kind_of", lambda directory: "nfs4")
    with pytest.raises(IncompatibleError, match=r"network file system \(nfs4\).*local disk"):
        SqliteBackend(path).open()
    assert not path.parent.exists()


# --- the schema --------------------------------------------------------------------------------------------------------------------------


def set_meta(path, **values):
    with sqlite3.connect(path) as connection:
        connection.executemany("UPDATE ik_meta SET v = ? WHERE k = ?", [(str(value), key) for key, value in values.items()])
    connection.close()


def test_a_newer_schema_that_older_clients_may_use_is_accepted(backend, path):
    backend.commit(NS, opening("1"), now=NOW)
    backend.close()
    set_meta(path, schema_version=7, min_client=1)
    for mode in ("verify", "migrate"):
        info = backend.open(mode)
        assert (info.version, info.was_migrated) == (7, False)
        assert "i1" in backend.load(NS, Lookup(ids=("i1",)), now=NOW).incidents
        backend.close()


@pytest.mark.parametrize("mode", ["migrate", "verify"])
def test_a_newer_schema_that_breaks_older_clients_is_refused(backend, path, mode):
    backend.close()
    set_meta(path, schema_version=7, min_client=5)
    with pytest.raises(IncompatibleError, match=r"incidents\.db: schema version 7 needs .* schema 5; this one knows 1\. Upgrade"):
        backend.open(mode)
    with pytest.raises(RejectedError, match="is not open"):
        backend.commit(NS, UnitOfWork(), now=NOW)


def test_verify_changes_nothing(backend, path):
    backend.commit(NS, opening("1"), now=NOW)
    backend.close()
    before = path.read_bytes()
    info = backend.open("verify")
    assert (info.version, info.was_migrated) == (1, False)
    backend.load(NS, Lookup(ids=("i1",)), now=NOW)
    backend.close()
    assert path.read_bytes() == before


def test_verify_of_a_database_without_our_tables(path):
    path.parent.mkdir()
    sqlite3.connect(path).close()
    path.touch()
    with pytest.raises(IncompatibleError, match=r"open\('migrate'\)"):
        SqliteBackend(path).open("verify")
