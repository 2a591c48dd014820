"""The spool, rule by rule: what it takes, what it refuses, what an adopter finds, and what it leaves alone."""

import errno
import os
import stat
import struct
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from unittest import mock

import pytest

from incidentkit.engine.spool import MAX_NOTE, MAX_PAYLOAD, MAX_SLOTS, MemorySpool, MisuseError, Spool, SpoolLike, orphans
from incidentkit.engine.spool import _counters as counters_file
from incidentkit.engine.spool import _frames as frames

AT = 1_700_000_000_000_000


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "spool"


def make(directory, source="s1", **options):
    return Spool.create(directory, source, **options)


def die(spool):
    """Let go as the kernel does at kill -9: descriptors are closed, nothing is written."""
    spool.abandon_in_child()


def adopt(directory, **options):
    (orphan,) = orphans(directory, own="me", **options)
    return orphan


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def counts(entries):
    return {entry.payload: entry.count for entry in entries}


@pytest.fixture(params=["disk", "memory"])
def either(request, directory):
    """The rules that both kinds share."""
    spool: SpoolLike = make(directory, slots=16) if request.param == "disk" else MemorySpool("s1", slots=16)
    yield spool
    spool.close(clean=False)


# --- both kinds ------------------------------------------------------------------------------------------------------------------------


def test_each_sighting_has_a_slot_of_its_own(either):
    assert len({either.sight(b"same") for _ in range(16)}) == 16


def test_a_sighting_beyond_the_last_slot_is_refused_and_counted(either):
    for _ in range(16): either.sight(b"x")
    assert either.sight(b"one more") is None
    assert either.refused == 1
    assert "all 16 slots" in either.trouble


@pytest.mark.parametrize(("length", "is_taken"), [(0, True), (MAX_PAYLOAD, True), (MAX_PAYLOAD + 1, False)])
def test_a_payload_beyond_the_bound_is_refused_and_counted(either, length, is_taken):
    assert (either.sight(bytes(length)) is not None) is is_taken
    assert either.refused == (not is_taken)


def test_nothing_is_outstanding_before_the_first_sighting_and_after_the_last_ack(either):
    assert either.is_committed
    slot = either.sight(b"x"); either.add(slot, 3, AT)
    assert not either.is_committed
    assert either.flush(1, {slot: 3})
    assert not either.is_committed
    assert either.acked(1)
    assert either.is_committed
    assert either.last_seq == 1


def test_a_sighting_without_a_count_is_outstanding_until_a_unit_names_it(either):
    slot = either.sight(b"x")
    assert not either.is_committed
    either.flush(1, {slot: 0}); either.acked(1)
    assert either.is_committed


def test_compacting_frees_the_slots_that_the_store_has(either):
    slots = [either.sight(b"x") for _ in range(16)]
    either.flush(1, dict.fromkeys(slots, 0)); either.acked(1)
    assert either.is_compaction_due
    assert either.compact(live=slots[:1])
    assert {either.sight(b"y") for _ in range(15)} == set(slots[1:])
    assert either.sight(b"z") is None


def test_compacting_keeps_what_is_live_or_outstanding(either):
    live, unflushed, unacked, done = (either.sight(name) for name in (b"live", b"unflushed", b"unacked", b"done"))
    either.flush(1, {live: 0, done: 0}); either.acked(1)
    either.add(unflushed, 1, AT)
    either.flush(2, {unacked: 0})
    either.compact(live=[live])
    assert {either.sight(b"new") for _ in range(13)}.isdisjoint({live, unflushed, unacked})
    assert either.sight(b"one more") is None


def test_a_slot_that_is_used_again_begins_at_zero(either):
    """The caller counts from its own zero; a total that a dead problem left in the slot would make every flush of the new one wrong."""
    slot = either.sight(b"old"); either.add(slot, 7, AT)
    either.flush(1, {slot: 7}); either.acked(1); either.compact()
    again = either.sight(b"new")
    assert again == slot
    either.add(again, 2, AT)
    with pytest.raises(MisuseError): either.flush(2, {again: 3})
    assert either.flush(2, {again: 2})
    either.acked(2)
    assert either.is_committed


