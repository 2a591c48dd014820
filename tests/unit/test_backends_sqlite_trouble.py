"""`SqliteBackend` in trouble: killed, full, locked out, forked, and with other processes."""

import os
import sqlite3
import time
from collections import Counter
from datetime import timedelta

import attrs
import pytest

from incidentkit.backends import SqliteBackend
from incidentkit.errors import RejectedError, UnavailableError
from incidentkit.model import CellWrite, Committed, CounterAdd, CounterRead, Duplicate, Lookup, UnitOfWork
from tests.backend_support import NOW, NS, finish, opening, start


@pytest.fixture
def path(tmp_path):
    return tmp_path / "incidents.db"


@pytest.fixture
def backend(path):
    backend = SqliteBackend(path, busy_timeout=timedelta(seconds=0.3))
    backend.open()
    yield backend
    backend.close()


def found(backend, *names):
    return sorted(backend.load(NS, Lookup(ids=tuple(f"i{name}" for name in names)), now=NOW).incidents)


# --- killed ------------------------------------------------------------------------------------------------------------------------------

KILLED_BEFORE = """
from incidentkit.backends.sqlite._connection import Connection
backend = SqliteBackend(sys.argv[1], journal=sys.argv[2]); backend.open()
Connection._commit = lambda self, deadline: os.kill(os.getpid(), signal.SIGKILL)
backend.commit(NS, opening("1", source="s", seq=1), now=NOW)
"""
KILLED_AFTER = """
backend = SqliteBackend(sys.argv[1], journal=sys.argv[2]); backend.open()
backend.commit(NS, opening("1", source="s", seq=1), now=NOW)
os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED_HOLDING = """
backend = SqliteBackend(sys.argv[1]); backend.open()
backend.commit(NS, opening("1"), now=NOW)
print([claim.work.id for claim in backend.claim(NS, owner="x", can=None, limit=9, lease=timedelta(seconds=10), now=NOW)], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("journal", ["truncate", "wal"])
def test_killed_before_the_commit_nothing_is_visible(path, journal):
    assert finish(start(KILLED_BEFORE, path, journal))[0] == -9
    backend = SqliteBackend(path, journal=journal)
    backend.open()
    assert found(backend, "1") == []
    assert backend.next_due(NS, can=None) is None
    assert isinstance(backend.commit(NS, opening("1", source="s", seq=1), now=NOW), Committed)
    backend.close()


@pytest.mark.parametrize("journal", ["truncate", "wal"])
def test_killed_after_the_commit_all_is_visible(path, journal):
    assert finish(start(KILLED_AFTER, path, journal))[0] == -9
    backend = SqliteBackend(path, journal=journal)
    backend.open()
    assert found(backend, "1") == ["i1"]
    assert len(backend.history(NS, "i1").items) == 1
    assert isinstance(backend.commit(NS, opening("1", source="s", seq=1), now=NOW), Duplicate)
    backend.close()


def test_killed_holding_claims_they_come_back_after_the_lease(path):
    code, out = finish(start(KILLED_HOLDING, path))
    assert (code, out) == (-9, "['w10']\n")
    backend = SqliteBackend(path)
    backend.open()

    def claim(seconds):
        claims = backend.claim(NS, owner="y", can=None, limit=9, lease=timedelta(seconds=10), now=NOW + timedelta(seconds=seconds))
        return [(claim.work.id, claim.work.attempt) for claim in claims]

    assert (claim(9.999999), claim(10)) == ([], [("w10", 2)])
    backend.close()


# --- full and locked ---------------------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_unavailable_and_recovers(backend):
    raw = backend._connection.raw
    (pages,) = raw.execute("PRAGMA page_count").fetchone()
    raw.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    unit = UnitOfWork(source="s", seq=1, cells=tuple(CellWrite(name=f"c{number}", value="x" * 4_000) for number in range(20)))
    with pytest.raises(UnavailableError, match=r"incidents\.db: .*full.*Free some, or shorten the retention"):
        backend.commit(NS, unit, now=NOW)
    assert backend.load(NS, Lookup(cell_prefixes=("",)), now=NOW).cells == {}
    raw.execute("PRAGMA max_page_count = 100000").fetchall()
    assert isinstance(backend.commit(NS, unit, now=NOW), Committed)


HOLDER = """
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("SELECT * FROM ik_meta").fetchall()
pending = connection.execute("SELECT * FROM ik_meta UNION ALL SELECT * FROM ik_meta"); pending.fetchone()
print("held", flush=True)
sys.stdin.readline()
del pending
connection.execute("ROLLBACK")
print("free", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN"])
def test_a_lock_held_by_another_process_is_unavailable_within_the_budget(backend, path, lock):
    """A writer keeps us from beginning, a reader from committing (with the rollback journal)."""
    backend.commit(NS, opening("1"), now=NOW)
    holder = start(HOLDER, path, lock)
    assert holder.stdout.readline() == "held\n"
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"incidents\.db: .*lock.*busy_timeout"):
        backend.commit(NS, opening("2"), now=NOW)
    assert 0.3 <= time.monotonic() - began < 2
    assert found(backend, "1", "2") == ["i1"]
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "free\n"
    assert isinstance(backend.commit(NS, opening("2"), now=NOW), Committed)
    finish(holder)


def test_a_lock_that_goes_within_the_budget_is_waited_for(path):
    backend = SqliteBackend(path, busy_timeout=timedelta(seconds=30))
    backend.open()
    holder = start(HOLDER, path, "BEGIN IMMEDIATE")
    assert holder.stdout.readline() == "held\n"
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert isinstance(backend.commit(NS, opening("1"), now=NOW), Committed)
    backend.close()
    finish(holder)


def test_what_no_column_can_hold_is_rejected_and_nothing_applied(backend):
    count = CounterAdd(owner="a", n=1, first_at=NOW, last_at=NOW)
    for unit in (
        attrs.evolve(opening("1"), counters=(attrs.evolve(count, n=2**63),)),
        attrs.evolve(opening("1"), counters=(attrs.evolve(count, owner="\ud800"),)),
        attrs.evolve(opening("1"), cells=(CellWrite(name="c", value=object()),)),
    ):
        with pytest.raises(RejectedError, match=r"incidents\.db"):
            backend.commit(NS, unit, now=NOW)
    assert found(backend, "1") == []
    assert isinstance(backend.commit(NS, opening("1"), now=NOW), Committed)


def test_an_interrupt_in_the_middle_leaves_the_handle_usable(backend, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("incidentkit.backends.sql._commit.read_counters", interrupted)
        with pytest.raises(KeyboardInterrupt):
            backend.commit(NS, opening("1"), now=NOW)
    assert found(backend, "1") == []
    assert isinstance(backend.commit(NS, opening("1"), now=NOW), Committed)


# --- forked ------------------------------------------------------------------------------------------------------------------------------

FORKED = """
backend = SqliteBackend(sys.argv[1]); backend.open()
backend.commit(NS, opening("1"), now=NOW)
raw = backend._connection.raw
raw.execute("BEGIN IMMEDIATE")
raw.execute("INSERT INTO ik_cell (ns, name, value, version) VALUES ('x', 'c', 'in flight', 1)")
raw.execute("PRAGMA cache_spill = 1"); raw.execute("PRAGMA cache_size = 2")
raw.execute("CREATE TABLE big (x)"); raw.executemany("INSERT INTO big VALUES (?)", [("y" * 3000,) for _ in range(50)])
child = os.fork()
if child == 0:
    try:
        backend.commit(NS, opening("2"), now=NOW)
    except Exception as error:
        print(type(error).__name__, flush=True)
    if sys.argv[2] == "close":
        backend.close()
    else:
        del backend
    del raw
    sys.exit(0)          # the whole end of an interpreter: nothing may be closed in it
os.waitpid(child, 0)
raw.execute("COMMIT")
backend.commit(NS, opening("3"), now=NOW)
print(sorted(backend.load(NS, Lookup(ids=("i1", "i2", "i3")), now=NOW).incidents))
print(raw.execute("SELECT value FROM ik_cell").fetchall(), raw.execute("PRAGMA integrity_check").fetchall())
print(raw.execute("SELECT count(*) FROM big").fetchall())
backend.close()
"""


@pytest.mark.parametrize("how", ["close", "forget"])
def test_a_forked_child_that_ends_normally_does_not_touch_the_parents_transaction(path, how):
    code, out = finish(start("from incidentkit.model import Lookup\n" + FORKED, path, how))
    assert code == 0
    assert out.splitlines() == ["RejectedError", "['i1', 'i3']", "[('in flight',)] [('ok',)]", "[(50,)]"]


def test_a_forked_child_may_open_for_itself(backend):
    backend.commit(NS, opening("1"), now=NOW)
    child = os.fork()
    if child == 0:
        try:
            backend.close()
            backend.open()
            is_done = isinstance(backend.commit(NS, opening("2"), now=NOW), Committed)
            backend.close()
            os._exit(0 if is_done else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert found(backend, "1", "2") == ["i1", "i2"]


# --- together ----------------------------------------------------------------------------------------------------------------------------

RACER = """
from incidentkit.model import Committed
backend = SqliteBackend(sys.argv[1], journal=sys.argv[3], busy_timeout=timedelta(seconds=30)); backend.open()
print("ready", flush=True)
sys.stdin.readline()
if isinstance(backend.commit(NS, opening(sys.argv[2], key="shared"), now=NOW), Committed):
    print("won", sys.argv[2])
for number in range(20):
    backend.commit(NS, UnitOfWork(counters=(CounterAdd(owner="hot", n=1, first_at=NOW, last_at=NOW),)), now=NOW)
    for claim in backend.claim(NS, owner=sys.argv[2], can=None, limit=2, lease=timedelta(hours=1), now=NOW):
        print("claimed", claim.work.id)
"""


@pytest.mark.parametrize("journal", ["truncate", "wal"])
def test_processes_race_for_a_key_for_counters_and_for_work(path, journal):
    """One winner, no lost add, no row claimed twice. WAL is asked for by name; the processes are few and short-lived."""
    backend = SqliteBackend(path, journal=journal)
    backend.open()
    rows = tuple(attrs.evolve(opening("x").work[0], id=f"row{number}", due_at=NOW) for number in range(100))
    backend.commit(NS, UnitOfWork(work=rows), now=NOW)
    racers = [start(RACER, path, number, journal) for number in range(4)]
    assert {racer.stdout.readline() for racer in racers} == {"ready\n"}
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [finish(racer) for racer in racers]
    assert [code for code, _ in answers] == [0] * 4
    lines = [line for _, out in answers for line in out.splitlines()]
    assert len([line for line in lines if line.startswith("won")]) == 1
    claimed = Counter(line for line in lines if line.startswith("claimed"))
    assert len(claimed) == 101  # the rows, and the first page of the winner
    assert set(claimed.values()) == {1}
    loaded = backend.load(NS, Lookup(counters=(CounterRead(owner="hot"),)), now=NOW)
    assert loaded.counters["hot"][0].n == 80
    backend.close()


# --- what costs --------------------------------------------------------------------------------------------------------------------------


def statements_of(backend, call):
    seen = []
    backend._connection.raw.set_trace_callback(seen.append)
    try:
        call()
    finally:
        backend._connection.raw.set_trace_callback(None)
    return len(seen)


def test_a_lookup_of_hundreds_is_as_many_statements_as_a_lookup_of_one(backend):
    for number in range(300):
        backend.commit(NS, opening(str(number)), now=NOW) if number < 3 else None

    def lookup(size):
        numbers = [str(number) for number in range(size)]
        return Lookup(fingerprints=tuple(f"f{n}" for n in numbers), keys=tuple(f"k{n}" for n in numbers), ids=tuple(f"i{n}" for n in numbers),
                      counters=tuple(CounterRead(owner=f"a|{n}") for n in numbers), cells=tuple(numbers), numbers=tuple(range(size)))

    one, many = (statements_of(backend, lambda size=size: backend.load(NS, lookup(size), now=NOW)) for size in (1, 300))
    assert one == many <= 11


def test_looking_for_due_work_takes_no_write_lock_when_there_is_none(backend, path):
    holder = start(HOLDER, path, "BEGIN IMMEDIATE")
    assert holder.stdout.readline() == "held\n"
    assert backend.claim(NS, owner="x", can=None, limit=9, lease=timedelta(seconds=9), now=NOW) == []
    finish(holder)


def test_every_hot_statement_finds_its_rows_by_an_index(backend, path):
    """A scan is fast on a small table and fatal on a year of incidents."""
    from incidentkit.backends.sql import statements as sql

    raw = sqlite3.connect(path)
    rare = {"OLD_ALERTS", "OLD_BUCKETS", "OLD_SOURCES", "OLD_CELLS", "TOUCH"}  # once an hour, over tables that are purged
    scans = {}
    for name, statement in vars(sql).items():
        if not name.isupper() or not isinstance(statement, str) or " FROM " not in statement or name in rare:
            continue
        text = statement.replace("{list}", "?, ?").replace("{filters}", "").replace("{keys}", "(?)")
        plan = [row[3] for row in raw.execute("EXPLAIN QUERY PLAN " + text, ("1",) * text.count("?"))]
        found = [line for line in plan if "SCAN" in line and "CONSTANT ROW" not in line and "SCAN k" not in line]
        if found: scans[name] = found[-1]
        assert not [line for line in plan if "TEMP B-TREE FOR ORDER BY" in line and name not in {"GET_DELIVERIES", "FIND_DUE", "LIST_WORK", "OLD_INCIDENTS",
                                                                                                "LIST_INCIDENTS", "GET_DOCS"}], (name, plan)
    raw.close()
    assert scans == {}
