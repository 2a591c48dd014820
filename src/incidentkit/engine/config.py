"""Config: the keys of the file, and of `configure(**keys)`, checked and made into live objects before anything starts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import attrs

from incidentkit.errors import ConfigurationError, nearest
from incidentkit.model import Severity
from incidentkit.policy import Book, NotifierFacts, parse_duration
from incidentkit.ports import Backend, Clock, HttpNotifier, Notifier, SendNotifier
from incidentkit.settings import Settings

__all__ = ["KEYS", "Config", "state_directory"]

KEYS: Final = ("app", "environment", "backend", "notifiers", "people", "policies", "rules", "settings", "last_resort", "state_directory",
               "spool", "engine", "clock", "release", "instance")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@attrs.frozen(kw_only=True)
class Config:
    """Everything an engine needs, validated. `backend` is a URL or a backend object."""

    app: str = "default"
    environment: str = "production"
    backend: str | Backend = ""
    notifiers: Mapping[str, Notifier] = attrs.field(factory=dict)
    last_resort: tuple[str, ...] = ()
    settings: Settings = attrs.field(factory=Settings)
    book: Book
    state_directory: Path
    is_default_place: bool = False
    spool: str = "process"
    engine: str = "auto"
    clock: Clock | None = None
    release: str = ""
    instance: str = ""

    @property
    def ns(self) -> str:
        """Return the namespace in the store: app and environment."""
        return f"{self.app}/{self.environment}"

    @classmethod
    def of(cls, keys: Mapping[str, Any]) -> Config:
        """
        Return the configuration that *keys* state.

        Raises:
            ConfigurationError: A key or value is wrong; the message has its place, the value, what was expected, the nearest spelling.
        """
        for key in keys:
            if key not in KEYS:
                raise ConfigurationError.at(f"key {key!r}", key, "a key of the configuration", known=KEYS)
        app = _name("app", keys.get("app") or "default")
        environment = _name("environment", keys.get("environment") or "production")
        settings = _settings(keys.get("settings"))
        notifiers = _notifiers(keys.get("notifiers") or {})
        facts = {name: NotifierFacts(name=name, to=notifier.to, is_quiet=notifier.is_quiet) for name, notifier in notifiers.items()}
        book = Book.build(rules=keys.get("rules") or (), policies=keys.get("policies") or (), people=keys.get("people") or {},
                          notifiers=facts, environment=environment, app=app, settings=settings)
        directory, is_default = state_directory(keys.get("state_directory"), keys.get("backend"))
        return cls(app=app, environment=environment, backend=_backend(keys.get("backend")), notifiers=notifiers,
                   last_resort=_last_resort(keys.get("last_resort"), notifiers), settings=settings, book=book, state_directory=directory,
                   is_default_place=is_default, spool=_word("spool", keys.get("spool") or "process", ("process", "memory", "fsync")),
                   engine=_word("engine", keys.get("engine") or "auto", ("auto", "off", "manual")), clock=keys.get("clock"),
                   release=str(keys.get("release") or ""), instance=str(keys.get("instance") or ""))


def _name(place: str, value: object) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise ConfigurationError.at(place, value, "a name of letters, digits, dot, dash or underscore, at most 64 characters")


def _word(place: str, value: object, known: Iterable[str]) -> str:
    known = tuple(known)
    if isinstance(value, str) and value in known:
        return value
    raise ConfigurationError.at(place, value, "one of the known words", known=known)


def _settings(value: Any) -> Settings:
    if value is None:
        return Settings()
    if isinstance(value, Settings):
        return value
    if not isinstance(value, Mapping):
        raise ConfigurationError.at("settings", value, "a table of settings or a Settings object")
    fields = {field.name: field for field in attrs.fields(Settings)}
    stated: dict[str, Any] = {}
    for name, found in value.items():
        if name not in fields:
            raise ConfigurationError.at(f"settings.{name}", name, "a setting", known=fields)
        default = fields[name].default
        stated[name] = _setting(f"settings.{name}", found, default)
    return Settings(**stated)


def _setting(place: str, found: Any, default: Any) -> Any:
    if isinstance(default, timedelta):
        return parse_duration(found, place=place)
    if isinstance(default, Severity):
        return Severity.parse(found, place=place)
    if type(found) is not type(default):
        raise ConfigurationError.at(place, found, f"a value like {default!r}")
    return found


def _notifiers(value: Any) -> Mapping[str, Notifier]:
    if not isinstance(value, Mapping):
        raise ConfigurationError.at("notifiers", value, 'a table of names, as in {"slack": {"type": "slack", "url": ...}}')
    made: dict[str, Notifier] = {}
    for name, found in value.items():
        _name(f"notifiers.{name}", name)
        if isinstance(found, Mapping):
            from incidentkit.notifiers import notifier_from_table

            made[name] = notifier_from_table(name, found)
        elif isinstance(found, HttpNotifier | SendNotifier):
            made[name] = found
        else:
            expected = "a table with a type, or an object with send(), or request() and verdict()"
            raise ConfigurationError.at(f"notifiers.{name}", found, expected,
                                        remedy="It also needs the attributes name, to, is_quiet and deadline.")
    return made


def _last_resort(value: Any, notifiers: Mapping[str, Notifier]) -> tuple[str, ...]:
    if value is None:
        return tuple(name for name, notifier in notifiers.items() if notifier.to)
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if name not in notifiers and name != "stderr":
            raise ConfigurationError.at("last_resort", name, "the name of a notifier", known=[*notifiers, "stderr"])
    return names


def _backend(value: Any) -> str | Backend:
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        scheme = value.partition(":")[0]
        if "://" not in value:
            known = ("memory://", "sqlite:///relative.db", "sqlite:////absolute.db")
            close = nearest(scheme, ("memory", "sqlite", "postgresql"))
            raise ConfigurationError.at("backend", value, f"a URL such as {', '.join(known)}",
                                        remedy=f"Did you mean {close}://...?" if close else "")
        from incidentkit.backends import backend_from_url

        backend_from_url(value)
        return value
    if isinstance(value, Backend):
        return value
    raise ConfigurationError.at("backend", value, "a URL or a Backend object")


def state_directory(stated: Any, backend: Any) -> tuple[Path, bool]:
    """
    Return where the store and the spool are, and whether that is the default place.

    Stated, else beside a stated SQLite file, else $INCIDENTKIT_HOME, else $STATE_DIRECTORY, else ~/.local/state/incidentkit/<main module>.
    """
    if stated:
        return Path(str(stated)).expanduser(), False
    if isinstance(backend, str) and backend.startswith("sqlite:///") and len(backend) > len("sqlite:///"):
        return Path(backend.removeprefix("sqlite:///")).expanduser().absolute().parent, False
    for variable in ("INCIDENTKIT_HOME", "STATE_DIRECTORY"):
        found = os.environ.get(variable, "").split(":")[0]
        if found:
            return Path(found).expanduser(), False
    return Path("~/.local/state/incidentkit").expanduser() / _main_module(), True


def _main_module() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    name = getattr(spec, "name", None) or Path(getattr(main, "__file__", None) or "interactive").stem
    name = name.removesuffix(".__main__")
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:64] or "interactive"