@pytest.mark.parametrize(
    ("seq", "upto", "message"),
    [
        (5, {0: 2}, "seq 5 is not above the last one, 5"),
        (6, {1: 0}, "Slot 1 holds no sighting"),
        (6, {0: 4}, "Slot 0 cannot be flushed up to 4: units have 2 of its 3"),
        (6, {0: 1}, "Slot 0 cannot be flushed up to 1: units have 2 of its 3"),
    ],
)
def test_a_flush_that_cannot_be_right_is_an_error_and_changes_nothing(either, seq, upto, message):
    slot = either.sight(b"x"); either.add(slot, 3, AT)
    either.flush(5, {slot: 2}); either.acked(5)
    with pytest.raises(MisuseError, match=message): either.flush(seq, upto)
    assert either.flush(6, {slot: 3})
    assert either.is_exact


def test_a_note_beyond_the_bound_is_an_error(either):
    with pytest.raises(MisuseError): either.flush(1, {}, bytes(MAX_NOTE + 1))
    assert either.flush(1, {}, bytes(MAX_NOTE))


def test_an_ack_of_an_unknown_unit_is_no_error(either):
    assert either.acked(99)


def test_a_closed_spool_takes_nothing_and_never_raises(either):
    """A report may still run on another thread while the engine stops."""
    slot = either.sight(b"x")
    either.close(clean=True); either.close(clean=False)
    either.add(slot, 1, AT)
    assert either.sight(b"y") is None
    assert "closed" in either.trouble
    assert not either.flush(1, {slot: 1})
    assert not either.acked(1)
    assert not either.compact()
    assert not either.is_compaction_due
    assert either.is_closed


def test_an_abandoned_spool_takes_nothing_and_never_raises(either):
    slot = either.sight(b"x")
    either.abandon_in_child()
    either.add(slot, 1, AT)
    assert either.sight(b"y") is None
    either.close(clean=True)


@pytest.mark.parametrize("slots", [0, -1, MAX_SLOTS + 1])
def test_slots_out_of_bounds_are_an_error(directory, slots):
    with pytest.raises(MisuseError): make(directory, slots=slots)
    with pytest.raises(MisuseError): MemorySpool("s1", slots=slots)


# --- on disk ---------------------------------------------------------------------------------------------------------------------------


def test_files_are_for_the_owner_only(directory):
    with_mask = os.umask(0)
    try:
        spool = make(directory)
        spool.sight(b"x"); spool.compact()
    finally:
        os.umask(with_mask)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert names(directory) == ["s1.cnt", "s1.log"]
    spool.close(clean=False)


@pytest.mark.parametrize("source", ["", ".", "../x", "a/b", ".hidden", "-rf", "x" * 129, "ü"])
def test_a_source_that_cannot_be_a_file_name_is_an_error(directory, source):
    with pytest.raises(MisuseError): make(directory, source)
    assert not directory.exists()


@pytest.mark.parametrize("options", [{"max_bytes": 0}, {"max_bytes": 2**40}, {"about": bytes(MAX_NOTE + 1)}])
def test_other_arguments_out_of_bounds_are_errors(directory, options):
    with pytest.raises(MisuseError): make(directory, **options)


def test_a_source_is_used_once(directory):
    spool = make(directory)
    with pytest.raises(FileExistsError): make(directory)
    die(spool)
    with pytest.raises(FileExistsError): make(directory)
    assert names(directory) == ["s1.cnt", "s1.log"]


def test_a_spool_that_cannot_be_made_leaves_nothing(directory):
    directory.mkdir()
    (directory / "s1.cnt").write_bytes(b"somebody's")
    with pytest.raises(FileExistsError): make(directory)
    assert (directory / "s1.cnt").read_bytes() == b"somebody's"
    assert names(directory) == ["s1.cnt"]


def test_a_first_sighting_is_one_write(directory):
    spool = make(directory)
    with mock.patch.object(os, "write", wraps=os.write) as write: spool.sight(b"x" * 1000)
    assert write.call_count == 1
    spool.close(clean=False)


def test_a_repeat_is_no_system_call(directory):
    spool = make(directory)
    slot = spool.sight(b"x")
    with mock.patch.object(os, "write") as write, mock.patch.object(os, "getpid") as getpid: spool.add(slot, 1, AT)
    assert not write.called
    assert not getpid.called
    spool.close(clean=False)


