"""
Channels that tell people, and the one sender that does their HTTP; what is told, to whom and when belongs to `respond` and `runtime`.

Names are resolved when they are first used (PEP 562): importing this package imports no HTTP client.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from incidentkit.notifiers.log import Log
    from incidentkit.notifiers.sender import Sender
    from incidentkit.notifiers.slack import Slack
    from incidentkit.notifiers.stderr import Stderr
    from incidentkit.notifiers.tables import notifier_from_table
    from incidentkit.notifiers.webhook import Webhook
    from incidentkit.notifiers.webhook_signature import sign_webhook, verify_webhook

__all__ = ["Log", "Sender", "Slack", "Stderr", "Webhook", "notifier_from_table", "sign_webhook", "verify_webhook"]

_HOMES: Final = MappingProxyType({
    "Log": "log", "Sender": "sender", "Slack": "slack", "Stderr": "stderr", "Webhook": "webhook", "notifier_from_table": "tables",
    "sign_webhook": "webhook_signature", "verify_webhook": "webhook_signature",
})


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
