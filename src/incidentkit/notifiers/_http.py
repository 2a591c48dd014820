"""What every HTTP channel shares, all of it pure: which URLs are right, how they are shown, what a status and Retry-After mean."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from incidentkit.errors import ConfigurationError
from incidentkit.model import Delivery, Response

__all__ = ["LONGEST_RETRY_AFTER", "checked_headers", "checked_url", "delivery_by_status", "origin_of", "retry_after"]

#: A service that asks for more is asked again after this: a page is tried for 15 minutes, and one answer must not use them all up.
LONGEST_RETRY_AFTER: Final = timedelta(minutes=5)
_NOT_IN_A_URL: Final = re.compile(r"[\s\x00-\x20\x7f\\]")
_NOT_IN_A_HOST: Final = re.compile(r"[^\w.:\[\]-]")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def origin_of(url: str) -> str:
    """Return scheme, host and port of *url*: all that may be shown, for path, query and user name are credentials in many services."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    except ValueError:
        return "<not a URL>"
    is_shown = parts.scheme in {"http", "https"} and host and not _NOT_IN_A_HOST.search(host)
    return f"{parts.scheme}://{host}{port}" if is_shown else "<not a URL>"


def checked_url(place: str, url: object) -> str:
    """
    Return *url*, an http or https URL with a host, no blanks and no user name.

    Raises:
        ConfigurationError: It is something else. The message shows scheme and host at most.
    """
    if not isinstance(url, str) or not url:
        raise ConfigurationError.at(place, "" if isinstance(url, str) else url, "a URL, http or https")
    shown = origin_of(url)
    if shown == "<not a URL>" or _NOT_IN_A_URL.search(url):
        raise ConfigurationError.at(place, shown, "a URL, http or https, with a host and without blanks")
    if "@" in urlsplit(url).netloc:
        raise ConfigurationError.at(place, shown, "a URL without user name and password", remedy="Send credentials as a header.")
    return url


def checked_headers(place: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    """
    Return *headers*, whose names are tokens and whose values are one line of printable ASCII.

    Raises:
        ConfigurationError: One is not. The message has its name, never its value.
    """
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ConfigurationError.at(place, name, "a header name: letters, digits and dashes")
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError.at(f"{place}.{name}", "<not shown>", "one line of printable ASCII")
    return headers


def retry_after(response: Response, *, now: datetime) -> timedelta | None:
    """
    Return how long the service asks us to wait, between nothing and `LONGEST_RETRY_AFTER`; None when it does not say, or not sensibly.

    Seconds may have a fraction. A date is measured from the response's own Date, so that the clocks need not agree; else from *now*.
    Source: channels.md 0; RFC 9110, 10.2.3.
    """
    text = response.headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is None and (at := _date(text)) is not None:
        seconds = (at - (_date(response.headers.get("date", "")) or now)).total_seconds()
    if seconds is None:
        return None
    return min(timedelta(seconds=min(max(seconds, 0.0), 1e6)), LONGEST_RETRY_AFTER)


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?\d{1,400}(\.\d{0,100})?", text, re.ASCII):
        return None
    seconds = float(text)
    return seconds if math.isfinite(seconds) else 1e6


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def delivery_by_status(response: Response, *, now: datetime, ref: str = "") -> Delivery:
    """
    Return what the status alone says: 2xx accepted; 408, 429, 5xx again; all else refused, redirects too, for nobody follows them.

    Source: channels.md 20 and 23.
    """
    status = response.status
    if 200 <= status <= 299:
        return Delivery.accepted(ref)
    if status in {408, 429} or 500 <= status <= 599:
        return Delivery.retry(f"HTTP {status}", after=retry_after(response, now=now))
    if status == 410:
        return Delivery.refused("HTTP 410: the endpoint is gone for good; take it out of the configuration")
    if 300 <= status <= 399:
        return Delivery.refused(f"HTTP {status}: redirects are not followed; state the final URL")
    return Delivery.refused(f"HTTP {status}")