def test_fsync_comes_before_a_sighting_returns_in_that_mode_only(directory):
    for fsync in (False, True):
        spool = make(directory, f"fsync-{fsync}", fsync=fsync)
        with mock.patch.object(os, "fsync", wraps=os.fsync) as sync: spool.sight(b"x")
        assert sync.called is fsync
        slot = spool.sight(b"y"); spool.flush(1, {slot: 0}); spool.acked(1); assert spool.compact()
        spool.close(clean=True)


def test_a_sighting_beyond_max_bytes_is_refused_and_compacting_makes_room(directory):
    spool = make(directory, max_bytes=4096)
    slots = []
    while (slot := spool.sight(bytes(500))) is not None: slots.append(slot)
    assert 7 <= len(slots) <= 8
    assert "4096 bytes" in spool.trouble
    assert spool.flush(1, dict.fromkeys(slots, 0)), "a full spool must be able to say what it sends, or it stays full"
    assert spool.acked(1)
    assert spool.compact()
    assert spool.sight(bytes(500)) is not None
    spool.close(clean=False)


def test_compaction_is_due_when_the_log_has_grown_and_an_ack_gives_hope(directory):
    spool = make(directory)
    slots = [spool.sight(bytes(40_000)) for _ in range(2)]
    assert not spool.is_compaction_due
    spool.flush(1, dict.fromkeys(slots, 0)); spool.acked(1)
    assert spool.is_compaction_due
    before = spool.size_bytes
    spool.compact()
    assert spool.size_bytes < before / 100
    assert not spool.is_compaction_due
    spool.close(clean=False)


def test_flushes_without_end_do_not_make_the_log_grow_without_end(directory):
    spool = make(directory, slots=64)
    slot = spool.sight(b"x" * 100)
    largest = 0
    for seq in range(1, 5000):
        spool.add(slot, 1, AT)
        spool.flush(seq, {slot: seq}); spool.acked(seq)
        if spool.is_compaction_due: spool.compact(live=[slot])
        largest = max(largest, spool.size_bytes)
    assert largest < 70_000
    assert spool.last_seq == 4999
    die(spool)
    with adopt(directory) as orphan: assert (orphan.is_committed, orphan.last_seq) == (True, 4999)


def test_a_report_nested_in_a_count_is_not_overwritten(directory):
    """Garbage collection may run a destructor that reports the same problem, between our sum and our store."""
    spool = make(directory)
    slot = spool.sight(b"x")

    class Nesting(bytearray):
        def __setitem__(self, at, value):
            nonlocal cells
            if isinstance(spool._cells, Nesting):
                spool._cells = cells
                spool.add(slot, 10, AT + 1)
            cells[at] = value

    cells = spool._cells
    spool._cells = Nesting(len(cells))
    spool.add(slot, 1, AT)
    die(spool)
    assert counts(adopt(directory).rest()) == {b"x": 11}


def test_a_report_nested_in_a_first_sighting_has_its_own_slot_and_payload(directory):
    spool = make(directory)
    inner = []
    write = os.write

    def nesting(fd, data):
        written = write(fd, data)
        if not inner:
            inner.append(None)
            inner[0] = spool.sight(b"inner")
        return written

    with mock.patch.object(os, "write", nesting): outer = spool.sight(b"outer, longer")
    spool.add(outer, 1, AT); spool.add(inner[0], 2, AT)
    assert spool.compact()
    die(spool)
    assert counts(adopt(directory).rest()) == {b"outer, longer": 1, b"inner": 2}


# --- disk full -------------------------------------------------------------------------------------------------------------------------


class Disk:
    """A disk with *room* bytes left for what is written through it."""

    def __init__(self, room):
        self.room = room
        self._write = os.write

    def write(self, fd, data):
        if self.room == 0: raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written

    def __enter__(self):
        self._patch = mock.patch.object(os, "write", self.write)
        self._patch.start()
        return self

    def __exit__(self, *_):
        self._patch.stop()


