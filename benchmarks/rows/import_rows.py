"""Importing, and configuring: fresh processes, in turn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from rows.row import Row

CONFIGURE = ("import incidentkit as ik; ik.configure(backend='memory://', spool='memory', "
             "notifiers={'s': {'type': 'webhook', 'url': 'http://127.0.0.1:9/'}})")
FLOOR = "import attrs, cattrs, httpx"


def fresh(statement: str) -> float:
    """Return the milliseconds *statement* takes in a new process."""
    code = f"import time\nbegan = time.perf_counter()\n{statement}\nprint((time.perf_counter() - began) * 1000)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def rows() -> Iterator[Row]:
    """Yield the rows."""
    statements = ("import incidentkit", "import attrs", CONFIGURE, FLOOR)
    turns = [[fresh(statement) for statement in statements] for _ in range(7)]
    ours, attrs_, configured, floor = (min(column) for column in zip(*turns, strict=True))
    yield Row(what="import incidentkit", ours=ours, floor=attrs_, unit="ms", against="import attrs", budget=0.5)
    yield Row(what="import and configure()", ours=configured, floor=floor, unit="ms", against="attrs + cattrs + httpx",
              budget=(floor + 25) / floor)
