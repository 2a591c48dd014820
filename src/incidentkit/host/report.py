"""
`report`, `ok` and `resolve`: what the host states itself. They work before `configure`; with nothing installed they leave one debug record.

What belongs here: the way to the sink, and the ticket of those who have none. None of them blocks or raises.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from incidentkit.host.installed import HOLDER, dormant, our_fault

if TYPE_CHECKING:
    from incidentkit.model import Signal

__all__ = ["TRANSPARENT", "TransparentTicket", "ok", "report", "resolve"]


class TransparentTicket:
    """The ticket of a report that nobody took: ended at once, nothing stored, no incident. Await it or `wait`, as any other."""

    __slots__ = ()

    is_stored: Final = False

    def __await__(self) -> Generator[None, None, None]:
        return
        yield

    def wait(self, timeout: float | None = None) -> None:  # noqa: ARG002 - the signature of every ticket
        """Return None at once."""
        return

    def __repr__(self) -> str:
        return "<ticket: no engine is installed>"


TRANSPARENT: Final = TransparentTicket()


def report(what: BaseException | Signal | str, /, **fields: Any) -> Any:
    """
    Report a problem: an exception, a signal, or a title with the *fields* key, service, severity, labels, details, environment.

    Returns a ticket at once, also before the problem is stored: `await ticket`, `ticket.wait(timeout)`, or drop it; nothing is lost.
    """
    sink = HOLDER.sink
    try:
        if sink is not None: return sink.report(what, fields)
        dormant("report", type(what))
    except Exception as fault:  # noqa: BLE001 - a fault of ours never reaches the host
        our_fault("report", fault)
    return TRANSPARENT


def ok(*, key: str, tenant: str = "") -> Any:
    """Report that a problem is over: the alert of that *key*, else all alerts of the incident with that group key. Return a ticket."""
    sink = HOLDER.sink
    try:
        if sink is not None: return sink.ok({"key": key, "tenant": tenant})
        dormant("ok", type(key))
    except Exception as fault:  # noqa: BLE001 - a fault of ours never reaches the host
        our_fault("ok", fault)
    return TRANSPARENT


def resolve(*, key: str, tenant: str = "") -> Any:
    """Report that a problem is over; the same as `ok`."""
    return ok(key=key, tenant=tenant)
