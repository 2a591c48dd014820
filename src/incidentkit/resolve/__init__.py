"""4 RESOLVE: what counts as evidence that it works again. Pure; the incident itself is changed in `lifecycle` only."""

from incidentkit.resolve._evidence import EvidenceReport, Verdict, judge, report_cell, report_of_cell

__all__ = ["EvidenceReport", "Verdict", "judge", "report_cell", "report_of_cell"]
