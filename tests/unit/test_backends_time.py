"""Clock and confinement of the handles: what both backends promise of time, threads and processes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from incidentkit.backends import MemoryBackend, MemoryStore, SqliteBackend
from incidentkit.backends.instant import instant, microseconds
from incidentkit.backends.sql.rows import shard_of
from incidentkit.errors import RejectedError
from incidentkit.model import Lookup, UnitOfWork
from tests.backend_support import NOW, NS, opening


@pytest.fixture(params=["memory", "sqlite"])
def make(request, tmp_path):
    made = []

    def handle(**options):
        backend = MemoryBackend(**options) if request.param == "memory" else SqliteBackend(tmp_path / "x.db", **options)
        made.append(backend)
        return backend

    yield handle
    for backend in made:
        backend.close()


def test_a_clock_that_goes_back_is_not_followed(make):
    readings = [NOW, NOW - timedelta(hours=1), NOW + timedelta(seconds=1), NOW]
    backend = make(clock=lambda: readings.pop(0))
    backend.open()
    assert [backend.commit(NS, UnitOfWork()).store_now for _ in range(4)] == [NOW, NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=1)]


def test_a_stated_instant_is_taken_as_it_is_and_leaves_the_clock_alone(make):
    backend = make(clock=lambda: NOW)
    backend.open()
    assert backend.load(NS, Lookup(), now=NOW + timedelta(days=9)).store_now == NOW + timedelta(days=9)
    assert backend.load(NS, Lookup()).store_now == NOW


def test_the_clock_of_the_host_is_the_default(make):
    backend = make()
    backend.open()
    before = datetime.now(UTC)
    assert before <= backend.load(NS, Lookup()).store_now <= datetime.now(UTC)


def test_a_handle_that_is_not_open_says_so(make):
    backend = make()
    with pytest.raises(RejectedError, match=r"is not open\. Call open\(\) first"):
        backend.load(NS, Lookup())
    backend.open()
    backend.close()
    with pytest.raises(RejectedError, match="is not open"):
        backend.load(NS, Lookup())


def in_another_thread(act):
    found = []

    def run():
        try:
            found.append(act())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_another_thread_is_told_what_to_do(make):
    backend = make()
    backend.open()
    for act in (lambda: backend.load(NS, Lookup()), backend.open):
        error = in_another_thread(act)
        assert isinstance(error, RejectedError)
        assert "Use one handle per thread, or close() it and open() it here" in str(error)
    assert in_another_thread(backend.close) is None


def test_handles_of_one_memory_store_share_it_and_others_do_not():
    store = MemoryStore()
    first, second, other = MemoryBackend(store), MemoryBackend(store), MemoryBackend()
    for backend in (first, second, other):
        backend.open()
    first.commit(NS, opening("1"), now=NOW)
    assert [len(backend.load(NS, Lookup(ids=("i1",))).incidents) for backend in (first, second, other)] == [1, 1, 0]


def test_an_unclosed_sqlite_handle_is_released_with_its_last_reference(tmp_path):
    backend = SqliteBackend(tmp_path / "x.db")
    backend.open()
    raw = backend._connection.raw
    del backend
    with pytest.raises(Exception, match="closed database"):
        raw.execute("SELECT 1")


@pytest.mark.parametrize("at", [datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)])
def test_instants_are_exact_in_both_directions(at):
    assert instant(microseconds(at)) == at


def test_a_shard_is_fixed_for_ever():
    """These values are in every database that exists."""
    assert [shard_of(tenant) for tenant in ("", "a", "acme", "ü")] == [180, 47, 129, 55]
