"""Evidence that failing code works again: what one process saw, and what all of them together prove."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import attrs

from incidentkit.policy.windows import EPOCH
from incidentkit.settings import Settings

__all__ = ["EvidenceReport", "Verdict", "judge", "report_cell", "report_of_cell"]


@attrs.frozen(kw_only=True)
class EvidenceReport:
    """
    What one process saw of one site since its incident opened. A run is successes without a failure between them.

    `run_*` is the run that goes on; `proof_*` the last run that was complete (enough successes over a long enough span).
    """

    process: str
    is_reporter: bool
    active_at: datetime
    successes: int = 0
    failures: int = 0
    since: datetime | None = None
    run_count: int = 0
    run_started_at: datetime | None = None
    run_last_at: datetime | None = None
    proof_last_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Verdict:
    """What the reports prove: whether somebody succeeded at all after the condition, whether it is proof, and the numbers."""

    has_success: bool
    is_proved: bool
    recheck_at: datetime | None
    statement: str


def judge(
    reports: Iterable[EvidenceReport], *, held_until: datetime, now: datetime, settings: Settings, dead: frozenset[str] = frozenset(),
) -> Verdict:
    """
    Return what *reports* prove for a condition that stopped holding at *held_until*.

    A process that reported the failure and was not silent for `evidence_window` counts; when no such process is left, any process that
    runs the site counts. One with proof suffices.

    Source: DESIGN.md 6, "Watch in a fleet".
    """
    every = tuple(reports)
    reporters = tuple(report for report in every
                      if report.is_reporter and report.process not in dead and now - report.active_at <= settings.evidence_window)
    counted = reporters or every
    after = tuple(report for report in counted if report.run_last_at is not None and report.run_last_at >= held_until)
    proofs = tuple(report for report in counted if report.proof_last_at is not None and report.proof_last_at >= held_until)
    soon = now + timedelta(seconds=1)
    recheck_at = min((max(report.run_started_at + settings.evidence_span, soon) for report in after if report.run_started_at is not None),
                     default=None)
    return Verdict(has_success=bool(after), is_proved=bool(proofs), recheck_at=recheck_at, statement=_statement(proofs or after, now))


def _statement(reports: tuple[EvidenceReport, ...], now: datetime) -> str:
    """State evidence as numbers (law 7): `412 successes, 0 failures in 5 min`."""
    if not reports:
        return ""
    successes = sum(report.successes for report in reports)
    failures = sum(report.failures for report in reports)
    since = min((report.since for report in reports if report.since is not None), default=now)
    minutes, seconds = divmod(round((now - since).total_seconds()), 60)
    span = f"{minutes} min" if not seconds else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"{successes} successes, {failures} failures in {span}"


def report_cell(report: EvidenceReport) -> str:
    """Return the report as the value of its cell."""
    document = attrs.asdict(report)
    return json.dumps({name: (value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value
                       for name, value in document.items()})


def report_of_cell(value: str) -> EvidenceReport:
    """Return the report that a cell holds; fields of newer versions are left out."""
    document = json.loads(value)
    fields: dict[str, Any] = {}
    for field in attrs.fields(EvidenceReport):
        if field.name in document:
            found = document[field.name]
            is_instant = field.name == "since" or field.name.endswith("_at")
            fields[field.name] = EPOCH + timedelta(microseconds=found) if is_instant and found is not None else found
    return EvidenceReport(**fields)
