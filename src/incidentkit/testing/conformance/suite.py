"""The suite: every case, and how a backend is put to them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Final

from incidentkit.testing.conformance import (
    _alerts,
    _claims,
    _clock,
    _commits,
    _concurrency,
    _counters,
    _documents,
    _events,
    _leases,
    _loads,
    _purges,
    _queries,
    _settles,
    _units,
)
from incidentkit.testing.conformance.kit import Factory, Kit, SkipCase
from incidentkit.testing.conformance.report import CaseResult, Report

__all__ = ["cases", "check_backend"]

Case = Callable[[Kit], None]

_MODULES: Final[tuple[ModuleType, ...]] = (
    _commits, _units, _alerts, _counters, _events, _loads, _claims, _settles, _leases, _documents, _queries, _purges, _clock, _concurrency,
)


def cases() -> Mapping[str, Case]:
    """Return every case by its name. A case takes a fresh `Kit` and raises AssertionError when its rule is broken."""
    return {name: function for module in _MODULES for name, function in vars(module).items()
            if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")}


def check_backend(factory: Factory, only: Collection[str] | None = None) -> Report:
    """
    Run the suite against the backend that *factory* makes, each case on a store of its own. *only* names the cases to run.

    *factory* makes an empty store and returns what makes handles on it, not opened: `lambda: partial(MyBackend, new_database())`.

    Raises:
        LookupError: *only* names a case that does not exist.
    """
    known = cases()
    unknown = sorted(set(only or ()) - set(known))
    if unknown:
        raise LookupError(f"no conformance case is named {', '.join(unknown)}; known: {', '.join(known)}")
    return Report(results=tuple(_run(name, case, factory) for name, case in known.items() if only is None or name in only))


def _run(name: str, case: Case, factory: Factory) -> CaseResult:
    rule = (inspect.getdoc(case) or "").partition("\n")[0]
    kit = Kit(factory())
    try:
        case(kit)
    except SkipCase:
        return CaseResult(name=name, rule=rule, is_skipped=True)
    except Exception as error:  # noqa: BLE001  a backend under test may raise anything, and the next case must run
        return CaseResult(name=name, rule=rule, error=f"{type(error).__name__}: {error}"[:500])
    finally:
        kit.close()
    return CaseResult(name=name, rule=rule)
