"""The sites' side of a signal: each enclosing watch counts it, and the innermost whose condition holds owns the incident."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import attrs

from incidentkit.model import CounterAdd, Signal, Site
from incidentkit.policy.windows import EPOCH, slot_of, window_sum

__all__ = ["Chosen", "choose", "counter_owner", "counters_of", "minute_of"]

_MINUTE: Final = 60


@attrs.frozen(kw_only=True)
class Chosen:
    """The site whose incident this is (None: the signal has no site), whether its condition holds, and the failures in its window."""

    site: Site | None
    holds: bool
    failures: int


def minute_of(at: datetime) -> int:
    """Return the number of the minute since the epoch: an alert's counters are kept by minute."""
    return int((at - EPOCH).total_seconds() // _MINUTE)


def counter_owner(site: Site) -> str:
    """Return the owner of a site's window counter. The slot length is part of it: two conditions on one name never mix."""
    return f"s|{site.name}|{site.when.slot.total_seconds():g}"


def counters_of(signal: Signal, *, at: datetime, incident_id: str | None) -> tuple[CounterAdd, ...]:
    """Return the counter adds of a firing *signal*: the alert's minute, and one slot for each site that saw it."""
    first_at = min(signal.first_at or at, at)
    adds = []
    if signal.count:
        adds.append(CounterAdd(tenant=signal.tenant, owner=f"a|{signal.fingerprint}", bucket=minute_of(at), n=signal.count,
                               first_at=first_at, last_at=at, incident_id=incident_id, fingerprint=signal.fingerprint))
    adds += [CounterAdd(tenant=signal.tenant, owner=counter_owner(site), bucket=slot_of(at, site.when.slot), n=count,
                        first_at=first_at, last_at=at) for site, count in signal.sites if count]
    return tuple(adds)


def choose(signal: Signal, window: Callable[[str], Mapping[int, int]], *, at: datetime) -> Chosen:
    """
    Return the innermost site whose condition holds at *at*, counted with this signal; if none holds, the innermost with `holds` False.

    *window* gives a counter owner's failures by slot, this signal's included.
    """
    if not signal.sites:
        return Chosen(site=None, holds=True, failures=signal.count)
    sums = [(site, window_sum(window(counter_owner(site)), site.when, at)) for site, _ in signal.sites]
    for site, failures in sums:
        if failures >= site.when.count:
            return Chosen(site=site, holds=True, failures=failures)
    return Chosen(site=sums[0][0], holds=False, failures=sums[0][1])
