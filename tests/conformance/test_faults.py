"""The suite bites: each of these copies of the memory backend has one fault, and a case finds it."""

from functools import partial

import pytest

from incidentkit.backends import MemoryStore
from incidentkit.testing.conformance import check_backend
from tests.conformance.faults import FAULTS, Broken


@pytest.mark.parametrize(("kind", "case"), FAULTS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_suite_finds(kind, case):
    report = check_backend(lambda: partial(kind, MemoryStore()))
    assert case in report.failed, f"{kind.__name__} was found by {report.failed}, not by {case}"


def test_the_copy_without_a_fault_passes():
    """So that it is the fault which is found, not the harness."""
    check_backend(lambda: partial(Broken, MemoryStore())).check()
