"""Copies of the memory backend, each with one fault, and the case that must find it."""

import attrs

from incidentkit.backends import MemoryBackend, MemoryStore
from incidentkit.backends.instant import instant, microseconds
from incidentkit.model import Committed, Conflict, CounterAdd, Duplicate, Listing, Settle, SettleKind, Status, WorkState

FAULTS = {}


def found_by(case):
    """Say which case must fail for the class below."""
    def note(kind):
        FAULTS[kind] = case
        return kind
    return note


class Broken(MemoryBackend):
    """A copy whose commits can be bent before and after."""

    def commit(self, ns, unit, *, now=None):
        reply = super().commit(ns, self.before(self.store.space(ns), unit), now=now)
        self.after(self.store.space(ns), unit, reply)
        return self.answer(unit, reply)

    def before(self, space, unit):
        return unit

    def after(self, space, unit, reply):
        pass

    def answer(self, unit, reply):
        return reply


@found_by("cas_stale_version_rejected")
class IgnoresVersions(Broken):
    def before(self, space, unit):
        def version(write):
            row = space.incidents.get((write.incident.tenant, write.incident.id))
            return attrs.evolve(write, expect=row.version) if row is not None and write.expect else write
        return attrs.evolve(unit, incidents=tuple(map(version, unit.incidents)))


@found_by("conflict_leaves_nothing_behind")
class LeaksCountersOnConflict(Broken):
    def after(self, space, unit, reply):
        if isinstance(reply, Conflict):
            for add in unit.counters:
                space.counters.setdefault((add.tenant, add.owner), {})[add.bucket] = (add.n, add.first_at, add.last_at)


@found_by("event_wrong_seq_rejected")
class LeaksEventsOnConflict(Broken):
    def after(self, space, unit, reply):
        if isinstance(reply, Conflict):
            for entry in unit.events:
                if (row := space.incidents.get((entry.tenant, entry.incident_id))) is not None:
                    row.events.append(entry)


@found_by("multi_write_all_or_nothing")
class AppliesUpToTheConflict(Broken):
    def after(self, space, unit, reply):
        if isinstance(reply, Conflict) and len(unit.incidents) > 1:
            MemoryBackend.commit(self, "shop/test", attrs.evolve(unit, incidents=unit.incidents[:1]))


@found_by("duplicate_source_seq_is_noop")
class ForgetsTheGate(Broken):
    def before(self, space, unit):
        return attrs.evolve(unit, source=None, seq=None)


@found_by("lower_seq_is_duplicate")
class KnowsOnlyTheLastSeq(Broken):
    def before(self, space, unit):
        if unit.source in space.sources and unit.seq < space.sources[unit.source][0]:
            del space.sources[unit.source]
        return unit


@found_by("source_seq_independent_between_sources")
class HasOneGateForAll(Broken):
    def before(self, space, unit):
        return attrs.evolve(unit, source="all") if unit.source else unit


@found_by("conflict_does_not_consume_the_seq")
class ConsumesTheSeqOnConflict(Broken):
    def after(self, space, unit, reply):
        if isinstance(reply, Conflict) and unit.source:
            space.sources[unit.source] = (unit.seq, reply.store_now)


@found_by("numbers_are_unique_per_tenant")
class GivesEqualNumbers(Broken):
    def before(self, space, unit):
        space.last_number.clear()
        return unit


@found_by("numbers_are_unique_per_tenant")
class NumbersAllTenantsTogether(Broken):
    def before(self, space, unit):
        highest = max(space.last_number.values(), default=0)
        space.last_number.update({write.incident.tenant: highest for write in unit.incidents})
        return unit


@found_by("a_number_is_for_ever")
class RenumbersOnChange(Broken):
    def after(self, space, unit, reply):
        if isinstance(reply, Committed):
            for write in unit.incidents:
                if write.expect:
                    space.incidents[write.incident.tenant, write.incident.id].number = write.incident.number


@found_by("counter_adds_commute")
class CountsCallsNotOccurrences(Broken):
    def before(self, space, unit):
        return attrs.evolve(unit, counters=tuple(attrs.evolve(add, n=1) for add in unit.counters))


