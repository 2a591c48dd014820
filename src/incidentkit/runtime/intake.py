"""Intake: a batch of signals becomes one unit. Load all keys once, fold over an overlay, commit; on Conflict load and fold again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from incidentkit.errors import UnavailableError
from incidentkit.lifecycle import decide, may_reopen, open_incident
from incidentkit.model import (
    Alert,
    AlertFired,
    AlertRecovered,
    Committed,
    Conflict,
    CounterAdd,
    CounterRead,
    Duplicate,
    Incident,
    Loaded,
    Lookup,
    Opened,
    Recovery,
    Severity,
    Signal,
    Site,
)
from incidentkit.policy import Route, Subject, Triaged, format_duration
from incidentkit.policy.windows import SLOTS, held_until, slot_of
from incidentkit.respond import plan_of
from incidentkit.runtime._overlay import Overlay
from incidentkit.runtime.requests import Flow, Ground, commit, load
from incidentkit.triage import AlertChange, Chosen, choose, counter_owner, counters_of, stream

__all__ = ["Judged", "Taken", "fold", "intake", "judge_signal", "lookup_for"]

#: Conflicts in a row before the batch is handed back as unavailable: more means two writers live on one key.
ATTEMPTS: Final = 20


@attrs.frozen(kw_only=True)
class Judged:
    """A signal with what the rules and the routing tree say of it: independent of any state."""

    signal: Signal
    triaged: Triaged
    routes: tuple[Route, ...]
    keys: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Taken:
    """What became of a batch: for each signal the id of its incident or None, and those incidents."""

    ids: tuple[str | None, ...]
    incidents: Mapping[str, Incident]
    is_duplicate: bool = False


def judge_signal(signal: Signal, ground: Ground) -> Judged:
    """Return the signal with its triage, its routes and the group keys it may belong to, innermost site first."""
    triaged, routes = ground.book.judge(signal)
    if signal.sites:
        keys = tuple(site.name for site, _ in signal.sites)
    elif routes and routes[0].group_by:
        subject = Subject.of(signal, severity=triaged.severity, priority=triaged.priority, title=triaged.title, labels=triaged.labels)
        values = ",".join(f"{name}={subject.get(name)}" for name in routes[0].group_by)
        keys = (f"{routes[0].policy}|{values}",)
    else:
        keys = (signal.key or signal.fingerprint,)
    return Judged(signal=signal, triaged=triaged, routes=routes, keys=keys)


def lookup_for(judged: Sequence[Judged], *, tenant: str, now_hint: datetime | None, more: tuple[str, ...] = ()) -> Lookup:
    """Return what must be read to fold these signals. Window counters are read from far enough back for any clock."""
    reads: dict[str, CounterRead] = {}
    keys: dict[str, None] = {}
    for one in judged:
        keys.update(dict.fromkeys(one.keys))
        if not one.signal.is_firing and one.signal.key:
            keys[one.signal.key] = None
        for site, _ in one.signal.sites:
            owner = counter_owner(site)
            at = min(filter(None, (one.signal.first_at, one.signal.occurred_at, now_hint)), default=None)
            since = 0 if at is None else slot_of(at, site.when.slot) - 2 * SLOTS
            old = reads.get(owner)
            reads[owner] = CounterRead(tenant=tenant, owner=owner, since=since if old is None else min(old.since, since))
    fingerprints = dict.fromkeys(one.signal.fingerprint for one in judged) | dict.fromkeys(more)
    return Lookup(tenant=tenant, fingerprints=tuple(fingerprints), keys=tuple(keys), counters=tuple(reads.values()))


def intake(
    signals: Sequence[Signal], ground: Ground, *, source: str | None = None, seq: int | None = None, now_hint: datetime | None = None,
) -> Flow[Taken]:
    """
    Return what became of *signals*, all of one tenant, committed in one unit under (source, seq).

    A threshold that other processes helped to reach, and an alert whose incident was closed meanwhile, are taken in again at once.

    Raises:
        UnavailableError: The store kept changing under it; nothing of it was applied, and the caller tries again with the same seq.
    """
    judged = tuple(judge_signal(signal, ground) for signal in signals)
    tenant = signals[0].tenant if signals else ""
    for _ in range(ATTEMPTS):
        loaded = yield from _load_all(judged, tenant, now_hint)
        overlay = Overlay(loaded, ground, tenant)
        ids, waiting = fold(judged, overlay)
        reads = tuple(CounterRead(tenant=tenant, owner=counter_owner(site), since=slot_of(overlay.now, site.when.slot) - SLOTS)
                      for at in waiting for site, _ in judged[at].signal.sites)
        unit = overlay.unit(source=source, seq=seq, reads=tuple(dict.fromkeys(reads)))
        reply = yield from commit(unit)
        if isinstance(reply, Duplicate):
            return Taken(ids=ids, incidents={}, is_duplicate=True)
        if isinstance(reply, Conflict):
            continue
        again = _again(judged, ids, waiting, reply, now=overlay.now)
        if again:
            yield from intake(again, ground, now_hint=now_hint)
        return Taken(ids=ids, incidents=_with_numbers(overlay, ids, reply, loaded))
    raise UnavailableError(f"{ATTEMPTS} conflicts in a row while taking in {len(signals)} signals of tenant {tenant!r}")


def _load_all(judged: Sequence[Judged], tenant: str, now_hint: datetime | None) -> Flow[Loaded]:
    """Load what the signals name and, if one may close an incident, that incident's other alerts."""
    loaded = yield from load(lookup_for(judged, tenant=tenant, now_hint=now_hint))
    if all(one.signal.is_firing for one in judged):
        return loaded
    more = {fingerprint for incident in loaded.incidents.values() for fingerprint in incident.alerts} - set(loaded.alerts)
    if not more:
        return loaded
    return (yield from load(lookup_for(judged, tenant=tenant, now_hint=now_hint, more=tuple(sorted(more)))))