@pytest.mark.parametrize("room", [0, 1, 7, 8, 9, 30])
def test_a_sighting_that_does_not_fit_is_refused_and_the_next_one_is_readable(directory, room):
    spool = make(directory)
    with Disk(room): assert spool.sight(b"does not fit") is None
    assert spool.refused == 1
    assert spool.trouble
    slot = spool.sight(b"fits"); spool.add(slot, 1, AT)
    die(spool)
    with adopt(directory) as orphan:
        assert counts(orphan.rest()) == {b"fits": 1}
        assert not orphan.torn
        assert not orphan.corrupt


def test_half_a_frame_that_cannot_be_cut_off_at_once_is_cut_off_later(directory):
    spool = make(directory)
    failing = mock.patch.object(os, "ftruncate", side_effect=OSError(errno.EIO, "no"))
    with Disk(20), failing: assert spool.sight(b"does not fit") is None
    with failing: assert spool.sight(b"must not follow half a frame") is None
    slot = spool.sight(b"fits"); spool.add(slot, 1, AT)
    die(spool)
    assert counts(adopt(directory).rest()) == {b"fits": 1}


def test_a_flush_that_does_not_fit_says_so_and_is_written_when_there_is_room(directory):
    spool = make(directory)
    slot = spool.sight(b"x"); spool.add(slot, 3, AT)
    with Disk(20):
        assert not spool.flush(1, {slot: 2})
        assert not spool.acked(1)
        assert not spool.is_exact
        assert spool.is_compaction_due
        assert not spool.compact(live=[slot])
    assert spool.flush(2, {slot: 3})
    assert spool.is_exact
    die(spool)
    with adopt(directory) as orphan:
        assert [(unit.seq, counts(unit.entries)) for unit in orphan.pending()] == [(2, {b"x": 1})]
        assert orphan.rest() == ()


def test_the_seq_of_a_unit_that_could_not_be_written_down_is_not_given_away_again(directory):
    """The store may have it: another unit under the same seq would be taken for a duplicate, and be lost."""
    spool = make(directory)
    slot = spool.sight(b"x"); spool.add(slot, 3, AT)
    with Disk(0): spool.flush(7, {slot: 3})
    die(spool)
    assert adopt(directory).last_seq == 7


def test_an_interrupted_flush_is_made_good_by_the_next_record(directory):
    """Ctrl-C during the last flush at exit: what is on disk and what memory knows may differ, and must not stay so."""
    hits = []

    def interrupt(name):
        hits.append(name)
        if name == "record.written" and hits.count(name) == 1: raise KeyboardInterrupt

    spool = make(directory, failpoint=interrupt)
    slot = spool.sight(b"x"); spool.add(slot, 2, AT)
    with pytest.raises(KeyboardInterrupt): spool.flush(1, {slot: 2})
    assert not spool.is_exact
    spool.add(slot, 1, AT)
    assert spool.flush(1, {slot: 3})
    assert spool.is_exact
    die(spool)
    with adopt(directory) as orphan: assert [counts(unit.entries) for unit in orphan.pending()] == [{b"x": 3}]


@pytest.mark.parametrize("point", ["compact.begun", "log.created", "log.half", "compact.written", "compact.renamed", "compact.switched"])
def test_an_interrupted_compaction_leaves_one_log_that_is_written_to(directory, point):
    armed = []

    def interrupt(name):
        if armed and name == point:
            armed.clear()
            raise KeyboardInterrupt

    spool = make(directory, failpoint=interrupt)
    slot = spool.sight(b"x"); spool.add(slot, 2, AT); spool.flush(1, {slot: 2})
    armed.append(True)
    with pytest.raises(KeyboardInterrupt): spool.compact()
    later = spool.sight(b"later"); spool.add(later, 5, AT)
    assert spool.compact()
    die(spool)
    with adopt(directory) as orphan:
        assert [counts(unit.entries) for unit in orphan.pending()] == [{b"x": 2}]
        assert counts(orphan.rest()) == {b"later": 5}
    assert names(directory) == ["s1.cnt", "s1.log"]


def test_compaction_refuses_to_forget_what_it_can_no_longer_read(directory):
    spool = make(directory)
    slot = spool.sight(b"precious"); spool.add(slot, 1, AT)
    path = directory / "s1.log"
    with path.open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"???")
    before = path.read_bytes()
    assert not spool.compact()
    assert "no longer holds" in spool.trouble
    assert path.read_bytes() == before
    spool.close(clean=False)


