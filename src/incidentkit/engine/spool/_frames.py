"""
The bytes of a log, and what they say. Pure: no file is touched here.

A log is the eight bytes of MAGIC, then frames: length u32, crc32 u32, body (little-endian); a body is one byte of kind, then

    H  last_seq u64, what the owner says about itself
    S  slot u32, taken u64, is_fresh u8, payload       taken: the slot's count that units already carry; fresh: no unit ever named the slot
    F  seq u64, parts u32, per part (slot u32, start u64, upto u64, last_at_us u64), note
    A  seq u64

A later S of a slot replaces the earlier one: its writer was interrupted before it knew that the first was on disk.
"""

from __future__ import annotations

import struct
from zlib import crc32

import attrs

from incidentkit.engine.spool._ledger import Ledger, Part, Unit
from incidentkit.engine.spool._values import MAX_NOTE, MAX_PAYLOAD, MAX_SLOTS

VERSION = 1
MAGIC = b"IKSPOOL" + bytes([VERSION])

_FRAME = struct.Struct("<II")
_HEAD = struct.Struct("<Q")
_SIGHT = struct.Struct("<IQB")
_FLUSH = struct.Struct("<QI")
_PART = struct.Struct("<IQQQ")
_ACK = struct.Struct("<Q")

MAX_BODY = 1 + max(_SIGHT.size + MAX_PAYLOAD, _FLUSH.size + MAX_SLOTS * _PART.size + MAX_NOTE, _HEAD.size + MAX_NOTE)
_RESYNC_LIMIT = 1024 * 1024  # so far is looked for a good frame behind a bad length; a second of work at most


def _frame(body: bytes) -> bytes:
    return _FRAME.pack(len(body), crc32(body)) + body


def head(last_seq: int, about: bytes) -> bytes:
    """Return the frame that opens a log."""
    return _frame(b"H" + _HEAD.pack(last_seq) + about)


def sight(slot: int, taken: int, payload: bytes, *, is_fresh: bool) -> bytes:
    """Return the frame of a slot and its payload."""
    return _frame(b"S" + _SIGHT.pack(slot, taken, is_fresh) + payload)


def flush(unit: Unit) -> bytes:
    """Return the frame of a unit about to be sent."""
    parts = b"".join([_PART.pack(*part) for part in unit.parts])
    return _frame(b"F" + _FLUSH.pack(unit.seq, len(unit.parts)) + parts + unit.note)


def ack(seq: int) -> bytes:
    """Return the frame of a unit that the store has."""
    return _frame(b"A" + _ACK.pack(seq))


def body_at(data: bytes, offset: int = 0) -> bytes | None:
    """Return the body of the frame at *offset*, or None when no whole and sound frame is there."""
    if len(data) - offset < _FRAME.size: return None
    length, crc = _FRAME.unpack_from(data, offset)
    if not 1 <= length <= min(MAX_BODY, len(data) - offset - _FRAME.size): return None
    body = data[offset + _FRAME.size : offset + _FRAME.size + length]
    return body if crc32(body) == crc else None


def payload_of(body: bytes, slot: int) -> bytes | None:
    """Return the payload of an S body, or None when it is no S body of *slot*."""
    if body[:1] != b"S" or len(body) <= _SIGHT.size or _SIGHT.unpack_from(body, 1)[0] != slot: return None
    return body[1 + _SIGHT.size :]


Place = tuple[int, int]
"""Where a frame lies in the log: offset and length."""


@attrs.define
class Reading:
    """What a log says, up to *end*, where its sound frames end."""

    ledger: Ledger = attrs.field(factory=Ledger)
    places: dict[int, Place] = attrs.field(factory=dict)
    about: bytes = b""
    end: int = 0
    is_torn: bool = False
    is_corrupt: bool = False


def read(data: bytes) -> Reading:
    """Return what *data* says; it begins with MAGIC or is a torn beginning of it. Whatever the bytes are, nothing is raised."""
    if len(data) < len(MAGIC): return Reading(is_torn=True)
    reading = Reading(end=len(MAGIC))
    while reading.end < len(data):
        body = body_at(data, reading.end)
        if body is None or not _apply(body, reading):
            reading.is_torn = body is None and _is_torn(data, reading.end)
            reading.is_corrupt = not reading.is_torn
            break
        reading.end += _FRAME.size + len(body)
    return reading


def _apply(body: bytes, reading: Reading) -> bool:
    ledger, kind = reading.ledger, body[:1]
    try:
        if kind == b"S":
            slot, taken, is_fresh = _SIGHT.unpack_from(body, 1)
            if slot >= MAX_SLOTS: return False
            ledger.sight(slot, taken, is_fresh=bool(is_fresh))
            reading.places[slot] = (reading.end, _FRAME.size + len(body))
            return True
        if kind == b"F":
            seq, count = _FLUSH.unpack_from(body, 1)
            start, stop = 1 + _FLUSH.size, 1 + _FLUSH.size + count * _PART.size
            if len(body) < stop: return False
            unit = Unit(seq, body[stop:], tuple(Part(*fields) for fields in _PART.iter_unpack(body[start:stop])))
            return ledger.flush(unit)
        if kind == b"A":
            ledger.ack(_ACK.unpack_from(body, 1)[0])
            return True
        if kind == b"H":
            ledger.last_seq = max(ledger.last_seq, _HEAD.unpack_from(body, 1)[0])
            reading.about = body[1 + _HEAD.size :]
            return True
    except struct.error:
        return False
    return False


def _is_torn(data: bytes, offset: int) -> bool:
    """Whether the bytes from *offset* are the beginning of a frame that was never written to its end: too short, nothing sound behind."""
    remaining = len(data) - offset
    if remaining >= _FRAME.size:
        length, _ = _FRAME.unpack_from(data, offset)
        if not remaining - _FRAME.size < length <= MAX_BODY: return False
    tail = data[offset : offset + MAX_BODY]
    return all(body_at(tail, place) is None for place in range(1, min(len(tail), _RESYNC_LIMIT)))
