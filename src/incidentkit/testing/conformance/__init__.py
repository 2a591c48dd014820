"""The behaviour every backend must show, as cases that need no test framework; what a backend is made of is not asked."""

from incidentkit.testing.conformance.kit import Factory, Kit
from incidentkit.testing.conformance.report import CaseResult, Report
from incidentkit.testing.conformance.suite import cases, check_backend

__all__ = ["CaseResult", "Factory", "Kit", "Report", "cases", "check_backend"]