# --- adoption --------------------------------------------------------------------------------------------------------------------------


def test_an_adopter_finds_units_on_their_way_and_the_rest(directory):
    spool = make(directory, about=b"shop, pid 7")
    a, b, c = (spool.sight(name) for name in (b"a", b"b", b"c"))
    spool.add(a, 5, AT); spool.flush(1, {a: 5}); spool.acked(1)
    spool.add(a, 2, AT + 1); spool.add(b, 1, AT + 2)
    spool.flush(2, {a: 6, b: 1}, b"note")
    spool.add(b, 10, AT + 3)
    die(spool)
    orphan = adopt(directory)
    (unit,) = orphan.pending()
    assert (unit.seq, unit.note, counts(unit.entries)) == (2, b"note", {b"a": 1, b"b": 1})
    assert [entry.last_at_us for entry in unit.entries] == [AT + 1, AT + 2]
    assert [(entry.payload, entry.count, entry.upto, entry.last_at_us) for entry in orphan.rest()] == [
        (b"a", 1, 7, AT + 1), (b"b", 10, 11, AT + 3), (b"c", 0, 0, 0),
    ]
    assert (orphan.source, orphan.about, orphan.last_seq) == ("s1", b"shop, pid 7", 2)
    assert (orphan.clean, orphan.torn, orphan.corrupt, orphan.is_committed) == (False, False, False, False)
    assert orphan.payload(c) == b"c"
    assert orphan.payload(4000) is None
    orphan.close()


def test_an_adopter_finds_the_same_after_a_compaction(directory):
    spool = make(directory, about=b"me")
    a, b, _, d = (spool.sight(name) for name in (b"a", b"b", b"c", b"d"))
    for slot in (a, b, d): spool.add(slot, 3, AT)
    spool.flush(1, {a: 3, d: 3}); spool.acked(1)
    spool.flush(2, {b: 2}, b"n"); spool.flush(3, {b: 3, a: 3})
    spool.acked(2)
    spool.compact(live=[a])
    spool.add(a, 4, AT)
    die(spool)
    with adopt(directory) as orphan:
        assert [(unit.seq, counts(unit.entries)) for unit in orphan.pending()] == [(3, {b"b": 1, b"a": 0})]
        assert counts(orphan.rest()) == {b"a": 4, b"c": 0}
        assert (orphan.about, orphan.last_seq) == (b"me", 3)
        assert orphan.first_sightings() == (b"a", b"b", b"c")


def test_a_second_adopter_goes_on_where_the_first_was_killed(directory):
    spool = make(directory)
    a, b = spool.sight(b"a"), spool.sight(b"b")
    spool.add(a, 5, AT); spool.add(b, 2, AT); spool.flush(4, {a: 3})
    die(spool)
    first = adopt(directory)
    first.acked(4)
    assert first.flush(5, {entry.slot: entry.upto for entry in first.rest()})
    first.abandon_in_child()
    second = adopt(directory)
    assert [(unit.seq, counts(unit.entries)) for unit in second.pending()] == [(5, {b"a": 2, b"b": 2})]
    assert second.rest() == ()
    with pytest.raises(MisuseError, match="may not have"): second.remove()
    second.acked(5)
    assert second.is_committed
    second.remove(); second.remove()
    assert names(directory) == []


def test_the_last_first_sightings_come_oldest_first(directory):
    spool = make(directory)
    for number in range(12): spool.sight(b"%d" % number)
    die(spool)
    with adopt(directory) as orphan:
        assert orphan.first_sightings(3) == (b"9", b"10", b"11")
        assert len(orphan.first_sightings()) == 10


def test_a_clean_end_with_nothing_outstanding_leaves_nothing(directory):
    spool = make(directory)
    slot = spool.sight(b"x"); spool.flush(1, {slot: 0}); spool.acked(1)
    spool.close(clean=True)
    assert names(directory) == []


