"""
The errors users meet, in one hierarchy. What belongs here: exception classes and how their messages are put together; no other logic.

    IncidentKitError
    +-- ConfigurationError (ValueError)       a key, value, match, duration, URL is wrong; nothing was started
    |   +-- MissingExtraError (ImportError)   an optional dependency is not installed; the message has the line that installs it
    +-- NotInstalledError (RuntimeError)      a call needs an engine and none is installed or started
    +-- NotStoredError                        a signal is not durable in the store (yet); it is in the spool
    +-- UnknownIncidentError (LookupError)    no incident has that id or number
    +-- BackendError                          what a backend may raise, four kinds only
        +-- UnavailableError                  not applied; try again later
        +-- UnknownOutcomeError               perhaps applied; try again with the same (source, seq)
        +-- IncompatibleError                 the schema is newer, or the file is not a database; stop writing, keep spooling
        +-- RejectedError                     a bug or a limit; never retry

Constructors take the message only, so that every error pickles; facts go in through the named factories.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BackendError",
    "ConfigurationError",
    "IncidentKitError",
    "IncompatibleError",
    "MissingExtraError",
    "NotInstalledError",
    "NotStoredError",
    "RejectedError",
    "UnavailableError",
    "UnknownIncidentError",
    "UnknownOutcomeError",
]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known spelling closest to *word*, or None when nothing is close."""
    candidates = sorted(known)
    exact = {candidate.casefold(): candidate for candidate in candidates}
    if (hit := exact.get(word.casefold())) is not None:
        return hit
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return close[0] if close else None


class IncidentKitError(Exception):
    """Root of everything this library raises on purpose."""


class ConfigurationError(IncidentKitError, ValueError):
    """A stated configuration is wrong. The message names the place, the value, what was expected and the nearest right spelling."""

    @classmethod
    def at(cls, place: str, found: object, expected: str, *, known: Iterable[str] = (), remedy: str = "") -> ConfigurationError:
        """Return the error for *found* at *place*; *known* are the right spellings, from which the nearest is suggested."""
        known = tuple(known)
        shown = repr(found) if isinstance(found, str | int | float | bool | None) else f"<{type(found).__qualname__}>"
        message = f"{place}: found {shown[:200]}, expected {expected}."
        if isinstance(found, str) and (suggestion := nearest(found, known)) is not None:
            message += f" Did you mean {suggestion!r}?"
        if known:
            message += f" Known: {', '.join(sorted(known))}."
        if remedy:
            message += f" {remedy}"
        return cls(message)


class MissingExtraError(ConfigurationError, ImportError):
    """An optional dependency is missing."""

    @classmethod
    def for_extra(cls, what: str, extra: str) -> MissingExtraError:
        """Return the error that says which line installs *extra*, needed by *what*."""
        return cls(f"{what} needs the {extra} extra: pip install 'incidentkit[{extra}]'")


class NotInstalledError(IncidentKitError, RuntimeError):
    """A call that needs a running engine was made without one."""


class NotStoredError(IncidentKitError):
    """The signal was not durable in the store in time. It is in the spool and will be stored when the store is back."""


class UnknownIncidentError(IncidentKitError, LookupError):
    """No incident of this tenant has that id or number."""

    @classmethod
    def for_key(cls, key: str | int, tenant: str = "") -> UnknownIncidentError:
        """Return the error for *key*, an id or a number."""
        of = f" of tenant {tenant!r}" if tenant else ""
        return cls(f"No incident{of} has the id or number {key!r}; engine.incidents() lists what there is.")


class BackendError(IncidentKitError):
    """What a backend raises; one of the four kinds below."""


class UnavailableError(BackendError):
    """The unit was not applied; the store is busy, full or away. Trying again is right."""


class UnknownOutcomeError(BackendError):
    """The connection broke while committing. Trying again with the same (source, seq) is always safe."""


class IncompatibleError(BackendError):
    """The store's schema cannot be used by this version, or the file is no database. Writing stops, the spool keeps what comes."""


class RejectedError(BackendError):
    """The unit breaks a limit or an invariant: a bug. It is put aside, never retried."""