@found_by("counter_first_last_min_max")
class OverwritesLastSeen(Broken):
    def after(self, space, unit, reply):
        for add in unit.counters if isinstance(reply, Committed) else ():
            n, first, _ = space.counters[add.tenant, add.owner][add.bucket]
            space.counters[add.tenant, add.owner][add.bucket] = (n, first, add.last_at)


@found_by("counter_over_2_53")
class CountsInFloats(Broken):
    def after(self, space, unit, reply):
        for rows in space.counters.values():
            rows.update({bucket: (int(float(n)), first, last) for bucket, (n, first, last) in rows.items()})


@found_by("reads_are_after_the_adds")
class ReadsBeforeTheAdds(Broken):
    def before(self, space, unit):
        self.seen = {read.owner: space.buckets(read.tenant, read.owner, read.since) for read in unit.reads}
        return unit

    def answer(self, unit, reply):
        return attrs.evolve(reply, counters=self.seen) if isinstance(reply, Committed) else reply


@found_by("counter_on_closed_incident_kept_and_reported")
class KeepsQuietAboutClosedIncidents(Broken):
    def answer(self, unit, reply):
        return attrs.evolve(reply, not_open=()) if isinstance(reply, Committed) else reply


@found_by("not_open_is_judged_after_the_unit")
class JudgesOpennessBeforeTheUnit(Broken):
    def before(self, space, unit):
        is_open = {key[1] for key, row in space.incidents.items() if row.incident.is_open}
        self.seen = tuple(add.fingerprint for add in unit.counters if add.incident_id is not None and add.incident_id not in is_open)
        return unit

    def answer(self, unit, reply):
        return attrs.evolve(reply, not_open=self.seen) if isinstance(reply, Committed) else reply


@found_by("counter_on_closed_incident_kept_and_reported")
class DropsCountersOfClosedIncidents(Broken):
    def before(self, space, unit):
        def is_kept(add: CounterAdd) -> bool:
            row = space.incidents.get((add.tenant, add.incident_id or ""))
            return row is None or row.incident.is_open
        return attrs.evolve(unit, counters=tuple(filter(is_kept, unit.counters)))


@found_by("occurrences_are_joined_into_the_incident")
class ForgetsToJoinCounts(Broken):
    def load(self, ns, lookup, *, now=None):
        loaded = super().load(ns, lookup, now=now)
        incidents = {key: attrs.evolve(value, occurrences=0) for key, value in loaded.incidents.items()}
        return attrs.evolve(loaded, incidents=incidents)


@found_by("claim_hides_until_lease_end")
class ClaimIgnoresTheLease(Broken):
    def claim(self, ns, **asked):
        claims = super().claim(ns, **asked)
        for claim in claims:
            space, key = self.store.space(ns), (claim.work.tenant, claim.work.id)
            space.work[key] = attrs.evolve(space.work[key], due_at=claim.work.due_at)
            space.becomes_due(space.work[key])
        return claims


@found_by("claim_respects_needs")
class ClaimIgnoresNeeds(Broken):
    def claim(self, ns, *, can, **asked):
        return super().claim(ns, can=None, **asked)


@found_by("unclaimable_work_does_not_hide_the_rest")
class LimitsBeforeItLooksAtNeeds(Broken):
    def claim(self, ns, *, can, limit, **asked):
        due = self.work(ns, states=frozenset({WorkState.OPEN}), limit=limit)
        able = [work for work in due if can is None or not work.needs or work.needs in can]
        return super().claim(ns, can=can, limit=len(able), **asked)


@found_by("claim_due_only")
class ClaimsAMomentLate(Broken):
    def claim(self, ns, *, now=None, **asked):
        return super().claim(ns, now=now and instant(microseconds(now) - 1), **asked)


@found_by("claim_due_only")
class ClaimsAMomentEarly(Broken):
    def claim(self, ns, *, now=None, **asked):
        return super().claim(ns, now=now and instant(microseconds(now) + 1), **asked)


@found_by("claim_orders_by_due")
class ClaimsTheYoungestFirst(Broken):
    def claim(self, ns, *, limit, **asked):
        return super().claim(ns, limit=limit, **asked)[::-1]


@found_by("exhausted_after_five_crashes_and_again")
class FlagsOneCrashEarly(Broken):
    def claim(self, ns, **asked):
        return [attrs.evolve(claim, is_exhausted=claim.work.crashes >= 5) for claim in super().claim(ns, **asked)]