def test_a_clean_end_with_something_outstanding_is_marked(directory):
    spool = make(directory)
    spool.sight(b"x")
    spool.close(clean=True)
    with adopt(directory) as orphan:
        assert orphan.clean
        assert counts(orphan.rest()) == {b"x": 0}
        orphan.flush(1, {0: 0})
    with adopt(directory) as orphan: assert orphan.clean


def test_a_clean_end_is_marked_on_a_full_disk(directory):
    spool = make(directory)
    spool.sight(b"x")
    with Disk(0): spool.close(clean=True)
    with adopt(directory) as orphan: assert orphan.clean


def test_an_end_that_is_not_clean_leaves_the_files_even_when_nothing_is_outstanding(directory):
    """Death is evidence (law 12), also when all was committed."""
    spool = make(directory)
    spool.close(clean=False)
    with adopt(directory) as orphan:
        assert not orphan.clean
        assert orphan.is_committed
        orphan.remove()
    assert names(directory) == []


def test_a_living_spool_is_no_orphan(directory):
    spool = make(directory)
    assert list(orphans(directory, own="me")) == []
    spool.sight(b"x"); spool.compact()
    assert list(orphans(directory, own="me")) == []
    spool.close(clean=False)
    assert list(orphans(directory, own="s1")) == [], "not even a dead one of our own name"
    adopt(directory).close()


def test_an_adopted_spool_is_no_orphan(directory):
    die(make(directory))
    orphan = adopt(directory)
    assert list(orphans(directory, own="other")) == []
    orphan.close(); orphan.close()
    adopt(directory).close()


def test_the_lock_of_a_log_that_was_replaced_is_worth_nothing(directory):
    """An adopter that opened the log just before a compaction gets the lock of a file without a name as soon as the owner lets go of it."""
    spool = make(directory)
    spool.sight(b"x")
    real = os.open

    def slow(path, *args, **kwargs):
        fd = real(path, *args, **kwargs)
        if str(path).endswith("s1.log"): patch.stop(); assert spool.compact()
        return fd

    patch = mock.patch.object(os, "open", slow)
    patch.start()
    assert list(orphans(directory, own="me")) == []
    spool.close(clean=False)


def test_a_missing_directory_has_no_orphans(directory):
    assert list(orphans(directory, own="me")) == []


def test_modified_at_is_when_the_files_were_last_written(directory):
    die(make(directory))
    for name, at in (("s1.log", 1_000_000_000), ("s1.cnt", 1_000_000_500)): os.utime(directory / name, (at, at))
    with adopt(directory) as orphan: assert orphan.modified_at == datetime.fromtimestamp(1_000_000_500, UTC)


# --- what disks do to files ------------------------------------------------------------------------------------------------------------


def sound(directory):
    """A spool with three sightings, a unit on its way, and 1, 2, 3 counted; return its log."""
    spool = make(directory)
    slots = [spool.sight(name) for name in (b"one", b"two", b"three")]
    for number, slot in enumerate(slots, 1): spool.add(slot, number, AT)
    spool.flush(1, {slots[0]: 1})
    die(spool)
    return directory / "s1.log"


def offsets(data):
    """Where the frames begin, and where the last one ends."""
    found = [len(frames.MAGIC)]
    while found[-1] < len(data): found.append(found[-1] + 8 + struct.unpack_from("<I", data, found[-1])[0])
    return found


def test_a_log_cut_at_any_byte_gives_what_is_whole(directory):
    log = sound(directory)
    data = log.read_bytes()
    marks = offsets(data)
    for end in range(len(data)):
        log.write_bytes(data[:end])
        with adopt(directory) as orphan:
            whole = sum(mark <= end for mark in marks) - 2 if end >= len(frames.MAGIC) else -1  # frames but the head
            assert [entry.payload for entry in orphan.rest()] == [b"one", b"two", b"three"][: max(whole, 0)]
            assert orphan.torn is (end not in marks)
            assert not orphan.corrupt
            assert orphan.flush(end + 9, {}, b"mine")
        with adopt(directory) as orphan: assert orphan.pending()[-1].note == b"mine", "an adopter writes behind what is whole"
    assert names(directory) == ["s1.cnt", "s1.log"]


