"""
3 RESPOND: who is told and in which words: the plan frozen at opening, whom a target means now, whether a page may still be told, its text;
sending belongs to `runtime` and `notifiers`.
"""

from incidentkit.respond._permission import Permission, may_tell
from incidentkit.respond.plans import plan_of
from incidentkit.respond.recipients import Nobody, Recipient, expand, fallback
from incidentkit.respond.wording import compose

__all__ = ["Nobody", "Permission", "Recipient", "compose", "expand", "fallback", "may_tell", "plan_of"]
