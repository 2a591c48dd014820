"""People, notifiers as policies see them, and targets: the words of `tell`. What belongs here: who can be named, not who is on call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.model import EMPTY, frozen_mapping
from incidentkit.policy import _tables as read

__all__ = ["STDERR", "NotifierFacts", "Person", "Target", "TargetKind", "parse_target", "people_from"]

#: The notifier that is always there.
STDERR: Final = "stderr"
_LATER: Final = ("on_call", "team")
_RESERVED: Final = (*_LATER, "person")


def _contacts(value: Mapping[str, str], place: str = "contacts") -> Mapping[str, str]:
    table: Any = value  # from a file it is anything
    if not isinstance(table, Mapping): raise ConfigurationError.at(place, table, 'a table of contacts such as { phone = "+4915550100" }')
    for name, target in table.items():
        if not isinstance(target, str) or not target.strip():
            raise ConfigurationError.at(f"{place}.{name}", target, f"a target of the notifier {name}, as a text")
    return frozen_mapping(value)


@attrs.frozen
class Person:
    """Somebody who can be told. A contact's key is a notifier's name, its value the target there; all of them are told at once."""

    name: str = attrs.field(converter=read.text)
    contacts: Mapping[str, str] = attrs.field(default=EMPTY, converter=_contacts)


@attrs.frozen(kw_only=True)
class NotifierFacts:
    """What policies know of a notifier: its default target ("" for none), whether it rings, and whether it reaches a phone (calls, SMS)."""

    name: str
    to: str = ""
    is_quiet: bool = True
    reaches_phones: bool = False

    @property
    def is_for_production(self) -> bool:
        """Return True when a test environment must not use it unasked (DESIGN.md 7, personal data)."""
        return self.reaches_phones or not self.is_quiet


class TargetKind(Enum):
    """What a target expression names."""

    NOTIFIER = "notifier"
    PERSON = "person"


@attrs.frozen
class Target:
    """A target expression, read: "slack", "slack:#payments", "ada", "person:ada"."""

    kind: TargetKind
    name: str
    to: str = ""


def parse_target(
    text: str, *, notifiers: Mapping[str, NotifierFacts], people: Mapping[str, Person], place: str = "tell",
) -> Target:
    """
    Return what *text* names.

    Raises:
        ConfigurationError: Nobody has that name, a name alone could be two things, or a notifier alone has no default target.
    """
    head, colon, rest = text.partition(":")
    head, rest = head.strip(), rest.strip()
    known = sorted({*notifiers, STDERR, *people})
    if colon and head in _LATER:
        raise ConfigurationError.at(place, text, "a notifier or a person: schedules and teams are not in this version", known=known)
    if colon and head == "person":
        if rest in people: return Target(TargetKind.PERSON, rest)
        raise ConfigurationError.at(place, rest, "the name of a person", known=people)
    is_notifier = head in notifiers or head == STDERR
    if colon:
        if not is_notifier:
            raise ConfigurationError.at(place, head, f"the name of a notifier before the colon of {text!r}", known=notifiers)
        if not rest: raise ConfigurationError.at(place, text, f"a target after the colon, or {head!r} alone")
        return Target(TargetKind.NOTIFIER, head, rest)
    if is_notifier and head in people:
        raise ConfigurationError.at(place, text, f"one of 'person:{head}' and '{head}:<target>': a notifier and a person have this name")
    if head in people: return Target(TargetKind.PERSON, head)
    if not is_notifier: raise ConfigurationError.at(place, text, "a notifier or a person", known=known)
    facts = notifiers.get(head)
    if head != STDERR and (facts is None or not facts.to):
        remedy = f"Write '{head}:<target>' or state its `to`."
        raise ConfigurationError.at(place, text, f"a target: {head!r} has no default target", remedy=remedy)
    return Target(TargetKind.NOTIFIER, head)


def people_from(
    value: Mapping[str, Person | Mapping[str, str]] | Iterable[Person], *, notifiers: Mapping[str, NotifierFacts], place: str = "people",
) -> Mapping[str, Person]:
    """
    Return the people that a table of names, or a list of `Person`, states.

    Raises:
        ConfigurationError: A name cannot be written in a target, or a contact is on a notifier that does not exist.
    """
    found: dict[str, Person] = {}
    stated: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, Mapping) else [
        (getattr(one, "name", one), one) for one in read.listed(value, place, "people")]
    pair: tuple[Any, Any]
    for pair in stated:
        name, one = pair
        here = f"{place}.{name}"
        person = one if isinstance(one, Person) else Person(name, _contacts(one, here))
        if person.name != name or name in found:
            raise ConfigurationError.at(here, person.name, "each person once, under the own name")
        if not name.strip() or ":" in name or name != name.strip() or name in _RESERVED:
            raise ConfigurationError.at(here, name, "a name without a colon, and none of " + ", ".join(_RESERVED))
        for notifier in person.contacts:
            if notifier not in notifiers and notifier != STDERR:
                raise ConfigurationError.at(f"{here}.{notifier}", notifier, "the name of a notifier", known=notifiers)
        found[name] = person
    return frozen_mapping(found)
