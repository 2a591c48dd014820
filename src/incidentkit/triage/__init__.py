"""2 TRIAGE: what is it, how bad, whose: a signal against its alert, its sites and the rules. Pure: no store, no clock."""

from incidentkit.triage._alert import AlertChange, Streamed, stream
from incidentkit.triage._site import Chosen, choose, counter_owner, counters_of, minute_of

__all__ = ["AlertChange", "Chosen", "Streamed", "choose", "counter_owner", "counters_of", "minute_of", "stream"]
