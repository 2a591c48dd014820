"""
From an exception or a text to a Signal: fingerprint, redaction, bounds. Pure; it runs no code of the host but an exception's `__str__`.

What belongs here: what a signal says and how it is told from others. Not here: when one is made (`host`), counted or stored (`engine`).
"""

from incidentkit.capture._describe import describe, with_source
from incidentkit.capture._fields import stored_key, stored_tenant
from incidentkit.capture._fingerprint import exception_fingerprint, key_fingerprint, template, text_fingerprint
from incidentkit.capture._frames import is_own, own_name
from incidentkit.capture._identity import pins, raw_key
from incidentkit.capture._redact import redact_text
from incidentkit.capture._render import render
from incidentkit.capture._sensitive import is_sensitive
from incidentkit.capture._signal import SignalFields, signal_of_exception, signal_of_signal, signal_of_title

__all__ = [
    "SignalFields",
    "describe",
    "exception_fingerprint",
    "is_own",
    "is_sensitive",
    "key_fingerprint",
    "own_name",
    "pins",
    "raw_key",
    "redact_text",
    "render",
    "signal_of_exception",
    "signal_of_signal",
    "signal_of_title",
    "stored_key",
    "stored_tenant",
    "template",
    "text_fingerprint",
    "with_source",
]
