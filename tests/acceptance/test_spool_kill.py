"""Real processes, really killed: what the spool promises about kill -9, fork, races between adopters, and full disks."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from incidentkit.engine.spool import Spool, orphans

AT = 1_700_000_000_000_000


class Store:
    """A file that outlives the processes that write it; (source, seq) that is not above the last one is a duplicate, as in a backend."""

    def __init__(self, path):
        self.path = path
        path.touch()

    def commit(self, source, seq, entries):
        line = json.dumps([source, seq, {payload.decode(): number for payload, number in entries.items()}]) + "\n"
        with self.path.open("r+b") as file:
            for stored in map(json.loads, file):
                if stored[:2] == [source, seq]: assert json.loads(line) == stored, "a unit that is sent again must be the same"
                if stored[0] == source and seq <= stored[1]: return
            file.write(line.encode())

    def totals(self):
        total = Counter()
        for line in self.path.read_text().splitlines(): total.update(json.loads(line)[2])
        return total


class Killer:
    """Kills this process, really, at the n-th point it comes to; with -1 it only writes down the points."""

    def __init__(self, at, seen=None):
        self.at = at
        self.seen = [] if seen is None else seen

    def __call__(self, name):
        self.seen.append(name)
        if len(self.seen) - 1 == self.at: os.kill(os.getpid(), signal.SIGKILL)


def in_child(act):
    """Run *act* in a forked child; return its wait status. The child never returns into pytest."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            act()
            status = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def was_killed(status):
    assert status == 0 or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL), status
    return status != 0


def live(root, failpoint, told):
    """A life with everything in it; what it has counted goes to *told* right after, and no point lies between."""
    store = Store(root / "store")
    spool = Spool.create(root / "spool", "owner", slots=8, failpoint=failpoint)
    slots = {}
    totals = Counter()

    def add(name, n):
        if name not in slots: slots[name] = spool.sight(name.encode())
        spool.add(slots[name], n, AT)
        os.write(told, f"{name} {n}\n".encode())
        totals[name] += n

    def flush(seq, *names):
        entries = {name.encode(): totals[name] - taken[name] for name in names}
        spool.flush(seq, {slots[name]: totals[name] for name in names})
        taken.update({name: totals[name] - taken[name] for name in names})
        return entries

    def send(seq, entries):
        failpoint("send.before")
        store.commit("owner", seq, entries)
        failpoint("send.after")

    taken = Counter()
    add("a", 3); add("b", 1); add("c", 5)
    first = flush(1, "a", "b")
    add("a", 10)
    send(1, first); spool.acked(1)
    assert spool.compact(live=[slots["a"]])  # forgets b
    add("d", 2)  # in b's slot
    second = flush(2, "a", "d")
    assert spool.compact(live=[slots["a"], slots["d"]])  # with a unit on its way
    add("d", 4); add("c", 1)
    send(2, second); spool.acked(2)
    third = flush(5, "c", "d")
    send(5, third)
    spool.acked(5)
    assert spool.compact()
    add("e", 7)
    send(6, flush(6, "e")); spool.acked(6)
    spool.close(clean=True)


def drain(root, failpoint=lambda _: None):
    """Adopt what there is, one slot to a unit, so that an adopter has many points to die at."""
    store = Store(root / "store")
    for orphan in orphans(root / "spool", own="adopter", failpoint=failpoint):
        for unit in orphan.pending():
            store.commit(orphan.source, unit.seq, {entry.payload: entry.count for entry in unit.entries})
            failpoint("send.after")
            orphan.acked(unit.seq)
        for entry in orphan.rest():
            seq = orphan.last_seq + 1
            orphan.flush(seq, {entry.slot: entry.upto})
            failpoint("send.before")
            store.commit(orphan.source, seq, {entry.payload: entry.count})
            orphan.acked(seq)
        orphan.remove()


def life_killed_at(root, point):
    """Return what a life counted until it was killed at its *point*-th point, and whether it was."""
    root.mkdir()
    read, write = os.pipe()
    status = in_child(lambda: live(root, Killer(point), write))
    os.close(write)
    with os.fdopen(read, "rb") as told: lines = told.read().decode().splitlines()
    counted = Counter()
    for line in lines: counted[line.split()[0]] += int(line.split()[1])
    return counted, was_killed(status)


def points_of_a_life(root):
    root.mkdir()
    seen = []
    read, write = os.pipe()
    live(root, Killer(-1, seen), write)
    os.close(read); os.close(write)
    return seen


