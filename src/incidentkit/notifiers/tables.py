"""Notifiers from the configuration file. What belongs here: which types and keys there are, and what is said about wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from incidentkit.errors import ConfigurationError
from incidentkit.notifiers.log import Log
from incidentkit.notifiers.slack import Slack
from incidentkit.notifiers.stderr import Stderr
from incidentkit.notifiers.webhook import Webhook
from incidentkit.ports import Notifier

__all__ = ["notifier_from_table"]


@attrs.frozen(kw_only=True)
class _Type:
    make: Callable[..., Any]
    texts: frozenset[str] = frozenset()
    #: Keys whose value may also be a list of texts, or a table of texts.
    lists: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()

    @property
    def keys(self) -> frozenset[str]:
        return self.texts | self.lists | self.tables | {"type"}


_TYPES: Final[Mapping[str, _Type]] = MappingProxyType({
    "log": _Type(make=Log, texts=frozenset({"to"})),
    "stderr": _Type(make=Stderr),
    "webhook": _Type(
        make=Webhook, texts=frozenset({"url", "secret", "to"}), lists=frozenset({"secret"}), tables=frozenset({"headers"}),
        required=frozenset({"url"}),
    ),
    "slack": _Type(make=Slack, texts=frozenset({"url", "token", "to", "base_url"})),
})
#: Named in the design, not built yet: they are told apart from spelling mistakes.
_LATER: Final = frozenset({
    "apprise", "discord", "email", "ntfy", "opsgenie", "pagerduty", "spike", "teams", "telegram", "twilio_sms", "twilio_voice", "whatsapp",
})


def notifier_from_table(name: str, table: Mapping[str, Any], /) -> Notifier:
    """
    Return the notifier that `[notifiers.<name>]` states.

    Raises:
        ConfigurationError: A type, key or value is wrong or missing; the message has the place and the nearest right spelling, and no
            value of a key that may be a secret.
    """
    place = f"notifiers.{name}"
    if not name or ":" in name or not name.isprintable() or name != name.strip():
        raise ConfigurationError.at("notifiers", name, "a name without blanks at its ends and without ':', which parts it from a target")
    if not isinstance(table, Mapping):
        raise ConfigurationError.at(place, f"<{type(table).__name__}, not shown>", "a table: { type = 'slack', ... }")
    kind = _kind(place, table)
    for key, value in table.items():
        if key not in kind.keys:
            raise ConfigurationError.at(f"{place}.{key}", key, "a key of this type", known=kind.keys)
        if key != "type":
            _check_value(f"{place}.{key}", key, value, kind)
    for key in sorted(kind.required - table.keys()):
        raise ConfigurationError.at(f"{place}.{key}", None, "a value; this type needs it")
    notifier: Notifier = kind.make(name=name, **{key: value for key, value in table.items() if key != "type"})
    return notifier


def _kind(place: str, table: Mapping[str, Any]) -> _Type:
    word = table.get("type")
    if isinstance(word, str) and (kind := _TYPES.get(word)) is not None:
        return kind
    if isinstance(word, str) and word in _LATER:
        raise ConfigurationError.at(f"{place}.type", word, f"a channel of this version: {', '.join(sorted(_TYPES))}",
                                    remedy=f"The channel {word!r} is not in this version.")
    raise ConfigurationError.at(f"{place}.type", word, "a type of notifier", known=_TYPES.keys())


def _check_value(place: str, key: str, value: object, kind: _Type) -> None:
    if key in kind.texts and isinstance(value, str):
        if not value:
            raise ConfigurationError.at(place, value, "some text; is its variable set?")
        return
    if key in kind.lists and isinstance(value, list) and value and all(isinstance(item, str) and item for item in value):
        return
    if key in kind.tables and isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values()):
        return
    expected = "a table of texts" if key in kind.tables else "text or a list of texts" if key in kind.lists else "text"
    raise ConfigurationError.at(place, f"<{type(value).__name__}, not shown>", expected)
