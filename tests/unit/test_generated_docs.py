"""The pages that are generated say what the code does today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["defaults.md", "lifecycle.md"])
def test_a_generated_page_is_up_to_date(name):
    """Run `python docs/generate.py` when this fails."""
    assert (DOCS / name).read_text(encoding="utf-8") == generator().page(name)
