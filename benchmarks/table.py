"""
The table of DESIGN.md 9: every row that exists now, ours and its floor or peer measured side by side in one run.

    python benchmarks/table.py            prints the table; `--check` also exits with 1 when a ratio is over its budget

Figures are the lowest of several repeats, ratios lowest to lowest: machines change their speed by the second. Peers are measured where they
are installed (sentry-sdk, tenacity, pybreaker), else the column says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from rows import engine_rows, import_rows, report_rows, store_rows, watch_rows
from rows.row import Row

GROUPS: tuple[Callable[[], Iterable[Row]], ...] = (
    import_rows.rows, watch_rows.rows, report_rows.rows, engine_rows.rows, store_rows.rows,
)


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 when a row is over its budget")
    parser.add_argument("--only", default="", help="only groups whose name contains this")
    options = parser.parse_args()
    over = 0
    print(f"{'what':<58} {'ours':>12} {'floor or peer':>34} {'ratio':>7} {'budget':>8}")
    for group in GROUPS:
        if options.only not in group.__module__:
            continue
        for row in group():
            over += not row.is_within
            print(row, flush=True)
    print(f"{over} over budget" if over else "all within budget")
    return int(bool(over) and options.check)


if __name__ == "__main__":
    raise SystemExit(main())
