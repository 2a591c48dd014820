"""A watched call when nothing fails: see benchmarks/watch.py, which these rows are."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from rows.row import Row


def rows() -> Iterator[Row]:
    """Yield the rows of benchmarks/watch.py."""
    spec = importlib.util.spec_from_file_location("watch_benchmark", Path(__file__).parents[1] / "watch.py")
    assert spec is not None
    assert spec.loader is not None
    watch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(watch)
    for what, budget, ours, floor in watch.rows():
        stated = re.match(r"([\d.]+) x ", budget)
        if stated is None:
            continue  # printed by that script, without a budget that is a ratio
        mine, theirs = watch.ratio(ours, floor)
        yield Row(what=what, ours=mine, floor=theirs, unit="ns", against="floor", budget=float(stated[1]))
