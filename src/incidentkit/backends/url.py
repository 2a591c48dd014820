"""From a backend URL to a backend. Nothing is opened here."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from incidentkit.backends.memory import MemoryBackend
from incidentkit.backends.sqlite import SqliteBackend
from incidentkit.errors import ConfigurationError
from incidentkit.ports import Backend

__all__ = ["backend_from_url"]

_SCHEMES: Final = ("memory://", "postgresql://", "sqlite://")
_EXPECTED: Final = "a backend URL: memory://, sqlite:///relative.db or sqlite:////absolute.db"


def backend_from_url(url: str, /, *, place: str = "backend") -> Backend:
    """
    Return the backend that *url* names, not opened.

    `memory://`, `sqlite:///relative.db` (from the working directory), `sqlite:////absolute.db`. *place* is the configuration key in errors.

    Raises:
        ConfigurationError: No backend has that scheme, or the URL names no file; a URL's password never gets into the message.
    """
    scheme, separator, rest = url.partition("://")
    match scheme.lower() if separator else "":
        case "memory" if rest in {"", "/"}:
            return MemoryBackend()
        case "sqlite":
            return SqliteBackend(_file_of(rest, url, place))
        case "postgresql" | "postgres":
            raise ConfigurationError.at(place, f"{scheme}://...", _EXPECTED, remedy="PostgreSQL is not in this version; use SQLite.")
        case _:
            shown = f"{scheme}://" + ("..." if rest else "") if separator else url.partition("@")[0].partition(":")[0]
            raise ConfigurationError.at(place, shown, _EXPECTED, known=_SCHEMES)


def _file_of(rest: str, url: str, place: str) -> str:
    path = unquote(rest.partition("?")[0].removeprefix("/"))
    if not rest.startswith("/") or not path or path.endswith("/"):
        three = "sqlite:///relative.db has three slashes, sqlite:////absolute.db four."
        raise ConfigurationError.at(place, url, "an SQLite URL that names a file", remedy=three)
    if rest.partition("?")[1]:
        raise ConfigurationError.at(place, url, "an SQLite URL without options", remedy="Options go to SqliteBackend(path, ...).")
    if path == ":memory:":
        raise ConfigurationError.at(place, url, "an SQLite URL that names a file", remedy="Use memory:// to keep nothing.")
    return path
