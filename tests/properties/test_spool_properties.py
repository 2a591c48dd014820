"""
The spool against a model: whatever is done in whatever order, and wherever the process dies, every count reaches the store exactly once.

At each point between two effects the directory is copied, as kill -9 would leave it; the copy is adopted, replayed into a copy of the
store, and must come to what the model says. The adopter dies in the same way, at points that hypothesis chooses.
"""

import errno
import os
import shutil
import tempfile
from collections import Counter
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from incidentkit.engine.spool import MemorySpool, Spool, orphans
from incidentkit.engine.spool import _frames as frames
from incidentkit.engine.spool._ledger import Part, Unit

AT = 1_700_000_000_000_000


class Store:
    """What a backend does with (source, seq): a seq not above the last one of its source is a duplicate, whatever it carries."""

    def __init__(self):
        self.units = {}
        self.last = {}

    def copy(self):
        twin = Store()
        twin.units, twin.last = dict(self.units), dict(self.last)
        return twin

    def commit(self, source, seq, entries):
        if seq <= self.last.get(source, 0):
            stored = self.units.get((source, seq))
            assert stored is None or stored == entries, "a unit that is sent again must be the same"
            return
        self.last[source] = seq
        self.units[source, seq] = entries

    def totals(self):
        total = Counter()
        for entries in self.units.values():
            for payload, number in entries.items(): total[payload] += number
        return total

    def payloads(self):
        return {payload for entries in self.units.values() for payload in entries}


def drain(directory, store, failpoint=lambda _: None, *, portion=2, may_be_torn=False):
    """Adopt all there is and bring it to *store*, a few slots to a unit."""
    for orphan in orphans(directory, own="", failpoint=failpoint):
        assert not orphan.corrupt
        assert may_be_torn or not orphan.torn
        for unit in orphan.pending():
            store.commit(orphan.source, unit.seq, {entry.payload: entry.count for entry in unit.entries})
            failpoint("sent")
            assert orphan.acked(unit.seq)
        while rest := orphan.rest()[:portion]:
            seq = orphan.last_seq + 1
            assert orphan.flush(seq, {entry.slot: entry.upto for entry in rest})
            store.commit(orphan.source, seq, {entry.payload: entry.count for entry in rest})
            failpoint("sent")
            assert orphan.acked(seq)
        orphan.remove()
    assert not list(directory.glob("*.log"))


def image_of(directory):
    image = Path(tempfile.mkdtemp(prefix="spool-image-", dir=directory.parent))
    for path in directory.iterdir(): shutil.copy2(path, image)
    return image


class Full:
    """A disk with *room* bytes left."""

    def __init__(self, room):
        self.room = room
        self._real = os.write

    def write(self, fd, data):
        if not self.room: raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._real(fd, data[: self.room])
        self.room -= written
        return written