def test_any_damaged_byte_ends_reading_there_and_loses_nothing_silently(directory):
    log = sound(directory)
    data = log.read_bytes()
    marks = offsets(data)
    for place in range(len(frames.MAGIC), len(data)):
        log.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        damaged = log.read_bytes()
        good = max(mark for mark in marks if mark <= place)
        with adopt(directory) as orphan:
            assert orphan.corrupt or orphan.torn
            assert len(orphan.rest()) == max(marks.index(good) - 1, 0)
            if orphan.corrupt: assert (directory / "s1.log.corrupt").read_bytes() == damaged[good:]
            else: assert good == marks[-2], "only the last frame may look torn"
        if (directory / "s1.log.corrupt").exists(): (directory / "s1.log.corrupt").unlink()


def test_what_is_kept_aside_is_never_overwritten_and_stays_reported(directory):
    log = sound(directory)
    data = log.read_bytes()
    for _ in range(2):
        log.write_bytes(data[:-1] + b"?")
        adopt(directory).close()
    with adopt(directory) as orphan: assert orphan.corrupt
    assert names(directory) == ["s1.cnt", "s1.log", "s1.log.corrupt", "s1.log.corrupt.2"]


def test_a_corrupt_log_stays_as_it_is_when_there_is_no_room_to_keep_it_aside(directory):
    log = sound(directory)
    data = log.read_bytes()[:-1] + b"?"
    log.write_bytes(data)
    told = []
    with Disk(5): assert list(orphans(directory, own="me", on_refused=lambda path, why: told.append((path, why)))) == []
    assert told == [(log, os.strerror(errno.ENOSPC))]
    assert log.read_bytes() == data
    assert names(directory) == ["s1.cnt", "s1.log"]


@pytest.mark.parametrize("content", [b"", b"IK", counters_file.MAGIC, b"\0" * 100_000])
def test_lost_counters_leave_what_the_log_says(directory, content):
    sound(directory)
    path = directory / "s1.cnt"
    path.write_bytes(content)
    with adopt(directory) as orphan:
        assert [counts(unit.entries) for unit in orphan.pending()] == [{b"one": 1}]
        assert counts(orphan.rest()) == {b"two": 0, b"three": 0}
        orphan.flush(2, {1: 0})
    if orphan.corrupt: assert (directory / "s1.cnt.corrupt").read_bytes() == content
    path.unlink(missing_ok=True)
    with adopt(directory) as orphan: assert (orphan.last_seq, counts(orphan.rest())) == (2, {b"three": 0})


def test_counters_older_than_the_log_do_not_take_back_what_was_flushed(directory):
    """After a power failure in mode "fsync" the log may be newer than the mapped counters."""
    log = sound(directory)
    (directory / "s1.cnt").write_bytes(counters_file.MAGIC.ljust(32 + 16 * 3, b"\0"))
    with adopt(directory) as orphan:
        assert [counts(unit.entries) for unit in orphan.pending()] == [{b"one": 1}]
        assert counts(orphan.rest()) == {b"two": 0, b"three": 0}
    assert log.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"2026-01-01 an application's own log\n", "not a spool"),
        (b"\0" * 4096, "not a spool"),
        (bytes(range(50)), "not a spool"),
        (frames.MAGIC[:-1] + b"\x02rest", "format version 2; this version of incidentkit reads 1"),
    ],
)
def test_foreign_content_is_left_alone_and_reported(directory, content, why):
    directory.mkdir()
    path = directory / "app.log"
    path.write_bytes(content)
    told = []
    assert list(orphans(directory, own="me", on_refused=lambda path, why: told.append((path, why)))) == []
    assert told == [(path, why)]
    assert path.read_bytes() == content
    assert list(orphans(directory, own="me")) == [], "to be told is optional"


def test_counters_of_another_version_are_left_alone_with_their_log(directory):
    log = sound(directory)
    before = log.read_bytes() + b"torn"
    log.write_bytes(before)
    (directory / "s1.cnt").write_bytes(counters_file.MAGIC[:-1] + b"\x07" + bytes(24))
    told = []
    assert list(orphans(directory, own="me", on_refused=lambda path, why: told.append(why))) == []
    assert told == ["format version 7; this version of incidentkit reads 1"]
    assert log.read_bytes() == before


