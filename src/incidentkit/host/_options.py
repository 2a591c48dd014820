"""What a watch is asked: its options, checked where the watch is made. Nothing here runs when something fails."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from incidentkit.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import timedelta

    from incidentkit.model import Site, Threshold

__all__ = ["Types", "condition_of", "fields_of", "parse", "quiet_of", "types_of"]

OPTIONS: Final = ("service", "severity", "when", "quiet", "ignore", "only", "labels", "key")
Types = tuple[type[BaseException], ...]


def parse(name: object, options: Mapping[str, Any]) -> tuple[Site, Types, Types, Mapping[str, Any]]:
    """
    Return the site, the ignored types, the only types and the fields of each report, for a watch with these *options*.

    Raises:
        ConfigurationError: An option is unknown or says nothing; the message names it and the nearest right spelling.
    """
    from incidentkit.model import Severity, Site

    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise ConfigurationError.at("watch(name)", name, "the name of the watched place, or what to watch")
    place = "watch()" if name is None else f"watch({name[:80]!r})"
    for option in options:
        if option not in OPTIONS:
            raise ConfigurationError.at(place, option, "an option of watch", known=OPTIONS)
    given, usual = options.get, Site(name="")
    site = Site(
        name=name or "",
        severity=Severity.parse(given("severity", usual.severity), place=f"{place} severity"),
        when=condition_of(given("when", usual.when), f"{place} when"),
        quiet_for=quiet_of(given("quiet", usual.quiet_for), f"{place} quiet"),
        service=_text(given("service", ""), f"{place} service", "the name of a service"),
        labels=_labels(given("labels"), f"{place} labels"),
    )
    ignore = types_of(given("ignore", ()), f"{place} ignore", BaseException)
    only = types_of(given("only", ()), f"{place} only", Exception)
    return site, ignore, only, fields_of(given("key"), f"{place} key")


def condition_of(value: object, place: str) -> Threshold:
    """Return the condition that *value* says, such as "5 in 1m"."""
    from incidentkit.model import Threshold

    if isinstance(value, Threshold) and value.count >= 1 and value.within.total_seconds() > 0: return value
    if not isinstance(value, str): raise ConfigurationError.at(place, value, 'a condition such as "5 in 1m"')
    from incidentkit.policy import parse_threshold

    return parse_threshold(value, place=place)


def quiet_of(value: object, place: str) -> timedelta:
    """Return how long the condition must not hold, from a duration such as "5m"."""
    from datetime import timedelta

    if isinstance(value, timedelta) and value.total_seconds() > 0: return value
    if not isinstance(value, str): raise ConfigurationError.at(place, value, 'a duration such as "5m"')
    from incidentkit.policy import parse_duration

    return parse_duration(value, place=place)


def types_of(value: object, place: str, root: type[BaseException]) -> Types:
    """Return *value*, a type or several, as a tuple of subclasses of *root*."""
    found = tuple(value) if isinstance(value, tuple | list | set | frozenset) else (value,)
    remedy = "" if root is BaseException else "Ctrl-C, SystemExit and cancellation are never failures."
    for one in found:
        if not (isinstance(one, type) and issubclass(one, root)):
            raise ConfigurationError.at(place, _shown(one), f"a subclass of {root.__name__} or a tuple of them", remedy=remedy)
    return found


def fields_of(key: object, place: str) -> Mapping[str, Any]:
    """Return what goes with each report: an explicit *key* if there is one."""
    return MappingProxyType({} if key is None else {"key": _text(key, place, "a key that is not empty", is_needed=True)})


def _labels(value: object, place: str) -> Mapping[str, str]:
    if value is None: return {}
    if not isinstance(value, Mapping): raise ConfigurationError.at(place, value, "a mapping of names to texts")
    for name, text in value.items():
        _text(name, place, "names that are texts", is_needed=True)
        _text(text, f"{place}[{name!r}]", "a text")
    return value


def _text(value: object, place: str, expected: str, *, is_needed: bool = False) -> str:
    if isinstance(value, str) and (value.strip() or not is_needed): return value
    raise ConfigurationError.at(place, value, expected)


def _shown(value: object) -> object:
    return value.__qualname__ if isinstance(value, type) else value
