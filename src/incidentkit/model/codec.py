"""
The codec: model values to and from schema-versioned JSON. Fields this version does not know are kept in `extra` and written back.

A field that has its default is left out, so a default is part of the schema: changing one needs a new schema version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from incidentkit.errors import RejectedError
from incidentkit.model.event import EVENT_TYPES, Event
from incidentkit.model.severity import Impact, Severity, SignalStatus, Urgency
from incidentkit.model.signal import EMPTY, ExceptionInfo, Frame, Link, Recovery, Signal, Site, Threshold
from incidentkit.model.work import Page, Wake

__all__ = ["SCHEMA", "decode", "decode_event", "decode_work_body", "encode", "encode_event", "encode_work_body", "prepare"]

#: Written as "v" into every document. Readers accept newer documents of the same shape: unknown fields are kept.
SCHEMA: Final = 1

T = TypeVar("T")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EVENTS: Final[Mapping[str, type[Event]]] = MappingProxyType({kind.__name__: kind for kind in EVENT_TYPES})


def _microseconds(instant: datetime) -> int:
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _keeps_unknown(kind: type[Any]) -> bool:
    return attrs.has(kind) and any(field.name == "extra" for field in attrs.fields(kind))


def _structure_keeping_unknown(converter: Converter, kind: type[Any]) -> Callable[[Mapping[str, Any], type[Any]], Any]:
    known = {field.name for field in attrs.fields(kind)}
    plain = make_dict_structure_fn(kind, converter, extra=override(omit=True))

    def structure(document: Mapping[str, Any], _: type[Any]) -> Any:
        value = plain(document, kind)
        unknown = {name: document[name] for name in document if name not in known}
        return attrs.evolve(value, extra=MappingProxyType(unknown)) if unknown else value

    return structure


def _unstructure_with_unknown(converter: Converter, kind: type[Any]) -> Callable[[Any], dict[str, Any]]:
    plain = make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True)

    def unstructure(value: Any) -> dict[str, Any]:
        document = plain(value)
        document.pop("extra", None)
        return {**value.extra, **document} if value.extra else document

    return unstructure


@cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=False, omit_if_default=True)
    converter.register_unstructure_hook(datetime, _microseconds)
    converter.register_structure_hook(datetime, lambda value, _: _EPOCH + timedelta(microseconds=value))
    converter.register_unstructure_hook(timedelta, lambda value: round(value.total_seconds() * 1_000_000))
    converter.register_structure_hook(timedelta, lambda value, _: timedelta(microseconds=value))
    converter.register_unstructure_hook_func(lambda kind: isinstance(kind, type) and issubclass(kind, MappingProxyType), dict)
    converter.register_unstructure_hook_func(_is_mapping, dict)
    converter.register_structure_hook_func(_is_mapping, lambda value, _: MappingProxyType(dict(value)) if value else EMPTY)
    converter.register_unstructure_hook_factory(_keeps_unknown, lambda kind: _unstructure_with_unknown(converter, kind))
    converter.register_structure_hook_factory(_keeps_unknown, lambda kind: _structure_keeping_unknown(converter, kind))
    return converter


#: Kept here: the converter forgets what it generated whenever it meets a new class, and would make it again in the middle of a report.
_WRITERS: Final[dict[Any, Callable[[Any], dict[str, Any]]]] = {}
_READERS: Final[dict[Any, Callable[[Any, Any], Any]]] = {}


def _writer(kind: Any) -> Callable[[Any], dict[str, Any]]:
    found = _WRITERS.get(kind)
    if found is None:
        found = _WRITERS[kind] = _converter().get_unstructure_hook(kind)
    return found


def _reader(kind: Any) -> Callable[[Any, Any], Any]:
    found = _READERS.get(kind)
    if found is None:
        found = _READERS[kind] = _converter().get_structure_hook(kind)
    return found


def _is_mapping(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is Mapping


def prepare() -> None:
    """
    Make the code that writes a signal, before the first failure.

    It is generated on first use, and that is not re-entrant: a signal handler that reports while its thread is inside it would fail.
    """
    frame = Frame(module="", function="", file="", line=0, is_in_app=True)
    inner = ExceptionInfo(type="", text="", frames=(frame,))
    site = Site(name="")
    signal = Signal(title="", exception=ExceptionInfo(type="", text="", frames=(frame,), cause=inner, members=(inner,)), sites=((site, 1),),
                    links=(Link(href=""),), impact=Impact.HIGH, urgency=Urgency.HIGH, severity=Severity.MAJOR, status=SignalStatus.OK,
                    occurred_at=_EPOCH, recovery=Recovery.PROVED, labels={"": ""}, details={"": 1}, notes=("",))
    decode(Signal, encode(signal))
    encode(attrs.evolve(site, when=Threshold(count=2, within=timedelta(seconds=1)), quiet_for=timedelta(seconds=1), labels={"": ""}))


def encode(value: Any) -> str:
    """Return the JSON document of an attrs *value*, with its schema version."""
    document = _writer(type(value))(value)
    document["v"] = SCHEMA
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def decode(kind: type[T], text: str | bytes) -> T:
    """
    Return the *kind* that *text* holds. Unknown fields are kept.

    Raises:
        RejectedError: The text is no document of that kind.
    """
    try:
        document = json.loads(text)
        document.pop("v", None)
        value: T = _reader(kind)(document, kind)
        return value
    except Exception as error:
        raise RejectedError(f"not a stored {kind.__name__}: {type(error).__name__}: {str(error)[:200]}") from error


def encode_event(event: Event) -> tuple[str, str]:
    """Return (kind, JSON document) of an event."""
    return type(event).__name__, encode(event)


def decode_event(kind: str, text: str) -> Event:
    """Return the event; a kind that this version does not know comes back as a bare `Event` with all its fields in `extra`."""
    known = _EVENTS.get(kind)
    if known is not None:
        return decode(known, text)
    event = decode(Event, text)
    return attrs.evolve(event, extra=MappingProxyType({**event.extra, "kind": kind}))


def encode_work_body(body: Page | Wake) -> tuple[str, str]:
    """Return (kind, JSON document) of what a row of work is for."""
    return ("page" if isinstance(body, Page) else "wake"), encode(body)


def decode_work_body(kind: str, text: str) -> Page | Wake:
    """Return what a row of work is for."""
    return decode(Page, text) if kind == "page" else decode(Wake, text)
