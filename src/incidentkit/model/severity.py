"""Severity, impact, urgency, priority and status: the small words of an incident, and how other systems' words become them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from incidentkit.errors import ConfigurationError

__all__ = ["DEFAULT_MATRIX", "SEVERITY_WORDS", "AlertStatus", "Impact", "Priority", "Severity", "SignalStatus", "Status", "Urgency"]


class Severity(Enum):
    """How much damage. Ask `is_at_least`; there is no `<`, because a smaller SEV number is worse and comparing misleads."""

    #: SEV1, revenue impacting: the site is down, bookings fail, a security hole is open.
    CRITICAL = "critical"
    #: SEV2, leaves customers furious: SLA breached, dashboards do not load.
    MAJOR = "major"
    #: SEV3, needs attention: backups fail, queues overflow, application errors.
    MINOR = "minor"
    #: SEV4, good to know: CI/CD notices, disk space.
    INFO = "info"

    @property
    def rank(self) -> int:
        """Return 1 (CRITICAL) to 4 (INFO): the SEV number."""
        return _RANKS[self]

    def is_at_least(self, other: Severity) -> bool:
        """Return True when this is as bad as *other* or worse."""
        return _RANKS[self] <= _RANKS[other]

    @property
    def meaning(self) -> str:
        """Return the sentence that tells people what this tier means (reference: severities)."""
        return _MEANINGS[self]

    @classmethod
    def worst(cls, *severities: Severity) -> Severity:
        """Return the worst of *severities* (at least one)."""
        return min(severities, key=lambda severity: severity.rank)

    @classmethod
    def parse(cls, word: Severity | str | int, /, *, place: str = "severity") -> Severity:
        """
        Return the severity that *word* means in the systems around: sev1, p1, critical, error, warning, 1..4.

        Numbers are SEV numbers, 1 to 4; Python's logging levels are mapped by `IncidentHandler` only.

        Raises:
            ConfigurationError: Nobody uses that word; the message has the nearest one.
        """
        if isinstance(word, Severity):
            return word
        if type(word) in {str, int}:
            found = SEVERITY_WORDS.get(str(word).strip().casefold().replace("-", "").replace("_", "").replace(" ", ""))
            if found is not None:
                return found
        known = [severity.value for severity in cls] + ["sev1", "p1", "error", "warning"]
        raise ConfigurationError.at(place, word, "a severity", known=known)


_RANKS: Final = {Severity.CRITICAL: 1, Severity.MAJOR: 2, Severity.MINOR: 3, Severity.INFO: 4}
_MEANINGS: Final = {
    Severity.CRITICAL: "revenue impacting",
    Severity.MAJOR: "leaves customers furious",
    Severity.MINOR: "needs attention",
    Severity.INFO: "good to know",
}


def _words() -> Mapping[str, Severity]:
    table = {
        Severity.CRITICAL: "critical crit fatal emergency emerg alert disaster blocker page sev0 sev1 s1 p0 p1 1",
        Severity.MAJOR: "major error err high severe sev2 s2 p2 2",
        Severity.MINOR: "minor warning warn medium moderate average sev3 s3 p3 3",
        Severity.INFO: "info information informational notice low debug trivial ok none sev4 sev5 s4 p4 p5 4",
    }
    return MappingProxyType({word: severity for severity, words in table.items() for word in words.split()})


#: The words of other systems (DESIGN.md 7: critical, error, warning, info are CRITICAL, MAJOR, MINOR, INFO, then synonyms).
SEVERITY_WORDS: Final[Mapping[str, Severity]] = _words()


class Impact(Enum):
    """How much is touched."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Urgency(Enum):
    """How fast it gets worse while nobody acts."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Priority(Enum):
    """How soon somebody must act: P1 first."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    P5 = "P5"

    @property
    def rank(self) -> int:
        """Return 1 to 5."""
        return int(self.value[1])

    def is_at_least(self, other: Priority) -> bool:
        """Return True when this is as pressing as *other* or more."""
        return self.rank <= other.rank


#: The ITIL matrix: priority by (impact, urgency). A policy may state its own.
DEFAULT_MATRIX: Final[Mapping[tuple[Impact, Urgency], Priority]] = MappingProxyType({
    (Impact.HIGH, Urgency.HIGH): Priority.P1,
    (Impact.HIGH, Urgency.MEDIUM): Priority.P2,
    (Impact.HIGH, Urgency.LOW): Priority.P3,
    (Impact.MEDIUM, Urgency.HIGH): Priority.P2,
    (Impact.MEDIUM, Urgency.MEDIUM): Priority.P3,
    (Impact.MEDIUM, Urgency.LOW): Priority.P4,
    (Impact.LOW, Urgency.HIGH): Priority.P3,
    (Impact.LOW, Urgency.MEDIUM): Priority.P4,
    (Impact.LOW, Urgency.LOW): Priority.P5,
})


class SignalStatus(Enum):
    """Whether the observation says "broken" or "works"."""

    FIRING = "firing"
    OK = "ok"


class AlertStatus(Enum):
    """Whether the last word on a problem was "broken" or "works"."""

    FIRING = "firing"
    OK = "ok"


class Status(Enum):
    """Where an incident stands."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    #: Signals are ok again or a fix was applied; evidence is still gathered.
    MONITORING = "monitoring"
    RESOLVED = "resolved"

    @property
    def is_open(self) -> bool:
        """Return True for every status but RESOLVED."""
        return self is not Status.RESOLVED