@pytest.mark.parametrize("suffix", ["log", "cnt"])
@pytest.mark.parametrize("kind", ["link", "directory", "pipe", "foreign"])
def test_what_is_no_file_of_ours_is_refused(directory, tmp_path, suffix, kind, monkeypatch):
    sound(directory)
    path = directory / f"s1.{suffix}"
    if kind == "foreign":
        owner, real = path.stat(), os.fstat

        def foreign(fd):
            found = real(fd)
            return os.stat_result((*found[:4], 4242, *found[5:])) if os.path.samestat(found, owner) else found

        monkeypatch.setattr(os, "fstat", foreign)
    else:
        target = tmp_path / "elsewhere"
        path.rename(target)
        {"link": lambda: path.symlink_to(target), "directory": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    told = []
    assert list(orphans(directory, own="me", on_refused=lambda path, why: told.append(why))) == []
    expected = {"link": "a symbolic link", "directory": "a directory", "pipe": "a pipe", "foreign": "owned by user 4242"}[kind]
    assert len(told) == 1
    assert told[0].startswith(expected)


def test_a_link_is_not_followed_when_a_spool_is_made(directory, tmp_path):
    directory.mkdir()
    for name in ("s1.log", "s1.log.new", "s1.cnt"):
        (directory / name).symlink_to(tmp_path / "victim")
        with pytest.raises(OSError): make(directory)
        (directory / name).unlink()
    assert not (tmp_path / "victim").exists()


def test_random_bytes_behind_a_sound_beginning_never_raise(directory):
    log = sound(directory)
    data = log.read_bytes()
    for seed in range(100):
        tail = Random(seed).randbytes(seed * 3)
        log.write_bytes(data + tail)
        with adopt(directory) as orphan:
            assert len(orphan.rest()) == 2
            assert (orphan.torn or orphan.corrupt) is bool(tail)
        for aside in directory.glob("*.corrupt"): aside.unlink()


@pytest.mark.parametrize(
    "body",
    [
        *(b"S", b"S\0\0\0\0", b"S" + b"\xff" * 40, b"A", b"H", b"?"),
        *(b"F" + bytes(8), b"F" + struct.pack("<QI", 1, 2**31), b"F" + struct.pack("<QIIQQQ", 9, 1, 77, 0, 1, 0)),
    ],
)
def test_a_sound_frame_with_impossible_content_is_corrupt(directory, body):
    log = sound(directory)
    with log.open("ab") as file: file.write(frames._frame(body))
    with adopt(directory) as orphan:
        assert orphan.corrupt
        assert len(orphan.rest()) == 2


def test_what_a_killed_maker_left_is_swept_when_it_is_old(directory):
    directory.mkdir()
    old = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    left = {"a.log.new": frames.MAGIC, "a.cnt": counters_file.MAGIC, "b.log.new": b"", "young.cnt": counters_file.MAGIC, "theirs.cnt": b"x"}
    for name, content in left.items():
        (directory / name).write_bytes(content)
        if name != "young.cnt": os.utime(directory / name, (old, old))
    assert list(orphans(directory, own="me")) == []
    assert names(directory) == ["theirs.cnt", "young.cnt"]


def test_a_kill_between_the_removals_leaves_no_death(directory):
    seen = []
    spool = make(directory, failpoint=lambda name: seen.append(names(directory)) if name == "remove.half" else None)
    spool.close(clean=True)
    assert seen == [["s1.cnt"]], "the log goes first: alone, it would be adopted as an unclean end"


def test_both_kinds_say_the_same_about_themselves(directory):
    public = {name for name in vars(SpoolLike) if not name.startswith("_")} | set(SpoolLike.__annotations__)
    spool = make(directory)
    for kind in (spool, MemorySpool("m")): assert {name for name in public if not hasattr(kind, name)} == set()
    spool.close(clean=True)


def test_counts_add_up_over_many_slots(directory):
    spool = make(directory, slots=300)
    expected = Counter()
    slots = [spool.sight(b"%d" % number) for number in range(300)]
    for number in range(5000):
        spool.add(slots[number * 7 % 300], number, AT)
        expected[b"%d" % (number * 7 % 300)] += number
    die(spool)
    with adopt(directory) as orphan: assert counts(orphan.rest()) == expected
