"""THE FUNCTIONAL CORE: the RULES table and decide(). Nothing else may change an incident; no clock, no I/O, no store in here."""

from incidentkit.lifecycle._decide import decide, open_incident
from incidentkit.lifecycle._decision import Decision, Tell
from incidentkit.lifecycle._diagram import state_diagram
from incidentkit.lifecycle._moves import may_reopen
from incidentkit.lifecycle._pages import Addresses, address
from incidentkit.lifecycle._rules import RULES

__all__ = ["RULES", "Addresses", "Decision", "Tell", "address", "decide", "may_reopen", "open_incident", "state_diagram"]