def test_counts_are_exact_wherever_the_owner_and_then_its_adopter_are_killed(tmp_path):
    """Each point of the owner's life, and for each of them each point of the adoption: a second adopter must come to what was added."""
    points = points_of_a_life(tmp_path / "whole")
    assert {"flush.before", "record.written", "ack.before", "compact.written", "compact.renamed", "close.marked"} <= set(points)
    adopters = 0
    for point in range(len(points)):
        step = 0
        while True:
            root = tmp_path / f"{point}-{step}"
            counted, killed = life_killed_at(root, point)
            assert killed
            is_more = was_killed(in_child(lambda root=root, step=step: drain(root, Killer(step))))
            drain(root)
            assert Store(root / "store").totals() == counted, (points[point], step)
            assert not list((root / "spool").glob("*.log"))
            if not is_more: break
            adopters += 1
            step += 1
    assert adopters > len(points)


def test_a_killed_process_keeps_every_single_count(tmp_path):
    """12,345 is the number that the design was measured with (storage.md 5)."""
    program = """
import os, signal, sys
from pathlib import Path
from incidentkit.engine.spool import Spool
spool = Spool.create(Path(sys.argv[1]), "victim")
slots = [spool.sight(b"one"), spool.sight(b"two")]
for number in range(12_345): spool.add(slots[number % 5 == 0], 1, number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path / "spool")], capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    (orphan,) = orphans(tmp_path / "spool", own="me")
    with orphan:
        found = {entry.payload: (entry.count, entry.last_at_us) for entry in orphan.rest()}
        assert found == {b"one": (9876, 12_344), b"two": (2469, 12_340)}
        assert not orphan.clean


def test_a_process_killed_at_a_moment_of_nobodys_choice_loses_at_most_what_was_not_yet_told(tmp_path):
    """No failpoints: the parent reads a number of tellings and kills, wherever the child is by then, in the midst of any instruction."""
    for attempt in range(30):
        root = tmp_path / str(attempt)
        root.mkdir()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            endless(root, write)
        os.close(write)
        told = b""
        while told.count(b"\n") < 1 + attempt * 37: told += os.read(read, 4096)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while more := os.read(read, 65_536): told += more
        os.close(read)
        before = Counter(told.decode().split("\n")[:-1])
        drain(root)
        after = Store(root / "store").totals()
        assert before - after == Counter(), "told, so it must be there"
        assert (after - before).total() <= 1, "only the one that was counted and not told yet may be more"


def endless(root, write):
    """Report, tell, and flush, for ever; one telling (a pipe write) after each count."""
    try:
        store = Store(root / "store")
        spool = Spool.create(root / "spool", "owner", slots=8)
        slots, totals, taken, seq = {}, Counter(), Counter(), 0
        for turn in range(10**9):
            name = f"p{turn * 7 % 40 // 8}-{turn // 40}"
            if name not in slots: slots[name] = spool.sight(name.encode())
            spool.add(slots[name], 1, AT); totals[name] += 1
            os.write(write, f"{name}\n".encode())
            if turn % 10 == 9:
                seq += 1
                spool.flush(seq, {slot: totals[name] for name, slot in slots.items()})
                store.commit("owner", seq, {name.encode(): totals[name] - taken[name] for name in slots})
                spool.acked(seq)
                taken = Counter(totals)
            if turn % 20 == 19:
                spool.compact()
                slots = {}
                totals, taken = Counter(), Counter()
    finally:
        os._exit(1)


def test_a_child_that_lets_go_frees_nothing_and_leaves_no_trace(tmp_path):
    spool = Spool.create(tmp_path, "parent")
    slot = spool.sight(b"x"); spool.add(slot, 1, AT)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def child():
        spool.abandon_in_child()
        spool.add(slot, 100, AT)
        assert spool.sight(b"y") is None
        spool.close(clean=True)
        assert list(orphans(tmp_path, own="child")) == []

    assert in_child(child) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert list(orphans(tmp_path, own="other")) == []
    spool.add(slot, 1, AT)
    spool.abandon_in_child()
    (orphan,) = orphans(tmp_path, own="other")
    with orphan: assert [entry.count for entry in orphan.rest()] == [2]


@pytest.mark.parametrize("act", ["sight", "flush", "acked", "compact", "close"])
def test_a_child_that_forgot_to_let_go_does_no_harm(tmp_path, act):
    """uWSGI skips the fork hooks; and `atexit` of a forked child would end the parent's spool as its own."""
    spool = Spool.create(tmp_path, "parent")
    slot = spool.sight(b"x"); spool.add(slot, 1, AT); spool.flush(1, {slot: 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    acts = {"sight": lambda: spool.sight(b"y"), "flush": lambda: spool.flush(2, {slot: 1}), "acked": lambda: spool.acked(1),
            "compact": spool.compact, "close": lambda: spool.close(clean=True)}
    assert in_child(acts[act]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert list(orphans(tmp_path, own="other")) == [], "the parent's lock is as it was"
    spool.close(clean=False)


def test_an_orphan_inherited_by_fork_is_not_the_childs(tmp_path):
    Spool.create(tmp_path, "dead").abandon_in_child()
    (orphan,) = orphans(tmp_path, own="me")

    def child():
        orphan.remove()
        assert not orphan.flush(1, {})

    assert in_child(child) == 0
    assert (tmp_path / "dead.log").exists()
    assert list(orphans(tmp_path, own="other")) == []
    orphan.remove()
    assert list(tmp_path.iterdir()) == []


def holding(inherited, go, done):
    """A child that keeps what it inherited until it is told to end."""
    os.write(done, b"x")
    os.read(go, 1)
    assert inherited


def test_a_child_that_keeps_the_descriptor_does_not_keep_a_lock_that_its_parent_gave_back(tmp_path):
    spool = Spool.create(tmp_path, "parent")
    spool.sight(b"x")
    go, end = os.pipe()
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try: holding(spool, go, done)
        finally: os._exit(0)
    os.read(ready, 1)
    spool.close(clean=True)
    (orphan,) = orphans(tmp_path, own="other")
    orphan.close()
    os.write(end, b"x")
    os.waitpid(pid, 0)
    for fd in (go, end, ready, done): os.close(fd)


def test_of_adopters_that_race_one_wins(tmp_path):
    """Eight processes at once, thirty times; who has it says so while it has it, and removes it."""
    for attempt in range(30):
        directory = tmp_path / str(attempt)
        Spool.create(directory, "dead").abandon_in_child()
        start, go = os.pipe()
        result, won = os.pipe()

        def race(directory=directory, start=start, go=go, won=won):
            os.close(go)
            os.read(start, 1)  # ends when the parent closes its end: all at once
            for orphan in orphans(directory, own="me"):
                os.write(won, b"x")
                orphan.remove()

        racers = []
        for _ in range(8):
            pid = os.fork()
            if pid == 0:
                try: race()
                finally: os._exit(0)
            racers.append(pid)
        os.close(go); os.close(won)
        for pid in racers: assert os.waitpid(pid, 0)[1] == 0
        with os.fdopen(result, "rb") as winners: assert winners.read() == b"x"
        os.close(start)
        assert list(directory.iterdir()) == []


FULL = """
import os, resource, signal, sys
from pathlib import Path
from incidentkit.engine.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the kernel's other word for a full file; CPython ignores it as well
points = []
def failpoint(name):
    points.append(name)
    if name == "log.short" and sys.argv[2] == "killed": os.kill(os.getpid(), signal.SIGKILL)
spool = Spool.create(Path(sys.argv[1]), "victim", slots=64, failpoint=failpoint)
before = spool.sight(b"before"); spool.add(before, 1, 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (spool.size_bytes + 50, resource.RLIM_INFINITY))
assert spool.sight(bytes(200)) is None, "it does not fit"
assert "log.short" in points, "part of it was written"
assert (spool.refused, spool.is_exact) == (1, True) and spool.trouble, spool.trouble
small = spool.sight(b"small"); spool.add(small, 2, 0)
assert small is not None, "what was cut off has left its room"
assert spool.flush(1, {before: 1, small: 2}) is False
assert not spool.is_exact
spool.add(before, 4, 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert spool.acked(1) and spool.is_exact
after = spool.sight(bytes(200)); spool.add(after, 8, 0)
assert spool.flush(2, {after: 3})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["lives on", "killed"])
def test_a_full_disk_costs_only_what_did_not_fit(tmp_path, end):
    """RLIMIT_FSIZE makes the kernel write a part of a frame and refuse the rest, as a full disk does."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    ran = subprocess.run([sys.executable, "-c", FULL, str(tmp_path), end], capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    (orphan,) = orphans(tmp_path, own="me")
    with orphan:
        assert orphan.torn is (end == "killed")
        assert not orphan.corrupt
        rest = {entry.payload: entry.count for entry in orphan.rest()}
        if end == "killed": assert rest == {b"before": 1}
        else:
            assert rest == {b"before": 4, bytes(200): 5}
            assert [(unit.seq, [entry.count for entry in unit.entries]) for unit in orphan.pending()] == [(2, [3])]


def test_a_disk_too_full_for_a_spool_is_said_at_once_and_leaves_nothing(tmp_path):
    program = """
import os, resource, sys
from pathlib import Path
from incidentkit.engine.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try: Spool.create(Path(sys.argv[1]), "s")
except OSError: sys.exit(7)
"""
    for room in (0, 5, 100, 60_000):
        ran = subprocess.run([sys.executable, "-c", program, str(tmp_path), str(room)], capture_output=True, text=True, check=False)
        assert ran.returncode == 7, ran.stderr
        assert list(Path(tmp_path).iterdir()) == []
