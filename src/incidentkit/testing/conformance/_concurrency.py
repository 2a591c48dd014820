"""Cases: several handles at once, each in a thread of its own, and a fork. Races between processes belong to the tests of a backend."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from typing import Final

from incidentkit.errors import BackendError
from incidentkit.model import Committed, CounterRead, Lookup, UnitOfWork
from incidentkit.ports import Backend
from incidentkit.testing.conformance.kit import Kit, SkipCase, equal, holds

_ROUNDS: Final = 20
#: A case that hangs must end: far above what the rounds need on the slowest disk.
_PATIENCE: Final = 120.0


def _together(kit: Kit, *acts: Callable[[Backend], None]) -> None:
    """Run each act in a thread with a handle of its own; raise the first error."""
    errors: list[BaseException] = []

    def run(act: Callable[[Backend], None]) -> None:
        try:
            backend = kit.handle()
            act(backend)
        except BaseException as error:  # noqa: BLE001  it is raised below, on the case's thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE)
        holds(not thread.is_alive(), "a thread is stuck: a deadlock between handles")
    for error in errors:
        raise error


def no_deadlock_mixed_key_order(kit: Kit) -> None:
    """Handles that touch the same keys in opposite orders all get through, and no add is lost."""
    owners = [f"a|{number}" for number in range(5)]

    def adder(order: list[str]) -> Callable[[Backend], None]:
        def add(backend: Backend) -> None:
            for _ in range(_ROUNDS):
                reply = backend.commit(kit.ns, UnitOfWork(counters=tuple(kit.add(owner) for owner in order)), now=kit.at())
                holds(isinstance(reply, Committed), f"an add must always apply, found {reply!r}")
        return add

    _together(kit, adder(owners), adder(owners[::-1]))
    found = kit.load(counters=tuple(CounterRead(owner=owner) for owner in owners)).counters
    equal([found[owner][0].n for owner in owners], [2 * _ROUNDS] * 5, "counts")


def reader_sees_whole_units_only(kit: Kit) -> None:
    """A snapshot shows all of a unit or nothing of it: the incident, its events and its count agree in every read."""
    kit.applied(incidents=(kit.new("i", event_seq=1),), events=(kit.event("i", 1),), counters=(kit.add("i|i"),))

    def write(backend: Backend) -> None:
        for seq in range(2, _ROUNDS + 2):
            writes = (kit.change("i", through=backend, title=str(seq)),)
            unit = UnitOfWork(incidents=writes, events=(kit.event("i", seq),), counters=(kit.add("i|i"),))
            holds(isinstance(backend.commit(kit.ns, unit, now=kit.at()), Committed), "a lone writer must not conflict")

    def read(backend: Backend) -> None:
        for _ in range(_ROUNDS * 3):
            found = backend.load(kit.ns, Lookup(ids=("i",)), now=kit.at()).incidents["i"]
            equal((found.event_seq, found.occurrences), (found.version,) * 2, "events and count at one version")

    _together(kit, write, read)


def one_winner_for_a_key(kit: Kit) -> None:
    """Of several handles that open the same key at once exactly one wins."""
    won: list[str] = []

    def opener(identifier: str) -> Callable[[Backend], None]:
        def take(backend: Backend) -> None:
            if isinstance(backend.commit(kit.ns, UnitOfWork(incidents=(kit.new(identifier, key="k"),)), now=kit.at()), Committed):
                won.append(identifier)
        return take

    _together(kit, *(opener(name) for name in "abcd"))
    equal(len(won), 1, "winners")
    equal(kit.load(keys=("k",)).by_key, {"k": won[0]}, "the open incident")


def claims_are_disjoint(kit: Kit) -> None:
    """Of several claimers no two get the same row within a lease."""
    kit.applied(work=tuple(kit.work(f"w{number:02}") for number in range(40)))
    claimed: list[str] = []

    def take(backend: Backend) -> None:
        for _ in range(5):
            claimed.extend(claim.work.id for claim in kit.claim(limit=4, lease=600, through=backend))

    _together(kit, take, take, take)
    equal(sorted(claimed), [f"w{number:02}" for number in range(40)], "claimed rows")


def another_thread_is_refused(kit: Kit) -> None:
    """A handle that one thread opened is refused to another, which may close it and open it for itself."""
    found: list[object] = []

    def use() -> None:
        try:
            kit.load()
        except BackendError as error:
            found.append(error)
        kit.backend.close()
        kit.backend.open()
        found.append(kit.applied(incidents=(kit.new("i"),)).numbers)
        kit.backend.close()

    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    holds(len(found) == 2 and isinstance(found[0], BackendError), f"the call of another thread must be a BackendError, found {found!r}")
    kit.backend.open()
    equal(kit.stored("i").number, 1, "what the other thread wrote")


def fork_child_cannot_use_parent_handle(kit: Kit) -> None:
    """In a forked child an inherited handle raises, also after the child closed it, and the parent goes on unharmed."""
    if not hasattr(os, "fork"):
        raise SkipCase("no fork here")
    kit.applied(incidents=(kit.new("i"),))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads of the host; the child only makes two calls
        child = os.fork()
    if child == 0:
        answers = []
        for _ in range(2):
            try:
                kit.applied(incidents=(kit.new("j"),))
            except BackendError:
                answers.append(True)
            except BaseException:  # noqa: BLE001  whatever it was, the child must end here
                os._exit(2)
            kit.backend.close()
        os._exit(0 if answers == [True, True] else 1)
    _, status = os.waitpid(child, 0)
    equal(os.waitstatus_to_exitcode(status), 0, "exit code of the child (1: it could use the handle)")
    kit.applied(incidents=(kit.change("i", title="after the fork"),))
    equal((kit.stored("i").title, kit.get("j")), ("after the fork", None), "what the parent sees")
