"""Signals from what happened: every field normalised, redacted, bounded. No wrong value raises; a note says what was left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

import attrs

from incidentkit.capture._bounded import bounded
from incidentkit.capture._describe import describe
from incidentkit.capture._fields import MAX_FIELD, MAX_TITLE, Fields, instant_of, is_of, stored_key, stored_tenant
from incidentkit.capture._fingerprint import described_fingerprint, exception_fingerprint, key_fingerprint, text_fingerprint
from incidentkit.capture._render import safe_str, show
from incidentkit.capture._text import plain_str
from incidentkit.model import ExceptionInfo, Impact, Link, Recovery, Severity, Signal, SignalStatus, Site, Urgency

__all__ = ["SignalFields", "signal_of_exception", "signal_of_signal", "signal_of_title"]

MAX_SOURCE: Final = 50
MAX_SITES: Final = 10
MAX_OWN_NOTES: Final = 10
SOURCE: Final = "report"
NO_TITLE: Final = "(no title)"
_FINGERPRINT: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class SignalFields(TypedDict, total=False):
    """What a signal may be given besides its subject. Types are what is understood; anything else is left out with a note."""

    tenant: str
    key: str
    severity: Severity | str | int | None
    service: str
    environment: str
    release: str
    instance: str
    labels: Mapping[str, Any] | None
    details: Mapping[str, Any] | None
    source: str
    status: SignalStatus
    impact: Impact | str | None
    urgency: Urgency | str | None
    recovery: Recovery
    site: Site | None
    links: tuple[Link | str, ...] | list[Link | str]
    count: int


_KNOWN: Final = frozenset({*SignalFields.__annotations__, "title"})


def signal_of_exception(error: BaseException, *, at: datetime, title: str | None = None, **given: Unpack[SignalFields]) -> Signal:
    """
    Return the signal of *error*, seen at *at*. Its fingerprint is that of the key if there is one, else of the exception.

    With a `site` (a watched place) its severity, service and labels stand behind the given ones, and recovery can be proved.
    """
    fields = _fields({**given, "title": title})
    info = describe(error)
    said = fields.text("title", MAX_TITLE) or safe_str(_title_of(info), MAX_TITLE)
    return _build(fields, at, said, lambda tenant: exception_fingerprint(error, tenant=tenant), info)


def signal_of_title(title: str, *, at: datetime, **given: Unpack[SignalFields]) -> Signal:
    """Return the signal that says *title*, at *at*. Its fingerprint is that of the key, else of source, service and title template."""
    said = plain_str(title)
    said = show(title) if said is None else said
    fields = _fields({**given, "title": said})

    def fingerprint(tenant: str) -> str:
        return text_fingerprint(said, source=fields.raw("source") or SOURCE, service=_service(fields), tenant=tenant)

    return _build(fields, at, fields.text("title", MAX_TITLE) or NO_TITLE, fingerprint, None)


def signal_of_signal(signal: Signal, *, at: datetime) -> Signal:
    """
    Return a signal that a user or another system made, as one that capture would make: normalised, redacted, bounded, with a fingerprint.

    What it says about time is data: an instant after *at* becomes *at*. A fingerprint of its own is kept, hashed when it is no short word.
    """
    fields = Fields({name: getattr(signal, name) for name in _KNOWN - {"site"}})
    for note in _tuple(signal.notes)[:MAX_OWN_NOTES]:
        if (said := plain_str(note)) is not None:
            fields.note(said)
    info = bounded(signal.exception) if is_of(signal.exception, ExceptionInfo) else None  # type: ignore[arg-type]  # is_of() does not narrow
    own = plain_str(signal.fingerprint) or ""

    def fingerprint(tenant: str) -> str:
        if own:
            return own if _FINGERPRINT.fullmatch(own) else key_fingerprint(own, tenant=tenant)
        if info is not None:
            return described_fingerprint(info, tenant=tenant)
        return text_fingerprint(fields.raw("title"), source=fields.raw("source") or SOURCE, service=fields.raw("service"), tenant=tenant)

    if signal.extra:
        fields.refuse("extra", signal.extra, "nothing")
    if signal.exception is not None and info is None:
        fields.refuse("exception", signal.exception, "an ExceptionInfo")
    default = NO_TITLE if info is None else safe_str(_title_of(info), MAX_TITLE)
    built = _build(fields, at, fields.text("title", MAX_TITLE) or default, fingerprint, info)
    return _as_observed(built, signal, fingerprint(fields.raw("tenant")) if own else built.fingerprint)


def _as_observed(built: Signal, signal: Signal, fingerprint: str) -> Signal:
    """Return *built* with the instants and sites that *signal* came with."""
    now: Any = built.occurred_at
    last = min(instant_of(signal.occurred_at) or now, now)
    first = min(instant_of(signal.first_at) or last, last)
    sites = tuple(pair for pair in _tuple(signal.sites)[:MAX_SITES] if _is_site(pair))
    return attrs.evolve(built, fingerprint=fingerprint, occurred_at=last, first_at=first, sites=sites)


def _tuple(value: object) -> tuple[Any, ...]:
    return value if type(value) is tuple else ()


def _is_site(pair: object) -> bool:
    return type(pair) is tuple and len(pair) == 2 and is_of(pair[0], Site) and type(pair[1]) is int


def _fields(given: Mapping[str, Any]) -> Fields:
    fields = Fields(given)
    for name in given.keys() - _KNOWN:
        fields.note(f"{name}: left out, no field of a signal has that name")
    return fields


def _service(fields: Fields) -> str:
    site = fields.site()
    return fields.raw("service") or (site.service if site is not None else "")


def _title_of(info: ExceptionInfo) -> str:
    """Return `TypeName: first line of its text`."""
    name = info.type.rpartition(".")[2]
    first = next((line.strip() for line in info.text.splitlines() if line.strip()), "")
    return f"{name}: {first}" if first else name


def _build(fields: Fields, at: datetime, title: str, fingerprint: Callable[[str], str], info: ExceptionInfo | None) -> Signal:
    site, count, when = fields.site(), fields.count(), instant_of(at) or at
    key, tenant = fields.raw("key"), fields.raw("tenant")
    return Signal(
        title=title,
        fingerprint=key_fingerprint(key, tenant=tenant) if key else fingerprint(tenant),
        status=fields.choice("status", SignalStatus, SignalStatus.FIRING),
        key=stored_key(key),
        source=fields.text("source", MAX_SOURCE) or SOURCE,
        service=fields.text("service") or safe_str(site.service if site is not None else "", MAX_FIELD),
        environment=fields.text("environment"),
        release=fields.text("release"),
        instance=fields.text("instance"),
        severity=fields.severity(site.severity if site is not None else Severity.MINOR),
        impact=fields.choice("impact", Impact, None),
        urgency=fields.choice("urgency", Urgency, None),
        labels=fields.labels(site),
        details=fields.details(),
        exception=info,
        links=fields.links(),
        tenant=stored_tenant(tenant),
        occurred_at=when,
        first_at=when,
        count=count,
        recovery=Recovery.PROVED if site is not None else fields.choice("recovery", Recovery, Recovery.QUIET),
        sites=((site, count),) if site is not None else (),
        notes=tuple(fields.notes),
    )