def _again(
    judged: Sequence[Judged], ids: Sequence[str | None], waiting: Sequence[int], reply: Committed, *, now: datetime,
) -> list[Signal]:
    """Return the signals to be taken in once more, with nothing left to count."""
    found: dict[int, Signal] = {}
    for at in waiting:
        window = {owner: {bucket.bucket: bucket.n for bucket in buckets} for owner, buckets in reply.counters.items()}
        signal = judged[at].signal
        if choose(signal, lambda owner, window=window: window.get(owner, {}), at=now).holds:  # type: ignore[misc]
            found[at] = signal
    closed = set(reply.not_open)
    for at, one in enumerate(judged):
        if one.signal.is_firing and one.signal.fingerprint in closed and ids[at] is not None:
            found[at] = one.signal
    return [attrs.evolve(signal, count=0, sites=tuple((site, 0) for site, _ in signal.sites)) for signal in found.values()]


def _with_numbers(overlay: Overlay, ids: Sequence[str | None], reply: Committed, loaded: Loaded) -> Mapping[str, Incident]:
    found = {}
    for id_ in dict.fromkeys(filter(None, ids)):
        incident = overlay.incident(id_)
        if incident is None:
            continue
        counted = overlay.buckets(f"i|{id_}").get(0)
        before = loaded.incidents.get(id_)
        occurrences = (before.occurrences if before is not None else 0) + (counted.n if counted is not None else 0)
        version = (before.version if before is not None else 0) + (1 if id_ in overlay.changed else 0)
        found[id_] = attrs.evolve(incident, number=reply.numbers.get(id_, incident.number), occurrences=occurrences, version=version,
                                  last_seen_at=incident.last_seen_at if counted is None else max(incident.last_seen_at, counted.last_at))
    return found


# -- the fold ----------------------------------------------------------------------------------------------------------------------


def fold(judged: Sequence[Judged], overlay: Overlay) -> tuple[tuple[str | None, ...], tuple[int, ...]]:
    """Return for each signal the id of its incident or None, and which of them wait below a threshold. The overlay has the changes."""
    ids: list[str | None] = []
    waiting: list[int] = []
    for at, one in enumerate(judged):
        if one.triaged.is_dropped:
            _count_dropped(one, overlay)
            ids.append(None)
        elif one.signal.is_firing:
            incident = _fire(one, overlay)
            ids.append(None if incident is None else incident.id)
            if incident is None and one.signal.sites:
                waiting.append(at)
        else:
            ids.append(_recover(one, overlay))
    return tuple(ids), tuple(waiting)


