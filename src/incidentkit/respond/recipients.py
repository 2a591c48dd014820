"""Recipients: whom a target expression of a frozen plan means at this moment. A name that is gone is an outcome, not an exception."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.policy import STDERR, Book, TargetKind, parse_target

__all__ = ["Nobody", "Recipient", "expand", "fallback"]


@attrs.frozen
class Recipient:
    """One address: the notifier, the target on it, for whom. `instead_of`: the notifier that this environment may not use."""

    notifier: str
    target: str = ""
    person: str = ""
    instead_of: str = ""


@attrs.frozen
class Nobody:
    """The target means nobody who can be told, and why."""

    why: str


def expand(target: str, book: Book, *, at: datetime, environments: Collection[str] = ()) -> tuple[Recipient, ...] | Nobody:  # noqa: ARG001
    """
    Return whom *target* ("slack:#payments", "ada") means at the instant *at*, or why nobody. Never raises.

    Outside production, what rings or reaches a phone becomes stderr, unless *environments* (of the plan's policy) has the book's.
    """
    try:
        found = parse_target(target, notifiers=book.notifiers, people=book.people)
    except ConfigurationError as error:
        return Nobody(str(error))
    if found.kind is TargetKind.NOTIFIER:
        return (_allowed(Recipient(found.name, found.to or _to(book, found.name)), book, environments),)
    person = book.people[found.name]
    recipients = (_allowed(Recipient(notifier, to, person.name), book, environments) for notifier, to in person.contacts.items())
    return tuple(dict.fromkeys(recipients)) or Nobody(f"{person.name} has no contact")


def fallback(book: Book) -> tuple[Recipient, ...]:
    """Return who is told when nobody else can be: every notifier with a default target, else stderr."""
    return tuple(dict.fromkeys(_allowed(Recipient(name, _to(book, name)), book, ()) for name in book.default_targets()))


def _to(book: Book, name: str) -> str:
    facts = book.notifiers.get(name)
    return "" if facts is None else facts.to


def _allowed(recipient: Recipient, book: Book, environments: Collection[str]) -> Recipient:
    facts = book.notifiers.get(recipient.notifier)
    if facts is None or not facts.is_for_production: return recipient
    if book.environment == "production" or book.environment in environments: return recipient
    return Recipient(STDERR, _to(book, STDERR), recipient.person, instead_of=recipient.notifier)
