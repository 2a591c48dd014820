"""Random calls to memory and to SQLite give equal answers: what is decided on one is decided on the other."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from incidentkit.backends import MemoryBackend, SqliteBackend
from incidentkit.model import (
    Alert,
    AlertStatus,
    AlertWrite,
    CellWrite,
    Conflict,
    CounterAdd,
    CounterRead,
    DeliveryRecord,
    Doc,
    DocWrite,
    Incident,
    IncidentQuery,
    IncidentWrite,
    Lookup,
    Noted,
    Outcome,
    Page,
    PageKind,
    PurgePolicy,
    Settle,
    SettleKind,
    Status,
    TimelineEntry,
    UnitOfWork,
    Wake,
    WakeReason,
    Work,
    WorkState,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
NS = "shop/test"

seconds = st.integers(0, 40)
instants = seconds.map(lambda number: START + timedelta(seconds=number))
versions = st.sampled_from([0, 0, 0, 1, 1, 2, 3])
tenants = st.sampled_from(["", "", "t"])
names = st.sampled_from(["a", "b", "c"])
needs = st.sampled_from(["", "x", "y"])
cans = st.sampled_from([None, frozenset(), frozenset({"x"}), frozenset({"x", "y"})])
owners = st.sampled_from(["i|a", "i|b", "a|f", "s|site"])
incidents = st.builds(
    lambda name, tenant, key, status, at, expect, service: IncidentWrite(expect=expect, incident=Incident(
        id=name, tenant=tenant, key=key, title=f"{name} at {at}", status=status, service=service,
        opened_at=START + timedelta(seconds=ord(name)), updated_at=at, first_seen_at=at, last_seen_at=at)),
    names, tenants, st.sampled_from(["k", "l"]), st.sampled_from([Status.TRIGGERED, Status.ACKNOWLEDGED, Status.RESOLVED]), instants,
    versions, st.sampled_from(["pay", "shop"]))
alerts = st.builds(
    lambda name, tenant, at, expect, pin: AlertWrite(expect=expect, alert=Alert(
        fingerprint=name, tenant=tenant, status=AlertStatus.FIRING, title=name, first_at=at, last_at=at, incident_id=pin)),
    names, tenants, instants, versions, st.none() | names)
events = st.builds(
    lambda name, tenant, seq, at: [TimelineEntry(incident_id=name, tenant=tenant, seq=seq + step, at=at, event=Noted(text="x"))
                                   for step in range(seq % 2 + 1)], names, tenants, st.integers(1, 4), instants)
counters = st.builds(CounterAdd, tenant=tenants, owner=owners, bucket=st.integers(0, 2), n=st.integers(1, 9), first_at=instants,
                     last_at=instants, incident_id=st.none() | names, fingerprint=names)
reads = st.builds(CounterRead, tenant=tenants, owner=owners, since=st.integers(0, 2))
bodies = st.sampled_from([Page(kind=PageKind.FIRST, notifier="n", target="#ops"), Wake(reason=WakeReason.STEP)])
work = st.builds(Work, id=st.sampled_from(["w1", "w2", "w3", "w4"]), tenant=tenants, incident_id=st.none() | names, body=bodies,
                 due_at=instants, needs=needs)
work_names = st.tuples(tenants, st.sampled_from(["w1", "w2", "w3", "w4"]))
settles = st.builds(
    lambda name, attempt, kind, at, is_failure: Settle(work_id=name[1], tenant=name[0], attempt=attempt, kind=kind, is_failure=is_failure,
                                                      retry_at=at, error="e"),
    work_names, st.sampled_from([1, 1, 1, 2, 2, 3]), st.sampled_from(SettleKind), st.none() | instants, st.booleans())
deliveries = st.builds(
    lambda name, incident, attempt, at, outcome: DeliveryRecord(work_id=f"{incident}{name[1]}", tenant=name[0], attempt=attempt,
                                                               incident_id=incident, notifier="n", at=at, outcome=outcome),
    work_names, names, st.integers(1, 2), instants, st.sampled_from(Outcome))
cells = st.builds(CellWrite, name=st.sampled_from(["p|1", "p|2", "q"]), value=st.none() | st.sampled_from(["1", "2"]),
                  expect=st.none() | versions, expires_at=st.none() | instants)


def unique(strategy, key, most=2):
    return st.lists(strategy, max_size=most, unique_by=key).map(tuple)


units = st.builds(
    lambda gate, runs, **parts: UnitOfWork(source=gate and gate[0], seq=gate and gate[1],
                                           events=tuple(entry for run in runs for entry in run), **parts),
    gate=st.none() | st.tuples(st.sampled_from(["s1", "s2"]), st.integers(1, 5)),
    runs=unique(events, lambda run: (run[0].tenant, run[0].incident_id), 1),
    incidents=unique(incidents, lambda write: (write.incident.tenant, write.incident.id), 3),
    alerts=unique(alerts, lambda write: (write.alert.tenant, write.alert.fingerprint)),
    counters=st.lists(counters, max_size=3).map(tuple),
    work=st.lists(work, max_size=3).map(tuple),
    cancel=st.lists(work_names, max_size=1).map(tuple),
    settle=st.lists(settles, max_size=1).map(tuple),
    deliveries=st.lists(deliveries, max_size=1).map(tuple),
    cells=unique(cells, lambda cell: cell.name),
    reads=unique(reads, lambda read: read.owner))
lookups = st.builds(
    Lookup, tenant=tenants, fingerprints=unique(names, None, 3), keys=st.sampled_from([(), ("k",), ("k", "l", "m")]),
    ids=unique(names, None, 3), numbers=st.sampled_from([(), (1,), (1, 2, 3)]), counters=unique(reads, lambda read: read.owner),
    cells=st.sampled_from([(), ("q",)]), cell_prefixes=st.sampled_from([(), ("p|",), ("",)]))
queries = st.builds(IncidentQuery, tenant=st.none() | tenants, service=st.none() | st.sampled_from(["pay", "shop"]),
                    since=st.none() | instants, number=st.none() | st.integers(1, 3), statuses=st.none() | st.frozensets(st.sampled_from(Status)))


def comparable(reply):
    """Return what must be equal of a reply: all of it, but for the words of a conflict."""
    if isinstance(reply, Conflict):
        return attrs.evolve(reply, what="", stale=tuple(sorted(reply.stale)))
    return reply


class Backends(RuleBasedStateMachine):
    """The same calls to both, at the same instants."""

    @initialize()
    def open(self):
        shm = Path("/dev/shm")  # a disk that syncs at once: the state machine is about answers, not about durability
        self.directory = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
        self.backends = (MemoryBackend(), SqliteBackend(self.directory / "x.db", journal="truncate"))
        for backend in self.backends:
            backend.open()

    def teardown(self):
        for backend in self.backends:
            backend.close()
        shutil.rmtree(self.directory)

    def both(self, call):
        first, second = (comparable(call(backend)) for backend in self.backends)
        assert first == second
        return first

    @rule(unit=units, now=instants)
    def commit(self, unit, now):
        self.both(lambda backend: backend.commit(NS, unit, now=now))

    @rule(write=incidents, now=instants)
    def write_one_incident(self, write, now):
        """Alone it is applied more often than in company."""
        self.both(lambda backend: backend.commit(NS, UnitOfWork(incidents=(write,)), now=now))

    @rule(rows=st.lists(work, min_size=1, max_size=3).map(tuple))
    def insert_work(self, rows):
        self.both(lambda backend: backend.commit(NS, UnitOfWork(work=rows), now=START))

    @rule(settle=settles, now=instants)
    def settle_one(self, settle, now):
        self.both(lambda backend: backend.commit(NS, UnitOfWork(settle=(settle,)), now=now))

    @rule(lookup=lookups, now=instants)
    def load(self, lookup, now):
        self.both(lambda backend: backend.load(NS, lookup, now=now))

    @rule(can=cans, limit=st.integers(0, 4), lease=st.integers(1, 20), now=instants)
    def claim(self, can, limit, lease, now):
        self.both(lambda backend: backend.claim(NS, owner="me", can=can, limit=limit, lease=timedelta(seconds=lease), now=now))

    @rule(held=st.lists(st.tuples(work_names, st.integers(1, 3)), max_size=3), lease=st.integers(1, 20), now=instants)
    def extend(self, held, lease, now):
        claims = [(*name, attempt) for name, attempt in held]
        self.both(lambda backend: backend.extend(NS, claims, timedelta(seconds=lease), now=now))

    @rule(name=names, owner=names, ttl=st.integers(1, 20), token=st.none() | st.integers(1, 3), release=st.booleans(), now=instants)
    def lease(self, name, owner, ttl, token, release, now):
        self.both(lambda backend: backend.lease(NS, name, owner, timedelta(seconds=ttl), token=token, release=release, now=now))

    @rule(query=queries, limit=st.integers(1, 3))
    def query(self, query, limit):
        page = self.both(lambda backend: backend.query(NS, query, limit=limit))
        if page.cursor is not None:
            self.both(lambda backend: backend.query(NS, query, cursor=page.cursor, limit=limit))

    @rule(name=names, tenant=tenants, after=st.integers(0, 3), limit=st.integers(1, 3))
    def read_history(self, name, tenant, after, limit):
        self.both(lambda backend: backend.history(NS, name, tenant=tenant, after_seq=after, limit=limit))
        self.both(lambda backend: backend.deliveries(NS, name, tenant=tenant, limit=limit))

    @rule(states=st.frozensets(st.sampled_from(WorkState)), tenant=st.none() | tenants, incident=st.none() | names, limit=st.integers(1, 9))
    def list_work(self, states, tenant, incident, limit):
        self.both(lambda backend: backend.work(NS, states=states, tenant=tenant, incident_id=incident, limit=limit))

    @rule(can=cans)
    def next_due(self, can):
        self.both(lambda backend: backend.next_due(NS, can=can))

    @rule(name=names, expect=versions, is_deleted=st.booleans(), since=st.integers(0, 4), now=instants)
    def documents(self, name, expect, is_deleted, since, now):
        write = DocWrite(expect=expect, doc=Doc(kind="silence", id=name, is_deleted=is_deleted, starts_at=now))
        self.both(lambda backend: backend.put_docs(NS, (write,), now=now))
        self.both(lambda backend: backend.docs(NS, since=since))

    @rule(age=st.integers(5, 60), now=st.integers(0, 3).map(lambda days: START + timedelta(days=days)))
    def purge(self, age, now):
        old = timedelta(seconds=age)
        policy = PurgePolicy(incidents=old, alerts=old, work=old, counters=old, sources=old)
        self.both(lambda backend: backend.purge(NS, policy, limit=10_000, now=now))


Backends.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
test_memory_and_sqlite_answer_alike = Backends.TestCase