def _count_dropped(one: Judged, overlay: Overlay) -> None:
    at = _at(one.signal, overlay.now)
    overlay.add(CounterAdd(tenant=overlay.tenant, owner="dropped", bucket=0, n=one.signal.count, first_at=at, last_at=at))


def _at(signal: Signal, now: datetime) -> datetime:
    return now if signal.occurred_at is None else min(signal.occurred_at, now)


def _fire(one: Judged, overlay: Overlay) -> Incident | None:
    """Fold one firing signal; return its incident, or None while its condition does not hold."""
    signal, now = one.signal, overlay.now
    before = overlay.alert(signal.fingerprint)
    streamed = stream(before, signal, one.triaged, now=now)
    at = _at(signal, now)
    pinned = overlay.incident(streamed.alert.incident_id) if before is not None and before.is_firing else None
    pinned = pinned if pinned is not None and pinned.is_open else None
    for add in counters_of(signal, at=at, incident_id=None if pinned is None else pinned.id):
        overlay.add(add)
    if streamed.change is AlertChange.HISTORY:
        return None
    chosen = choose(signal, overlay.window, at=at)
    incident = _joined(one, chosen, overlay, streamed.change, pinned)
    if incident is None and chosen.holds:
        incident = _opened(one, chosen, overlay)
    elif incident is not None:
        _count(incident, signal.count, at=at, first_at=min(signal.first_at or at, at), overlay=overlay)
    pin = streamed.alert.incident_id if incident is None else incident.id
    if streamed.must_write or pin != streamed.alert.incident_id:
        overlay.put_alert(attrs.evolve(streamed.alert, incident_id=pin))
    return incident


def _joined(one: Judged, chosen: Chosen, overlay: Overlay, change: AlertChange, pinned: Incident | None) -> Incident | None:
    """Return the incident the signal goes to if there is one: the pin, an open one of its keys, or one that may be reopened."""
    signal = one.signal
    incident = pinned
    if incident is None and chosen.holds:
        incident = overlay.of_key(chosen.site.name if chosen.site is not None else one.keys[0])
        if incident is not None and not incident.is_open and not may_reopen(incident, overlay.now):
            return None
    elif incident is None:  # below its condition: it joins what is open around it, and opens nothing
        incident = next((found for found in map(overlay.of_key, one.keys) if found is not None and found.is_open), None)
    if incident is None:
        return None
    holds, until = _condition(incident, signal, overlay)
    severity = _severity(one, _site_named(signal, incident.key))
    is_news = (change is AlertChange.FIRED or signal.fingerprint not in incident.firing or severity.rank < incident.severity.rank
               or not incident.is_open or incident.monitoring_since is not None)
    if not is_news:
        return incident
    event = AlertFired(fingerprint=signal.fingerprint, title=one.triaged.title, severity=severity, holds=holds, held_until=until,
                       occurrences=signal.count, by=signal.source)
    return overlay.apply(decide(incident, event, now=overlay.now))


def _site_named(signal: Signal, name: str) -> Site | None:
    return next((site for site, _ in signal.sites if site.name == name), None)


def _condition(incident: Incident, signal: Signal, overlay: Overlay) -> tuple[bool, datetime | None]:
    """Return whether the condition of the incident's site holds with this signal, and until when if nothing else fails."""
    if incident.when is None:
        return True, None
    site = _site_named(signal, incident.key)
    if site is None:
        return False, None
    buckets = overlay.buckets(counter_owner(site))
    until = held_until(buckets.values(), site.when)
    return until is not None and until > _at(signal, overlay.now), until


def _severity(one: Judged, site: Site | None) -> Severity:
    """Return the severity: an outer site's own where the incident is its, unless a rule said something."""
    if site is None or not one.signal.sites or site == one.signal.sites[0][0] or one.triaged.severity is not one.signal.severity:
        return one.triaged.severity
    return site.severity


