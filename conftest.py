"""
What every test run shares: the examples of README.md and docs/ run as tests, and `--long` asks for the tests that take long.

A Python block that cannot run alone says so above itself: `<!-- skip: next "needs a Slack workspace" -->`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack, chdir
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser


def enter_an_empty_directory(namespace: dict[str, Any]) -> None:
    """Give the document a directory of its own, so that an example which stores something leaves nothing behind."""
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="incidentkit-docs-"))
        stack.enter_context(chdir(place))
        stack.enter_context(mock.patch.dict(os.environ, {"INCIDENTKIT_HOME": place}))
        namespace["_leave"] = stack.pop_all()


def leave_it(namespace: dict[str, Any]) -> None:
    """Remove what `enter_an_empty_directory` made."""
    namespace.pop("_leave").close()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    path=str(Path(__file__).parent),
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    setup=enter_an_empty_directory,
    teardown=leave_it,
).pytest()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`."""
    parser.addoption("--long", action="store_true", default=False, help="also run the tests marked long (many seeds, virtual months)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip long tests unless asked for, and keep the examples of one document in the order in which they are read."""
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="long; run with --long")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)
    items[:] = in_reading_order(items)


def in_reading_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return *items* with the examples last and as written: they build on each other, and pytest-randomly has shuffled them."""
    others, examples = [], []
    for item in items:
        (examples if isinstance(item, SybilItem) else others).append(item)
    return others + sorted(examples, key=lambda item: (item.path, item.example.start))
