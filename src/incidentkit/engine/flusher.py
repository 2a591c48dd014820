"""Flusher: portions of the inbox become units of the store, in order, one in flight, each written down in the spool before it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from incidentkit.engine.driver import Driver
from incidentkit.engine.health import Faults
from incidentkit.engine.inbox import Inbox
from incidentkit.engine.known import Portion
from incidentkit.errors import BackendError, IncompatibleError, RejectedError, UnavailableError, UnknownOutcomeError
from incidentkit.model import Incident, Lookup, Signal, encode
from incidentkit.runtime import Ground, Load, Taken, intake

__all__ = ["Flusher"]


@attrs.frozen(kw_only=True, eq=False)
class _Batch:
    seq: int
    portions: list[Portion]


class Flusher:
    """Sends units under (process, seq). A unit whose outcome is unknown goes again, the same, until it is known."""

    def __init__(self, inbox: Inbox, driver: Driver, ground: Ground, faults: Faults, *, process: str, noted: Callable[[Incident], None],
                 quarantine: Path | None) -> None:
        self._inbox = inbox
        self._driver = driver
        self._ground = ground
        self._faults = faults
        self._process = process
        self._noted = noted
        self._quarantine = quarantine
        self._seq = 0
        self._batch: _Batch | None = None
        self.quarantined = 0
        self.retry_at: float | None = None

    @property
    def has_unit(self) -> bool:
        """Return True while a unit is on its way."""
        return self._batch is not None

    def flush(self, *, everything: bool = False) -> bool:
        """
        Commit one unit of what is due; return whether there was one.

        Raises:
            BackendError: The store is away; the unit stays in flight.
        """
        # Behind a closed spool nothing is committed: whoever adopts it would count a unit that it does not know of twice.
        batch = None if self._inbox.spool.is_closed else self._batch or self._next(everything=everything)
        if batch is None:
            return False
        signals = [portion.signal for portion in batch.portions]
        try:
            taken = self._driver.run(intake(signals, self._ground, source=self._process, seq=batch.seq, now_hint=signals[0].first_at))
        except (UnavailableError, UnknownOutcomeError, IncompatibleError):
            raise
        except Exception as error:  # noqa: BLE001 - a unit that can never be stored must not stop those behind it
            self._faults.caught("storing a unit", error)
            self._put_aside(batch, error)
            return True
        self._done(batch, taken)
        return True

    def _next(self, *, everything: bool) -> _Batch | None:
        self._inbox.sync_clock()
        portions = self._inbox.take(limit=self._ground.settings.flush_rows, everything=everything)
        if not portions:
            return None
        self._seq += 1
        upto: dict[int, int] = {}
        for portion in portions:
            upto.update(portion.slots())
        with self._inbox.lock:
            self._inbox.spool.flush(self._seq, upto)
        self._batch = _Batch(seq=self._seq, portions=portions)
        return self._batch

    def _done(self, batch: _Batch, taken: Taken) -> None:
        with self._inbox.lock:
            self._inbox.spool.acked(batch.seq)
        self._batch = None
        if taken.is_duplicate:
            incidents = self._found_again(batch)
        else:
            incidents = {at: taken.incidents.get(id_) for at, id_ in enumerate(taken.ids) if id_ is not None}
        self._inbox.stored(batch.portions, incidents)
        for incident in {id(found): found for found in incidents.values() if found is not None}.values():
            self._noted(incident)

    def _found_again(self, batch: _Batch) -> dict[int, Any]:
        """A unit that turned out to be stored already: its tickets still want their incidents."""
        signals = [portion.signal for portion in batch.portions]
        fingerprints = tuple(dict.fromkeys(signal.fingerprint for signal in signals))
        loaded = self._driver.answer(Load(Lookup(tenant=signals[0].tenant, fingerprints=fingerprints)))
        found = {}
        for at, signal in enumerate(signals):
            alert = loaded.alerts.get(signal.fingerprint)
            if alert is not None and alert.incident_id in loaded.incidents:
                found[at] = loaded.incidents[alert.incident_id]
        return found

    def _put_aside(self, batch: _Batch, error: Exception) -> None:
        """
        A unit that the store refuses for good. Each signal is tried alone, then reduced to its words; only what is refused even so is put
        aside.

        They go without a seq: the refused unit is known not to be applied.
        """
        self._batch = None
        incidents: dict[int, Any] = {}
        for at, portion in enumerate(batch.portions):
            note = f"stored reduced: {type(error).__name__}"
            reduced = attrs.evolve(portion.signal, details={}, exception=None, links=(), labels={}, notes=(*portion.signal.notes, note))
            for signal in (portion.signal, reduced):
                try:
                    taken = self._driver.run(intake([signal], self._ground))
                except (UnavailableError, UnknownOutcomeError, IncompatibleError) as away:
                    self._faults.caught("storing a refused unit", away)
                    continue
                except Exception as refused:  # noqa: BLE001 - reduced next, then put aside
                    self._faults.caught("storing a refused unit", refused)
                    continue
                incidents[at] = next(iter(taken.incidents.values()), None)
                break
            else:
                self._keep(portion.signal)
        with self._inbox.lock:
            self._inbox.spool.acked(batch.seq)
        self._inbox.stored(batch.portions, incidents)

    def _keep(self, signal: Signal) -> None:
        self.quarantined += 1
        if self._quarantine is None:
            return
        try:
            with (self._quarantine / "quarantine.jsonl").open("a", encoding="utf-8", errors="replace") as file:
                file.write(encode(signal) + "\n")
        except (OSError, ValueError, TypeError, json.JSONDecodeError) as error:
            self._faults.caught("keeping a refused signal", error)

    def store(self, signals: list[Signal], source: str, seq: int) -> Taken:
        """
        Return what became of a dead process's unit. One that is refused for good is put aside.

        Raises:
            BackendError: The store is away.
        """
        try:
            taken = self._driver.run(intake(signals, self._ground, source=source, seq=seq, now_hint=signals[0].occurred_at))
        except RejectedError as error:
            self._faults.caught("storing a dead process's unit", error)
            for signal in signals:
                self._keep(signal)
            return Taken(ids=(None,) * len(signals), incidents={})
        except BackendError:
            raise
        return taken

    def compact(self) -> None:
        """Let the spool forget what the store has, when that is worth it and no unit is on its way."""
        if self._batch is None and self._inbox.spool.is_compaction_due:
            with self._inbox.lock:
                self._inbox.spool.compact(self._inbox.live_slots())