@found_by("any_settle_resets_crashes")
class CountsAttemptsAsCrashes(Broken):
    def claim(self, ns, **asked):
        return [attrs.evolve(claim, is_exhausted=claim.work.attempt > 5) for claim in super().claim(ns, **asked)]


@found_by("settle_stale_attempt_is_refused")
class SettleIgnoresTheAttempt(Broken):
    def before(self, space, unit):
        def current(settle: Settle) -> Settle:
            row = space.work.get((settle.tenant, settle.work_id))
            return settle if row is None else attrs.evolve(settle, attempt=row.attempt)
        return attrs.evolve(unit, settle=tuple(map(current, unit.settle)))


@found_by("settle_twice_second_is_stale")
class SettlesTwice(Broken):
    def before(self, space, unit):
        space.holders.update({(settle.tenant, settle.work_id): "again" for settle in unit.settle
                              if (settle.tenant, settle.work_id) in space.work})
        return unit


@found_by("stale_settle_fails_whole_unit")
class AppliesTheRestOfAStaleUnit(Broken):
    def commit(self, ns, unit, *, now=None):
        reply = MemoryBackend.commit(self, ns, unit, now=now)
        if isinstance(reply, Conflict) and reply.stale:
            MemoryBackend.commit(self, ns, attrs.evolve(unit, settle=()), now=now)
        return reply


@found_by("stale_settle_fails_whole_unit")
class NamesOnlyTheFirstStale(Broken):
    def answer(self, unit, reply):
        return attrs.evolve(reply, stale=reply.stale[:1]) if isinstance(reply, Conflict) else reply


@found_by("settle_retry_of_a_withheld_row_is_no_failure")
class CountsEveryRetry(Broken):
    def before(self, space, unit):
        return attrs.evolve(unit, settle=tuple(attrs.evolve(settle, is_failure=settle.kind is SettleKind.RETRY) for settle in unit.settle))


@found_by("cancel_of_leased_work_lets_the_holder_settle_once")
class CancelKillsTheHolder(Broken):
    def after(self, space, unit, reply):
        for key in unit.cancel:
            space.holders.pop(key, None)


@found_by("retry_of_a_cancelled_row_stays_cancelled")
class RetryRevivesTheCancelled(Broken):
    def after(self, space, unit, reply):
        for settle in unit.settle if isinstance(reply, Committed) else ():
            key = (settle.tenant, settle.work_id)
            if settle.kind is SettleKind.RETRY and space.work[key].state is WorkState.CANCELLED:
                space.work[key] = attrs.evolve(space.work[key], state=WorkState.OPEN, due_at=settle.retry_at)
                space.becomes_due(space.work[key])


@found_by("cancel_pending_work")
class CancelsTheDone(Broken):
    def after(self, space, unit, reply):
        space.work.update({key: attrs.evolve(space.work[key], state=WorkState.CANCELLED) for key in unit.cancel if key in space.work})


@found_by("work_is_one_row_a_key")
class InsertsDoneWorkAgain(Broken):
    def before(self, space, unit):
        for work in unit.work:
            if (row := space.work.get((work.tenant, work.id))) is not None and row.state is WorkState.DONE:
                del space.work[work.tenant, work.id]
        return unit


@found_by("extend_returns_only_held")
class ExtendsForAnybody(Broken):
    def extend(self, ns, claims, lease, *, now=None):
        work = self.store.space(ns).work
        current = [(tenant, name, work[tenant, name].attempt) for tenant, name, _ in claims if (tenant, name) in work]
        return super().extend(ns, current, lease, now=now)


@found_by("next_due_is_the_first_claimable")
class NextDueIgnoresNeeds(Broken):
    def next_due(self, ns, *, can):
        return super().next_due(ns, can=None)


@found_by("cells_expire")
class CellsNeverExpire(Broken):
    def before(self, space, unit):
        return attrs.evolve(unit, cells=tuple(attrs.evolve(cell, expires_at=None) for cell in unit.cells))


@found_by("a_successor_is_not_the_cell_that_expired")
class CellVersionsRestart(Broken):
    def commit(self, ns, unit, *, now=None):
        cells = self.store.space(ns).cells
        for name, (value, _, expires_at) in list(cells.items()):
            if value is None or (expires_at is not None and expires_at <= now):
                del cells[name]
        return MemoryBackend.commit(self, ns, unit, now=now)