class SpoolMachine(RuleBasedStateMachine):
    """One owner after another in one directory, each with a memory spool beside it that must give the same answers."""

    @initialize(nests=st.booleans(), deep=st.integers(0, 6), fsync=st.booleans())
    def begin(self, nests, deep, fsync):
        self.root = Path(tempfile.mkdtemp(prefix="spool-"))
        self.directory = self.root / "spool"
        self.store = Store()
        self.added = Counter()
        self.promised = set()
        self.serial = count()
        self.nests, self.deep, self.fsync = nests, deep, fsync
        self.is_busy = False
        self.full = None
        self.spool = None
        self.open_new()

    def open_new(self):
        self.live = {}  # slot -> payload
        self.totals = {}
        self.taken = {}
        self.unit = None  # seq, entries, upto, is_sent
        self.seq = 0
        self.spool = None
        self.is_exact = True
        source = f"s{next(self.serial)}"
        self.spool = Spool.create(self.directory, source, slots=6, max_bytes=1500, fsync=self.fsync, failpoint=self.reach)
        self.memory = MemorySpool(source)
        self.twin = {}  # slot -> slot of the memory spool

    # every point between two effects

    def reach(self, name):
        if self.is_busy: return
        self.is_busy = True
        try:
            with mock.patch.object(os, "write", self.full._real) if self.full else nullcontext():
                self.survive(may_be_torn=name == "log.short")
            if self.nests and self.spool is not None and not self.spool.is_closed and name != "log.short": self.report("nested", 1)
        finally:
            self.is_busy = False

    def survive(self, *, may_be_torn):
        """Adopt an image of this moment; and at the points of this adoption, an image of that."""
        points = count()
        expected, promised, exact = Counter(self.added), set(self.promised), self.is_exact

        def check(store):
            totals = store.totals()
            assert promised <= store.payloads()
            wrong = {payload for payload in totals | expected if totals[payload] != expected[payload]}
            assert not wrong or (not exact and totals >= expected)

        def die_again(_):
            if next(points) % 7 != self.deep: return
            image, store = image_of(directory), first.copy()
            drain(image, store, portion=3, may_be_torn=may_be_torn)
            check(store)
            shutil.rmtree(image)

        directory, first = image_of(self.directory), self.store.copy()
        drain(directory, first, die_again, may_be_torn=may_be_torn)
        check(first)
        shutil.rmtree(directory)

    # what an inbox and a flusher do

    def report(self, word, n):
        """A first sighting, and its count."""
        payload = f"{word}-{next(self.serial)}".encode()
        slot = self.spool.sight(payload)
        if slot is None: return
        twin = self.memory.sight(payload)
        assert twin is not None
        assert slot not in self.live
        self.live[slot], self.totals[slot], self.twin[slot] = payload, 0, twin
        self.promised.add(payload)
        self.count(slot, n)

    def count(self, slot, n):
        self.totals[slot] += n
        self.added[self.live[slot]] += n
        self.spool.add(slot, n, AT + self.totals[slot])
        self.memory.add(self.twin[slot], n, AT)

    @rule(word=st.sampled_from(["a", "longer " * 30]), n=st.integers(0, 5))
    def sight(self, word, n):
        self.report(word, n)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), n=st.integers(1, 1000))
    def add(self, data, n):
        self.count(data.draw(st.sampled_from(sorted(self.live))), n)

    @precondition(lambda self: self.unit is None)
    @rule(data=st.data(), skip=st.integers(0, 2))
    def flush(self, data, skip):
        slots = data.draw(st.lists(st.sampled_from(sorted(self.live)), unique=True)) if self.live else []
        upto = {slot: data.draw(st.integers(self.taken.get(slot, 0), self.totals[slot])) for slot in slots}
        self.seq += skip
        self.begin_unit(upto)

    def begin_unit(self, upto):
        self.seq += 1
        entries = {self.live[slot]: total - self.taken.get(slot, 0) for slot, total in upto.items()}
        self.unit = [self.seq, entries, False]
        self.spool.flush(self.seq, upto)
        self.memory.flush(self.seq, {self.twin[slot]: total for slot, total in upto.items()})
        self.taken.update(upto)

    @precondition(lambda self: self.unit is not None)
    @rule()
    def send(self):
        """Also when it could not be written down: then, and only until it can be, a kill may count it twice."""
        self.is_exact = self.spool.is_exact
        self.store.commit(self.spool.source, self.unit[0], self.unit[1])
        self.unit[2] = True

    @rule()
    def commit_everything(self):
        if self.unit is None: self.begin_unit(dict(self.totals))
        if not self.unit[2]: self.send()
        self.ack()

    @precondition(lambda self: self.unit is not None and self.unit[2])
    @rule()
    def ack(self):
        self.spool.acked(self.unit[0]); self.memory.acked(self.unit[0])
        self.unit = None

    @rule(data=st.data())
    def compact(self, data):
        evictable = [slot for slot in self.live if self.taken.get(slot) == self.totals[slot]]
        evicted = data.draw(st.lists(st.sampled_from(sorted(evictable)), unique=True)) if evictable else []
        for slot in evicted:
            del self.live[slot], self.totals[slot], self.taken[slot], self.twin[slot]
        self.memory.compact(list(self.twin.values()))
        self.spool.compact(list(self.live))

    @rule(room=st.integers(0, 60))
    def fill_the_disk(self, room):
        if self.full is None:
            self.full = Full(room)
            mock.patch.object(os, "write", self.full.write).start()

    @precondition(lambda self: self.full is not None)
    @rule()
    def make_room(self):
        mock.patch.stopall()
        self.full = None
        if not self.spool.is_exact: assert self.spool.compact(list(self.live))
        assert self.spool.is_exact

    # the end of a process

    @precondition(lambda self: self.full is None)
    @rule(is_clean=st.booleans())
    def end(self, is_clean):
        if not is_clean:
            self.spool.abandon_in_child()  # what the kernel does: descriptors close, nothing is written
            self.follow()
            return
        was_committed = self.spool.is_committed
        self.spool.close(clean=True)
        assert bool(list(self.directory.glob("*.log"))) is not was_committed
        for orphan in orphans(self.directory, own=""):
            with orphan: assert orphan.clean
        self.follow()

    def follow(self):
        self.is_busy = True
        drain(self.directory, self.store)
        self.is_busy = False
        assert self.store.payloads() >= self.promised
        totals = self.store.totals()
        assert all(totals[payload] == number for payload, number in self.added.items())
        self.open_new()

    @invariant()
    def both_kinds_agree(self):
        if self.spool is None: return
        assert self.spool.is_committed == self.memory.is_committed
        assert self.spool.last_seq == self.memory.last_seq

    @invariant()
    def a_kill_now_loses_nothing(self):
        if self.spool is None: return
        self.is_exact = self.spool.is_exact  # and so it is during the next act, which may break it for a moment, but sends nothing
        self.reach("between")

    def teardown(self):
        mock.patch.stopall()
        if getattr(self, "spool", None) is not None: self.spool.abandon_in_child()
        if hasattr(self, "root"): shutil.rmtree(self.root)


SpoolMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestSpool = SpoolMachine.TestCase

bodies = st.one_of(
    st.builds(lambda slot, taken, payload, fresh: frames.sight(slot, taken, payload, is_fresh=fresh),
              st.integers(0, 20), st.integers(0, 2**64 - 1), st.binary(max_size=50), st.booleans()),
    st.builds(lambda seq, note, parts: frames.flush(Unit(seq, note, tuple(parts))), st.integers(0, 2**64 - 1), st.binary(max_size=20),
              st.lists(st.builds(Part, st.integers(0, 20), *[st.integers(0, 2**64 - 1)] * 3), max_size=3)),
    st.builds(frames.ack, st.integers(0, 2**64 - 1)),
    st.builds(frames.head, st.integers(0, 2**64 - 1), st.binary(max_size=20)),
    st.binary(max_size=40),
)


@given(st.lists(bodies, max_size=12), st.integers(0, 400))
def test_no_bytes_whatever_make_a_reader_raise(parts, end):
    data = (frames.MAGIC + b"".join(parts))[:end]
    reading = frames.read(data)
    assert reading.end <= len(data)
    assert (reading.end == len(data)) is not (reading.is_torn or reading.is_corrupt) or not data
    again = frames.read(data[: reading.end])
    assert (again.ledger, again.places, again.end) == (reading.ledger, reading.places, reading.end)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_files_whatever_make_an_adopter_raise(log, cells):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / "s.log").write_bytes(frames.MAGIC + log)
        (path / "s.cnt").write_bytes(cells)
        for orphan in orphans(path, own=""):
            with orphan: assert orphan.rest() == orphan.pending() == orphan.first_sightings() == ()
