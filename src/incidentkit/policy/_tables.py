"""Tables into values: the keys of the file are the names of the fields; a wrong one is named with its place and nearest spelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.model import Link, Severity

__all__ = ["flag", "labels", "links", "listed", "named", "names", "of_table", "optional_severity", "text", "word"]

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

# A reader takes what was stated and its place, and is also the converter of its field, where the place is the field's own name.


def of_table(kind: type[T], table: T | Mapping[str, Any], place: str) -> T:
    """
    Return the *kind* that *table* states (an object of that kind is returned as it is).

    Raises:
        ConfigurationError: A key or value is wrong; the message names `place.key`.
    """
    if isinstance(table, kind): return table
    if not isinstance(table, Mapping):
        raise ConfigurationError.at(place, table, f"a table, or a {kind.__name__} object")
    fields = {field.name.rstrip("_"): field for field in attrs.fields(kind) if field.init}  # type: ignore[arg-type]  # each kind is attrs
    for key in table:
        if key not in fields: raise ConfigurationError.at(f"{place}.{key}", key, f"a key of a {kind.__name__.lower()}", known=fields)
    stated = {fields[key].name: fields[key].converter(value, f"{place}.{key}") for key, value in table.items()}
    for key, field in fields.items():
        if field.default is attrs.NOTHING and field.name not in stated:
            raise ConfigurationError.at(place, ", ".join(table), f"the key {key!r}, which a {kind.__name__.lower()} must have")
    return kind(**stated)


def named(place: str, value: Any) -> str:
    """Return the place with the name that *value*, an object or a table, has: `policies[2] "payments"`."""
    name = value.get("name") if isinstance(value, Mapping) else getattr(value, "name", "")
    return f'{place} "{name}"' if isinstance(name, str) and name else place


def listed(value: Any, place: str, what: str) -> tuple[Any, ...]:
    """Return the members of a list; a text or a table is none."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping): return tuple(value)
    raise ConfigurationError.at(place, value, f"a list of {what}")


def text(value: str, place: str = "text") -> str:
    """Return *value*, which must be a text."""
    if isinstance(value, str): return value
    raise ConfigurationError.at(place, value, "a text")


def flag(value: bool, place: str = "flag") -> bool:  # noqa: FBT001 - a converter takes its value so
    """Return *value*, which must be true or false."""
    if isinstance(value, bool): return value
    raise ConfigurationError.at(place, value, "true or false")


def names(value: str | Iterable[str], place: str = "names") -> tuple[str, ...]:
    """Return one name or several, none of them empty."""
    found = (value,) if isinstance(value, str) else listed(value, place, "names")
    for name in found:
        if not isinstance(name, str) or not name.strip(): raise ConfigurationError.at(place, name, "a name")
    return found


def optional_severity(value: Severity | str | None, place: str = "severity") -> Severity | None:
    """Return the severity that a word means, or None where nothing is stated."""
    return None if value is None else Severity.parse(value, place=place)


def word(kind: type[E], value: E | str, place: str) -> E:
    """Return the member of *kind* whose value is *value*, in any case."""
    if isinstance(value, kind): return value
    found = next((member for member in kind if isinstance(value, str) and member.value.casefold() == value.casefold()), None)
    if found is None: raise ConfigurationError.at(place, value, f"a word for {place.rpartition('.')[2]}", known=[m.value for m in kind])
    return found


def labels(value: Mapping[str, str], place: str = "labels") -> Mapping[str, str]:
    """Return a table of texts; numbers and booleans of TOML become text."""
    table: Any = value  # from a file it is anything
    if not isinstance(table, Mapping): raise ConfigurationError.at(place, table, 'a table of labels such as { team = "payments" }')
    found = {}
    for name, stated in table.items():
        if not isinstance(name, str) or not name: raise ConfigurationError.at(place, name, "the name of a label")
        if not isinstance(stated, str | int | float): raise ConfigurationError.at(f"{place}.{name}", stated, "a text")
        found[name] = str(stated).lower() if isinstance(stated, bool) else str(stated)
    return found


def links(value: Iterable[Link | str | Mapping[str, str]], place: str = "links") -> tuple[Link, ...]:
    """Return links; each is an address, or a table with `href` and `text`."""
    return tuple(_link(found, f"{place}[{at}]") for at, found in enumerate(listed(value, place, "links")))


def _link(value: Any, place: str) -> Link:
    if isinstance(value, Link): return value
    if isinstance(value, str): value = {"href": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("href"), str) or not value["href"]:
        raise ConfigurationError.at(place, value, 'an address, or a table such as { href = "https://...", text = "dashboard" }')
    for key in value:
        if key not in {"href", "text"}: raise ConfigurationError.at(f"{place}.{key}", key, "a key of a link", known=("href", "text"))
    return Link(href=value["href"], text=text(value.get("text", ""), f"{place}.text"))
