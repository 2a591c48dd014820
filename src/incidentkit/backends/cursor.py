"""The cursor of a listing of incidents: the place of the last item in the order (updated_at, id, tenant), newest first."""

from __future__ import annotations

import json
from datetime import datetime

from incidentkit.backends.instant import instant, microseconds
from incidentkit.errors import RejectedError
from incidentkit.model import Incident

__all__ = ["Place", "cursor_after", "place_of"]

Place = tuple[datetime, str, str]


def cursor_after(incident: Incident) -> str:
    """Return the cursor of the page after *incident*."""
    return json.dumps([microseconds(incident.updated_at), incident.id, incident.tenant])


def place_of(cursor: str | None) -> Place | None:
    """
    Return where *cursor* stands, or None for the beginning.

    Raises:
        RejectedError: It was not made by `cursor_after`.
    """
    if cursor is None:
        return None
    try:
        updated_at, identifier, tenant = json.loads(cursor)
        return instant(updated_at), str(identifier), str(tenant)
    except (ValueError, TypeError, OverflowError) as error:
        raise RejectedError(f"not a cursor of a listing: {cursor[:100]!r}; pass the `cursor` of the page before") from error