@found_by("cells_compare_and_set")
class CellsIgnoreVersions(Broken):
    def before(self, space, unit):
        return attrs.evolve(unit, cells=tuple(attrs.evolve(cell, expect=None) for cell in unit.cells))


@found_by("load_follows_pins")
class ForgetsPinnedIncidents(Broken):
    def load(self, ns, lookup, *, now=None):
        loaded = super().load(ns, lookup, now=now)
        asked = {*lookup.ids, *loaded.by_key.values()}
        kept = {key: value for key, value in loaded.incidents.items() if key in asked or value.number in lookup.numbers}
        return attrs.evolve(loaded, incidents=kept)


@found_by("load_by_key_prefers_the_open_one")
class TakesTheNewestOfAKey(Broken):
    def load(self, ns, lookup, *, now=None):
        space = self.store.space(ns)
        open_keys, space.open_keys = space.open_keys, {}
        try:
            return super().load(ns, lookup, now=now)
        finally:
            space.open_keys = open_keys


@found_by("namespace_isolation")
class HasOneNamespace(Broken):
    def commit(self, ns, unit, *, now=None):
        return MemoryBackend.commit(self, "one", unit, now=now)

    def load(self, ns, lookup, *, now=None):
        return super().load("one", lookup, now=now)

    def claim(self, ns, **asked):
        return super().claim("one", **asked)


@found_by("tenants_do_not_share_keys_or_ids")
class IgnoresTheTenantOfALookup(Broken):
    def load(self, ns, lookup, *, now=None):
        loaded = super().load(ns, lookup, now=now)
        space = self.store.space(ns)
        others = {key[1]: space.incident(key) for key in space.incidents if key[1] in lookup.ids}
        return attrs.evolve(loaded, incidents={**others, **loaded.incidents})


@found_by("history_cursor_stable_under_append")
class RepeatsTheLastEvent(Broken):
    def history(self, ns, incident_id, *, after_seq=0, **more):
        return super().history(ns, incident_id, after_seq=max(after_seq - 1, 0), **more)


@found_by("history_limit_and_end")
class AlwaysHasACursor(Broken):
    def history(self, ns, incident_id, **more):
        listing = super().history(ns, incident_id, **more)
        return attrs.evolve(listing, cursor=str(listing.items[-1].seq) if listing.items else None)


@found_by("query_cursor_no_skip_no_repeat_under_updates")
class PagesByOffset(Broken):
    def query(self, ns, query, *, cursor=None, limit=50):
        everything = super().query(ns, query, limit=10_000).items
        start = int(cursor or 0)
        return Listing(items=everything[start:start + limit], cursor=str(start + limit) if len(everything) > start + limit else None)


@found_by("query_filters_compose")
class SinceExcludesItsInstant(Broken):
    def query(self, ns, query, **more):
        listing = super().query(ns, query, **more)
        return attrs.evolve(listing, items=tuple(item for item in listing.items if query.since is None or item.updated_at > query.since))


@found_by("purge_keeps_open_and_young")
class PurgesOpenIncidents(Broken):
    def purge(self, ns, policy, *, limit=1_000, now=None):
        space = self.store.space(ns)
        for key in [key for key, row in space.incidents.items() if row.incident.updated_at < now - policy.incidents]:
            if row_is_open(space, key):
                space.forget_incident(key)
        return super().purge(ns, policy, limit=limit, now=now)


def row_is_open(space, key):
    return space.incidents[key].incident.status is not Status.RESOLVED


@found_by("purge_bounded_and_resumable")
class PurgesEverythingAtOnce(Broken):
    def purge(self, ns, policy, *, limit=1_000, now=None):
        return super().purge(ns, policy, limit=10**9, now=now)


@found_by("purge_keeps_dedup_window")
class PurgesTheDedupWindow(Broken):
    def purge(self, ns, policy, *, limit=1_000, now=None):
        return super().purge(ns, attrs.evolve(policy, work=policy.work * 0), limit=limit, now=now)


@found_by("purge_keeps_recent_sources")
class PurgesRecentSources(Broken):
    def purge(self, ns, policy, *, limit=1_000, now=None):
        return super().purge(ns, attrs.evolve(policy, sources=policy.sources * 0), limit=limit, now=now)


