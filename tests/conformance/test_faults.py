"""The suite bites: each of these copies of the memory backend has one fault, and a case finds it."""

import importlib.util
from functools import partial
from pathlib import Path

import pytest

from incidentkit.backends import MemoryStore
from incidentkit.testing.conformance import check_backend

_spec = importlib.util.spec_from_file_location("conformance_faults", Path(__file__).with_name("faults.py"))
_faults = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_faults)


@pytest.mark.parametrize(("kind", "case"), _faults.FAULTS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_suite_finds(kind, case):
    report = check_backend(lambda: partial(kind, MemoryStore()))
    assert case in report.failed, f"{kind.__name__} was found by {report.failed}, not by {case}"


def test_the_copy_without_a_fault_passes():
    """So that it is the fault which is found, not the harness."""
    check_backend(lambda: partial(_faults.Broken, MemoryStore())).check()