def _opened(one: Judged, chosen: Chosen, overlay: Overlay) -> Incident:
    """Open a new incident for a signal whose condition holds."""
    signal, triaged, now, site = one.signal, one.triaged, overlay.now, chosen.site
    severity = _severity(one, site)
    at = _at(signal, now)
    first_at = min(signal.first_at or at, at)
    settings = overlay.ground.settings
    route = one.routes[0]
    default_ack = settings.ack_timeout_critical if severity is Severity.CRITICAL else None
    title = triaged.title if site is None or triaged.title != signal.title else f"{site.name}: {triaged.title}"
    incident = Incident(
        id=overlay.ground.ids.new(now), tenant=overlay.tenant, key=site.name if site is not None else one.keys[0], title=title,
        severity=severity, priority=triaged.priority, service=signal.service, environment=signal.environment, labels=triaged.labels,
        links=(*signal.links, *triaged.links), alerts=(signal.fingerprint,), opened_at=now, updated_at=now, first_seen_at=first_at,
        last_seen_at=at, policies=tuple(found.policy for found in one.routes), assignees=(triaged.owner,) if triaged.owner else (),
        recovery=Recovery.PROVED if site is not None else signal.recovery, when=None if site is None else site.when,
        quiet_for=timedelta(0) if site is None else site.quiet_for, quiet_after=route.quiet_after or settings.quiet_after,
        reopen_within=route.reopen_within or settings.reopen_within, ack_timeout=route.ack_timeout or default_ack,
        plans=tuple(plan_of(found, severity=severity) for found in one.routes), config_hash=overlay.ground.book.config_hash)
    if site is not None:
        incident = attrs.evolve(incident, held_until=held_until(overlay.buckets(counter_owner(site)).values(), site.when))
    event = Opened(reason=_reason(chosen), fingerprint=signal.fingerprint, severity=severity, occurrences=chosen.failures, by=signal.source)
    opened = overlay.apply(open_incident(incident, event, now=now))
    if site is not None:
        window = overlay.buckets(counter_owner(site))
        first_at = min((bucket.first_at for number, bucket in window.items() if number > slot_of(at, site.when.slot) - SLOTS), default=at)
    _count(opened, chosen.failures, at=at, first_at=first_at, overlay=overlay)
    return opened


def _reason(chosen: Chosen) -> str:
    if chosen.site is None or chosen.site.when.count == 1:
        return "first sighting"
    return f"{chosen.failures} failures in {format_duration(chosen.site.when.within)} ({chosen.site.when.count} are too many)"


def _count(incident: Incident, n: int, *, at: datetime, first_at: datetime, overlay: Overlay) -> None:
    if n:
        overlay.add(CounterAdd(tenant=overlay.tenant, owner=f"i|{incident.id}", bucket=0, n=n, first_at=first_at, last_at=at))


def _recover(one: Judged, overlay: Overlay) -> str | None:
    """Fold one ok signal: the alert with its fingerprint, else every alert of the incident with that group key."""
    signal = one.signal
    alert = overlay.alert(signal.fingerprint)
    streamed = stream(alert, signal, one.triaged, now=overlay.now)
    if alert is not None or not signal.key:
        return _recover_one(streamed.alert, signal, overlay) if streamed.change is AlertChange.RECOVERED else _calm(streamed.alert, overlay)
    incident = overlay.of_key(signal.key)
    if incident is None or not incident.is_open:
        return _calm(streamed.alert, overlay)
    for fingerprint in incident.firing:
        member = overlay.alert(fingerprint)
        if member is not None and member.is_firing:
            recovered = stream(member, signal, one.triaged, now=overlay.now)
            if recovered.change is AlertChange.RECOVERED:
                _recover_one(recovered.alert, signal, overlay)
    return incident.id


def _calm(alert: Alert, overlay: Overlay) -> str | None:
    overlay.put_alert(alert)
    return None


def _recover_one(alert: Alert, signal: Signal, overlay: Overlay) -> str | None:
    overlay.put_alert(alert)
    incident = overlay.incident(alert.incident_id)
    if incident is None or not incident.is_open:
        return None
    event = AlertRecovered(fingerprint=alert.fingerprint, at=_at(signal, overlay.now), by=signal.source)
    return overlay.apply(decide(incident, event, now=overlay.now)).id