@found_by("lease_token_grows_per_term")
class LeaseTokensStay(Broken):
    def lease(self, ns, name, owner, ttl, **more):
        lease = super().lease(ns, name, owner, ttl, **more)
        if lease is None:
            return None
        self.store.space(ns).leases[name] = same = attrs.evolve(lease, token=1)
        return same


@found_by("lease_denied_until_expiry")
class LeasesOverlap(Broken):
    def lease(self, ns, name, owner, ttl, *, token=None, now=None, **more):
        is_second = token is None and name in self.store.space(ns).leases
        return super().lease(ns, name, owner, ttl, token=token, now=instant(microseconds(now) + 1) if is_second else now, **more)


@found_by("old_term_cannot_renew_or_release")
class OldTermsRenew(Broken):
    def lease(self, ns, name, owner, ttl, *, token=None, **more):
        held = self.store.space(ns).leases.get(name)
        return super().lease(ns, name, owner, ttl, token=held.token if token and held else token, **more)


@found_by("doc_cas_and_revision")
class DocumentsIgnoreVersions(Broken):
    def put_docs(self, ns, writes, *, now=None):
        docs = self.store.space(ns).docs
        current = [attrs.evolve(write, expect=docs[write.doc.kind, write.doc.id].version if (write.doc.kind, write.doc.id) in docs else 0)
                   for write in writes]
        return super().put_docs(ns, current, now=now)


@found_by("docs_since_revision_incl_deleted")
class ForgetsDeletedDocuments(Broken):
    def docs(self, ns, *, since=0):
        found = super().docs(ns, since=since)
        return attrs.evolve(found, docs=tuple(doc for doc in found.docs if not doc.is_deleted))


@found_by("doc_cas_and_revision")
class RepliesWithoutRevision(Broken):
    def answer(self, unit, reply):
        return attrs.evolve(reply, doc_revision=0)


@found_by("injected_now_used_everywhere")
class IgnoresTheInjectedTime(Broken):
    def load(self, ns, lookup, *, now=None):
        return super().load(ns, lookup)


@found_by("microsecond_time_roundtrip")
class KeepsMilliseconds(Broken):
    def before(self, space, unit):
        def coarse(work):
            return attrs.evolve(work, due_at=work.due_at.replace(microsecond=work.due_at.microsecond // 1_000 * 1_000))
        return attrs.evolve(unit, work=tuple(map(coarse, unit.work)))


@found_by("unicode_nul_and_64k_body_roundtrip")
class CutsTextAtNul(Broken):
    def before(self, space, unit):
        def cut(write):
            return attrs.evolve(write, incident=attrs.evolve(write.incident, title=write.incident.title.partition("\x00")[0]))
        return attrs.evolve(unit, incidents=tuple(map(cut, unit.incidents)))


@found_by("another_thread_is_refused")
class ServesEveryThread(Broken):
    def load(self, ns, lookup, *, now=None):
        self._confinement.enter()
        return super().load(ns, lookup, now=now)


@found_by("fork_child_cannot_use_parent_handle")
class ServesForkedChildren(Broken):
    def commit(self, ns, unit, *, now=None):
        self._confinement.enter()
        return MemoryBackend.commit(self, ns, unit, now=now)


@found_by("handles_see_each_other")
class HasAStorePerHandle(Broken):
    def __init__(self, store):
        super().__init__(MemoryStore())


@found_by("duplicate_source_seq_is_noop")
class CallsADuplicateApplied(Broken):
    def answer(self, unit, reply):
        return Committed(store_now=reply.store_now) if isinstance(reply, Duplicate) else reply


@found_by("alert_compare_and_set")
class AlertsIgnoreVersions(Broken):
    def before(self, space, unit):
        def current(write):
            found = space.alerts.get((write.alert.tenant, write.alert.fingerprint))
            return attrs.evolve(write, expect=found[1] if found else 0)
        return attrs.evolve(unit, alerts=tuple(map(current, unit.alerts)))


@found_by("open_absent_conflicts_when_open")
class OpensAKeyTwice(Broken):
    def before(self, space, unit):
        for write in unit.incidents:
            space.open_keys.pop((write.incident.tenant, write.incident.key), None)
        return unit
